"""``models check NAME``: whether a model fits this machine, and how fast it can be there.

It answers from sizes, before anything is fetched.
"""

import argparse
import shutil
from pathlib import Path

from app import paths
from app.commands import options
from app.commands.models_get import named_release
from engine.fit import (
    CONTEXT_TOKENS,
    GIB,
    Memory,
    Speed,
    Verdict,
    disk_bytes,
    fastest,
    host_bytes,
    memory_of,
    verdict,
)
from engine.machine import Machine, machine_with
from engine.model_store import ModelStore, in_gb
from engine.precision import Precision, precisions_on
from engine.releases import Release

_FITS, _DOES_NOT_FIT = 0, 1


def add_to(actions: options.SubParsers) -> None:
    """Declares the action."""
    parser = actions.add_parser("check", help="tell whether a model fits before it is fetched")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, or a GPU's name such as 'RTX 4090'"
    )
    parser.add_argument(
        "--dtype",
        type=Precision,
        choices=list(Precision),
        metavar="|".join(precision.value for precision in Precision),
        help="how the weights are kept (default: all that the device runs well)",
    )
    parser.add_argument(
        "--context",
        type=options.positive,
        default=CONTEXT_TOKENS,
        metavar="N",
        help=f"tokens of conversation to count room for (default {CONTEXT_TOKENS})",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the answer; 0 where the model fits in one of the precisions asked about."""
    release = named_release(arguments.name)
    machine = machine_with(arguments.device)
    wanted: Precision | None = arguments.dtype
    precisions = precisions_on(machine.is_gpu) if wanted is None else (wanted,)
    memories = {
        each: memory_of(release, each, machine.is_gpu, arguments.context) for each in precisions
    }
    disk, has_room = _disk_line(release)
    host, is_enough = _host_line(release, machine)
    print("\n".join(_lines(release, machine, memories, [disk, *host], arguments.context)))
    fits = any(
        verdict(memory.total, machine.free) is not Verdict.TOO_LARGE for memory in memories.values()
    )
    return _FITS if has_room and is_enough and fits else _DOES_NOT_FIT


def _lines(
    release: Release,
    machine: Machine,
    memories: dict[Precision, Memory],
    beside: list[str],
    n_tokens: int,
) -> list[str]:
    processor = machine.processor
    source = "measured by copying" if machine.is_measured else "by the maker's figures"
    lines = [
        f"{release.title} on {processor.name}: {_gib(processor.memory)} GiB, of which "
        f"{_gib(machine.free)} are free, {processor.bandwidth / 1e9:.0f} GB/s {source}",
        *beside,
    ]
    verdicts = [verdict(memory.total, machine.free).value for memory in memories.values()]
    names = [precision.value for precision in memories]
    lines += [
        "",
        _row("memory, GiB", names),
        *(_row(f"  {name}", [_gib(size) for size in sizes]) for name, sizes in _items(memories)),
        _row("  together", [_gib(memory.total) for memory in memories.values()]),
        _row("  here", verdicts),
        "",
        _row("tokens/s at most", names),
    ]
    speeds = [fastest(release.config, each, processor.bandwidth) for each in memories]
    for mode in zip(*speeds, strict=True):
        lines.append(_row(f"  {mode[0].mode.value}", [_speed(speed) for speed in mode]))
    return [
        *lines,
        "",
        f"Room is counted for {n_tokens} tokens of conversation. The speeds are what the memory's",
        "bandwidth allows the language model, with its real-time factor in brackets (below 1 it",
        "keeps up with speech); encoding and decoding speech come on top. Sizes are computed from",
        "the published shapes and were not compared with published files or with a run on a GPU.",
    ]


def _items(memories: dict[Precision, Memory]) -> list[tuple[str, list[int]]]:
    values = memories.values()
    return [
        ("language model", [memory.language_model for memory in values]),
        ("speech parts", [memory.speech_parts for memory in values]),
        ("KV cache", [memory.kv_cache for memory in values]),
        ("activations", [memory.activations for memory in values]),
        ("runtime", [memory.runtime for memory in values]),
    ]


def _host_line(release: Release, machine: Machine) -> tuple[list[str], bool]:
    """What the memory beside a GPU must hold, and whether it can, as far as that is known."""
    if not machine.is_gpu:
        return [], True
    needed, free = host_bytes(release), machine.free_ram
    found = verdict(needed, free) if free else None
    told = "not known" if found is None else found.value
    line = f"memory beside the GPU: {_gib(needed)} GiB of {_gib(free)} free: {told}"
    return [line], found is not Verdict.TOO_LARGE


def _disk_line(release: Release) -> tuple[str, bool]:
    """What the disk must hold, and whether it can."""
    root = paths.user_models()
    there = ModelStore(root).stock(release).n_bytes
    needed = max(0, disk_bytes(release) - there)
    free = shutil.disk_usage(_nearest(root)).free
    has_room = free >= needed
    told = "enough" if has_room else "not enough"
    fetch = in_gb(max(0, release.n_bytes - there))
    return (
        f"to fetch: about {fetch}; on the disk {in_gb(needed)} of {in_gb(free)} free: {told}",
        has_room,
    )


def _nearest(path: Path) -> Path:
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _row(name: str, cells: list[str]) -> str:
    return f"{name:20}" + "".join(f"{cell:>16}" for cell in cells)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / GIB:.1f}"


def _speed(speed: Speed) -> str:
    return f"{speed.tokens_per_s:.0f} ({speed.real_time_factor:.2f})"
