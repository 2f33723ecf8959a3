"""What a subject is made of: ways to ask, one way to answer, and the facts that fill both. Pure.

The grammar grows by adding topics and items; what is kept for testing is decided here alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from engine.training.nano.voices import Split

Item = dict[str, str]

FINAL_MARKS = "?.!\uff1f\u3002\uff01"
"""The marks at the end of a sentence; the last three are the full-width ones of Chinese."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer; ``key`` holds the words, in order, that make an answer right."""

    subject: str
    lang: str
    question: str
    answer: str
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """Templates over the fields of items. Held-out items are never trained on in any wording,
    held-out wordings (``test_asks``) with no item at all."""

    subject: str
    asks: tuple[str, ...]
    test_asks: tuple[str, ...]
    answer: str
    key: str
    items: tuple[Item, ...] = ({},)
    held_out: tuple[Item, ...] = ()

    def exchanges(self, lang: str, split: Split) -> Iterator[Exchange]:
        """Every exchange of one split, in a fixed order."""
        if split is Split.TRAIN:
            yield from self._fill(lang, self.items, self.asks)
        elif self.held_out:
            yield from self._fill(lang, self.held_out, self.asks + self.test_asks)
        else:
            yield from self._fill(lang, self.items, self.test_asks)

    def answers(self) -> Iterator[str]:
        """Every answer this topic can give."""
        for item in self.items + self.held_out:
            yield capitalised(self.answer.format(**item))

    def _fill(
        self, lang: str, items: tuple[Item, ...], asks: tuple[str, ...]
    ) -> Iterator[Exchange]:
        for item in items:
            answer = capitalised(self.answer.format(**item))
            key = words(self.key.format(**item), lang)
            for ask in asks:
                yield Exchange(
                    self.subject, lang, capitalised(ask.format(**item)), answer, tuple(key)
                )


def is_held_out(name: str, one_in: int = 10) -> bool:
    """Whether the thing of this name is kept for testing, for good and on every machine."""
    return crc32(name.encode()) % one_in == 0


def capitalised(text: str) -> str:
    """The text with a capital at its start, the rest as it is."""
    return text[:1].upper() + text[1:]


def words(text: str, lang: str) -> list[str]:
    """Lower-case words of an English text, characters of a Mandarin one; marks are left out."""
    if lang == "zh":
        return [c for c in text if c.isalnum()]
    kept = "".join(c if c.isalnum() or c == "'" else " " for c in text.lower())
    return kept.split()
