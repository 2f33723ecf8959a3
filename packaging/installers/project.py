"""What is built: the facts of ``pyproject.toml`` and what the packager set in ``packager.toml``."""

import platform
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
MODELS = ROOT / "assets" / "models"

_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class PackagingError(Exception):
    """A package cannot be built as things are; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Project:
    """What every format needs to know; ``version`` is that of ``pyproject.toml``."""

    name: str
    version: str
    summary: str
    licence: str
    app_id: str
    maintainer: str
    homepage: str
    update_url: str
    update_key: str

    def __post_init__(self) -> None:
        if bool(self.update_url) != bool(self.update_key):
            raise PackagingError("packager.toml: updates.url and updates.public_key go together")
        if self.update_url and not self.update_url.startswith("https://"):
            raise PackagingError("packager.toml: updates.url must begin with https://")

    @property
    def folder_name(self) -> str:
        """The name of the relocatable folder, which tells versions and machines apart."""
        return f"{self.name}-{self.version}-{system()}-{architecture()}"


def load(root: Path = ROOT, packager: Path | None = None) -> Project:
    """Reads both files; raises ``PackagingError`` where one of them says too little."""
    try:
        own = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        path = packager or root / "packaging" / "packager.toml"
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        identity, updates = given["identity"], given["updates"]
        return Project(
            name=own["name"],
            version=own["version"],
            summary=own["description"],
            licence=own["license"],
            app_id=identity["app_id"],
            maintainer=identity["maintainer"],
            homepage=identity["homepage"],
            update_url=updates["url"],
            update_key=updates["public_key"],
        )
    except KeyError as error:
        raise PackagingError(f"pyproject.toml or packager.toml lacks {error}") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise PackagingError(f"pyproject.toml or packager.toml: {error}") from error


def system() -> str:
    """This system, as file names tell it: linux, windows or macos."""
    return {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")


def architecture(machine: str | None = None) -> str:
    """This machine's instruction set, as file names tell it."""
    found = (machine or platform.machine()).lower()
    return _ARCHITECTURES.get(found, found)
