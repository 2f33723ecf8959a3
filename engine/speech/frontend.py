"""Log-mel features of the speech tokenizer: Whisper's front-end in torch, any number of bands.

Equal to ``WhisperFeatureExtractor`` of transformers. It leaves out cutting long recordings and
padding to whole audio tokens; `engine.speech.tokenizer` does both.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

SAMPLE_RATE = 16_000
N_FFT = 400
HOP = 160


def whisper_log_mel(samples: Tensor, n_mels: int) -> Tensor:
    """The log-mel of 16 kHz samples, (..., N) -> (..., n_mels, N // 160); the floor is per item."""
    assert samples.shape[-1] > N_FFT // 2, f"too short for one reflected frame: {samples.shape}"
    flat = samples.reshape(-1, samples.shape[-1]).float()
    window = _window(samples.device)
    spectrum = torch.stft(flat, N_FFT, HOP, window=window, center=True, return_complex=True)
    power = spectrum[..., :-1].abs().square()  # (B, 201, frames)
    mel = mel_filters(n_mels, samples.device) @ power
    log_mel = mel.clamp_(min=1e-10).log10_()
    floor = log_mel.amax(dim=(1, 2), keepdim=True) - 8.0
    log_mel = torch.maximum(log_mel, floor).add_(4.0).div_(4.0)
    return log_mel.reshape(*samples.shape[:-1], n_mels, -1)


@lru_cache(maxsize=8)
def mel_filters(n_mels: int, device: torch.device) -> Tensor:
    """Triangular filters on the Slaney mel scale with Slaney's area norm, (n_mels, 201)."""
    bins = torch.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1, dtype=torch.float64)
    top = _hertz_to_mel(SAMPLE_RATE / 2)
    edges = _mel_to_hertz(torch.linspace(0, top, n_mels + 2, dtype=torch.float64))
    width = edges.diff()
    slopes = edges[:, None] - bins[None, :]  # (n_mels + 2, 201)
    rising = -slopes[:-2] / width[:-1, None]
    falling = slopes[2:] / width[1:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    area = 2.0 / (edges[2:] - edges[:-2])
    return (triangles * area[:, None]).float().to(device)


@lru_cache(maxsize=4)
def _window(device: torch.device) -> Tensor:
    return torch.hann_window(N_FFT, device=device)


_LINEAR_HZ_PER_MEL = 200.0 / 3  # Slaney's scale is linear below 1 kHz, logarithmic above
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


def _hertz_to_mel(hertz: float) -> float:
    return _BREAK_MEL + math.log(hertz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hertz(mel: Tensor) -> Tensor:
    logarithmic = _BREAK_HZ * torch.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return torch.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, logarithmic)
