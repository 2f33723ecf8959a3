"""What was really played, at 16 kHz and in time with what the microphone hears.

The sound card's callback writes every block it played, with fades and volume, into a second ring,
together with the moment at which that block leaves the device. The dialogue thread reads it beside
the microphone: for each captured block, the sound that left the device at about that moment.
"""

from collections import deque
from collections.abc import Callable
from statistics import median

import numpy as np

from app.audio.resample import StreamResampler
from app.audio.ring import RingBuffer, Samples

SAMPLE_RATE = 16_000
# The reference must reach the echo canceller before its echo does, whatever the sound card says
# about its own latency. By how much, the canceller finds out, up to some 400 ms; but a shift costs
# it what it has learnt. So a reference that became early is let run much further than a late one.
LEAD_S = 0.05
_MAY_BE_LATE_S = 0.04
_MAY_BE_EARLY_S = 0.15
_MEASUREMENTS = 25
# An echo goes on for a while after its sound: reverberation, and what latency hides.
_ECHO_TAIL_S = 1.0
_KEPT_S = 2.0


class FarLine:
    """The ring of one output stream; the callback writes, the dialogue thread reads."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.ring = RingBuffer(round(_KEPT_S * sample_rate))
        self._end: tuple[int, float] = (0, 0.0)
        self._audible_until = float("-inf")

    def write(self, played: Samples, ends_at: float, is_audible: bool) -> None:
        """Callback: a block whose last sample leaves the device at ``ends_at``."""
        self.ring.write(played)
        self._end = (self.ring.written, ends_at)
        if is_audible:
            self._audible_until = ends_at

    def is_audible(self, at: float) -> bool:
        """Whether the microphone may hear something of it at this moment."""
        return at < self._audible_until + _ECHO_TAIL_S

    def number_at(self, at: float) -> float:
        """The number of the sample that leaves the device at this moment."""
        written, ends_at = self._end
        return written - (ends_at - at) * self.sample_rate


class FarEnd:
    """The reference for the echo canceller; belongs to the dialogue thread.

    Both streams have steady clocks, so as much is read as was captured. What the sound cards say
    about time jumps about by some tens of milliseconds: its median over half a second decides
    whether the two have drifted apart.
    """

    def __init__(self, current_line: Callable[[], FarLine | None]) -> None:
        self._current_line = current_line
        self._line: FarLine | None = None
        self._resampler: StreamResampler | None = None
        self._waiting: Samples = np.zeros(0, dtype=np.float32)
        self._number = 0.0  # of the first waiting sample, counted at the device's rate
        self._lateness: deque[float] = deque(maxlen=_MEASUREMENTS)

    def read(self, n_samples: int, stamp: float) -> Samples | None:
        """As many samples as were captured until ``stamp``; None while all is quiet."""
        line = self._current_line()
        if line is None or not line.is_audible(stamp):
            self._line = None
            return None
        begin = line.number_at(stamp + LEAD_S) - n_samples * line.sample_rate / SAMPLE_RATE
        if line is not self._line:
            self._begin(line, begin)
        self._take_in(line)
        self._lateness.append((begin - self._number) / line.sample_rate)
        if len(self._lateness) == _MEASUREMENTS:
            late_s = median(self._lateness)
            if late_s > _MAY_BE_LATE_S or late_s < -_MAY_BE_EARLY_S:
                self._shift(line, round(late_s * SAMPLE_RATE))
        return self._deliver(line, n_samples)

    def _begin(self, line: FarLine, number: float) -> None:
        """Starts with this sample; what was captured before the first one has silence beside it."""
        skipped = min(max(0, int(number) - line.ring.read), line.ring.readable)
        line.ring.take(np.empty(skipped, dtype=np.float32))
        early_s = max(0.0, line.ring.read - number) / line.sample_rate
        self._line = line
        self._resampler = StreamResampler(line.sample_rate, SAMPLE_RATE)
        self._waiting = np.zeros(round(early_s * SAMPLE_RATE), dtype=np.float32)
        self._number = line.ring.read - early_s * line.sample_rate
        self._lateness.clear()

    def _take_in(self, line: FarLine) -> None:
        fresh = np.empty(line.ring.readable, dtype=np.float32)
        fresh = fresh[: line.ring.take(fresh)]
        if len(fresh) and self._resampler is not None:
            self._waiting = np.concatenate((self._waiting, self._resampler.push(fresh)))

    def _shift(self, line: FarLine, n_late: int) -> None:
        """Leaves out what comes too late, or puts silence before what comes too early."""
        if n_late > 0:
            n_late = min(n_late, len(self._waiting))
            self._waiting = self._waiting[n_late:]
        else:
            self._waiting = np.concatenate((np.zeros(-n_late, dtype=np.float32), self._waiting))
        self._number += n_late * line.sample_rate / SAMPLE_RATE
        self._lateness.clear()

    def _deliver(self, line: FarLine, n_samples: int) -> Samples:
        """The next samples; where the sound card is not that far yet, silence comes first."""
        out = np.zeros(n_samples, dtype=np.float32)
        n = min(n_samples, len(self._waiting))
        out[n_samples - n :] = self._waiting[:n]
        self._waiting = self._waiting[n:]
        self._number += n * line.sample_rate / SAMPLE_RATE
        return out
