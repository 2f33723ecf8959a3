"""An engine that answers after known times of a clock of its own, and a lab that measures it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from app.lab.result import LabResult, Setting
from app.lab.runner import Progress, run_lab
from engine.cancel import CancelToken
from engine.events import (
    AudioChunk,
    EndReason,
    EngineEvent,
    ReplyEnded,
    ReplyStats,
    TextDelta,
    TimingsMs,
)
from engine.modes import InferenceMode
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams
from engine.utterance import Utterance

SAMPLE_RATE = 8000
SETTING = Setting(
    model="nano",
    machine="Fast Processor 3000",
    system="Linux 6.1 x86_64",
    device="cpu",
    dtype="float32",
    threads=2,
    versions=(("parley", "0.1.0"), ("torch", "2.13.0")),
    measured_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
)
QUESTION = Utterance.checked(
    0.5 * np.sin(np.arange(4000, dtype=np.float32) * 0.3).astype(np.float32), 16000
)
# Milliseconds to the first audio tokens, and to the end of a reply.
SPEED_MS = {
    InferenceMode.VANILLA: (200.0, 1100.0),
    InferenceMode.BALANCE: (120.0, 600.0),
    InferenceMode.BOOST: (80.0, 500.0),
    InferenceMode.TURBO: (80.0, 350.0),
    InferenceMode.VERIFIED: (110.0, 550.0),
}
N_DRAFTS, N_ACCEPTED = 40, 30  # of a verified reply
ENCODE_MS, PREFILL_MS, DECODE_MS = 50.0, 30.0, 20.0
N_TOKENS, AUDIO_S = 40, 0.5


@dataclass
class FakeClock:
    """Seconds that pass only when somebody lets them."""

    now: float = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def samples_of(mode: InferenceMode) -> np.ndarray:
    """The sound of an answer, a different tone in each mode, exact in 16 bits."""
    times = np.arange(round(AUDIO_S * SAMPLE_RATE))
    tone = 0.3 * np.sin(times * (0.1 + 0.1 * list(InferenceMode).index(mode)))
    return (np.round(tone * 32768) / 32768).astype(np.float32)


@dataclass
class FakeEngine:
    """Answers with ``text`` and a tone; ``behave`` may raise, cancel or replace the events."""

    clock: FakeClock
    text: str = "Twelve."
    behave: Callable[[ReplyRequest], Iterator[EngineEvent] | None] = lambda request: None
    default_params: SamplingParams = field(default_factory=SamplingParams)
    log: list[str] = field(default_factory=list)
    requests: list[ReplyRequest] = field(default_factory=list)

    def forget(self) -> None:
        """Writes it down."""
        self.log.append("forget")

    def respond(self, request: ReplyRequest, cancel: CancelToken) -> Iterator[EngineEvent]:
        """The reply, in as much time of the clock as its mode takes."""
        self.log.append(request.mode.value)
        self.requests.append(request)
        return self.behave(request) or self.reply(request, cancel)

    def reply(self, request: ReplyRequest, cancel: CancelToken) -> Iterator[EngineEvent]:
        """The events of one answer in two chunks of sound."""
        first_ms, total_ms = SPEED_MS[request.mode]
        started, samples = self.clock.now, samples_of(request.mode)
        audio_ms = ENCODE_MS + PREFILL_MS + first_ms + DECODE_MS
        yield TextDelta(request.turn_id, self.text)
        self.clock.now = started + audio_ms / 1000
        yield AudioChunk(request.turn_id, samples[:1000], SAMPLE_RATE, 8)
        cancelled = cancel.is_cancelled
        if not cancelled:
            self.clock.now = started + (ENCODE_MS + total_ms) / 1000
            yield AudioChunk(request.turn_id, samples[1000:], SAMPLE_RATE, 30)
        timings = TimingsMs(
            encode=ENCODE_MS,
            prefill=ENCODE_MS + PREFILL_MS,
            first_token=ENCODE_MS + PREFILL_MS,
            first_audio_tokens=ENCODE_MS + PREFILL_MS + first_ms,
            first_audio=audio_ms,
            total=1000 * (self.clock.now - started),
        )
        stats = ReplyStats(timings, N_TOKENS, 10, 30, AUDIO_S, self.text, (1,) * 30)
        if request.mode.is_verified:
            stats = replace(stats, n_drafts=N_DRAFTS, n_drafts_accepted=N_ACCEPTED)
        reason = EndReason.CANCELLED if cancelled else EndReason.STOP
        yield ReplyEnded(request.turn_id, reason, stats)


def lab(
    engine: FakeEngine,
    repeats: int = 3,
    progress: Callable[[Progress], None] = lambda progress: None,
    cancel: CancelToken | None = None,
    params: SamplingParams | None = None,
) -> LabResult:
    """A lab run on the engine's own clock."""
    return run_lab(
        engine,
        SETTING,
        QUESTION,
        params or SamplingParams(),
        repeats,
        progress,
        cancel or CancelToken(),
        engine.clock,
    )
