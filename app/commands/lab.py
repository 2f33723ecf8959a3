"""``lab QUESTION.wav --out REPORT.html``: one question in every mode, measured side by side."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from app import audio_files
from app.commands import options
from app.errors import AppError, OutputError
from app.replies import cancel_on_interrupt
from app.whole_file import write_whole
from engine.modes import InferenceMode

if TYPE_CHECKING:
    from app.lab.result import LabResult, Spread
    from app.lab.runner import Progress

_DONE, _MODE_FAILED, _INTERRUPTED = 0, 1, 130


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("lab", help="compare all modes on one spoken question")
    parser.add_argument("question", type=Path, metavar="QUESTION.wav")
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT.html")
    parser.add_argument("--csv", type=Path, metavar="F.csv", help="write every reply's figures too")
    parser.add_argument(
        "--repeats",
        type=options.positive,
        default=5,
        metavar="N",
        help="measured replies in each mode (default 5), after one that is not measured",
    )
    options.add_sampling_options(parser)
    options.add_engine_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the report; of a lab that was interrupted, what it had measured."""
    from app.lab.runner import run_lab
    from app.lab.setting import setting_of

    question = audio_files.read_utterance(arguments.question)
    audio_files.check_destination(arguments.out, (".html", ".htm"))
    if arguments.csv is not None:
        audio_files.check_destination(arguments.csv, (".csv",))
    engine = options.load_engine(arguments)
    params = options.sampling(arguments, engine.default_params)
    setting = setting_of(engine, Path(arguments.model).name, datetime.now(UTC).astimezone())
    with cancel_on_interrupt() as cancel:
        result = run_lab(
            engine, setting, question, params, arguments.repeats, ProgressLine(sys.stderr), cancel
        )
        if not result.has_runs:
            return _nothing_measured(result, arguments.out)
        print(_summary(result))
        _write(result, arguments.out, arguments.csv)
    for mode in result.modes:
        if mode.failure is not None:
            print(f"parley: {mode.name} failed: {mode.failure}", file=sys.stderr)
    if cancel.is_cancelled:
        return _INTERRUPTED
    return _DONE if result.is_complete else _MODE_FAILED


class ProgressLine:
    """Shows how far a lab is: on a terminal in one line, elsewhere in one for each round."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Shows it."""
        is_over = progress.mode is None
        if self._stream.isatty():
            line = "" if is_over else self._line(progress)
            self._stream.write(f"\r\x1b[K{line}")
        elif progress.n_done % len(InferenceMode) == 0 and not is_over:
            self._stream.write(self._line(progress) + "\n")
        self._stream.flush()

    def _line(self, progress: Progress) -> str:
        assert progress.mode is not None
        line = f"lab: reply {progress.n_done + 1} of {progress.n_total} ({progress.mode.value})"
        if progress.n_done == 0:
            return line
        each_s = (time.monotonic() - self._started) / progress.n_done
        return f"{line}, about {each_s * (progress.n_total - progress.n_done):.0f} s left"


def _nothing_measured(result: LabResult, out: Path) -> int:
    """Raises where every mode failed; else the lab was interrupted before its first figure."""
    failures = [mode.failure for mode in result.modes if mode.failure is not None]
    if len(failures) == len(result.modes):
        raise AppError(failures[0])
    print(f"parley: nothing was measured yet: {out} is not written", file=sys.stderr)
    return _INTERRUPTED


def _write(result: LabResult, out: Path, csv: Path | None) -> None:
    """Writes every file that can be written, then tells of the first that cannot."""
    from app.lab.csv_report import csv_file
    from app.lab.html_report import to_html

    contents = {} if csv is None else {csv: csv_file(result)}
    contents[out] = to_html(result).encode()
    failed = None
    for path, content in contents.items():
        try:
            write_whole(path, content)
            print(f"written: {path}")
        except OutputError as error:
            failed = failed or error
    if failed is not None:
        raise failed


def _summary(result: LabResult) -> str:
    """The main figures as a table: they are not lost where the report cannot be written."""
    lines = [
        f"{'mode':8} {'first sound, ms':>24} {'tokens/s':>20} {'speed-up':>8} "
        f"{'drafts accepted':>15}"
    ]
    for mode in result.modes:
        speed_up = result.speed_up(mode)
        ratio = "-" if speed_up is None else f"{speed_up:.2f}x"
        accepted = "-" if mode.acceptance_rate is None else f"{mode.acceptance_rate:.0%}"
        lines.append(
            f"{mode.mode.value:8} {_cell(mode.first_sound_ms):>24} "
            f"{_cell(mode.tokens_per_s):>20} {ratio:>8} {accepted:>15}"
        )
    return "\n".join(lines)


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return f"{spread.median:.0f} ({spread.lowest:.0f} to {spread.highest:.0f})"
