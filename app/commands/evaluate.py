"""``evaluate ...``: measures a model; what follows the word belongs to ``engine.evaluation``."""

import argparse

from app import paths
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
    import platformdirs

    try:
        from engine.evaluation.evaluate import main
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("engine."):  # the packaging leaves it out
            raise AppError(
                "the installed program has no evaluation: run Parley from source"
            ) from error
        raise AppError(
            f"evaluation needs the package {error.name}: run `make setup-train`"
        ) from error
    roots = paths.models()
    cache = platformdirs.user_cache_path("parley", appauthor=False) / "evaluation"
    return main(arguments.rest, roots, cache)
