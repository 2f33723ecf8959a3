"""A finished turn as the window keeps it: its sound packed, so that a long talk stays small.

Pure. A minute of speech takes a fifth of the room that its samples would take, and after a while
(``sound_shelf.py``) the sound is let go of: it is then where the user's history is, or nowhere.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from app.turn_record import TurnRecord
from app.turn_rows import USER_SAMPLE_RATE, from_flac, to_flac

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Side(Enum):
    """Whose words or sound are meant."""

    QUESTION = "question"
    ANSWER = "answer"


class SoundPlace(Enum):
    """Where the sound of a turn is: at hand, in the history on the disk, or gone."""

    MEMORY = "memory"
    HISTORY = "history"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True, eq=False)
class KeptTurn:
    """``record`` without its samples, and those samples as FLAC, while they are in memory.

    ``question_s`` and ``answer_s`` tell how long each side sounded, 0 where it did not.
    """

    record: TurnRecord
    question: bytes
    answer: bytes
    question_s: float
    answer_s: float
    place: SoundPlace = SoundPlace.MEMORY

    @classmethod
    def of(cls, record: TurnRecord) -> KeptTurn:
        """The turn with its sound packed."""
        return cls(
            dataclasses.replace(record, user_samples=None, answer_samples=None),
            _packed(record.user_samples, USER_SAMPLE_RATE),
            _packed(record.answer_samples, record.answer_sample_rate),
            _duration_s(record.user_samples, USER_SAMPLE_RATE),
            _duration_s(record.answer_samples, record.answer_sample_rate),
        )

    @property
    def sound_s(self) -> float:
        """How long both sides sounded."""
        return self.question_s + self.answer_s

    @property
    def has_lost_sound(self) -> bool:
        """Whether there was sound that nobody has any more."""
        return self.place is SoundPlace.NOWHERE and self.sound_s > 0

    def has_sound(self, side: Side) -> bool:
        """Whether there is anything to play or save."""
        seconds = self.question_s if side is Side.QUESTION else self.answer_s
        return seconds > 0 and self.place is not SoundPlace.NOWHERE

    def without_sound(self, place: SoundPlace) -> KeptTurn:
        """The turn as light as its words; ``place`` is where its sound is from now on."""
        stats = self.record.stats
        if stats is not None:
            stats = dataclasses.replace(stats, audio_codes=(), question_codes=())
        record = dataclasses.replace(self.record, stats=stats)
        return KeptTurn(record, b"", b"", self.question_s, self.answer_s, place)

    def with_sound(self, question: bytes, answer: bytes) -> KeptTurn:
        """The turn with its sound at hand again, but for a side that has none."""
        return dataclasses.replace(
            self,
            question=question if self.question_s else b"",
            answer=answer if self.answer_s else b"",
            place=SoundPlace.MEMORY,
        )

    def sound(self, side: Side) -> tuple[NDArray[np.float32], int]:
        """The samples of one side, which are at hand, and their rate."""
        assert self.place is SoundPlace.MEMORY, f"the sound is in {self.place}"
        if side is Side.QUESTION:
            return from_flac(self.question), USER_SAMPLE_RATE
        return from_flac(self.answer), self.record.answer_sample_rate

    def with_question_text(self, text: str) -> KeptTurn:
        """The turn with the transcript, which may come after its end."""
        return dataclasses.replace(self, record=dataclasses.replace(self.record, user_text=text))

    def restored(self) -> TurnRecord:
        """The record with those of its samples that are at hand."""
        return dataclasses.replace(
            self.record,
            user_samples=from_flac(self.question) if self.question else None,
            answer_samples=from_flac(self.answer) if self.answer else None,
        )


def _duration_s(samples: NDArray[np.float32] | None, sample_rate: int) -> float:
    return 0.0 if samples is None or not len(samples) else len(samples) / sample_rate


def _packed(samples: NDArray[np.float32] | None, sample_rate: int) -> bytes:
    return b"" if samples is None or not len(samples) else to_flac(samples, sample_rate)
