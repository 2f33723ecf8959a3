"""``models``: which models this machine has."""

import argparse

from app import paths
from app.commands import options
from engine import catalogue


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("models", help="list the models on this machine")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints one line for each model: name, size, folder."""
    found = catalogue.installed(paths.models())
    for entry in found:
        print(f"{entry.name:12} {entry.n_bytes / 2**20:8.1f} MiB  {entry.folder}")
    if not found:
        print(f"no models in {paths.built_in_models()} or {paths.user_models()}")
    return 0
