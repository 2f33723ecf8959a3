"""The last piece of the way out: the ring, its reader and the callback, for one sample rate."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from app.audio.far_end import FarLine
from app.audio.playhead import PlayHead
from app.audio.portaudio import LARGEST_LATENCY_S, StreamClock, TimeInfo
from app.audio.ring import RingBuffer

# How much of a reply may wait to be played; its maker waits for the rest.
BACKLOG_S = 4.0
# Room for what the resampler still holds back when a reply ends.
_MARGIN_S = 1.0
_BLOCK = 4096


class PlayLine:
    """Where the writer of a reply and the sound card meet.

    ``ring`` is written by the engine thread; ``callback`` is called by the sound card and is its
    reader. ``reply_start`` is the ring's number of the present reply's first sample.
    """

    def __init__(self, sample_rate: int, clock: Callable[[], float]) -> None:
        self.sample_rate = sample_rate
        self.ring = RingBuffer(round((BACKLOG_S + _MARGIN_S) * sample_rate))
        self.head = PlayHead(self.ring, sample_rate)
        self.far = FarLine(sample_rate)
        self.reply_start = 0
        self.latency_s = 0.0
        self.n_callbacks = 0
        self._n_underflows = 0
        self._was_audible = False
        # Which reply's first sample leaves the device when.
        self.began: tuple[int, float] = (-1, 0.0)
        # Up to which number the ring was read, and when that sample leaves the device.
        self.reached: tuple[int, float] = (0, 0.0)
        self._clock = StreamClock(clock)
        self._block = np.zeros(_BLOCK, dtype=np.float32)

    def callback(
        self, out: npt.NDArray[np.float32], n_frames: int, times: TimeInfo, status: Any
    ) -> None:
        """Fills the device's block (frames, channels) with one channel of sound."""
        self.n_callbacks += 1
        self._n_underflows += self._was_audible and bool(status.output_underflow)
        delay_s = times.outputBufferDacTime - times.currentTime
        if not 0.0 < delay_s < LARGEST_LATENCY_S:
            delay_s = self.latency_s
        leaves_at = self._clock.when(times.currentTime) + delay_s
        done = 0
        while done < n_frames:
            block = self._block[: n_frames - done]
            start = self.reply_start
            end, first = self.head.fill(block, start)
            if first is not None:
                self.began = (start, leaves_at + first / self.sample_rate)
            if end:
                self.reached = (self.ring.read, leaves_at + end / self.sample_rate)
            leaves_at += len(block) / self.sample_rate
            self.far.write(block, leaves_at, end > 0)
            out[done : done + len(block)] = block[:, np.newaxis]
            done += len(block)
            self._was_audible = end > 0

    @property
    def n_underruns(self) -> int:
        """How often a reply was interrupted: samples came too late, or the callback did."""
        return self.head.underruns + self._n_underflows

    def heard_after_discard(self) -> int:
        """The number up to which samples are heard if those waiting are thrown away now."""
        read = self.ring.read
        return read + min(self.ring.readable, self.head.n_fading)

    def heard_until(self, now: float) -> int:
        """The number of the sample that leaves the device now."""
        number, leaves_at = self.reached
        return number - round(max(0.0, leaves_at - now) * self.sample_rate)
