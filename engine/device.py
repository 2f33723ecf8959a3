"""Where the networks run and in which precision; chosen once, when a model is loaded."""

import platform
import warnings
from pathlib import Path

import torch

from engine.config import ModelConfig
from engine.errors import RequestError
from engine.fit import best_precision, memory_for
from engine.machine import memory_of
from engine.precision import Precision, automatic_precisions

_FIRST_TOKENS = 2048  # two and a half minutes of talk


def choose_device(wanted: str = "auto") -> torch.device:
    """The device called ``wanted``; "auto" is a CUDA device where there is one, else the CPU."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise RequestError(f"{wanted!r} is not the name of a device") from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise RequestError(f"this program cannot use a device {wanted!r}; use cpu")
    if (reason := _why_no_cuda()) is not None:
        raise RequestError(f"there is no device {wanted!r} here: {reason}; use cpu")
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise RequestError(f"there is no {wanted!r}: {torch.cuda.device_count()} devices are here")
    return device


def _why_no_cuda() -> str | None:
    """Why no CUDA device can be used; None where one can."""
    # Of a driver that is too old torch tells in a warning, and beside our line it is one too many.
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return None
    if not torch.backends.cuda.is_built():
        return "torch was installed without CUDA"
    if told:
        return str(told[0].message).partition("(Triggered")[0].strip().rstrip(".")
    return "no NVIDIA GPU with its driver was found"


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16; every CPU does, if slowly."""
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """What is computed in: quantised weights are undone to bfloat16, or float16 without that."""
    match precision:
        case Precision.FP32:
            return torch.float32
        case Precision.BF16:
            return torch.bfloat16
        case Precision.FP16:
            return torch.float16
        case Precision.INT8 | Precision.INT4:
            return torch.bfloat16 if has_bf16(device) else torch.float16


def automatic_precision(
    config: ModelConfig, device: torch.device, within: int = 0, beside: int = 0
) -> Precision:
    """The most exact in which a language model and its speech parts fit into the free memory.

    The parts' bytes are as in ``memory_for``; of a conversation room for its beginning is counted.
    Where nothing fits, it is the smallest.
    """
    is_gpu = device.type == "cuda"
    needed = {
        precision: memory_for(config, precision, is_gpu, _FIRST_TOKENS, within, beside).total
        for precision in automatic_precisions(is_gpu, has_bf16(device))
    }
    _, free = memory_of(device)
    return best_precision(needed, free) if free else next(iter(needed))  # 0 is not known


def processor_name(device: torch.device) -> str:
    """What computes: the GPU's name; of a CPU the one Linux tells, else its architecture."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
