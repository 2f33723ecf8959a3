"""What files a part of a model should consist of, with the checksums they were published with.

Pure. The list is kept beside the files as ``checksums.json``, so that they can be checked later and
without a network. Large files are published with their SHA-256, small ones with the SHA-1 that git
gives them (of ``blob``, their size, and their content).
"""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from engine.errors import CheckpointError

LIST_FILE = "checksums.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One published file; of the two checksums one is None, or both where none is known."""

    name: str
    n_bytes: int
    sha256: str | None = None
    git_sha1: str | None = None

    def __post_init__(self) -> None:
        # Names come from a server: one that leads out of the folder must never be written to.
        if Path(self.name).name != self.name or self.name in ("", ".", "..") or "\\" in self.name:
            raise CheckpointError(f"{self.name!r} is not the name of a file in a model's folder")
        if self.n_bytes < 0:
            raise CheckpointError(f"{self.name} cannot have {self.n_bytes} bytes")

    @property
    def digest(self) -> str | None:
        """The published checksum."""
        return self.sha256 or self.git_sha1

    def checksum(self) -> "Checksum":
        """To be given the content of a file that should be this one."""
        return Checksum(self)


class Checksum:
    """Takes a file's content piece by piece and says whether it is the published one."""

    def __init__(self, record: FileRecord) -> None:
        self._record = record
        self.restart()

    def restart(self) -> None:
        """Forgets what was given."""
        if self._record.sha256 is None and self._record.git_sha1 is not None:
            prefix = b"blob %d\0" % self._record.n_bytes
            self._hash = hashlib.sha1(prefix, usedforsecurity=False)
        else:
            self._hash = hashlib.sha256()

    def update(self, content: bytes) -> None:
        """Takes the next piece."""
        self._hash.update(content)

    @property
    def matches(self) -> bool:
        """Whether all that was given is what was published, as far as that is known."""
        return self._record.digest in (None, self._hash.hexdigest())


@dataclass(frozen=True, slots=True)
class FileList:
    """The files of one part at one revision of the repository they come from."""

    repo_id: str
    revision: str
    files: tuple[FileRecord, ...]

    @property
    def n_bytes(self) -> int:
        """The size of all files together."""
        return sum(record.n_bytes for record in self.files)

    def matching(self, patterns: tuple[str, ...]) -> "FileList":
        """The files whose names match one of the patterns, with ``*`` for anything."""
        files = (
            record
            for record in self.files
            if any(fnmatchcase(record.name, pattern) for pattern in patterns)
        )
        return dataclasses.replace(self, files=tuple(files))

    def save(self, folder: Path) -> None:
        """Writes ``checksums.json``, whole or not at all."""
        content = {"version": _VERSION, **dataclasses.asdict(self)}
        path = folder / f"{LIST_FILE}.part"
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(path, folder / LIST_FILE)

    @classmethod
    def load(cls, folder: Path) -> "FileList | None":
        """Reads ``checksums.json``; None where there is none, ``CheckpointError`` if broken."""
        path = folder / LIST_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("version") != _VERSION:
                raise ValueError("its version is not known")
            files = tuple(FileRecord(**record) for record in content.pop("files"))
            return cls(files=files, **content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path}: not a list of checksums: {error}") from error
