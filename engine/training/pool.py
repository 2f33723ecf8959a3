"""Things drawn at random, some more often than others."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

from engine.training.token_store import TokenRow

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Weights:
    """How often rows are drawn relative to others of their level; 1 where nothing is named."""

    languages: Mapping[str, float] = field(default_factory=dict)
    kinds: Mapping[str, float] = field(default_factory=dict)
    subjects: Mapping[tuple[str, str], float] = field(default_factory=dict)  # (language, subject)


class Pool:
    """Rows drawn by language, kind, then subject, so that large groups do not drown small ones."""

    def __init__(self, rows: Sequence[TokenRow], weights: Weights) -> None:
        grouped: dict[str, dict[str, dict[str, list[TokenRow]]]] = {}
        for row in rows:
            kinds = grouped.setdefault(row.lang, {})
            kinds.setdefault(row.kind, {}).setdefault(row.subject, []).append(row)
        self._kinds = {
            lang: _Choice(
                [
                    _Choice(
                        list(subjects.values()),
                        [weights.subjects.get((lang, subject), 1.0) for subject in subjects],
                    )
                    for subjects in kinds.values()
                ],
                [weights.kinds.get(kind, 1.0) for kind in kinds],
            )
            for lang, kinds in grouped.items()
        }
        self._langs = _Choice(list(grouped), [weights.languages.get(lang, 1.0) for lang in grouped])
        self._size = len(rows)

    def __len__(self) -> int:
        return self._size

    def draw(self, rng: random.Random, lang: str | None = None) -> TokenRow:
        """A random row, of one language if one is given."""
        subjects = self._kinds[lang or self._langs.draw(rng)].draw(rng)
        return rng.choice(subjects.draw(rng))


class _Choice(Generic[_T]):
    """Things with how often each is drawn."""

    def __init__(self, things: list[_T], weights: Sequence[float]) -> None:
        self._things, self._weights = things, list(accumulate(weights))

    def draw(self, rng: random.Random) -> _T:
        """One of the things."""
        return rng.choices(self._things, cum_weights=self._weights)[0]
