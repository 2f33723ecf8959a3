"""Stand-ins for what surrounds the dialogue: an engine, a microphone, a speaker and a clock."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from app.turns.turn_events import Frame
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
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams
from engine.utterance import Utterance

SAMPLE_RATE = 1000  # of the fake engine's sound: a millisecond is a sample
CHUNK = 80  # one audio token
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
TIMINGS = TimingsMs(0.0, 10.0, 10.0, 20.0, 30.0)


class FakeClock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def spoken(seed: int = 0, seconds: float = 0.5) -> Utterance:
    """A question; each seed gives another one."""
    rng = np.random.default_rng(seed)
    return Utterance.checked(rng.uniform(-0.5, 0.5, int(16000 * seconds)).astype(np.float32), 16000)


def stats(text: str, n_codes: int, question_codes: tuple[int, ...] = ()) -> ReplyStats:
    """The stats of a reply of so many audio tokens, numbered from 0."""
    return ReplyStats(
        timings_ms=TIMINGS,
        n_tokens=n_codes + len(text),
        n_text_tokens=len(text),
        n_audio_tokens=n_codes,
        audio_seconds=n_codes * CHUNK / SAMPLE_RATE,
        text=text,
        audio_codes=tuple(range(n_codes)),
        question_codes=question_codes,
    )


def chunk(turn_id: int, number: int) -> AudioChunk:
    """Chunk ``number`` of a reply: one audio token, whose samples all tell the turn."""
    samples = np.full(CHUNK, turn_id, dtype=np.float32)
    timings = TIMINGS if number == 0 else None
    return AudioChunk(turn_id, samples, SAMPLE_RATE, number + 1, (number,), timings)


def ended(turn_id: int, text: str, n_codes: int, reason: EndReason = EndReason.STOP) -> ReplyEnded:
    """The end of a reply."""
    return ReplyEnded(turn_id, reason, stats(text, n_codes))


@dataclass
class FakeEngine:
    """Answers with ``words``, each followed by one chunk; notes what it is asked.

    ``before_chunk`` is called before each chunk, and may wait or raise.
    """

    words: tuple[str, ...] = ("One", " two", " three", " four")
    name: str = "fake"
    context_limit: int = 8192
    default_params: SamplingParams = field(default_factory=SamplingParams)
    before_chunk: Callable[[int], None] = lambda number: None
    requests: list[ReplyRequest] = field(default_factory=list)
    encoded: list[Utterance] = field(default_factory=list)
    transcribed: list[tuple[int, ...] | None] = field(default_factory=list)
    transcribe_gate: threading.Event | None = None
    transcribing: threading.Event = field(default_factory=threading.Event)
    threads: set[str] = field(default_factory=set)

    def encode(self, question: Utterance) -> tuple[int, ...]:
        """Tells questions apart by their first sample."""
        self.threads.add(threading.current_thread().name)
        self.encoded.append(question)
        return (int(question.samples[0] * 1000), len(question.samples))

    def respond(
        self, request: ReplyRequest, cancel: CancelToken
    ) -> Generator[EngineEvent, None, None]:
        """One word and one chunk after another."""
        self.threads.add(threading.current_thread().name)
        self.requests.append(request)
        n_done = 0
        for number, word in enumerate(self.words):
            self.before_chunk(number)
            if cancel.is_cancelled:
                break
            yield TextDelta(request.turn_id, word)
            yield chunk(request.turn_id, number)
            n_done += 1
        is_cut = n_done < len(self.words)
        reason = EndReason.CANCELLED if is_cut else EndReason.STOP
        yield ended(request.turn_id, "".join(self.words[:n_done]), n_done, reason)

    def transcribe(
        self,
        samples: np.ndarray,
        sample_rate: int,
        cancel: CancelToken,
        codes: tuple[int, ...] | None = None,
    ) -> str:
        """Writes down how long the question is."""
        self.transcribing.set()
        if self.transcribe_gate is not None:
            while not cancel.wait(0.001) and not self.transcribe_gate.is_set():
                pass
        self.transcribed.append(codes)
        return f"{len(samples)} samples"


class FakeBlock(NamedTuple):
    """As the microphone's blocks are."""

    samples: np.ndarray
    stamp: float


class FakeMicrophone:
    """Gives the blocks that a test puts in."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.level = 0.0
        self._clock = clock
        self._blocks: deque[FakeBlock] = deque()

    def hears(self, samples: np.ndarray) -> None:
        """Captures samples now, in blocks of 20 ms."""
        for start in range(0, len(samples), 320):
            self._blocks.append(FakeBlock(samples[start : start + 320], self._clock()))

    def read_block(self) -> list[FakeBlock]:
        """All blocks so far."""
        blocks = []
        while self._blocks:
            blocks.append(self._blocks.popleft())
        return blocks


class HeardMark(NamedTuple):
    """As the speaker's marks are."""

    n_samples: int
    first_sample_at: float | None


class FakeSpeaker:
    """Plays when a test says so, and keeps what was played, in order.

    As the real one it takes no sample of another turn than the one that was begun last, and makes
    its writer wait while ``room`` samples are waiting.
    """

    def __init__(self, clock: Callable[[], float], room: int = 4000) -> None:
        self.volume = 1.0
        self.underruns = 0
        self.played: list[float] = []
        self.log: list[str] = []
        self.begun: list[tuple[int, int]] = []  # a turn, and how much had been played before it
        self.flushed: list[int] = []  # how much had been played before each flush
        self.far_end = self
        self.far: np.ndarray | None = None
        self._clock = clock
        self._room = room
        self._lock = threading.Lock()
        self._turn_id: int | None = None
        self._waiting: deque[float] = deque()
        self._n_heard = 0
        self._first_at: float | None = None
        self._has_ended = False

    def prepare(self) -> None:
        """Notes it."""
        self.log.append("prepare")

    def begin(self, turn_id: int) -> None:
        """This turn's sound is taken from now on."""
        with self._lock:
            self.log.append(f"begin {turn_id}")
            self.begun.append((turn_id, len(self.played)))
            self._turn_id, self._n_heard, self._first_at = turn_id, 0, None
            self._has_ended = False
            self._waiting.clear()

    def flush(self) -> HeardMark:
        """No more sound of this turn."""
        with self._lock:
            self.log.append("flush")
            self.flushed.append(len(self.played))
            self._turn_id = None
            self._waiting.clear()
            return HeardMark(self._n_heard, self._first_at)

    def heard(self, turn_id: int) -> HeardMark:
        """How much was played of a turn."""
        with self._lock:
            if turn_id != self._turn_id:
                return HeardMark(0, None)
            return HeardMark(self._n_heard, self._first_at)

    def is_drained(self, turn_id: int) -> bool:
        """Whether all of it was played."""
        with self._lock:
            return turn_id != self._turn_id or (self._has_ended and not self._waiting)

    def write(
        self, turn_id: int, samples: np.ndarray, sample_rate: int, cancel: CancelToken
    ) -> bool:
        """Takes samples when there is room for them."""
        while True:
            with self._lock:
                if turn_id != self._turn_id:
                    return False
                if len(self._waiting) < self._room:
                    self._waiting.extend(samples.tolist())
                    return True
            if cancel.wait(0.001):
                return False

    def end(self, turn_id: int) -> None:
        """No more samples come."""
        with self._lock:
            self._has_ended = self._has_ended or turn_id == self._turn_id

    def plays(self, n_samples: int) -> int:
        """The sound card takes samples; says how many there were."""
        with self._lock:
            n = min(n_samples, len(self._waiting))
            if n and self._first_at is None:
                self._first_at = self._clock()
            self.played += [self._waiting.popleft() for _ in range(n)]
            self._n_heard += n
            return n

    def read(self, n_samples: int, stamp: float) -> np.ndarray | None:
        """What the far end heard."""
        return self.far


class LoudIsVoice:
    """Takes loud sound for voice, at once: 32 ms frames as the real detection gives them."""

    def __init__(self) -> None:
        self.is_gate_open = False
        self._rest = np.zeros(0, dtype=np.float32)

    def push(self, samples: np.ndarray) -> list[Frame]:
        """The frames that are complete."""
        self._rest = np.concatenate((self._rest, samples))
        frames = list(self._frames())
        self._rest = self._rest[len(frames) * 512 :]
        if frames:
            self.is_gate_open = frames[-1].probability > 0
        return frames

    def _frames(self) -> Iterator[Frame]:
        for start in range(0, len(self._rest) - 511, 512):
            loud = float(np.abs(self._rest[start : start + 512]).max())
            yield Frame(0.95 if loud > 0.1 else 0.0, 512, -20.0 if loud > 0.1 else -80.0)


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    """Sound that ``LoudIsVoice`` takes for voice."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, int(seconds * 16000)).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    """Nearly nothing."""
    return np.full(int(seconds * 16000), 1e-4, dtype=np.float32)


class NotingCanceller:
    """Passes sound through, and notes what it is given."""

    def __init__(self, treatment: tuple[bool, bool, bool]) -> None:
        self.treatment = treatment
        self.heard_far: list[np.ndarray] = []
        self.n_near = 0

    def far(self, samples: np.ndarray) -> None:
        self.heard_far.append(samples)

    def near(self, samples: np.ndarray) -> np.ndarray:
        self.n_near += len(samples)
        return samples
