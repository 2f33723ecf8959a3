"""The list of a folder's files: the same content gives the same text, whenever it is built."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file or link; ``digest`` is its SHA-256, or for a link what it points to."""

    path: str
    is_executable: bool
    n_bytes: int
    digest: str

    def line(self) -> str:
        """The file as one line of the list."""
        return f"{self.digest}  {'x' if self.is_executable else '-'} {self.n_bytes} {self.path}"


def files_of(folder: Path) -> tuple[ListedFile, ...]:
    """Every file and link below the folder, by path."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return tuple(sorted((_listed(path, folder) for path in found), key=lambda item: item.path))


def n_bytes(folder: Path) -> int:
    """What the folder's files take, without what the file system adds."""
    return sum(item.n_bytes for item in files_of(folder))


def text_of(files: tuple[ListedFile, ...]) -> str:
    """The list as a file."""
    return "".join(f"{item.line()}\n" for item in files)


def parse(text: str) -> tuple[ListedFile, ...]:
    """The files of a list that ``text_of`` wrote."""
    return tuple(_parsed(line) for line in text.splitlines())


def differences(one: tuple[ListedFile, ...], other: tuple[ListedFile, ...]) -> tuple[str, ...]:
    """One line for each file that is missing on a side or differs, by path."""
    first = {item.path: item for item in one}
    second = {item.path: item for item in other}
    lines = []
    for path in sorted(first.keys() | second.keys()):
        if path not in second:
            lines.append(f"only in the first: {path}")
        elif path not in first:
            lines.append(f"only in the second: {path}")
        elif first[path] != second[path]:
            lines.append(f"differs: {path} ({first[path].n_bytes}, {second[path].n_bytes} bytes)")
    return tuple(lines)


def _listed(path: Path, folder: Path) -> ListedFile:
    name = path.relative_to(folder).as_posix()
    if path.is_symlink():
        return ListedFile(name, False, 0, f"-> {os.readlink(path)}".replace(" ", "\u00a0"))
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    stat = path.stat()
    return ListedFile(name, bool(stat.st_mode & 0o100), stat.st_size, digest)


def _parsed(line: str) -> ListedFile:
    digest, rest = line.split("  ", 1)
    mode, size, path = rest.split(" ", 2)
    return ListedFile(path, mode == "x", int(size), digest)
