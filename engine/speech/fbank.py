"""Features of the Plus variant's encoder: Kaldi filterbank, stacked frames, normalisation.

Equal to the front-end that SenseVoice was trained with, without its random dither: 80 mel bands of
25 ms every 10 ms, then seven frames stacked every six, which makes rows of 560 at 16.7 a second.
"""

import re
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import CheckpointError

SAMPLE_RATE = 16_000
N_MELS = 80
FRAME = 400
HOP = 160
STACKED, STRIDE = 7, 6
WIDTH = STACKED * N_MELS
"""The width of a stacked row."""

_N_FFT = 512
_PRE_EMPHASIS = 0.97
_F_MIN_HZ = 20.0
_FLOOR = torch.finfo(torch.float32).eps
# The reference reads 16-bit samples as whole numbers.
_FULL_SCALE = 32768.0


def kaldi_fbank(samples: Tensor) -> Tensor:
    """Log mel energies (T, 80) of 16 kHz samples (N,) in [-1, 1]; T is 1 + (N - 400) // 160."""
    assert samples.dim() == 1 and len(samples) >= FRAME, f"too short a frame: {samples.shape}"
    frames = (samples.float() * _FULL_SCALE).unfold(0, FRAME, HOP)  # (T, 400)
    frames = frames - frames.mean(1, keepdim=True)
    # The first sample of a frame counts as its own predecessor.
    before = torch.cat((frames[:, :1], frames[:, :-1]), dim=1)
    frames = (frames - _PRE_EMPHASIS * before) * _window(samples.device)
    power = torch.fft.rfft(F.pad(frames, (0, _N_FFT - FRAME))).abs().square()  # (T, 257)
    return (power @ _mel_filters(samples.device)).clamp_min(_FLOOR).log()


def stacked(frames: Tensor) -> Tensor:
    """Frames (T, W) as rows (ceil(T / 6), 7 W), each of seven frames and centred on every sixth.

    Before the first and after the last frame stands a copy of it.
    """
    n_frames = len(frames)
    first = torch.arange(0, n_frames, STRIDE, device=frames.device) - STACKED // 2
    places = first[:, None] + torch.arange(STACKED, device=frames.device)
    return frames[places.clamp(0, n_frames - 1)].flatten(1)


def read_cmvn(path: Path) -> tuple[Tensor, Tensor]:
    """What is added to a stacked row and what it is multiplied with then, each (560,).

    ``path`` is SenseVoice's ``am.mvn``, a Kaldi network of these two in text form.
    """
    try:
        text = path.read_text(encoding="utf-8")
        shift, scale = (_vector(text, name) for name in ("AddShift", "Rescale"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read the feature statistics {path}: {error}") from error
    if not (len(shift) == len(scale) == WIDTH):
        raise CheckpointError(
            f"{path}: the feature statistics are {len(shift)} and {len(scale)} wide, not {WIDTH}"
        )
    return shift, scale


def _vector(text: str, component: str) -> Tensor:
    """The numbers in brackets after the component's name."""
    found = re.search(rf"<{component}>[^\[]*<LearnRateCoef>[^\[]*\[([^\]]*)\]", text)
    if found is None:
        raise ValueError(f"it has no <{component}>")
    return torch.tensor([float(number) for number in found.group(1).split()])


@lru_cache(maxsize=4)
def _window(device: torch.device) -> Tensor:
    return torch.hamming_window(FRAME, periodic=False, device=device)


@lru_cache(maxsize=4)
def _mel_filters(device: torch.device) -> Tensor:
    """Triangles of height 1 on the HTK mel scale, (257, 80)."""
    bins = _mel(torch.arange(_N_FFT // 2 + 1, dtype=torch.float64) * SAMPLE_RATE / _N_FFT)
    low, high = _mel(torch.tensor([_F_MIN_HZ, SAMPLE_RATE / 2], dtype=torch.float64)).tolist()
    edges = torch.linspace(low, high, N_MELS + 2, dtype=torch.float64)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp_min(0).float().to(device)


def _mel(hertz: Tensor) -> Tensor:
    return (1 + hertz / 700).log() * 1127
