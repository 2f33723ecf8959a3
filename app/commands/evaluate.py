"""``evaluate ...``: measures a model; the arguments after it belong to ``engine.evaluation``."""

import argparse

from app.commands import options
from app.errors import AppError


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "evaluate", help="measure a model on the held-out test set", add_help=False
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Hands over to the evaluation program."""
    try:
        from engine.evaluation.evaluate import main
    except ModuleNotFoundError as error:
        raise AppError(
            f"evaluation needs the package {error.name}: run `make setup-train`"
        ) from error
    return main(arguments.rest)
