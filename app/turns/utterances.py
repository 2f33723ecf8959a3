"""``SoundHistory``: the last minute from the microphone, out of which utterances are cut."""

import numpy as np
import numpy.typing as npt

from app.turns.turn_detector import LONGEST_TURN
from app.turns.turn_events import SAMPLE_RATE

# Beyond the longest turn: what is pushed while the end of a turn is being decided.
_MARGIN = 2 * SAMPLE_RATE


class SoundHistory:
    """Samples at 16 kHz by their number since the start; belongs to the dialogue thread.

    What is older than the longest turn is overwritten.
    """

    def __init__(self, capacity: int = LONGEST_TURN + _MARGIN) -> None:
        self._ring = np.zeros(capacity, dtype=np.float32)
        self._n_pushed = 0
        self._last_at = 0.0

    def push(self, samples: npt.NDArray[np.float32], last_at: float) -> None:
        """Keeps samples; the last of them was captured at the monotonic time ``last_at``."""
        capacity = len(self._ring)
        kept = samples[-capacity:]
        first = (self._n_pushed + len(samples) - len(kept)) % capacity
        until_end = min(len(kept), capacity - first)
        self._ring[first : first + until_end] = kept[:until_end]
        self._ring[: len(kept) - until_end] = kept[until_end:]
        self._n_pushed += len(samples)
        self._last_at = last_at

    def replace_last(self, samples: npt.NDArray[np.float32]) -> None:
        """Writes over the newest samples."""
        self._n_pushed = max(0, self._n_pushed - len(samples))
        self.push(samples, self._last_at)

    def cut(self, start: int, end: int) -> npt.NDArray[np.float32]:
        """A copy of the samples from number ``start`` to before ``end``, as far as kept."""
        capacity = len(self._ring)
        start = max(start, self._n_pushed - capacity, 0)
        end = min(end, self._n_pushed)
        if end <= start:
            return np.zeros(0, dtype=np.float32)
        indices = np.arange(start, end) % capacity
        return self._ring[indices]

    def time_of(self, sample: int) -> float:
        """When a sample was captured, in monotonic seconds."""
        return self._last_at - (self._n_pushed - sample) / SAMPLE_RATE
