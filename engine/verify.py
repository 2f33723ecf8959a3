"""Whether a model's files are what was published: sizes, safetensors headers, checksums.

It reads every byte, so it takes as long as the disk needs: a report says how far it is, and a
cancel token ends it. Nothing is changed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.cancel import CancelToken
from engine.checksums import FileList, FileRecord
from engine.errors import CheckpointError
from engine.model_folder import Part, missing_from
from engine.safetensors_header import fault_of

_BLOCK = 1 << 20

Report = Callable[[int, int], None]
"""Takes how many bytes are done, and how many there are in all."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one file."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check came to; ``n_unproven`` files have no published checksum to compare with."""

    faults: tuple[Fault, ...]
    n_files: int
    n_unproven: int
    was_cancelled: bool = False


def verify(
    parts: Iterable[tuple[Part, Path, FileList | None]],
    report: Report = lambda done, total: None,
    cancel: CancelToken | None = None,
) -> Verdict:
    """Checks the folders of a model's parts, each with the list of what it should hold."""
    faults: list[Fault] = []
    jobs: list[tuple[Path, FileRecord]] = []
    for part, folder, files in parts:
        known = {} if files is None else {record.name: record for record in files.files}
        needed = missing_from(part, folder) if files is None else known
        faults += [
            Fault(folder / name, "it is missing")
            for name in needed
            if not (folder / name).is_file()
        ]
        there = (path for path in sorted(folder.glob("*")) if path.is_file())
        for path in there:
            record = known.get(path.name)
            if record is not None:
                jobs.append((path, record))
            elif files is None and path.suffix == ".safetensors":
                jobs.append((path, FileRecord(path.name, path.stat().st_size)))
    total, done = sum(record.n_bytes for _, record in jobs), 0
    n_unproven = sum(record.digest is None for _, record in jobs)
    for path, record in jobs:
        before = done

        def advance(n_bytes: int, before: int = before) -> None:
            report(before + n_bytes, total)

        what = fault_in(path, record, advance, cancel)
        if cancel is not None and cancel.is_cancelled:
            return Verdict(tuple(faults), len(jobs), n_unproven, was_cancelled=True)
        if what is not None:
            faults.append(Fault(path, what))
        done += record.n_bytes
        report(done, total)
    return Verdict(tuple(faults), len(jobs), n_unproven)


def fault_in(
    path: Path,
    record: FileRecord,
    advance: Callable[[int], None] = lambda n_bytes: None,
    cancel: CancelToken | None = None,
) -> str | None:
    """What is wrong with a file that should be ``record``; None where it is that file."""
    try:
        size = path.stat().st_size
        if size < record.n_bytes:
            return f"it is cut off: {size} of {record.n_bytes} bytes are there"
        if size > record.n_bytes:
            return f"it has {size} bytes in place of {record.n_bytes}"
        if record.digest is None:
            return fault_of(path) if path.suffix == ".safetensors" else None
        checksum, done = record.checksum(), 0
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                if cancel is not None and cancel.is_cancelled:
                    return None
                checksum.update(block)
                done += len(block)
                advance(done)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    return None if checksum.matches else "its content differs from what was published"
