"""The voice itself: true speech of the answer voice taken apart and put together again.

From audio tokens (tokens -> flow -> vocoder) and from the true mel (mel -> vocoder), against the
true samples: STOI, and wide-band PESQ where the package is installed.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import soxr

from engine.conversation import SpeechEmbeddings
from engine.errors import RequestError
from engine.evaluation.model import EngineModel

_PESQ_RATE = 16000


@dataclass(frozen=True, slots=True)
class CopyScore:
    """How close the copies of one clip are to it; PESQ is None where it cannot be measured."""

    stoi_tokens: float
    stoi_mel: float
    pesq_tokens: float | None
    pesq_mel: float | None


def copy_synthesis(
    model: EngineModel, samples: npt.NDArray[np.float32], sample_rate: int
) -> CopyScore:
    """Both copies of one clip, scored; a ``RequestError`` where a model hears no audio tokens."""
    rate = model.sample_rate
    true = soxr.resample(samples, sample_rate, rate) if sample_rate != rate else samples
    codes = model.encode(true, rate)
    if isinstance(codes, SpeechEmbeddings):
        raise RequestError("a Plus model makes no audio tokens of what it hears: ask for no copies")
    from_tokens = model.speak(codes)
    from_mel = _vocoded(model, true)
    return CopyScore(
        stoi(true, from_tokens, rate),
        stoi(true, from_mel, rate),
        pesq(true, from_tokens, rate),
        pesq(true, from_mel, rate),
    )


def stoi(true: npt.NDArray[np.float32], copy: npt.NDArray[np.float32], sample_rate: int) -> float:
    """Short-time objective intelligibility of a copy, over the length both have."""
    import pystoi

    length = min(len(true), len(copy))
    return float(pystoi.stoi(true[:length], copy[:length], sample_rate))


def pesq(
    true: npt.NDArray[np.float32], copy: npt.NDArray[np.float32], sample_rate: int
) -> float | None:
    """Wide-band PESQ of a copy; None without the package."""
    if find_spec("pesq") is None:
        return None
    import pesq as library

    length = min(len(true), len(copy))
    pair = (soxr.resample(x[:length], sample_rate, _PESQ_RATE) for x in (true, copy))
    return float(library.pesq(_PESQ_RATE, *pair, "wb"))


def _vocoded(model: EngineModel, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    import torch

    from engine.speech.mel import mel_spectrogram

    vocoder = model.engine.speech_decoder.vocoder
    with torch.inference_mode():
        mel = mel_spectrogram(torch.from_numpy(samples.astype(np.float32))[None])
        copy = vocoder(mel, torch.Generator().manual_seed(0))
    return np.asarray(copy[0].float().cpu().numpy())
