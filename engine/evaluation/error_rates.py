"""Word and character error rates over a whole test set, and how sure a measured figure is. Pure.

A rate is the sum of all edits over the sum of all reference lengths, so a long sentence weighs more
than a short one. Shares come with Wilson's interval, rates with a bootstrap over the items.
"""

import math
import random
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from engine.evaluation.text_normalise import normalised, units

_Z_95 = 1.959964
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Edits:
    """How far one hypothesis is from its reference."""

    n_edits: int
    n_reference: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured figure between 0 and 1 (an error rate may exceed 1) with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def edit_distance(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> int:
    """The fewest insertions, deletions and substitutions that turn one into the other."""
    previous = list(range(len(hypothesis) + 1))
    for row, expected in enumerate(reference, start=1):
        current = [row]
        for column, found in enumerate(hypothesis, start=1):
            substituted = previous[column - 1] + (expected != found)
            current.append(min(substituted, previous[column] + 1, current[-1] + 1))
        previous = current
    return previous[-1]


def character_edits(reference: str, hypothesis: str, lang: str) -> Edits:
    """Edits between the characters of two texts, an English word's space being one."""
    expected = normalised(reference, lang)
    return Edits(edit_distance(expected, normalised(hypothesis, lang)), len(expected))


def word_edits(reference: str, hypothesis: str, lang: str) -> Edits:
    """Edits between the words of two English texts, the characters of two Mandarin ones."""
    expected = units(reference, lang)
    return Edits(edit_distance(expected, units(hypothesis, lang)), len(expected))


def error_rate(edits: Iterable[Edits], seed: int = 0) -> Estimate:
    """All edits over all reference lengths."""
    items = list(edits)
    value = _rate(items)
    rng = random.Random(seed)
    resampled = sorted(
        _rate([items[rng.randrange(len(items))] for _ in items])
        for _ in range(_RESAMPLES if items else 0)
    )
    if not resampled:
        return Estimate(math.nan, math.nan, math.nan, 0)
    edge = round(0.025 * _RESAMPLES)
    return Estimate(value, resampled[edge], resampled[-edge - 1], len(items))


def share(outcomes: Iterable[bool]) -> Estimate:
    """The share of items that are true, with Wilson's score interval."""
    items = list(outcomes)
    n = len(items)
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0)
    value = sum(items) / n
    spread = _Z_95**2 / n
    centre = (value + spread / 2) / (1 + spread)
    half = _Z_95 * math.sqrt(value * (1 - value) / n + spread / (4 * n)) / (1 + spread)
    return Estimate(value, max(0.0, centre - half), min(1.0, centre + half), n)


def _rate(items: Sequence[Edits]) -> float:
    length = sum(item.n_reference for item in items)
    return sum(item.n_edits for item in items) / length if length else math.nan
