"""A ring of samples between two threads: one writes, one reads, nobody waits.

The array is made once. Two counters only ever grow: ``written`` is assigned by the writer alone,
``read`` by the reader alone, each after the samples it speaks of were copied, so that neither side
can see a sample that is not there. Throwing away what was not read yet is a *request* that the
reader obeys, because only the reader moves the read position.
"""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]  # (N,), one channel


class RingBuffer:
    """Samples on their way from one writer thread to one reader thread.

    Neither side allocates, locks or raises: either may be a sound card's callback.
    """

    __slots__ = ("_capacity", "_discard_to", "_read", "_samples", "_written")

    def __init__(self, capacity_samples: int) -> None:
        assert capacity_samples > 0
        self._capacity = capacity_samples
        self._samples = np.zeros(capacity_samples, dtype=np.float32)
        self._written = 0
        self._read = 0
        self._discard_to = 0

    @property
    def capacity(self) -> int:
        """How many unread samples there is room for."""
        return self._capacity

    @property
    def written(self) -> int:
        """Samples written since the beginning; only grows."""
        return self._written

    @property
    def read(self) -> int:
        """Samples read or thrown away since the beginning; only grows."""
        return self._read

    @property
    def readable(self) -> int:
        """Samples that wait for the reader, those to be thrown away among them."""
        return self._written - self._read

    @property
    def writable(self) -> int:
        """Samples that there is room for."""
        return self._capacity - self.readable

    def write(self, samples: Samples) -> int:
        """Writer: takes in as many samples as there is room for and says how many."""
        n = min(len(samples), self.writable)
        start = self._written % self._capacity
        first = min(n, self._capacity - start)
        self._samples[start : start + first] = samples[:first]
        self._samples[: n - first] = samples[first:n]
        self._written += n
        return n

    def read_into(self, out: Samples) -> int:
        """Reader: obeys a discard, then takes what there is."""
        self.discard()
        return self.take(out)

    def take(self, out: Samples) -> int:
        """Reader: fills the beginning of ``out``, whether or not to be discarded; says how far."""
        n = min(len(out), self.readable)
        start = self._read % self._capacity
        first = min(n, self._capacity - start)
        out[:first] = self._samples[start : start + first]
        out[first:n] = self._samples[: n - first]
        self._read += n
        return n

    def request_discard(self) -> None:
        """Anyone but the reader: what is written by now shall not be read."""
        self._discard_to = self._written

    @property
    def discardable(self) -> int:
        """Unread samples that a request says to throw away."""
        return max(0, self._discard_to - self._read)

    def discard(self) -> None:
        """Reader: throws away what was asked for."""
        self._read += self.discardable
