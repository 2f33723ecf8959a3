"""A spoken question: one channel of samples that were checked to hold sound."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import RequestError

# -66 dB below full scale: dither and rounding of an otherwise silent recording stay below it.
_SILENCE_PEAK = 5e-4
# A recording may overshoot [-1, 1] a little; further out the numbers are no waveform.
_LOUDEST = 64.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """Float32 samples in [-1, 1], one channel, finite and not silent; nobody writes them."""

    samples: npt.NDArray[np.float32]  # (N,)
    sample_rate: int

    @classmethod
    def checked(cls, samples: npt.NDArray[np.float32], sample_rate: int) -> "Utterance":
        """The samples as an utterance, or a ``RequestError`` that says what is wrong."""
        samples = np.asarray(samples, dtype=np.float32)
        assert samples.ndim == 1, f"one channel expected, got shape {samples.shape}"
        if sample_rate <= 0:
            raise RequestError(f"the sample rate {sample_rate} is not positive")
        if samples.size == 0:
            raise RequestError("the recording holds no sound: it is empty")
        if not np.isfinite(samples).all():
            raise RequestError("the recording holds samples that are not numbers (NaN or infinite)")
        peak = float(np.abs(samples).max())
        if float(np.ptp(samples)) / 2 < _SILENCE_PEAK:  # a constant offset is silence too
            raise RequestError("the recording is silent: there is no question in it")
        if peak > _LOUDEST:
            raise RequestError(f"the recording's samples reach {peak:.3g}: expected -1 to 1")
        return cls(samples, sample_rate)

    @property
    def duration_s(self) -> float:
        """How long the utterance is."""
        return len(self.samples) / self.sample_rate
