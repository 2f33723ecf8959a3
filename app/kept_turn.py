"""A finished turn as the window keeps it: its sound packed, so that a long talk stays small.

Pure. A minute of speech takes a fifth of the room that its samples would take.
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


@dataclass(frozen=True, slots=True, eq=False)
class KeptTurn:
    """``record`` without its samples, and those samples as FLAC; empty where there is no sound."""

    record: TurnRecord
    question: bytes
    answer: bytes
    question_s: float

    @classmethod
    def of(cls, record: TurnRecord) -> KeptTurn:
        """The turn with its sound packed."""
        n_samples = 0 if record.user_samples is None else len(record.user_samples)
        return cls(
            dataclasses.replace(record, user_samples=None, answer_samples=None),
            _packed(record.user_samples, USER_SAMPLE_RATE),
            _packed(record.answer_samples, record.answer_sample_rate),
            n_samples / USER_SAMPLE_RATE,
        )

    def has_sound(self, side: Side) -> bool:
        """Whether there is anything to play or save."""
        return bool(self.question if side is Side.QUESTION else self.answer)

    def sound(self, side: Side) -> tuple[NDArray[np.float32], int]:
        """The samples of one side and their rate."""
        if side is Side.QUESTION:
            return from_flac(self.question), USER_SAMPLE_RATE
        return from_flac(self.answer), self.record.answer_sample_rate

    def with_question_text(self, text: str) -> KeptTurn:
        """The turn with the transcript, which may come after its end."""
        return dataclasses.replace(self, record=dataclasses.replace(self.record, user_text=text))

    def restored(self) -> TurnRecord:
        """The record with its samples."""
        return dataclasses.replace(
            self.record,
            user_samples=from_flac(self.question) if self.question else None,
            answer_samples=from_flac(self.answer) if self.answer else None,
        )


def _packed(samples: NDArray[np.float32] | None, sample_rate: int) -> bytes:
    return b"" if samples is None or not len(samples) else to_flac(samples, sample_rate)
