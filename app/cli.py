"""The command line: ``python main.py [COMMAND] ...``; without a command the program itself starts.

Exit codes: 0 done, 1 a check failed or the reply has no sound, 2 bad input (one line on standard
error says which), 130 interrupted; what was generated until then is written.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from app import build_info, log
from app.commands import (
    ask,
    bench,
    chat,
    devices,
    evaluate,
    gui,
    lab,
    models,
    say,
    selftest,
    toggle,
    train,
    transcribe,
)
from app.errors import AppError
from engine.errors import EngineError

_COMMANDS = (
    gui,
    ask,
    say,
    transcribe,
    chat,
    models,
    selftest,
    bench,
    lab,
    train,
    evaluate,
    devices,
    toggle,
)

# What follows these words is parsed by the program they start.
_PASSED_ON = ("train", "evaluate")
_BAD_INPUT = 2
_INTERRUPTED = 130


class _OneLineParser(argparse.ArgumentParser):
    """Reports a mistake on the command line in one line, as every other bad input is."""

    def error(self, message: str) -> NoReturn:
        self.exit(_BAD_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _ShowVersion(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        print(f"parley {build_info.load().version}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = _OneLineParser(
        prog="parley",
        description="Ask a question aloud and hear the answer, generated on this machine.",
    )
    top.add_argument("--verbose", action="store_true", help="show what the program logs")
    top.add_argument(
        "--version", action=_ShowVersion, nargs=0, help="show the version of the program"
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    for command in _COMMANDS:
        command.add_to(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code of the process."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if all(argument == "--verbose" for argument in given):
        given.append("gui")
    command = next(index for index, word in enumerate(given) if word != "--verbose")
    own = given[: command + 1] if given[command] in _PASSED_ON else given
    parsed = parser().parse_args(own)
    parsed.rest = given[len(own) :]
    if given[command] not in _PASSED_ON:
        log.configure(parsed.verbose)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
        return code
    except (AppError, EngineError) as error:
        log.logger("cli").debug("refused", exc_info=error)
        print(f"parley: {error}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("parley: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BAD_INPUT
