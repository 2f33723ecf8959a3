"""Log mel spectrogram of 22.05 kHz speech, the meeting point of flow decoder and vocoder.

The HiFi-GAN form: Slaney filters on the STFT magnitude, no centring, so that ``n_samples // HOP``
frames come out and frame t describes the samples from ``t * HOP`` to ``(t + 1) * HOP``.
"""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

SAMPLE_RATE = 22050
HOP = 256
N_MELS = 80
_N_FFT = 1024
_F_MIN_HZ = 0.0
_F_MAX_HZ = 8000.0
_FLOOR = 1e-5

SILENCE = math.log(_FLOOR)
"""The value of every bin of a silent frame."""


def mel_spectrogram(samples: Tensor) -> Tensor:
    """Log mel frames (B, 80, T) of samples (B, N) at 22050 Hz; T is N // 256."""
    assert samples.dim() == 2, samples.shape
    n_frames = samples.shape[1] // HOP
    side = (_N_FFT - HOP) // 2
    mode = "reflect" if n_frames * HOP > side else "constant"
    padded = F.pad(samples[:, None, : n_frames * HOP], (side, side), mode=mode)[:, 0]
    window, filters = _constants(samples.device)
    spectrum = torch.stft(
        padded, _N_FFT, HOP, window=window, center=False, return_complex=True
    )  # (B, n_fft / 2 + 1, T)
    power = spectrum.real.square() + spectrum.imag.square()
    return (filters @ (power + 1e-9).sqrt()).clamp_min(_FLOOR).log()


def mel_filters(
    n_mels: int, n_fft: int, sample_rate: int, f_min_hz: float, f_max_hz: float
) -> Tensor:
    """Triangular filters (n_mels, n_fft / 2 + 1) on the Slaney mel scale, each of unit area."""
    low, high = _mel(torch.tensor([f_min_hz, f_max_hz], dtype=torch.float64)).tolist()
    edges = _hertz(torch.linspace(low, high, n_mels + 2, dtype=torch.float64))
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = torch.minimum(rising, falling).clamp_min(0)
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).float()


@functools.cache
def _constants(device: torch.device) -> tuple[Tensor, Tensor]:
    filters = mel_filters(N_MELS, _N_FFT, SAMPLE_RATE, _F_MIN_HZ, _F_MAX_HZ)
    return torch.hann_window(_N_FFT, device=device), filters.to(device)


# The Slaney scale: 15 mel per 1000 Hz up to 1000 Hz, then 27 mel per factor 6.4.
_KNEE_HZ, _KNEE_MEL = 1000.0, 15.0
_MEL_PER_NEPER = 27.0 / math.log(6.4)


def _mel(hertz: Tensor) -> Tensor:
    above = _KNEE_MEL + (hertz.clamp_min(_KNEE_HZ) / _KNEE_HZ).log() * _MEL_PER_NEPER
    return torch.where(hertz < _KNEE_HZ, hertz * _KNEE_MEL / _KNEE_HZ, above)


def _hertz(mel: Tensor) -> Tensor:
    above = _KNEE_HZ * ((mel - _KNEE_MEL) / _MEL_PER_NEPER).exp()
    return torch.where(mel < _KNEE_MEL, mel * _KNEE_HZ / _KNEE_MEL, above)
