"""All that nano is taught to talk about, as exchanges: listed, drawn at random, judged. Pure."""

import random
from functools import cache

from engine.training.nano import subjects_en, subjects_zh
from engine.training.nano.numerals import NUMBER_WORDS
from engine.training.nano.sentences import draw_sentence, sentences
from engine.training.nano.topics import Exchange, Topic, words
from engine.training.nano.voices import Split

__all__ = [
    "Exchange",
    "answer_alternatives",
    "draw_exchange",
    "draw_sentence",
    "exchanges",
    "is_right",
    "sentences",
    "subjects",
]


def subjects(lang: str) -> dict[str, float]:
    """The subjects of a language, with how often each is drawn in training."""
    return subjects_zh.WEIGHTS if lang == "zh" else subjects_en.WEIGHTS


@cache
def exchanges(lang: str, split: Split | str) -> tuple[Exchange, ...]:
    """Every exchange of a split in a fixed order, no question twice."""
    found: dict[str, Exchange] = {}
    for topic in _topics(lang):
        for exchange in topic.exchanges(lang, Split(split)):
            found.setdefault(exchange.question, exchange)
    return tuple(found.values())


def draw_exchange(lang: str, split: Split | str, rng: random.Random) -> Exchange:
    """A random exchange: first a subject by its weight, then any of it."""
    by_subject = _by_subject(lang, Split(split))
    weights = subjects(lang)
    subject = rng.choices(list(by_subject), [weights[s] for s in by_subject])[0]
    return rng.choice(by_subject[subject])


@cache
def answer_alternatives(lang: str) -> tuple[str, ...]:
    """Every different answer there is, those of held-out questions too."""
    return tuple(dict.fromkeys(a for topic in _topics(lang) for a in topic.answers()))


def is_right(answer: str, exchange: Exchange) -> bool:
    """Whether the answer holds the exchange's key, and no longer number around it."""
    said, key = words(answer, exchange.lang), list(exchange.key)
    for start in range(len(said) - len(key) + 1):
        end = start + len(key)
        if said[start:end] != key:
            continue
        longer = end < len(said) and {said[end - 1], said[end]} <= NUMBER_WORDS
        started = start > 0 and {said[start - 1], said[start]} <= NUMBER_WORDS
        if not longer and not started:
            return True
    return False


@cache
def _topics(lang: str) -> tuple[Topic, ...]:
    return subjects_zh.topics() if lang == "zh" else subjects_en.topics()


@cache
def _by_subject(lang: str, split: Split) -> dict[str, tuple[Exchange, ...]]:
    grouped: dict[str, list[Exchange]] = {}
    for exchange in exchanges(lang, split):
        grouped.setdefault(exchange.subject, []).append(exchange)
    return {subject: tuple(group) for subject, group in grouped.items()}
