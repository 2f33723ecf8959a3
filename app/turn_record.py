"""``TurnRecord``: one finished exchange, as the window shows it and the history stores it.

Pure. Nobody writes to a record or to its samples once it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from engine.events import ReplyStats
    from engine.modes import InferenceMode


class Origin(Enum):
    """How the user asked."""

    SPOKEN = "spoken"
    TYPED = "typed"


class Outcome(Enum):
    """How an answer ended: whole, at the length limit, cut off by the user, or by a fault."""

    COMPLETE = "complete"
    LENGTH = "length"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stamps:
    """When a turn reached each stage, in seconds of ``time.monotonic``; None where it did not.

    ``last_voiced`` is the moment at which the last voiced sample was spoken, ``end_decided`` that
    at which the turn was taken to be over; a typed question has neither. ``requested`` is when the
    engine took the request up. ``first_sample_heard`` counts the device's own delay. A question
    that was encoded ahead, on a pause, has ``encoded`` no later than ``requested``.
    """

    last_voiced: float | None = None
    end_decided: float | None = None
    requested: float | None = None
    encoded: float | None = None
    prefilled: float | None = None
    first_token: float | None = None
    first_audio_tokens: float | None = None
    first_chunk: float | None = None
    first_sample_heard: float | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TurnRecord:
    """A question and the answer to it, as far as it was heard.

    ``user_text`` is what was typed or the transcript, empty until that comes. ``seed`` repeats the
    answer. ``stats`` is None unless the answer was generated to its end. ``waited_ms`` is how long
    the engine stood still because enough sound was waiting to be played.
    """

    turn_id: int
    started_at: datetime  # UTC
    origin: Origin
    mode: InferenceMode
    model: str
    seed: int | None
    user_text: str
    answer_text: str
    outcome: Outcome
    stamps: Stamps
    stats: ReplyStats | None = None
    underruns: int = 0
    waited_ms: float = 0.0
    user_samples: NDArray[np.float32] | None = None  # (N,) at 16 kHz
    answer_samples: NDArray[np.float32] | None = None  # (N,)
    answer_sample_rate: int = 0
