"""The microphone: samples at 16 kHz, each block with the moment at which it was captured.

The sound card's callback only copies its block into a ring and notes the time; the dialogue thread
reads the ring, resamples and cuts blocks of 20 ms.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.audio.devices import Direction, SoundDevice
from app.audio.portaudio import (
    LARGEST_LATENCY_S,
    OpenStream,
    PortAudio,
    StreamClock,
    TimeInfo,
)
from app.audio.resample import StreamResampler
from app.audio.ring import RingBuffer, Samples

SAMPLE_RATE = 16_000
BLOCK = 320
# The reader may be kept busy for this long before sound is lost.
_KEPT_S = 4.0
_SCRATCH = 8192
_LEVEL_BLOCKS = 3  # the level meter shows the loudest of about 50 ms


class Block(NamedTuple):
    """20 ms of sound, and the moment at which the last of its samples was captured."""

    samples: Samples  # (BLOCK,) at SAMPLE_RATE
    stamp: float


class AudioInput:
    """The one microphone. Each method says which thread may call it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stream: OpenStream | None = None
        self._line: _CaptureLine | None = None
        self._overflows_before = 0
        self._peaks: deque[float] = deque(maxlen=_LEVEL_BLOCKS)

    # The dialogue thread.

    def read_block(self) -> list[Block]:
        """All blocks captured since the last call, without waiting for more; often none."""
        line = self._line
        blocks = line.read() if line is not None else []
        for block in blocks[-_LEVEL_BLOCKS:]:
            self._peaks.append(float(np.abs(block.samples).max()))
        return blocks

    @property
    def level(self) -> float:
        """The peak of what was read last, from 0 to 1, for the level meter."""
        return min(1.0, max(self._peaks, default=0.0)) if self._line is not None else 0.0

    @property
    def overflows(self) -> int:
        """How often sound was lost since the start, because it was not read in time."""
        line = self._line
        return self._overflows_before + (line.n_overflows if line is not None else 0)

    # The device thread.

    @property
    def device(self) -> SoundDevice | None:
        """The device that is open; None while there is none."""
        return self._stream.device if self._stream is not None else None

    def is_needed(self) -> bool:
        """Always: what was said just before a key was pressed counts too."""
        return True

    def open(self, portaudio: PortAudio, index: int) -> None:
        """Listens to this device from now on; raises ``DeviceError`` if it cannot."""
        line = _CaptureLine(portaudio.devices()[index].default_sample_rate, self._clock)
        stream = portaudio.open(Direction.INPUT, index, line.callback)
        self.close()
        line.latency_s = stream.latency_s
        portaudio.start(stream)
        self._stream, self._line = stream, line

    def is_lost(self) -> bool:
        """Whether the device that was open is gone."""
        stream, line = self._stream, self._line
        if stream is None or line is None:
            return False
        return stream.is_lost(line.n_callbacks, self._clock())

    def close(self) -> None:
        """Stops listening."""
        stream, line = self._stream, self._line
        self._stream = self._line = None
        if stream is not None and line is not None:
            self._overflows_before += line.n_overflows
            stream.close()

    def do_without(self) -> None:
        """There is no device: no block ever comes."""


class _CaptureLine:
    """The ring of one open stream: the callback writes, the dialogue thread reads."""

    def __init__(self, sample_rate: int, clock: Callable[[], float]) -> None:
        self.latency_s = 0.0
        self.n_callbacks = 0
        self.n_overflows = 0
        self._sample_rate = sample_rate
        self._clock = StreamClock(clock)
        self._ring = RingBuffer(round(_KEPT_S * sample_rate))
        self._mixed = np.zeros(_SCRATCH, dtype=np.float32)
        # How many samples were written, and when the last of them was captured.
        self._reached: tuple[int, float] = (0, 0.0)
        self._resampler = StreamResampler(sample_rate, SAMPLE_RATE)
        self._waiting: Samples = np.zeros(0, dtype=np.float32)
        self._n_delivered = 0

    def callback(
        self, block: npt.NDArray[np.float32], n_frames: int, times: TimeInfo, status: Any
    ) -> None:
        """Takes in the device's block (frames, channels) as one channel."""
        self.n_callbacks += 1
        now = self._clock.when(times.currentTime)
        delay_s = times.currentTime - times.inputBufferAdcTime
        if not 0.0 < delay_s < LARGEST_LATENCY_S:
            delay_s = max(self.latency_s, n_frames / self._sample_rate)
        is_lossy = bool(status.input_overflow)
        done = 0
        while done < n_frames:
            piece = block[done : done + _SCRATCH]
            mixed = self._mixed[: len(piece)]
            mixed[:] = piece[:, 0]
            if piece.shape[1] > 1:
                mixed += piece[:, 1]
                mixed *= 0.5
            is_lossy |= self._ring.write(mixed) < len(mixed)
            done += len(piece)
        self._reached = (self._ring.written, now - delay_s + n_frames / self._sample_rate)
        self.n_overflows += is_lossy

    def read(self) -> list[Block]:
        """Dialogue thread: the complete blocks."""
        fresh = np.empty(self._ring.readable, dtype=np.float32)
        fresh = fresh[: self._ring.read_into(fresh)]
        if not len(fresh):
            return []
        written, captured_at = self._reached
        # A block that came in between the two lines above is not in the ring's count yet.
        captured_at -= (written - self._ring.read) / self._sample_rate
        resampled = self._resampler.push(fresh)
        waiting = np.concatenate((self._waiting, resampled)) if len(self._waiting) else resampled
        n_blocks = len(waiting) // BLOCK
        blocks = []
        for n in range(n_blocks):
            self._n_delivered += BLOCK
            n_read_since_s = self._ring.read / self._sample_rate - self._n_delivered / SAMPLE_RATE
            blocks.append(Block(waiting[n * BLOCK : (n + 1) * BLOCK], captured_at - n_read_since_s))
        self._waiting = waiting[n_blocks * BLOCK :]
        return blocks
