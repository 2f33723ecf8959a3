"""The user's models: what of a release is there, getting the rest, checking and removing it.

Below the models folder, ``parts/`` holds what was fetched, one folder for each repository, shared
by all models; ``<model>/model.json`` says which folders make a model, and is written when all of
them are complete. Parts that lie elsewhere are used where they are: nothing is written to them, and
nothing of them is removed.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from engine.cancel import CancelToken
from engine.checksums import LIST_FILE, FileList, FileRecord
from engine.config import ModelConfig
from engine.download import Hub, Report, Wanted
from engine.errors import CheckpointError, DownloadError
from engine.model_folder import (
    PARTS_FILE,
    ModelParts,
    Part,
    missing_from,
    missing_names,
    parts_file,
)
from engine.releases import RELEASES, Licence, PartRelease, Release
from engine.verify import Verdict, verify

_PARTS = "parts"
_SPARE_BYTES = 512 << 20  # left free on a disk that is filled with a model
_LICENCE_STEMS = ("license", "licence", "model_license")


class State(Enum):
    """How much of a release is there."""

    ABSENT = "absent"
    PARTIAL = "partial"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Stock:
    """What of a release is there; ``n_bytes`` counts pieces of files too."""

    release: Release
    state: State
    folder: Path
    n_bytes: int


@dataclass(frozen=True, slots=True)
class PartOrder:
    """One part of an order: ``files`` is None where it lies complete in ``folder``, not ours."""

    part: PartRelease
    folder: Path
    files: FileList | None


@dataclass(frozen=True, slots=True)
class Order:
    """All that it takes to get a release; nothing large was fetched for it yet.

    ``licence_texts`` are those that the repositories carry, by the names of the licences.
    """

    release: Release
    parts: tuple[PartOrder, ...]
    licence_texts: tuple[tuple[Licence, str], ...]
    n_bytes: int
    n_bytes_left: int


class ModelStore:
    """The models below one folder; belongs to the thread that calls it."""

    def __init__(
        self, root: Path, free_bytes: Callable[[Path], int] = lambda path: _free_bytes(path)
    ) -> None:
        self._root = root
        self._free_bytes = free_bytes

    def stocks(self) -> tuple[Stock, ...]:
        """What there is of every release."""
        return tuple(map(self.stock, RELEASES))

    def stock(self, release: Release) -> Stock:
        """What there is of a release."""
        folder = self._root / release.name
        own = {self._own_folder(part) for part in release.parts}
        if (folder / PARTS_FILE).is_file():
            try:
                parts = ModelParts.of(folder)
                if not parts.missing():
                    n_bytes = sum(map(_size_of, set(parts.folders().values())))
                    return Stock(release, State.COMPLETE, folder, n_bytes)
            except CheckpointError:
                pass
        # What is there for another model's sake is no beginning of this one.
        has_begun = any(map(_size_of, own - self._used_by_others(release)))
        state = State.PARTIAL if has_begun or folder.is_dir() else State.ABSENT
        return Stock(release, state, folder, sum(map(_size_of, own)))

    def order(
        self,
        release: Release,
        hub: Hub,
        folder: Path | None = None,
        cancel: CancelToken | None = None,
    ) -> Order:
        """Finds out what has to be fetched, and what the licences say.

        Parts that lie complete in ``folder``, or below or beside it by the names of their
        repositories, are used where they are; it may be a cache of ``huggingface_hub``. Raises
        ``DownloadError`` where something else is needed and no server can be reached, or the
        server lacks files that the model needs.
        """
        if folder is not None and not folder.is_dir():
            raise DownloadError(f"{folder}: there is no such folder")
        orders = []
        texts: dict[Licence, str] = {}
        for part in release.parts:
            found = None if folder is None else _complete_in(folder, part, release)
            if found is not None:
                orders.append(PartOrder(part, found, None))
                texts.setdefault(part.licence, _local_licence(found))
                continue
            files = hub.files(part.repo_id, cancel).matching(part.files)
            names = {record.name for record in files.files}
            if missing := missing_names(part.part, names.__contains__):
                raise DownloadError(f"{part.repo_id} lacks {', '.join(missing)}")
            orders.append(PartOrder(part, self._own_folder(part), files))
            licence = next(filter(_is_licence, files.files), None)
            if licence is not None and not texts.get(part.licence):
                texts[part.licence] = hub.text(files, licence, cancel)
        total = sum(_size(order) for order in orders)
        left = sum(_bytes_left(order) for order in orders)
        licence_texts = tuple((licence, texts.get(licence, "")) for licence in release.licences)
        return Order(release, tuple(orders), licence_texts, total, left)

    def get(
        self,
        order: Order,
        hub: Hub,
        report: Report = lambda done, total: None,
        cancel: CancelToken | None = None,
    ) -> bool:
        """Fetches what an order lacks and makes the model known; False where it was cancelled.

        The caller has had the licences accepted.
        """
        self._check_room(order)
        wanted = [Wanted(part.files, part.folder) for part in order.parts if part.files is not None]
        if wanted and not hub.fetch(wanted, report, cancel):
            return False
        for part in order.parts:
            if missing := missing_from(part.part.part, part.folder):
                raise DownloadError(f"{part.part.repo_id}: lacks {', '.join(missing)}")
        self._make_known(order)
        return True

    def verify(
        self,
        release: Release,
        report: Report = lambda done, total: None,
        cancel: CancelToken | None = None,
    ) -> Verdict:
        """Checks every file of a model against its published checksum; see ``engine.verify``."""
        stock = self.stock(release)
        if stock.state is State.ABSENT:
            raise CheckpointError(f"{release.name} is not on this machine")
        if (stock.folder / PARTS_FILE).is_file():
            places = ModelParts.of(stock.folder).folders()
        else:
            places = {part.part: self._own_folder(part) for part in release.parts}
        checked = [(part, folder, FileList.load(folder)) for part, folder in places.items()]
        return verify(checked, report, cancel)

    def remove(self, release: Release) -> int:
        """Removes a model and those of its parts that are ours and no other model's.

        Gives the bytes that became free.
        """
        own = {self._own_folder(part) for part in release.parts} - self._used_by_others(release)
        freed = 0
        for folder in (self._root / release.name, *sorted(own)):
            if folder.is_dir():
                freed += _size_of(folder)
                try:
                    shutil.rmtree(folder)
                except OSError as error:
                    raise CheckpointError(
                        f"{folder}: cannot be removed: {error.strerror}; is the model in use?"
                    ) from error
        return freed

    def _used_by_others(self, release: Release) -> set[Path]:
        """The folders of all other models that are known."""
        return {
            folder
            for other in RELEASES
            if other is not release and (self._root / other.name / PARTS_FILE).is_file()
            for folder in self._folders_of(other)
        }

    def _folders_of(self, release: Release) -> Sequence[Path]:
        try:
            return tuple(ModelParts.of(self._root / release.name).folders().values())
        except CheckpointError:
            # Better to keep what a broken list may have named.
            return tuple(self._own_folder(part) for part in release.parts)

    def _own_folder(self, part: PartRelease) -> Path:
        return self._root.resolve() / _PARTS / part.folder_name

    def _check_room(self, order: Order) -> None:
        free = self._free_bytes(self._root)
        needed = order.n_bytes_left + _SPARE_BYTES
        if order.n_bytes_left and free < needed:
            raise DownloadError(
                f"{order.release.name} needs {in_gb(needed)} more on the disk of {self._root}, "
                f"where {in_gb(free)} are free: nothing was fetched"
            )

    def _make_known(self, order: Order) -> None:
        folder = self._root / order.release.name
        places = {part.part.part: part.folder for part in order.parts}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / f"{PARTS_FILE}.part"
            temporary.write_text(parts_file(places, folder), encoding="utf-8")
            os.replace(temporary, folder / PARTS_FILE)
        except OSError as error:
            raise DownloadError(f"{folder}: cannot be written to: {error.strerror}") from error


def in_gb(n_bytes: int) -> str:
    """A size as disks and downloads count it."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 5e7 else f"{n_bytes / 1e6:.1f} MB"


def _complete_in(folder: Path, part: PartRelease, release: Release) -> Path | None:
    """Where a part lies complete: in the folder, or below or beside it by its name."""
    cached = f"models--{part.repo_id.replace('/', '--')}/snapshots/*"
    places = (folder, folder / part.folder_name, folder.absolute().parent / part.folder_name)
    for place in (*places, *sorted(folder.glob(cached))):
        if place.is_dir() and not missing_from(part.part, place) and _is_like(part, place, release):
            return place.resolve()
    return None


def _is_like(part: PartRelease, place: Path, release: Release) -> bool:
    """Whether a folder holds this part rather than another one with files of the same names."""
    try:
        config = ModelConfig.from_json(place / "config.json")
    except CheckpointError:  # the other parts' configs have other keys
        return part.part is not Part.LANGUAGE_MODEL
    sizes = ("hidden_size", "num_hidden_layers", "num_nextn_predict_layers")
    return part.part is Part.LANGUAGE_MODEL and all(
        getattr(config, name) == getattr(release.config, name) for name in sizes
    )


def _local_licence(folder: Path) -> str:
    for path in sorted(folder.iterdir()):
        if _is_licence(FileRecord(path.name, 0)) and path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _is_licence(record: FileRecord) -> bool:
    return Path(record.name).stem.lower() in _LICENCE_STEMS


def _size(order: PartOrder) -> int:
    return _size_of(order.folder) if order.files is None else order.files.n_bytes


def _bytes_left(order: PartOrder) -> int:
    """What is still to be fetched of a part, with what pieces of files already hold."""
    if order.files is None:
        return 0
    left = 0
    for record in order.files.files:
        pieces = (order.folder / record.name, *order.folder.glob(f"{record.name}.*.part"))
        there = max((path.stat().st_size for path in pieces if path.is_file()), default=0)
        left += max(0, record.n_bytes - there)
    return left


def _size_of(folder: Path) -> int:
    """The bytes in a folder, but for our own list of them."""
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and path.name != LIST_FILE
    )


def _free_bytes(path: Path) -> int:
    """The room on the disk that a path would be on."""
    there = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free
