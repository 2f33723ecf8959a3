"""``bench``: tokens a second, time to the first sound and real-time factor of every mode."""

import argparse
import re

from app import audio_files, paths
from app.commands import options
from app.errors import UsageError


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("bench", help="measure speed and latency on this machine")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.add_argument(
        "--repeats", type=options.positive, default=7, metavar="N", help="default 7"
    )
    parser.add_argument(
        "--tokens",
        type=options.positive,
        default=256,
        metavar="N",
        help="of each run (default 256)",
    )
    parser.add_argument(
        "--random",
        metavar="LAYERS+MODULESxWIDTH",
        help="a model of random weights instead, e.g. 8+10x256: tokens only, no sound",
    )
    options.add_engine_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the report."""
    sizes = None if arguments.random is None else _sizes(arguments.random)
    if sizes is None:
        question = audio_files.read_utterance(paths.sample_question())
        engine = options.load_engine(arguments)
        from engine.benchmarks.report import bench_engine

        report = bench_engine(
            engine, arguments.model, question, arguments.repeats, arguments.tokens
        )
    else:
        from engine.benchmarks.report import bench_random

        report = bench_random(
            *sizes, arguments.device, arguments.threads, arguments.repeats, arguments.tokens
        )
    print(report.to_json() if arguments.json else report.to_text())
    return 0


def _sizes(text: str) -> tuple[int, int, int]:
    """Backbone layers, MCTP modules and width of ``8+10x256``."""
    match = re.fullmatch(r"(\d+)\+(\d+)x(\d+)", text)
    if match is None:
        raise UsageError(f"--random {text}: expected LAYERS+MODULESxWIDTH, for instance 8+10x256")
    layers, modules, width = map(int, match.groups())
    return layers, modules, width
