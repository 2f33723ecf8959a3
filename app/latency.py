"""How long a turn made its listener wait, and in which stage: from the last voiced sample on.

Pure. The clock starts when the speaker falls silent and stops when the first sample of the answer
sounds at the device. The wait for the end of the turn and the way through the play ring and the
device are therefore counted; ``model_only_ms`` leaves both out, as published figures do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.turn_record import Stamps
    from engine.events import ReplyStats
    from engine.modes import InferenceMode


class Stage(Enum):
    """What a listener waits for, in order; the value is the name of the stamp that ends it.

    ``END_OF_TURN`` lasts until the engine has taken the request: it holds the silence that tells
    the end of a turn, and the time the engine needs to leave what it was doing. The first token has
    a stamp but no stage: it is drawn from the logits of the prefill, so it costs no time.
    """

    END_OF_TURN = "requested"
    ENCODE = "encoded"
    PREFILL = "prefilled"
    FIRST_AUDIO_TOKENS = "first_audio_tokens"
    FIRST_CHUNK = "first_chunk"
    DEVICE = "first_sample_heard"


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long one stage of one turn kept the listener waiting; never negative."""

    name: Stage
    ms: float


class Timed(Protocol):
    """What is summed up: a ``TurnRecord``, or as much of one as the history's table holds."""

    @property
    def mode(self) -> InferenceMode:
        """The mode that the answer was generated in."""

    @property
    def stamps(self) -> Stamps:
        """When each stage was reached."""


class Generated(Protocol):
    """What speed is computed from: a ``TurnRecord``."""

    @property
    def stats(self) -> ReplyStats | None:
        """The finished reply; None where there is none."""

    @property
    def waited_ms(self) -> float:
        """How long the engine stood still because the play ring was full."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The median and the 95th percentile of ``n`` waits; both are waits that did happen."""

    p50_ms: float
    p95_ms: float
    n: int


def stages(stamps: Stamps) -> tuple[StageTime, ...]:
    """The stages that were reached, in order; together they are the whole wait.

    A typed question has no ``END_OF_TURN``. What was done before the request, speculatively, keeps
    nobody waiting: it takes 0 ms. The time of a stage whose stamp is missing counts to the next.
    """
    reached = stamps.requested if stamps.last_voiced is None else stamps.last_voiced
    if reached is None:
        return ()
    times = []
    for stage in Stage:
        at: float | None = getattr(stamps, stage.value)
        if at is None or (stage is Stage.END_OF_TURN and stamps.last_voiced is None):
            continue
        times.append(StageTime(stage, 1000 * max(0.0, at - reached)))
        reached = max(reached, at)
    return tuple(times)


def mouth_to_ear_ms(stamps: Stamps) -> float | None:
    """From the last voiced sample to the first sample at the device; None where one is missing."""
    return _gap_ms(stamps.last_voiced, stamps.first_sample_heard)


def model_only_ms(stamps: Stamps) -> float | None:
    """From the request to the first chunk of sound: what the model alone takes."""
    return _gap_ms(stamps.requested, stamps.first_chunk)


def summaries(records: Iterable[Timed]) -> dict[InferenceMode, Summary]:
    """Mouth to ear of every mode that has spoken turns with sound, in the order they appear."""
    waits: dict[InferenceMode, list[float]] = {}
    for record in records:
        wait = mouth_to_ear_ms(record.stamps)
        if wait is not None:
            waits.setdefault(record.mode, []).append(wait)
    return {mode: summary(values) for mode, values in waits.items()}


def summary(waits_ms: Sequence[float]) -> Summary:
    """The percentiles of at least one wait, by nearest rank: no value between two is made up."""
    assert waits_ms, "nothing to sum up"
    ordered = sorted(waits_ms)

    def percentile(percent: int) -> float:
        return ordered[-(-percent * len(ordered) // 100) - 1]

    return Summary(percentile(50), percentile(95), len(ordered))


def tokens_per_s(record: Generated) -> float | None:
    """Tokens of every kind per second of generating, sound included; None where none came."""
    seconds = _generating_s(record)
    if record.stats is None or seconds is None or record.stats.n_tokens == 0:
        return None
    return record.stats.n_tokens / seconds


def real_time_factor(record: Generated) -> float | None:
    """Seconds of generating per second of sound: below 1 the answer never stutters."""
    seconds = _generating_s(record)
    if record.stats is None or seconds is None or record.stats.audio_seconds == 0:
        return None
    return seconds / record.stats.audio_seconds


def _generating_s(record: Generated) -> float | None:
    """From the encoded question to the end of the reply, less what the engine had to wait.

    The engine's clock runs on while the play ring is full; counted in, it would show every answer
    longer than the ring as generated at the speed of its playback.
    """
    if record.stats is None:
        return None
    timings = record.stats.timings_ms
    if timings.total is None:
        return None
    generating_ms = timings.total - (timings.encode or 0.0) - record.waited_ms
    return generating_ms / 1000 if generating_ms > 0 else None


def _gap_ms(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else 1000 * max(0.0, end - start)
