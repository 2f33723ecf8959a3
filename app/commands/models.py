"""``models``: which models this machine has and may have; fetching, checking and removing them."""

import argparse
import sys

from app import paths
from app.commands import models_check, models_get, options
from app.commands.transfer_line import TransferLine
from app.errors import UsageError
from app.replies import cancel_on_interrupt
from engine import catalogue
from engine.cancel import CancelToken
from engine.model_folder import ModelParts
from engine.model_store import ModelStore, State, in_gb
from engine.releases import release_of
from engine.verify import Report, Verdict, verify

_DONE, _FAULTY, _INTERRUPTED = 0, 1, 130


def add_to(commands: options.SubParsers) -> None:
    """Declares the command and its actions; without one it lists."""
    parser = commands.add_parser("models", help="list, check, fetch, verify and remove models")
    parser.set_defaults(run=_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    listing = actions.add_parser("list", help="list the models that are here or can be fetched")
    listing.set_defaults(run=_list)
    models_check.add_to(actions)
    models_get.add_to(actions)
    verifying = actions.add_parser("verify", help="check every file of a model")
    verifying.add_argument("name", metavar="NAME", help="a model that is here, or a folder")
    verifying.set_defaults(run=_verify)
    removing = actions.add_parser("remove", help="remove a fetched model from the disk")
    removing.add_argument("name", metavar="NAME")
    removing.add_argument("--yes", action="store_true", help="do not ask")
    removing.set_defaults(run=_remove)


def _list(arguments: argparse.Namespace) -> int:
    """Prints one line for each model that is here, then one for each that can be fetched."""
    found = catalogue.installed(paths.models())
    for entry in found:
        print(f"{entry.name:24} {entry.n_bytes / 2**20:9.1f} MiB  {entry.folder}")
    if not found:
        print(f"no models in {paths.built_in_models()} or {paths.user_models()}")
    for stock in ModelStore(paths.user_models()).stocks():
        name, size = stock.release.name, in_gb(stock.release.n_bytes)
        if stock.state is State.ABSENT:
            print(f"{name:24} about {size}: `models get {name}` fetches it")
        elif stock.state is State.PARTIAL:
            there = in_gb(stock.n_bytes)
            print(f"{name:24} {there} of about {size} are here: `models get {name}` goes on")
    return _DONE


def _verify(arguments: argparse.Namespace) -> int:
    """Prints every fault; 1 where there is one."""
    line = TransferLine(sys.stderr, "checked")
    with cancel_on_interrupt() as cancel:
        verdict = _verdict(arguments.name, line, cancel)
    line.end()
    if verdict.was_cancelled:
        return _INTERRUPTED
    for fault in verdict.faults:
        print(fault)
    if verdict.n_unproven:
        print(
            f"{verdict.n_unproven} of {verdict.n_files} files have no published checksum here: "
            "only their form was checked"
        )
    if not verdict.faults:
        print(f"{arguments.name}: no fault in {verdict.n_files} files")
        return _DONE
    if release_of(arguments.name) is not None:
        print(f"`models get {arguments.name}` fetches what is damaged or missing")
    return _FAULTY


def _verdict(name: str, report: Report, cancel: CancelToken) -> Verdict:
    release = release_of(name)
    store = ModelStore(paths.user_models())
    if release is not None and store.stock(release).state is not State.ABSENT:
        return store.verify(release, report, cancel)
    folder = catalogue.find(name, paths.models()).folder
    parts = ModelParts.of(folder).folders().items()
    return verify([(part, place, None) for part, place in parts], report, cancel)


def _remove(arguments: argparse.Namespace) -> int:
    """Removes what was fetched for a model, after it was agreed to."""
    release = models_get.named_release(arguments.name)
    store = ModelStore(paths.user_models())
    stock = store.stock(release)
    if stock.state is State.ABSENT:
        raise UsageError(f"{release.name} is not on this machine")
    if not arguments.yes:
        question = f"Remove {release.title} from the disk?"
        if not models_get.agrees(question, "--yes"):
            raise UsageError("nothing was removed")
    print(f"{release.name} was removed: {in_gb(store.remove(release))} are free again")
    return _DONE
