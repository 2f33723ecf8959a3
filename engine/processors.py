"""What known processors offer a language model: memory and how fast it is read.

Pure. The figures are the makers' (GB/s are 10^9 bytes a second); they are used for a machine that
is not at hand, or whose memory cannot be timed.
"""

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Processor:
    """One processor: its name, its memory in bytes, and bytes a second read from it."""

    name: str
    memory: int
    bandwidth: float


def _gpu(name: str, gib: int, gb_per_s: int) -> Processor:
    return Processor(name, gib * GIB, gb_per_s * 1e9)


GPUS = (
    _gpu("H200", 141, 4800),
    _gpu("H100 PCIe", 80, 2000),
    _gpu("H100", 80, 3350),
    _gpu("H20", 96, 4000),
    _gpu("A100 40GB", 40, 1555),
    _gpu("A100", 80, 2039),
    _gpu("L40S", 48, 864),
    _gpu("L4", 24, 300),
    _gpu("A10", 24, 600),
    _gpu("T4", 16, 320),
    _gpu("RTX PRO 6000", 96, 1792),
    _gpu("RTX 6000 Ada", 48, 960),
    _gpu("RTX A6000", 48, 768),
    _gpu("RTX 5090", 32, 1792),
    _gpu("RTX 5080", 16, 960),
    _gpu("RTX 5070 Ti", 16, 896),
    _gpu("RTX 5070", 12, 672),
    _gpu("RTX 4090", 24, 1008),
    _gpu("RTX 4080", 16, 717),
    _gpu("RTX 4070 Ti SUPER", 16, 672),
    _gpu("RTX 4070", 12, 504),
    _gpu("RTX 4060 Ti", 16, 288),
    _gpu("RTX 3090", 24, 936),
    _gpu("RTX 3080", 10, 760),
    _gpu("RTX 3060", 12, 360),
    _gpu("RTX 2080 Ti", 11, 616),
)


def known_gpu(name: str) -> Processor | None:
    """The GPU of the table that a full or short name, such as ``rtx 4090``, stands for."""
    words = name.upper().replace("-", " ").split()
    best = None
    for gpu in GPUS:
        wanted = gpu.name.upper().split()
        if all(word in words for word in wanted) and (
            best is None or len(wanted) > len(best.name.split())
        ):
            best = gpu
    return best
