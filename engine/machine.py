"""The machine at hand, or a GPU of the table: memory, and how fast it is read.

Torch is imported when a device of this machine is asked about, and not before.
"""

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import RequestError
from engine.processors import Processor, known_gpu

if TYPE_CHECKING:
    import torch

_COPIED_BYTES = 256 << 20
_N_COPIES = 5


@dataclass(frozen=True, slots=True)
class Machine:
    """What a model would run on.

    ``free`` is what of the device's memory is not in use now, ``ram`` and ``free_ram`` are the
    machine's own; zero where they cannot be told. ``is_measured`` says whether the processor's
    bandwidth was measured here or is the maker's; it is zero where neither is known.
    """

    processor: Processor
    is_gpu: bool
    is_measured: bool
    free: int
    ram: int
    free_ram: int


def machine_with(device: str, measures: bool = True) -> Machine:
    """This machine with the device ``auto``, ``cpu`` or ``cuda``, or with a known GPU's name.

    ``measures`` the bandwidth of a device that is here, which takes up to a second and would
    disturb sound that is playing.
    """
    ram, free_ram = memory_of_this_machine()
    gpu = known_gpu(device)
    if gpu is not None:
        return Machine(gpu, True, False, gpu.memory, ram, free_ram)
    from engine.device import choose_device, processor_name

    try:
        found = choose_device(device)
    except RequestError as error:
        raise RequestError(f"{error}; or name a GPU, such as 'RTX 4090'") from error
    name = processor_name(found)
    total, free = memory_of(found) if found.type == "cuda" else (ram, free_ram)
    if measures:
        bandwidth = copy_bandwidth(found)
    else:
        listed = known_gpu(name) if found.type == "cuda" else None
        bandwidth = 0.0 if listed is None else listed.bandwidth
    processor = Processor(name, total, bandwidth)
    return Machine(processor, found.type == "cuda", measures, free, ram, free_ram)


def memory_of(device: "torch.device") -> tuple[int, int]:
    """Bytes of memory of a device, and those that are free; zeros where nobody says."""
    if device.type != "cuda":
        return memory_of_this_machine()
    import torch

    free, total = torch.cuda.mem_get_info(device)
    return total, free


def copy_bandwidth(device: "torch.device") -> float:
    """Bytes a second that the device reads and writes while it copies; the best of a few tries."""
    import torch

    source = torch.zeros(_COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    best = float("inf")
    for _ in range(_N_COPIES + 1):  # the first one makes the pages
        wait()
        started = time.perf_counter()
        target.copy_(source)
        wait()
        best = min(best, time.perf_counter() - started)
    return 2 * _COPIED_BYTES / best


def memory_of_this_machine() -> tuple[int, int]:
    """Bytes of memory there are, and that programs may still take; zeros where nobody says."""
    if sys.platform == "win32":
        return _windows_memory()
    names = {"total": "SC_PHYS_PAGES", "free": "SC_AVPHYS_PAGES"}
    known = {key: os.sysconf(name) for key, name in names.items() if name in os.sysconf_names}
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * known.get("total", 0)
    return total, _available_on_linux() or page * known.get("free", 0) or total


def _available_on_linux() -> int:
    """What Linux would give to programs, its file cache included."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            rows = dict(line.split(":", 1) for line in file)
        return 1024 * int(rows["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):
        return 0


def _windows_memory() -> tuple[int, int]:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((f"size_{number}", ctypes.c_uint64) for number in range(7)),
        )

    status = Status()
    status.length = ctypes.sizeof(status)
    windll = getattr(ctypes, "windll")  # noqa: B009 - absent where the checks run
    if not windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return 0, 0
    return status.size_0, status.size_1
