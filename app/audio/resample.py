"""Changing the sample rate of a stream, piece by piece."""

from fractions import Fraction

import numpy as np

from app.audio.ring import Samples


class StreamResampler:
    """Resamples one stream; in pieces it gives exactly what it gives in one go.

    Sample ``n`` of the result stands at the time of sample ``n * rate_in / rate_out`` of the input:
    the filter adds no shift, but it holds back up to about 40 ms until more comes or ``finish`` is
    called. Belongs to one thread. Equal rates pass through untouched.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self.ratio = Fraction(rate_out, rate_in)
        self._filter = None
        if rate_in != rate_out:
            # It takes a while to import, and only who has sound to resample needs it.
            import soxr

            self._filter = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")

    def push(self, samples: Samples) -> Samples:
        """The next piece of the result; it may be empty."""
        if self._filter is None:
            return samples
        result: Samples = self._filter.resample_chunk(np.ascontiguousarray(samples))
        return result

    def finish(self) -> Samples:
        """What was held back; nothing may be pushed afterwards."""
        if self._filter is None:
            return np.zeros(0, dtype=np.float32)
        result: Samples = self._filter.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
        return result
