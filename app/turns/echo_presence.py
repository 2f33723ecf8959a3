"""``EchoPresence``: does the microphone hear the speaker at all? With headphones it does not.

Pure. An echo canceller that finds no echo takes a voice for one and mutes the beginning of it, so
that an interruption is noticed late and loses its first word. Where there is no echo, it had better
not listen to the speaker.

An echo is the played sound, late and coloured. Their generalised cross-correlation with phase
transform has a peak at the delay, however soft the echo: 35 times as high as its surroundings (at
the least) for an echo of -12 dB, 21 times for -40 dB, at most 9 times for noise, and seldom above
13 times for another voice.
"""

import numpy as np
import numpy.typing as npt

# Half a second of the microphone is looked for in what was played then and up to 400 ms before.
_WINDOW = 8192
_LARGEST_DELAY = 6400
_FFT = 16384
_INTERVAL = 1600
_PEAK = 20.0
# So many looks in a row, a tenth of a second each, must find no echo.
_N_CLEAR = 5
_QUIETEST = 0.003

Samples = npt.NDArray[np.float32]


class EchoPresence:
    """Compares what was captured with what was played; belongs to the dialogue thread.

    ``is_heard`` is true until the contrary is found, and true again as soon as there is an echo.
    """

    def __init__(self) -> None:
        self.is_heard = True
        self._near = np.zeros(_WINDOW, dtype=np.float32)
        self._far = np.zeros(_WINDOW + _LARGEST_DELAY, dtype=np.float32)
        self._n_clear = 0
        self.restart()

    def restart(self) -> None:
        """The speaker was silent for a while: what comes does not follow what was pushed."""
        self._far[:] = 0.0
        self._n_until_look = _WINDOW

    def push(self, near: Samples, far: Samples) -> None:
        """Takes a block that was captured, and as much that was played at about that time."""
        for kept, fresh in ((self._near, near), (self._far, far)):
            kept[: -len(fresh)] = kept[len(fresh) :]
            kept[-len(fresh) :] = fresh
        self._n_until_look -= len(near)
        if self._n_until_look > 0:
            return
        self._n_until_look = _INTERVAL
        played = self._far[-_WINDOW:]
        if float(np.dot(played, played)) < _WINDOW * _QUIETEST**2:
            return
        if self._peak() >= _PEAK:
            self._n_clear = 0
            self.is_heard = True
        else:
            self._n_clear += 1
            self.is_heard = self.is_heard and self._n_clear < _N_CLEAR

    def _peak(self) -> float:
        """How far the correlation's peak at a possible delay stands out."""
        cross = np.fft.rfft(self._near, _FFT) * np.conj(np.fft.rfft(self._far, _FFT))
        cross /= np.abs(cross) + 1e-9
        correlation = np.fft.irfft(cross, _FFT)
        # Both end at the same moment, so without delay the near window lies behind in the far one.
        possible = np.concatenate((correlation[-_LARGEST_DELAY:], correlation[:1]))
        spread = float(correlation.std())
        return float(np.abs(possible).max()) / spread if spread > 0.0 else 0.0
