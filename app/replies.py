"""Carries out one reply for the command line: shows its events, keeps its sound, heeds Ctrl-C."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol, assert_never

import numpy as np
import numpy.typing as npt

from app import audio_files
from app.errors import AppError
from engine.cancel import CancelToken
from engine.conversation import Conversation
from engine.events import (
    AudioChunk,
    EndReason,
    EngineFailed,
    Loading,
    ReplyEnded,
    ReplyStats,
    TextDelta,
)
from engine.requests import ReplyRequest

if TYPE_CHECKING:
    from engine.engine import SpeechEngine

_DONE, _NO_SOUND, _INTERRUPTED = 0, 1, 130


class Reporter(Protocol):
    """Shows a reply as it comes."""

    def text(self, delta: str) -> None:
        """The next piece of text."""
        ...

    def audio(self, chunk: AudioChunk, at_ms: float) -> None:
        """The next piece of sound, ready ``at_ms`` after the request."""
        ...

    def ended(self, event: ReplyEnded) -> None:
        """The reply is over."""
        ...


class TextReporter:
    """Streams the text to standard output."""

    def text(self, delta: str) -> None:
        """Prints the piece at once."""
        print(delta, end="", flush=True)

    def audio(self, chunk: AudioChunk, at_ms: float) -> None:
        """Shows nothing."""

    def ended(self, event: ReplyEnded) -> None:
        """Ends the line, and says so where the reply was cut short."""
        match event.reason:
            case EndReason.STOP:
                print(flush=True)
            case EndReason.LENGTH:
                print(" [cut off: the longest reply was reached]", flush=True)
            case EndReason.CANCELLED:
                print(" [interrupted]", flush=True)
            case _:
                assert_never(event.reason)


class JsonReporter:
    """Prints one JSON object a line for each event."""

    def text(self, delta: str) -> None:
        """Prints a ``text`` line."""
        _print_json({"event": "text", "text": delta})

    def audio(self, chunk: AudioChunk, at_ms: float) -> None:
        """Prints an ``audio`` line."""
        _print_json(
            {
                "event": "audio",
                "samples": len(chunk.samples),
                "sample_rate": chunk.sample_rate,
                "at_ms": round(at_ms, 1),
            }
        )

    def ended(self, event: ReplyEnded) -> None:
        """Prints the ``ended`` line."""
        stats = event.stats
        timings = asdict(stats.timings_ms)
        _print_json(
            {
                "event": "ended",
                "reason": event.reason.value,
                "text": stats.text,
                "audio_seconds": round(stats.audio_seconds, 3),
                "tokens": stats.n_tokens,
                "timings_ms": {
                    stage: None if at is None else round(at, 1) for stage, at in timings.items()
                },
            }
        )


def reporter(as_json: bool) -> Reporter:
    """The reporter the user asked for."""
    return JsonReporter() if as_json else TextReporter()


def _print_json(record: dict[str, object]) -> None:
    print(json.dumps(record, ensure_ascii=False), flush=True)


class Recording:
    """The sound of one or more replies, kept to be written."""

    def __init__(self) -> None:
        self._chunks: list[npt.NDArray[np.float32]] = []
        self._sample_rate = 0

    def add(self, chunk: AudioChunk) -> None:
        """Keeps a chunk; every chunk has the same sample rate."""
        assert self._sample_rate in (0, chunk.sample_rate), "the sample rate changed"
        self._sample_rate = chunk.sample_rate
        self._chunks.append(chunk.samples)

    @property
    def samples(self) -> npt.NDArray[np.float32]:
        """All sound so far in one piece."""
        return np.concatenate(self._chunks)

    @property
    def has_sound(self) -> bool:
        """Whether there is anything to write."""
        return any(len(chunk) for chunk in self._chunks)

    @property
    def duration_s(self) -> float:
        """How long the sound is."""
        return sum(map(len, self._chunks)) / max(1, self._sample_rate)

    def write(self, path: Path) -> None:
        """Writes the sound to a file."""
        audio_files.write_audio(path, self.samples, self._sample_rate)

    def exit_code(self, path: Path | None, cancel: CancelToken) -> int:
        """The exit code of a command whose sound was to go to ``path``."""
        if cancel.is_cancelled:
            return _INTERRUPTED
        if path is not None and not self.has_sound:
            print(f"parley: the reply has no sound: {path} is not written", file=sys.stderr)
            return _NO_SOUND
        return _DONE


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that is over, and the conversation with it."""

    stats: ReplyStats
    conversation: Conversation


def carry_out(
    engine: "SpeechEngine",
    request: ReplyRequest,
    show: Reporter,
    recording: Recording,
    cancel: CancelToken,
) -> Reply:
    """Generates one reply; a cancelled one ends early, and what was generated is kept."""
    started = time.monotonic()
    for event in engine.respond(request, cancel):
        match event:
            case TextDelta():
                show.text(event.text)
            case AudioChunk():
                recording.add(event)
                show.audio(event, 1000 * (time.monotonic() - started))
            case ReplyEnded():
                show.ended(event)
                return Reply(event.stats, request.continued(event))
            case EngineFailed():
                raise AppError(event.message)
            case Loading():
                pass
            case _:
                assert_never(event)
    raise AssertionError("a reply ends with ReplyEnded or EngineFailed")


@contextmanager
def cancel_on_interrupt() -> Iterator[CancelToken]:
    """A token that Ctrl-C cancels; a second Ctrl-C interrupts the program as usual.

    It should span the writing of the reply too, so that one Ctrl-C never loses what was generated.
    """
    cancel = CancelToken()

    def handle(signal_number: int, frame: FrameType | None) -> None:
        if cancel.is_cancelled:
            raise KeyboardInterrupt
        cancel.cancel()

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, previous)
