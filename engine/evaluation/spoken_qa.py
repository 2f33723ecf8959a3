"""Whether an answer is right, by one strict rule for text and for recognised sound. Pure.

An answer is right when all of this holds, after case and punctuation are dropped:

1. The key of the exchange ("is seven", "Paris") stands in it in one piece, and no number goes on
   before or after a number of the key ("is twenty four" does not hold "is twenty").
2. It does not say anything else: no word that tells the answers of this subject apart may stand in
   it unless the true answer has it too. So "three plus five is seven" is wrong as the answer to
   three plus four, and so are "Paris or Rome" and the right number beside another one.

In Mandarin words are characters. Nothing said is wrong.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from engine.evaluation.text_normalise import units
from engine.training.nano.numerals import NUMBER_WORDS


class Exchange(Protocol):
    """A question with its true answer, as the corpus gives it."""

    @property
    def subject(self) -> str: ...
    @property
    def lang(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def answer(self) -> str: ...
    @property
    def key(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class AnswerJudge:
    """Judges the answers of one language; knows which words tell a subject's answers apart."""

    lang: str
    telling: dict[str, frozenset[str]]
    refusal: tuple[str, ...]

    @classmethod
    def of(cls, exchanges: Iterable[Exchange], lang: str) -> "AnswerJudge":
        """The judge that knows every answer in ``exchanges``."""
        known = sorted((e for e in exchanges if e.lang == lang), key=lambda e: e.subject)
        telling: dict[str, frozenset[str]] = {}
        refusal: tuple[str, ...] = ()
        for subject, group in groupby(known, key=lambda e: e.subject):
            members = list(group)
            answers = {frozenset(units(e.answer, lang)) for e in members}
            telling[subject] = frozenset.union(*answers) - frozenset.intersection(*answers)
            if subject == "unknown":
                refusal = key_units(members[0])
        return cls(lang, telling, refusal)

    def is_right(self, said: str, exchange: Exchange) -> bool:
        """Whether what was said answers the question, and nothing else."""
        found = units(said, self.lang)
        allowed = set(units(exchange.answer, self.lang))
        key = key_units(exchange)
        telling = self.telling.get(exchange.subject, frozenset())
        if not NUMBER_WORDS.isdisjoint(key):  # any other number is another answer
            telling |= NUMBER_WORDS
        if any(unit in telling and unit not in allowed for unit in found):
            return False
        return holds(found, key)

    def refuses(self, said: str) -> bool:
        """Whether the answer is the one to questions nano does not know."""
        return bool(self.refusal) and holds(units(said, self.lang), self.refusal)


def key_units(exchange: Exchange) -> tuple[str, ...]:
    """The key as words or characters."""
    return units(" ".join(exchange.key), exchange.lang)


def holds(said: Sequence[str], key: Sequence[str]) -> bool:
    """Whether the key stands in what was said, in one piece and not as part of a longer number."""
    for start in range(len(said) - len(key) + 1):
        end = start + len(key)
        if tuple(said[start:end]) != tuple(key):
            continue
        starts_inside = start > 0 and {said[start - 1], said[start]} <= NUMBER_WORDS
        goes_on = end < len(said) and {said[end - 1], said[end]} <= NUMBER_WORDS
        if not starts_inside and not goes_on:
            return True
    return False
