"""Measures several sizes and precisions, one after the other, on a machine with little installed.

``python -m engine.benchmarks FOLDER`` needs torch, numpy and safetensors, and for the speech parts
soxr and pyyaml (``--no-speech`` leaves them out); nothing is fetched. Each run writes a table and a
line of JSON to the folder as soon as it ends; one that fails is reported and the next goes on.
"""

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from engine.benchmarks.size_bench import REPEATS, REPLY_TOKENS, SizeRun, bench_size
from engine.benchmarks.sizes import QWEN_SIZES
from engine.errors import EngineError
from engine.precision import Precision

_RUNS = ("7b:bf16", "0.5b:bf16", "72b:int8", "72b:int4", "7b:int8", "7b:int4")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the wanted measurements; 1 where one of them failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the reports are written")
    parser.add_argument(
        "--runs",
        nargs="+",
        type=_run,
        default=[_run(name) for name in _RUNS],
        metavar="SIZE:PRECISION",
        help=f"default: {' '.join(_RUNS)}",
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tokens", type=int, default=REPLY_TOKENS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--no-speech", action="store_true", help="the language model alone")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    n_failed = 0
    for size, precision in given.runs:
        run = SizeRun(
            size, given.device, precision, given.repeats, given.tokens, not given.no_speech
        )
        n_failed += not _measured(run, given.folder / f"{size}-{precision.value}")
    return 1 if n_failed else 0


def _measured(run: SizeRun, stem: Path) -> bool:
    """Whether a run ended; its report is written beside ``stem`` and printed."""
    try:
        report = bench_size(run)
    except (EngineError, RuntimeError, ImportError) as error:
        print(f"{stem.name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return False
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    print(f"{report.to_text()}\n", flush=True)
    for suffix, content in (("txt", report.to_text()), ("json", report.to_json())):
        # The name of a size has a dot, which with_suffix would take for the beginning of a suffix.
        stem.with_name(f"{stem.name}.{suffix}").write_text(content + "\n", encoding="utf-8")
    return True


def _run(text: str) -> tuple[str, Precision]:
    size, _, precision = text.partition(":")
    if size not in QWEN_SIZES:
        raise argparse.ArgumentTypeError(f"{size!r} is none of {', '.join(QWEN_SIZES)}")
    return size, Precision(precision)


if __name__ == "__main__":
    sys.exit(main())
