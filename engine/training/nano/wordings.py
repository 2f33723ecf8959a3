"""Other words for the same thing: nano shall understand what is said, not know it by heart. Pure.

A small model that meets every question in the same few wordings learns whole sentences: it writes
down, and answers, the known one that is nearest to what it heard. Two remedies. ``reworded`` puts a
question into a frame of small talk and loses words it can do without. ``shuffled`` tears pieces out
of many sentences and joins them to one without a meaning, where only listening helps.
"""
# ruff: noqa: RUF001 - full-width marks are how Chinese is written

import random
import re
from functools import cache

from engine.training.nano.corpus import draw_sentence, exchanges
from engine.training.nano.topics import FINAL_MARKS, capitalised, words
from engine.training.nano.voices import Split

_OPENINGS = {
    "en": """So,|Okay,|Hey,|Well,|Now,|Listen,|Excuse me,|Parley,|Quick question:|Another thing:|
        Just wondering,|My question is:|I would like to know,|Let me ask you,|Oh, and|By the way,|
        I wonder,|Help me out,|Right,|Hm,""",
    "zh": """那么，|好吧，|好，|喂，|帕利，|我想知道，|我问你，|不好意思，|
        对了，|麻烦你，|那个，|还有，|帮帮我，""",
}
_ENDINGS = {
    "en": "please|right now|if you can|for me|quickly|thank you|I forgot|my friend|again",
    "zh": "呢|谢谢|好吗|行吗|我忘了|快说|可以吗",
}
_SPARE = {
    "en": r"\b(?:what|is|the|a|an|does|do|me|tell|please|can|you|of|are|how|which|it)\b ?",
    "zh": "请问|你知道|告诉我|是什么|请|吗|的|是",
}
_FRAME_CHANCE = 0.45  # of an opening; an ending is half as frequent
_SPARE_CHANCE = 0.12  # of each word that can be spared

_N_PIECES = (2, 4)
_PIECE_LENGTH = {"en": (1, 3), "zh": (1, 5)}  # words, characters


def reworded(question: str, lang: str, rng: random.Random) -> str:
    """A training question in another wording, never one that is kept for testing."""
    for _ in range(20):
        other = _reworded(question, lang, rng)
        if tuple(words(other, lang)) not in _kept_for_testing(lang):
            return other
    return question


def shuffled(lang: str, rng: random.Random) -> str:
    """A few pieces of training texts one after the other, as one sentence."""
    pieces = []
    for _ in range(rng.randint(*_N_PIECES)):
        found = _words_of(_training_text(lang, rng), lang)
        length = min(len(found), rng.randint(*_PIECE_LENGTH[lang]))
        first = rng.randint(0, len(found) - length)
        pieces += found[first : first + length]
    return "".join(pieces) + "。" if lang == "zh" else capitalised(" ".join(pieces)) + "."


def _reworded(question: str, lang: str, rng: random.Random) -> str:
    mark = question[-1] if question[-1] in FINAL_MARKS else ""
    rest = question.removesuffix(mark)

    def spared(match: re.Match[str]) -> str:
        return "" if rng.random() < _SPARE_CHANCE else match[0]

    rest = re.sub(_SPARE[lang], spared, rest, flags=re.IGNORECASE).strip() or rest
    space, comma = (" ", ",") if lang == "en" else ("", "，")
    if rng.random() < _FRAME_CHANCE:
        first = rest.split(" ")[0]
        if lang == "en" and first not in _names("en"):
            rest = rest[:1].lower() + rest[1:]
        rest = rng.choice(_choices(_OPENINGS[lang])) + space + rest
    if rng.random() < _FRAME_CHANCE / 2:
        rest += comma + space + rng.choice(_choices(_ENDINGS[lang]))
    return capitalised(rest) + mark


def _training_text(lang: str, rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        return draw_sentence(lang, Split.TRAIN, rng)
    exchange = rng.choice(exchanges(lang, Split.TRAIN))
    return exchange.question if kind < 0.8 else exchange.answer


def _words_of(text: str, lang: str) -> list[str]:
    """Words without marks; a capital stays only on what always has one."""
    if lang == "zh":
        return words(text, lang)
    found = [word.strip(",;:" + FINAL_MARKS) for word in text.split()]
    return [w if i or w in _names(lang) else w[:1].lower() + w[1:] for i, w in enumerate(found)]


@cache
def _names(lang: str) -> frozenset[str]:
    """Words that have a capital inside of sentences too."""
    texts = {t for e in exchanges(lang, Split.TRAIN) for t in (e.question, e.answer)}
    inside = (match[1] for text in texts for match in re.finditer(r"[^.?!] ([A-Z]\w*)", text))
    return frozenset(inside)


@cache
def _kept_for_testing(lang: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(words(e.question, lang)) for e in exchanges(lang, Split.TEST))


@cache
def _choices(table: str) -> tuple[str, ...]:
    return tuple(" ".join(choice.split()) for choice in table.split("|"))
