"""Both languages say the same things."""

import dataclasses
import re
import unicodedata
from collections.abc import Iterator

from app.settings import Language
from app.ui.chinese import CHINESE
from app.ui.english import ENGLISH
from app.ui.translations import strings_for

SAME_IN_BOTH = {
    *("Parley", "Vanilla", "Balance", "Boost", "Turbo", "Top k", "Top p", "en_GB", "zh_CN"),
    *("{mode} p50 / p95", "{mode} p50 / p95 ({n})"),
}


def texts(table: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a table with its name."""
    if isinstance(table, str):
        yield prefix, table
    elif isinstance(table, tuple):
        for number, part in enumerate(table):
            yield from texts(part, f"{prefix}[{number}]")
    else:
        assert dataclasses.is_dataclass(table)
        for item in dataclasses.fields(table):
            yield from texts(getattr(table, item.name), f"{prefix}.{item.name}")


BOTH = {name: (text, dict(texts(CHINESE))[name]) for name, text in texts(ENGLISH)}


def test_both_languages_have_the_same_texts() -> None:
    assert dict(texts(ENGLISH)).keys() == dict(texts(CHINESE)).keys()


def test_a_text_has_the_same_gaps_in_both_languages() -> None:
    for name, pair in BOTH.items():
        english, chinese = (set(re.findall(r"{(\w+)}", text)) for text in pair)
        assert english == chinese, name


def test_a_text_is_written_in_both_languages() -> None:
    for name, (english, chinese) in BOTH.items():
        assert english.strip() and chinese.strip(), name
        is_key = ".about.keys" in name and name.endswith("[0]")
        if english not in SAME_IN_BOTH and not is_key:
            assert is_chinese(chinese), name
        assert not is_chinese(english), name


def is_chinese(text: str) -> bool:
    """Whether there is a Chinese character in a text."""
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def test_no_text_holds_a_picture_in_place_of_an_icon() -> None:
    for name, pair in BOTH.items():
        for letter in "".join(pair):
            assert unicodedata.category(letter) not in ("So", "Cs"), name


def test_menus_open_from_the_keyboard_and_no_letter_is_used_twice() -> None:
    for table in (ENGLISH, CHINESE):
        menu = table.menu
        for labels in (
            (menu.conversation, menu.view, menu.tools, menu.help),
            (
                *(menu.new, menu.export_markdown, menu.export_json, menu.export_sound),
                *(menu.delete, menu.quit),
            ),
            (menu.keys, menu.open_logs, menu.check_updates, menu.licences, menu.about),
        ):
            letters = [re.findall("&(.)", label) for label in labels]
            assert all(len(found) == 1 for found in letters), labels
            assert len({found[0].lower() for found in letters}) == len(labels), labels


def test_the_language_of_the_desktop_decides_unless_one_is_chosen() -> None:
    assert strings_for(Language.SYSTEM, "zh_CN") is CHINESE
    assert strings_for(Language.SYSTEM, "de_DE") is ENGLISH
    assert strings_for(Language.EN, "zh_CN") is ENGLISH
    assert strings_for(Language.ZH, "en_GB") is CHINESE
