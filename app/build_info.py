"""What this build of the program is: its version, and where its packager tells of newer ones."""

import json
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from app import paths

_PROGRAM = "parley"


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """``update_url`` and ``update_key`` are empty where the packager offers no update check."""

    version: str
    update_url: str = ""
    update_key: str = ""

    @property
    def update_host(self) -> str:
        """Whom an update check asks; empty where this build has none."""
        return urlsplit(self.update_url).hostname or ""


def load(path: Path | None = None) -> BuildInfo:
    """What the packaging wrote down; run from source, the version of the installed package."""
    path = path or paths.build_information()
    if path.is_file():
        return BuildInfo(**json.loads(path.read_text(encoding="utf-8")))
    return BuildInfo(_source_version())


def _source_version() -> str:
    project = paths.assets().parent / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version(_PROGRAM)
