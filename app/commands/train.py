"""``train ...``: makes a model; the arguments after the word belong to ``engine.training``."""

import argparse

from app.commands import options
from app.errors import AppError


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("train", help="make a model, e.g. `train nano`", add_help=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Hands over to the training program."""
    try:
        from engine.training.command import main
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("engine."):  # the packaging leaves it out
            raise AppError(
                "the installed program has no training: run Parley from source"
            ) from error
        raise AppError(
            f"training needs the package {error.name}: run `make setup-train`"
        ) from error
    return main(arguments.rest)
