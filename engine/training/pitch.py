"""Fundamental frequency of recorded or synthesised speech: the vocoder's training target.

Normalised autocorrelation around each mel frame, its best peaks kept as candidates beside
"unvoiced", and the cheapest path through them. Made for clean synthetic speech, where it is run
once per clip; leaves out noise robustness and creaky voice.
"""

import numpy as np
from numpy.typing import NDArray

from engine.speech.mel import HOP, SAMPLE_RATE

_LOWEST_HZ = 65.0
_HIGHEST_HZ = 500.0
_WINDOW = 1024
_N_CANDIDATES = 8  # a pitch of 500 Hz also peaks at seven multiples of its period
_UNVOICED_COST = 0.45  # a peak counts as voiced from about 1 minus this height on
_SWITCH_COST = 0.15  # between voiced and unvoiced
_OCTAVE_COST = 0.4  # per octave of movement between frames
_LONG_LAG_COST = 0.03  # per octave below the highest pitch: breaks ties between multiples
_SILENCE = 1e-3  # rms below this is unvoiced


def estimate_f0(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """F0 in Hz of each mel frame of 22050 Hz samples (N,); 0 where unvoiced; (N // 256,)."""
    assert samples.ndim == 1, samples.shape
    n_frames = len(samples) // HOP
    if n_frames == 0:
        return np.zeros(0, dtype=np.float32)
    height, hertz = _candidates(_correlation(samples, n_frames))
    return _cheapest_path(height, hertz)


_SHORTEST_LAG = int(SAMPLE_RATE / _HIGHEST_HZ)
_LONGEST_LAG = int(SAMPLE_RATE / _LOWEST_HZ) + 2
_CIRCLE = 1440
assert _CIRCLE >= _WINDOW + _LONGEST_LAG


def _correlation(samples: NDArray[np.float32], n_frames: int) -> NDArray[np.float64]:
    """Normalised correlation (T, lags) of a window with itself later, centred on the frame."""
    reach = _WINDOW + _LONGEST_LAG
    before = (reach - HOP) // 2
    padded = np.pad(samples.astype(np.float64), (before, reach))
    frames = np.lib.stride_tricks.sliding_window_view(padded, reach)[: n_frames * HOP : HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    # Correlated around a circle: what wraps around lands on lags above the longest.
    head = np.fft.rfft(frames[:, :_WINDOW], _CIRCLE)
    whole = np.fft.rfft(frames, _CIRCLE)
    product = np.fft.irfft(head.conj() * whole, _CIRCLE)[:, : _LONGEST_LAG + 1]
    energy = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    later = energy[:, _WINDOW : _WINDOW + _LONGEST_LAG + 1] - energy[:, : _LONGEST_LAG + 1]
    floor = _WINDOW * _SILENCE**2
    correlation: NDArray[np.float64] = product / np.sqrt((later[:, :1] + floor) * (later + floor))
    return correlation


def _candidates(
    correlation: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Heights and frequencies (T, candidates) of the highest peaks; height -1 where none is."""
    middle = correlation[:, _SHORTEST_LAG:-1]
    left, right = correlation[:, _SHORTEST_LAG - 1 : -2], correlation[:, _SHORTEST_LAG + 1 :]
    is_peak = (middle > left) & (middle >= right)
    lags = np.argsort(np.where(is_peak, -middle, 1.0), axis=1)[:, :_N_CANDIDATES]
    take = np.take_along_axis
    height, before, after = (take(values, lags, axis=1) for values in (middle, left, right))
    curvature = before - 2 * height + after
    offset = np.where(curvature < 0, (before - after) / (2 * np.minimum(curvature, -1e-12)), 0.0)
    top = height - (before - after) * offset.clip(-0.5, 0.5) / 4
    hertz = SAMPLE_RATE / (lags + _SHORTEST_LAG + offset.clip(-0.5, 0.5))
    return np.where(take(is_peak, lags, axis=1), top, -1.0), hertz


def _cheapest_path(height: NDArray[np.float64], hertz: NDArray[np.float64]) -> NDArray[np.float32]:
    """The frequency of the best candidate per frame, unvoiced being the last candidate."""
    n_frames = len(height)
    octaves = np.log2(hertz)
    cost = 1 - height + _LONG_LAG_COST * (np.log2(_HIGHEST_HZ) - octaves)
    total = np.append(cost[0], _UNVOICED_COST)
    choices = np.zeros((n_frames, total.size), dtype=np.int64)
    move = np.full((total.size, total.size), _SWITCH_COST)  # (to, from)
    move[-1, -1] = 0.0
    for t in range(1, n_frames):
        move[:-1, :-1] = _OCTAVE_COST * np.abs(octaves[t][:, None] - octaves[t - 1])
        reached = total + move
        choices[t] = reached.argmin(axis=1)
        total = reached.min(axis=1) + np.append(cost[t], _UNVOICED_COST)
    f0 = np.zeros(n_frames, dtype=np.float32)
    best = int(total.argmin())
    for t in reversed(range(n_frames)):
        if best < height.shape[1]:
            f0[t] = hertz[t, best]
        best = int(choices[t, best])
    return f0
