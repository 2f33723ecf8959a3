"""Two spellings of one utterance become equal, two utterances do not."""
# ruff: noqa: RUF001 - full-width marks are how Chinese is written

import pytest

from engine.evaluation.text_normalise import normalised, units


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("  Hello,  World! ", "en", "hello world"),
        ("It’s 'fine' -- don't", "en", "it's fine don't"),
        ("C, A, T.", "en", "c a t"),
        ("你好，世界！ 三", "zh", "你好世界三"),
        ("ＡＢ", "zh", "ab"),
        ("?!", "en", ""),
    ],
)
def test_only_what_is_said_remains(text: str, lang: str, expected: str) -> None:
    assert normalised(text, lang) == expected


def test_units_are_words_or_characters() -> None:
    assert units("One two.", "en") == ("one", "two")
    assert units("一二。", "zh") == ("一", "二")
