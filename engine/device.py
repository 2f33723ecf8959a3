"""Where the networks run and in which precision; chosen once, when a model is loaded."""

import platform
import warnings
from pathlib import Path

import torch

from engine.errors import RequestError


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


def choose_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on a CUDA device that computes in it, else float32."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float32


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
