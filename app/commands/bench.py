"""``bench``: tokens a second, time to the first sound and real-time factor of every mode."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from app import audio_files, paths
from app.commands import options
from app.errors import UsageError

if TYPE_CHECKING:
    from engine.benchmarks.report import BenchReport
    from engine.benchmarks.size_report import SizeReport

_REPEATS, _TOKENS = 7, 256


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("bench", help="measure speed and latency on this machine")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.add_argument(
        "--repeats", type=options.positive, metavar="N", help="default 7; of a --size 3"
    )
    parser.add_argument(
        "--tokens",
        type=options.positive,
        metavar="N",
        help="of each run (default 256; of a --size 4096)",
    )
    parser.add_argument(
        "--random",
        nargs="?",
        const="",
        metavar="LAYERS+MODULESxWIDTH",
        help="a model of random weights instead, e.g. 8+10x256: tokens only, no sound",
    )
    parser.add_argument(
        "--size",
        metavar="0.5b|1.5b|3b|7b|14b|32b|72b",
        help="with --random: that Qwen2.5 with ten MCTP modules and speech parts of full size, "
        "measured against what the memory's bandwidth allows",
    )
    parser.add_argument(
        "--no-speech", action="store_true", help="with --size: the language model alone"
    )
    options.add_engine_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the report."""
    report = _sized(arguments) if arguments.size else _report(arguments)
    print(report.to_json() if arguments.json else report.to_text())
    return 0


def _sized(arguments: argparse.Namespace) -> SizeReport:
    """A published size with random weights."""
    if arguments.random != "":
        raise UsageError(
            f"--size {arguments.size} has no weights of its own: add --random, without a value"
        )
    import torch

    from engine.benchmarks.size_bench import REPEATS, REPLY_TOKENS, SizeRun, bench_size

    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    return bench_size(
        SizeRun(
            arguments.size,
            arguments.device,
            arguments.precision,
            arguments.repeats or REPEATS,
            arguments.tokens or REPLY_TOKENS,
            with_speech=not arguments.no_speech,
        )
    )


def _report(arguments: argparse.Namespace) -> BenchReport:
    """A model of this machine, or a small one of random weights."""
    sizes = None if arguments.random is None else _sizes(arguments.random)
    repeats, n_tokens = arguments.repeats or _REPEATS, arguments.tokens or _TOKENS
    if sizes is None:
        question = audio_files.read_utterance(paths.sample_question())
        engine = options.load_engine(arguments)
        from engine.benchmarks.report import bench_engine

        return bench_engine(engine, arguments.model, question, repeats, n_tokens)
    from engine.benchmarks.report import bench_random

    return bench_random(
        *sizes, arguments.device, arguments.threads, repeats, n_tokens, arguments.precision
    )


def _sizes(text: str) -> tuple[int, int, int]:
    """Backbone layers, MCTP modules and width of ``8+10x256``."""
    match = re.fullmatch(r"(\d+)\+(\d+)x(\d+)", text)
    if match is None:
        raise UsageError(f"--random {text}: expected LAYERS+MODULESxWIDTH, for instance 8+10x256")
    layers, modules, width = map(int, match.groups())
    return layers, modules, width
