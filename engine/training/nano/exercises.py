"""Exercises in arithmetic and counting beyond what nano is asked about, to be read only. Pure.

Out of the few hundred sums among its subjects a small model learns a table, not how to add: the
sums kept for testing stay wrong. Larger numbers cost only text, and only a rule explains them.
"""

import random
from functools import cache

from engine.training.nano import subjects_en, subjects_zh
from engine.training.nano.numerals import english_number, mandarin_number
from engine.training.nano.topics import Exchange, Topic, capitalised

_MOST = {"sums": (20, 50), "differences": (20, 50), "products": (12, 15), "counting": (20, 50)}
_SHARES = {"sums": 3, "differences": 4, "products": 3, "counting": 2}
_LARGE_CHANCE = 0.5
_LONGEST_COUNT = 10  # numbers


def draw_exercise(lang: str, rng: random.Random) -> Exchange:
    """A random question with its answer, none of those kept for testing."""
    while True:
        subject = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
        first, second, last = _numbers(subject, rng)
        if (subject, first, second) not in _held_out(lang):
            break
    say = mandarin_number if lang == "zh" else english_number
    topic = _topics(lang)[subject]
    if subject == "counting":
        between = "，" if lang == "zh" else ", "  # noqa: RUF001 - the full-width comma of Chinese
        numbers = between.join(say(n) for n in range(first, last + 1))
        fields = {"first": say(first), "last": say(last), "numbers": numbers}
    else:
        fields = {"a": say(first), "b": say(second), "c": say(last)}
    question = capitalised(rng.choice(topic.asks).format(**fields))
    return Exchange(subject, lang, question, capitalised(topic.answer.format(**fields)), ())


def _numbers(subject: str, rng: random.Random) -> tuple[int, int, int]:
    """Two operands and the result; in counting both ends, the last number given twice."""
    most = _MOST[subject][rng.random() < _LARGE_CHANCE]
    if subject == "counting":
        first = rng.randint(1, most)
        last = first + rng.randint(1, _LONGEST_COUNT - 1)
        return first, last, last
    a, b = rng.randint(0, most), rng.randint(0, most)
    if subject == "sums":
        return a, b, a + b
    if subject == "products":
        return a, b, a * b
    return max(a, b), min(a, b), abs(a - b)


@cache
def _topics(lang: str) -> dict[str, Topic]:
    """The topic of each subject that has something kept for testing."""
    topics = subjects_zh.topics() if lang == "zh" else subjects_en.topics()
    return {t.subject: t for t in topics if t.subject in _SHARES and t.held_out}


@cache
def _held_out(lang: str) -> frozenset[tuple[str, int, int]]:
    say = mandarin_number if lang == "zh" else english_number
    number = {say(n): n for n in range(200)}
    return frozenset(
        (
            topic.subject,
            number[item.get("a") or item["first"]],
            number[item.get("b") or item["last"]],
        )
        for topic in _topics(lang).values()
        for item in topic.held_out
    )
