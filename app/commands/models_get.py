"""``models get NAME``: shows size and licences, has them accepted, then fetches what is missing."""

import argparse
import sys
from pathlib import Path

from app import paths, settings
from app.commands import options
from app.commands.transfer_line import TransferLine
from app.errors import UsageError
from app.model_source import ENDPOINT_VARIABLE, hub_for
from app.replies import cancel_on_interrupt
from engine.model_store import ModelStore, Order, in_gb
from engine.releases import RELEASES, Release, release_of

_DONE, _INTERRUPTED = 0, 130


def add_to(actions: options.SubParsers) -> None:
    """Declares the action."""
    parser = actions.add_parser("get", help="fetch a model, or go on with an interrupted download")
    parser.add_argument("name", metavar="NAME", help=", ".join(_names()))
    parser.add_argument(
        "--accept-licence",
        "--accept-license",
        action="store_true",
        help="accept the licences that are shown, without being asked",
    )
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="use the files that you already have there"
    )
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help=f"fetch from this server (else {ENDPOINT_VARIABLE}, else the setting)",
    )
    parser.add_argument("--offline", action="store_true", help="forbid all use of the network")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Fetches the model; 130 where it was interrupted, and then it can be gone on with."""
    release = named_release(arguments.name)
    kept, _ = settings.load(paths.settings_file())
    hub = hub_for(kept, arguments.mirror, arguments.offline)
    store = ModelStore(paths.user_models())
    with cancel_on_interrupt() as cancel:
        order = store.order(release, hub, arguments.folder, cancel)
        _show(order)
        if not arguments.accept_licence and not agrees(
            "Do you accept these licences?", "--accept-licence"
        ):
            raise UsageError("the licences were not accepted: nothing was fetched")
        line = TransferLine(sys.stderr, "fetched")
        is_complete = store.get(order, hub, line, cancel)
        line.end()
    if not is_complete:
        print(f"interrupted: the same command goes on with {release.name}", file=sys.stderr)
        return _INTERRUPTED
    print(f"{release.name} is complete: `--model {release.name}` uses it")
    return _DONE


def named_release(name: str) -> Release:
    """The release of that name."""
    release = release_of(name)
    if release is None:
        raise UsageError(f"{name}: no such released model; there are {', '.join(_names())}")
    return release


def agrees(question: str, option: str) -> bool:
    """Whether the person at the terminal types yes; where there is none, the option is needed."""
    if not sys.stdin.isatty():
        raise UsageError(f"there is no terminal to ask: use {option}")
    print(f"{question} Type yes or no: ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("yes", "y")


def _show(order: Order) -> None:
    """Prints what will be fetched, from where it is used, and under which licences."""
    print(f"{order.release.title}: {in_gb(order.n_bytes)}, to fetch: {in_gb(order.n_bytes_left)}")
    for part in order.parts:
        where = "from the server" if part.files is not None else "as it is"
        print(f"  {part.part.repo_id:36} {where}, {part.folder}")
    for licence, text in order.licence_texts:
        print(f"\n{licence.name}: {licence.summary}")
        print(text.strip() or "(its text does not come with the files; see the authors' page)")
    print(flush=True)


def _names() -> tuple[str, ...]:
    return tuple(release.name for release in RELEASES)
