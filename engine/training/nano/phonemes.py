"""The sounds of a text, in one fixed inventory for both languages: targets of the tokenizer.

English comes from espeak's American accent without stress, Mandarin from pinyin: initial, final,
tone. ``pinyin_syllables`` is also what the Mandarin voices are given to read, so that label and
sound agree (espeak reads some common words wrongly from Hanzi and leaves out tone sandhi).
"""
# ruff: noqa: RUF001 - phonetic signs and full-width marks are meant

import re
from functools import cache

from pypinyin import Style, lazy_pinyin, load_phrases_dict

from engine.training.nano.espeak import espeak

_ENGLISH_VOWELS = (
    *("iː", "ɪ", "ɛ", "æ", "ʌ", "ə", "ɚ", "ɜː", "ɑː", "ɔː", "ʊ", "uː"),
    *("eɪ", "aɪ", "ɔɪ", "aʊ", "oʊ"),
)
_ENGLISH_CONSONANTS = (
    *("p", "b", "t", "d", "k", "ɡ", "f", "v", "θ", "ð", "s", "z", "ʃ", "ʒ", "h"),
    *("m", "n", "ŋ", "l", "ɹ", "w", "j", "tʃ", "dʒ"),
)
_INITIALS = (
    *("b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h"),
    *("j", "q", "x", "zh", "ch", "sh", "r", "z", "c", "s"),
)
_FINALS = (
    *("a", "o", "e", "ai", "ei", "ao", "ou", "an", "en", "ang", "eng", "er", "i", "ia", "ie"),
    *("iao", "iou", "ian", "in", "iang", "ing", "iong", "u", "ua", "uo", "uai", "uei", "uan"),
    *("uen", "uang", "ueng", "ong", "v", "ve", "van", "vn"),
)
_TONES = ("1", "2", "3", "4", "5")  # 5 is the neutral tone

PHONEMES: tuple[str, ...] = (
    *_ENGLISH_VOWELS,
    *_ENGLISH_CONSONANTS,
    *(f"zh:{part}" for part in (*_INITIALS, *_FINALS, *_TONES)),
)

# What espeak writes beyond the inventory: allophones and vowels joined with the sound after them.
_ENGLISH_ALIASES = {
    **{"ɾ": "t", "ʔ": "t", "ɐ": "ə", "ᵻ": "ɪ", "i": "iː", "u": "uː", "ɔ": "ɔː", "oː": "ɔː"},
    **{"ɑ": "ɑː", "ɜ": "ɜː", "r": "ɹ", "g": "ɡ", "x": "k", "ɬ": "l", "e": "eɪ", "o": "oʊ"},
    **{"a": "æ", "aː": "ɑː", "ɲ": "n", "ɒ": "ɑː"},
}
_ENGLISH_SYMBOLS = sorted(
    (*_ENGLISH_VOWELS, *_ENGLISH_CONSONANTS, *_ENGLISH_ALIASES), key=len, reverse=True
)
_STRESS_AND_MARKS = re.compile(r"[ˈˌ\u0329\u0303\u032a_ |-]|\([a-z-]+\)")


def phonemes(text: str, language: str) -> list[str]:
    """The phonemes of the text in order, without stress and pauses; each is one of ``PHONEMES``."""
    return _mandarin(text) if language == "zh" else _english(text)


def pinyin_syllables(text: str) -> list[str]:
    """One item per character: pinyin with its tone number after tone sandhi, or the mark itself."""
    _teach_readings()
    syllables = lazy_pinyin(
        text, style=Style.TONE3, errors=list, tone_sandhi=True, neutral_tone_with_five=True
    )
    assert len(syllables) == len(text), f"one syllable per character of {text!r}: {syllables}"
    for i, character in enumerate(text):
        if character == "一" and _is_plain_one(text[i - 1 : i], text[i + 1 : i + 2]):
            syllables[i] = "yi1"
    return syllables


def _is_plain_one(before: str, after: str) -> bool:
    """Whether 一 is a digit or a name, which keeps its first tone, rather than a count."""
    if after in ("百", "千", "万"):
        return False
    return before in tuple("零十百期第加减乘于是到从") or after in tuple("月加减乘等得是数到的，。")


@cache
def _teach_readings() -> None:
    """Gives pypinyin, once, the readings it gets wrong in our texts."""
    readings = {
        **{f"{word}地": f"{reading} de" for word, reading in _ADVERBS.items()},
        **{f"{number}只": f"{reading} zhī" for number, reading in _COUNTS.items()},
        **{"跑得": "pǎo de", "落下": "luò xià", "呱呱": "guā guā", "那只": "nà zhī"},
        **{"干的": "gān de", "是干": "shì gān"},
    }
    load_phrases_dict({word: [[part] for part in r.split()] for word, r in readings.items()})


_ADVERBS = {
    **{"慢慢": "màn màn", "很快": "hěn kuài", "安静": "ān jìng"},
    **{"认真": "rèn zhēn", "高兴": "gāo xìng"},
}
_COUNTS = {
    **{"一": "yī", "两": "liǎng", "三": "sān", "四": "sì", "五": "wǔ", "六": "liù"},
    **{"七": "qī", "八": "bā", "九": "jiǔ", "十": "shí", "百": "bǎi"},
}


def _english(text: str) -> list[str]:
    found: list[str] = []
    rest = _STRESS_AND_MARKS.sub("", "".join(espeak().phonemes(text, "en-us")))
    while rest:
        symbol = next((s for s in _ENGLISH_SYMBOLS if rest.startswith(s)), None)
        if symbol is None:
            raise ValueError(f"no phoneme for {rest[:4]!r} in {text!r}")
        found.append(_ENGLISH_ALIASES.get(symbol, symbol))
        rest = rest[len(symbol) :]
    return found


def _mandarin(text: str) -> list[str]:
    found: list[str] = []
    for syllable in pinyin_syllables(text):
        if not re.fullmatch(r"[a-zê]+[1-5]", syllable):
            continue
        initial, final = _split_syllable(syllable[:-1])
        found += [f"zh:{part}" for part in (initial, final, syllable[-1]) if part]
    return found


def _split_syllable(syllable: str) -> tuple[str, str]:
    """Initial and final in full, e.g. "jiu" -> ("j", "iou"), "yuan" -> ("", "van")."""
    initial = next(
        (i for i in sorted(_INITIALS, key=len, reverse=True) if syllable.startswith(i)), ""
    )
    final = syllable[len(initial) :]
    if not initial:
        final = _spell_out_glide(final)
    elif initial in ("j", "q", "x") and final.startswith("u"):
        final = "v" + final[1:]
    final = {"iu": "iou", "ui": "uei", "un": "uen"}.get(final, final)
    if final not in _FINALS:
        raise ValueError(f"no final {final!r} in {syllable!r}")
    return initial, final


def _spell_out_glide(final: str) -> str:
    if final.startswith("yu"):
        return "v" + final[2:]
    if final.startswith("yi"):
        return final[1:]
    if final == "you":
        return "iou"
    if final == "yong":
        return "iong"
    if final.startswith("y"):
        return "i" + final[1:]
    if final == "wu":
        return "u"
    if final.startswith("w"):
        return "u" + final[1:]
    return final
