"""What a lab finds: every measured reply of every mode, with what it was measured on.

Pure. Medians are values that were measured, so that a bar, its stages and its number agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.latency import model_only_ms, real_time_factor, tokens_per_s
from engine.events import acceptance_rate
from engine.modes import InferenceMode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.turn_record import Stamps
    from engine.events import EndReason, ReplyStats
    from engine.sampling_params import SamplingParams
    from engine.utterance import Utterance


@dataclass(frozen=True, slots=True)
class Setting:
    """What was measured, where and when; without it a figure says nothing."""

    model: str
    machine: str
    system: str
    device: str
    dtype: str
    threads: int
    versions: tuple[tuple[str, str], ...]
    measured_at: datetime

    @property
    def version_list(self) -> str:
        """The versions on one line."""
        return ", ".join(f"{name} {version}" for name, version in self.versions)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of repeated measurements, which is one of them, and the range they fell in."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread | None:
        """The spread of those values that are there; None where none is."""
        ordered = sorted(value for value in values if value is not None)
        return cls(ordered[(len(ordered) - 1) // 2], ordered[0], ordered[-1]) if ordered else None


@dataclass(frozen=True, slots=True)
class LabRun:
    """One measured reply; ``stamps`` count from the request."""

    stamps: Stamps
    stats: ReplyStats

    @property
    def waited_ms(self) -> float:
        """Nothing: a lab takes every event at once."""
        return 0.0

    @property
    def first_sound_ms(self) -> float | None:
        """From the request to the first chunk of sound; None where the reply has none."""
        return model_only_ms(self.stamps)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a mode answered, the first time; nobody writes the samples any more."""

    text: str
    samples: NDArray[np.float32] | None
    sample_rate: int
    reason: EndReason


@dataclass(frozen=True, slots=True, eq=False)
class ModeResult:
    """What one mode did; ``failure`` says why it has fewer runs than others, or none."""

    mode: InferenceMode
    runs: tuple[LabRun, ...] = ()
    answer: Answer | None = None
    failure: str | None = None

    @property
    def name(self) -> str:
        """The mode's name as a reader knows it."""
        return self.mode.value.title()

    @property
    def first_sound_ms(self) -> Spread | None:
        """How long the first sound took."""
        return Spread.of([run.first_sound_ms for run in self.runs])

    @property
    def tokens_per_s(self) -> Spread | None:
        """Tokens of every kind per second of generating, over whole replies."""
        return Spread.of([tokens_per_s(run) for run in self.runs])

    @property
    def real_time_factor(self) -> Spread | None:
        """Seconds of generating per second of sound."""
        return Spread.of([real_time_factor(run) for run in self.runs])

    @property
    def acceptance_rate(self) -> float | None:
        """The share of all replies' drafts that were accepted; None in a mode without drafts."""
        return acceptance_rate(run.stats for run in self.runs)

    @property
    def typical(self) -> LabRun | None:
        """The run whose first sound took the median time: its stages add up to that."""
        spread = self.first_sound_ms
        if spread is None:
            return None
        return next(run for run in self.runs if run.first_sound_ms == spread.median)


@dataclass(frozen=True, slots=True, eq=False)
class LabResult:
    """All that a lab found; of one that was stopped, what it had found until then."""

    setting: Setting
    question: Utterance
    params: SamplingParams
    repeats: int
    modes: tuple[ModeResult, ...]

    @property
    def has_runs(self) -> bool:
        """Whether anything was measured."""
        return any(result.runs for result in self.modes)

    @property
    def is_complete(self) -> bool:
        """Whether every mode answered as often as it was to."""
        return all(len(result.runs) == self.repeats for result in self.modes)

    @property
    def was_stopped(self) -> bool:
        """Whether it was cancelled: a mode that did not fail has fewer runs than it was to have."""
        return any(r.failure is None and len(r.runs) < self.repeats for r in self.modes)

    def speed_up(self, result: ModeResult) -> float | None:
        """How many times Vanilla's tokens per second a mode makes."""
        own, vanilla = result.tokens_per_s, self._vanilla.tokens_per_s
        return own.median / vanilla.median if own and vanilla else None

    def sooner(self, result: ModeResult) -> float | None:
        """How many times longer Vanilla takes to its first sound than a mode."""
        own, vanilla = result.first_sound_ms, self._vanilla.first_sound_ms
        return vanilla.median / own.median if own and own.median and vanilla else None

    @property
    def _vanilla(self) -> ModeResult:
        return next(result for result in self.modes if result.mode is InferenceMode.VANILLA)
