"""The mode lab: one spoken question answered in every mode, again and again, and timed.

The modes take turns, every other round backwards, so that a machine that grows slower does so for
all of them alike; the first round warms up and is not counted. The clock starts when the engine
gets the question and stops at the first chunk of sound: there is no microphone and no loudspeaker
in a lab, so the wait for the end of the turn and the device are no part of its figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, assert_never

import numpy as np

from app import log
from app.lab.result import Answer, LabResult, LabRun, ModeResult, Setting
from app.turn_record import Stamps
from engine.conversation import Conversation
from engine.errors import EngineError
from engine.events import (
    AudioChunk,
    EndReason,
    EngineEvent,
    EngineFailed,
    Loading,
    ReplyEnded,
    ReplyStats,
    TextDelta,
)
from engine.modes import InferenceMode
from engine.requests import ReplyRequest

if TYPE_CHECKING:
    from engine.cancel import CancelToken
    from engine.sampling_params import SamplingParams
    from engine.utterance import Utterance


class Answering(Protocol):
    """What a lab measures: a ``SpeechEngine``, or a stand-in for one."""

    def forget(self) -> None:
        """Drops what was computed for the last prompt: else only the first reply would prefill."""

    def respond(self, request: ReplyRequest, cancel: CancelToken) -> Iterator[EngineEvent]:
        """The events of one reply."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a lab is: ``n_done`` of ``n_total`` replies, and what it is about to answer in."""

    n_done: int
    n_total: int
    mode: InferenceMode | None

    @property
    def fraction(self) -> float:
        """The part that is done, 0 to 1."""
        return self.n_done / self.n_total


def run_lab(
    engine: Answering,
    setting: Setting,
    question: Utterance,
    params: SamplingParams,
    repeats: int,
    progress: Callable[[Progress], None],
    cancel: CancelToken,
    clock: Callable[[], float] = time.monotonic,
) -> LabResult:
    """Asks the question ``repeats`` times in each mode, with the same sampling seed every time.

    A mode that fails is left alone from then on; the others go on. ``progress`` is called before
    every reply and at the end. A cancelled lab drops the reply it is in and returns the others.
    """
    assert repeats >= 1, f"nothing to measure: {repeats} repeats"
    benches = [_Bench(mode) for mode in InferenceMode]
    n_total = len(benches) * (repeats + 1)
    for n_done, (is_warm_up, bench) in enumerate(_in_turn(benches, repeats)):
        if cancel.is_cancelled:
            break
        progress(Progress(n_done, n_total, bench.mode))
        if bench.failure is None:
            request = ReplyRequest(n_done, Conversation(), question, bench.mode, params)
            bench.measure(engine, request, cancel, clock, is_warm_up)
    else:
        progress(Progress(n_total, n_total, None))
    return LabResult(setting, question, params, repeats, tuple(bench.result() for bench in benches))


@dataclass(slots=True)
class _Bench:
    """What is known of one mode so far."""

    mode: InferenceMode
    failure: str | None = None
    answer: Answer | None = None
    runs: list[LabRun] = field(default_factory=list)

    def measure(
        self,
        engine: Answering,
        request: ReplyRequest,
        cancel: CancelToken,
        clock: Callable[[], float],
        is_warm_up: bool,
    ) -> None:
        """Adds one run, or notes why there is none."""
        try:
            engine.forget()
            replied = _reply(engine, request, cancel, clock)
        except EngineError as error:
            self.failure = str(error)
        except Exception as error:  # minutes of other modes' measurements must not go with it
            log.logger("lab").exception("%s failed", self.mode.value)
            self.failure = " ".join(f"{type(error).__name__}: {error}".split())
        else:
            run, answer = replied
            if answer.reason is EndReason.CANCELLED or is_warm_up:
                return
            self.runs.append(run)
            self.answer = self.answer or answer

    def result(self) -> ModeResult:
        """What was found."""
        return ModeResult(self.mode, tuple(self.runs), self.answer, self.failure)


def _in_turn(benches: list[_Bench], repeats: int) -> Iterator[tuple[bool, _Bench]]:
    """Every mode once for the warm-up and once for each repeat, every other round backwards."""
    for number in range(repeats + 1):
        for bench in benches if number % 2 else reversed(benches):
            yield number == 0, bench


def _reply(
    engine: Answering, request: ReplyRequest, cancel: CancelToken, clock: Callable[[], float]
) -> tuple[LabRun, Answer]:
    """One reply in full; the engine says when its stages ended, the lab when it had the sound."""
    requested = clock()
    first_chunk = None
    chunks: list[AudioChunk] = []
    for event in engine.respond(request, cancel):
        match event:
            case AudioChunk():
                first_chunk = clock() if first_chunk is None else first_chunk
                chunks.append(event)
            case ReplyEnded():
                samples = np.concatenate([chunk.samples for chunk in chunks]) if chunks else None
                sample_rate = chunks[0].sample_rate if chunks else 0
                stamps = _stamps(event.stats, requested, first_chunk, clock())
                answer = Answer(event.stats.text, samples, sample_rate, event.reason)
                return LabRun(stamps, event.stats), answer
            case EngineFailed():
                raise EngineError(event.message)
            case TextDelta() | Loading():
                pass
            case _:
                assert_never(event)
    raise AssertionError("a reply ends with ReplyEnded or EngineFailed")


def _stamps(stats: ReplyStats, requested: float, first_chunk: float | None, ended: float) -> Stamps:
    def at(ms: float | None) -> float | None:
        return None if ms is None else requested + ms / 1000

    timings = stats.timings_ms
    return Stamps(
        last_voiced=None,
        end_decided=None,
        requested=requested,
        encoded=at(timings.encode),
        prefilled=at(timings.prefill),
        first_token=at(timings.first_token),
        first_audio_tokens=at(timings.first_audio_tokens),
        first_chunk=first_chunk,
        first_sample_heard=None,
        ended=ended,
    )
