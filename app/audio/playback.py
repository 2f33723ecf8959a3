"""The speaker: plays one reply at a time, and tells how much of it was heard.

Four threads meet here. The engine thread alone writes samples; the dialogue thread begins, flushes
and asks; the device thread opens and closes the stream; the sound card's callback reads the ring.
The check of the ``turn_id`` and the write to the ring stand under one small lock, which a flush
takes too, so that no sample of a flushed reply can follow the flush. The callback takes no lock.

Where there is no device at all, a reply counts as heard as soon as it is written, so that its text
goes on.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from app.audio.devices import Direction, SoundDevice
from app.audio.far_end import FarEnd, FarLine
from app.audio.play_line import BACKLOG_S, PlayLine
from app.audio.portaudio import OpenStream, PortAudio
from app.audio.resample import StreamResampler
from app.audio.ring import Samples
from engine.cancel import CancelToken

# Samples are taken in slices, so that nobody waits long for the lock.
_SLICE_S = 0.05
_LONGEST_WAIT_S = 0.25
# How long the stream plays silence before it is closed: an open one takes 1.5 % of a core.
_IDLE_S = 10.0


@dataclass(frozen=True, slots=True)
class HeardMark:
    """How much of a reply was heard, at its own rate, and when its first sample left the device.

    ``first_sample_at`` is None while nothing was played.
    """

    n_samples: int
    first_sample_at: float | None


_NOTHING_HEARD = HeardMark(0, None)


@dataclass(slots=True)
class _Reply:
    """The reply that is playing; guarded by the lock."""

    turn_id: int
    sample_rate: int = 0
    n_written: int = 0
    n_heard_before: int = 0  # on devices used before the present one
    first_at: float | None = None
    has_ended: bool = False
    resampler: StreamResampler | None = field(default=None)


class AudioOutput:
    """The one way to the speaker. Each method says which thread may call it.

    ``on_needed`` is called when a stream is wanted that may be closed; it must not block.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.on_needed: Callable[[], None] = _nobody
        self.far_end = FarEnd(self._far_line)
        self._clock = clock
        self._lock = threading.Lock()
        self._line: PlayLine | None = None
        self._stream: OpenStream | None = None
        # A stream that hangs may come back to life and read what is not its own any more.
        self._is_line_haunted = False
        self._is_absent = False
        self._reply: _Reply | None = None
        self._last: tuple[int, HeardMark] = (-1, _NOTHING_HEARD)
        self._volume = 1.0
        self._underruns_before = 0
        self._needed_until = float("-inf")

    # The dialogue thread.

    def prepare(self) -> None:
        """A reply may come soon: opens the device, so that its first sample need not wait."""
        self._needed_until = self._clock() + _IDLE_S
        self.on_needed()

    def begin(self, turn_id: int) -> None:
        """From now on this reply plays; what is left of another one is thrown away."""
        with self._lock:
            self._drop_reply()
            self._reply = _Reply(turn_id)
            if self._line is not None:
                self._line.reply_start = self._line.ring.written
        self.prepare()

    def flush(self) -> HeardMark:
        """Silences the reply within 5 ms and says how much of it is heard in the end."""
        with self._lock:
            return self._drop_reply()

    def heard(self, turn_id: int) -> HeardMark:
        """How much of a reply has left the device by now; of a flushed one, what ``flush`` said."""
        with self._lock:
            if self._reply is not None and self._reply.turn_id == turn_id:
                return self._mark(self._reply, self._heard_until())
            return self._last[1] if self._last[0] == turn_id else _NOTHING_HEARD

    def is_drained(self, turn_id: int) -> bool:
        """Whether nothing of this reply will be heard any more."""
        with self._lock:
            reply = self._reply
            if reply is None or reply.turn_id != turn_id:
                return True
            if not reply.has_ended:
                return False
            line = self._line
            if line is None or self._is_absent or line.ring.written == line.reply_start:
                return True
            number, leaves_at = line.reached
            return number >= line.ring.written and self._clock() >= leaves_at

    # The engine thread.

    def write(self, turn_id: int, samples: Samples, sample_rate: int, cancel: CancelToken) -> bool:
        """Plays more of a reply; waits while 4 s of it are still to be played.

        False where the rest is not wanted any more: another reply plays, or it was cancelled.
        """
        n_slice = max(1, round(_SLICE_S * sample_rate))
        done = 0
        while done < len(samples):
            with self._lock:
                reply = self._reply
                if reply is None or reply.turn_id != turn_id:
                    return False
                wait_s = self._wait_for_room_s()
                if wait_s == 0.0:
                    self._play(reply, samples[done : done + n_slice], sample_rate)
                    done += n_slice
            if wait_s and cancel.wait(wait_s):
                return False
        return True

    def end(self, turn_id: int) -> None:
        """No more samples come for this reply; it plays to its end."""
        with self._lock:
            reply = self._reply
            if reply is None or reply.turn_id != turn_id:
                return
            if reply.resampler is not None and self._line is not None:
                self._line.ring.write(reply.resampler.finish())
                reply.resampler = None
            reply.has_ended = True

    # The device thread.

    @property
    def device(self) -> SoundDevice | None:
        """The device that is open; None while it is closed."""
        return self._stream.device if self._stream is not None else None

    def is_playing(self) -> bool:
        """Whether a reply is on its way or still heard."""
        reply = self._reply
        return reply is not None and not self.is_drained(reply.turn_id)

    def is_needed(self) -> bool:
        """Whether the device must be open: a reply plays, is expected, or ended just now."""
        now = self._clock()
        if self.is_playing():
            self._needed_until = now + _IDLE_S
        return now < self._needed_until

    def open(self, portaudio: PortAudio, index: int) -> None:
        """Goes on playing on this device; raises ``DeviceError`` if it cannot."""
        sample_rate = portaudio.devices()[index].default_sample_rate
        line = self._line
        if line is None or line.sample_rate != sample_rate or self._is_line_haunted:
            line = PlayLine(sample_rate, self._clock)
        stream = portaudio.open(Direction.OUTPUT, index, line.callback)
        self.close()
        with self._lock:
            self._adopt(line)
        line.latency_s = stream.latency_s
        portaudio.start(stream)
        self._stream = stream

    def is_lost(self) -> bool:
        """Whether the device that was open is gone."""
        stream, line = self._stream, self._line
        if stream is None or line is None:
            return False
        return stream.is_lost(line.n_callbacks, self._clock())

    def close(self) -> None:
        """Closes the device; what waits to be played goes on when one is open again."""
        if self._stream is not None:
            self._is_line_haunted |= self._stream.is_stalled
            self._stream.close()
            self._stream = None

    def do_without(self) -> None:
        """There is no device: whatever is written counts as heard."""
        with self._lock:
            if self._line is not None:
                self._line.ring.request_discard()
            self._is_absent = True

    # Any thread.

    @property
    def volume(self) -> float:
        """From 0 to 1; a change is reached within 5 ms, without a click."""
        return self._volume

    @volume.setter
    def volume(self, volume: float) -> None:
        self._volume = volume
        if self._line is not None:
            self._line.head.volume = volume

    @property
    def underruns(self) -> int:
        """How often a reply was interrupted since the start, for want of samples in time."""
        line = self._line
        return self._underruns_before + (line.n_underruns if line is not None else 0)

    # Under the lock.

    def _drop_reply(self) -> HeardMark:
        reply, self._reply = self._reply, None
        if reply is None:
            return _NOTHING_HEARD
        until = 0
        if self._line is not None:
            until = self._line.heard_after_discard()
            self._line.ring.request_discard()
        mark = self._mark(reply, until)
        self._last = (reply.turn_id, mark)
        return mark

    def _heard_until(self) -> int:
        return self._line.heard_until(self._clock()) if self._line is not None else 0

    def _mark(self, reply: _Reply, number: int) -> HeardMark:
        """What was heard when the ring's sample ``number`` is the next to leave the device."""
        line = self._line
        if self._is_absent:
            return HeardMark(reply.n_written, reply.first_at)
        if line is None:
            return _NOTHING_HEARD
        first_at = reply.first_at
        start, began_at = line.began
        if first_at is None and start == line.reply_start:
            first_at = began_at
        if reply.has_ended and number >= line.ring.written:
            return HeardMark(reply.n_written, first_at)
        n_here = max(0, number - line.reply_start) * reply.sample_rate // line.sample_rate
        return HeardMark(min(reply.n_written, reply.n_heard_before + n_here), first_at)

    def _wait_for_room_s(self) -> float:
        """0 where more may be written, else after how long to ask again."""
        line = self._line
        if self._is_absent:
            return 0.0
        if line is None:
            return _SLICE_S
        excess_s = line.ring.readable / line.sample_rate - BACKLOG_S
        return 0.0 if excess_s < 0.0 else min(excess_s + _SLICE_S, _LONGEST_WAIT_S)

    def _play(self, reply: _Reply, samples: Samples, sample_rate: int) -> None:
        assert reply.sample_rate in (0, sample_rate), "a reply has one sample rate"
        assert not reply.has_ended, "the reply has ended"
        reply.sample_rate = sample_rate
        reply.n_written += len(samples)
        line = self._line
        if self._is_absent or line is None:
            return
        if reply.resampler is None:
            reply.resampler = StreamResampler(sample_rate, line.sample_rate)
        resampled = reply.resampler.push(samples)
        n_taken = line.ring.write(resampled)
        assert n_taken == len(resampled), "the ring has room for more than its backlog"

    def _adopt(self, line: PlayLine) -> None:
        """Makes this the line that plays; no callback runs, so this thread may read its rings."""
        old, reply = self._line, self._reply
        line.head.restart()
        line.head.volume = self._volume
        if reply is not None and self._is_absent:
            reply.n_heard_before = reply.n_written
            reply.resampler = None
            line.reply_start = line.ring.written
        elif reply is not None and old is not None and old is not line:
            self._move(reply, old, line)
        if old is not None and old is not line:
            self._underruns_before += old.n_underruns
            self._is_line_haunted = False
        self._line = line
        self._is_absent = False

    def _move(self, reply: _Reply, old: PlayLine, line: PlayLine) -> None:
        """Carries what is not heard yet over to a device of another sample rate."""
        mark = self._mark(reply, old.ring.read)
        reply.n_heard_before, reply.first_at = mark.n_samples, mark.first_sample_at
        tail = reply.resampler.finish() if reply.resampler is not None else None
        reply.resampler = None
        rest = np.empty(old.ring.readable, dtype=np.float32)
        rest = rest[: old.ring.read_into(rest)]
        if tail is not None:
            rest = np.concatenate((rest, tail))
        between = StreamResampler(old.sample_rate, line.sample_rate)
        line.ring.write(between.push(rest))
        line.ring.write(between.finish())

    def _far_line(self) -> FarLine | None:
        return self._line.far if self._line is not None else None


def _nobody() -> None:
    """Nobody opens devices."""
