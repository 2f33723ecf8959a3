"""What the frozen program is made of: Python packages, libraries of the system, Python itself."""

import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app.licences import licence_texts, named_licence, needed_packages

_DOCUMENTS = Path("/usr/share/doc")
_SHARED = re.compile(r"\.(so(\.\d+)*|dll|dylib)$")


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that ships with the program; ``licence`` is a name, ``texts`` are whole files.

    ``kind`` is the type of the package URL: pypi, deb or generic.
    """

    name: str
    version: str
    kind: str
    licence: str
    texts: tuple[str, ...]

    @property
    def purl(self) -> str:
        """The package URL."""
        name = f"debian/{self.name}" if self.kind == "deb" else self.name
        if self.kind == "pypi":
            name = name.lower().replace("_", "-")
        return f"pkg:{self.kind}/{name}@{self.version.replace('+', '%2B').replace(':', '%3A')}"


def all_components(folder: Path, extras: Iterable[str] = ()) -> tuple[Component, ...]:
    """Everything in the frozen folder, by name."""
    found = [_python(), *python_packages(extras), *system_packages(system_libraries(folder))]
    return tuple(sorted(found, key=lambda item: (item.name.lower(), item.kind)))


def python_packages(extras: Iterable[str] = ()) -> tuple[Component, ...]:
    """The packages that the program needs, and ``extras`` with what they need, where installed."""
    return tuple(
        Component(
            package.metadata["Name"],
            package.version,
            "pypi",
            named_licence(package),
            licence_texts(package),
        )
        for package in needed_packages("parley", extras)
    )


def system_libraries(folder: Path) -> tuple[str, ...]:
    """The shared libraries that PyInstaller took from the system: those beside no package."""
    if not folder.is_dir():
        return ()
    names = (path.name for path in folder.iterdir() if path.is_file() and not path.is_symlink())
    return tuple(sorted(name for name in names if _SHARED.search(name)))


def system_packages(libraries: Iterable[str]) -> tuple[Component, ...]:
    """The Debian packages that hold the libraries; elsewhere than on Debian there are none."""
    if shutil.which("dpkg-query") is None:
        return ()
    owners = {owner for name in libraries if (owner := _owner(name)) is not None}
    return tuple(_debian(owner) for owner in sorted(owners))


def _python() -> Component:
    places = (Path(sysconfig.get_paths()["stdlib"]), Path(sys.base_prefix))
    texts = [
        path.read_text(encoding="utf-8").strip()
        for path in (*(place / "LICENSE.txt" for place in places), *_debian_python())
        if path.is_file()
    ]
    version = platform.python_version()
    return Component("Python", version, "generic", "PSF-2.0", tuple(texts[:1]))


def _debian_python() -> tuple[Path, ...]:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return (_DOCUMENTS / name / "copyright", _DOCUMENTS / f"lib{name}-minimal" / "copyright")


def _owner(library: str) -> str | None:
    """The package of a library's file; the newest where several have one of that name."""
    told = _dpkg("--search", f"*/{library}")
    owners = [line.partition(":")[0] for line in told.splitlines() if not line.startswith("diver")]
    return owners[0] if owners else None


def _debian(package: str) -> Component:
    version = _dpkg("--show", "--showformat=${Version}\n", package).partition("\n")[0]
    path = _DOCUMENTS / package / "copyright"
    text = path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""
    named = sorted(set(re.findall(r"^License: *(\S[^\n]*)$", text, re.MULTILINE)))
    licence = ", ".join(named) or "see the text"
    return Component(package, version, "deb", licence, (text,) if text else ())


def _dpkg(*arguments: str) -> str:
    ran = subprocess.run(["dpkg-query", *arguments], capture_output=True, text=True, check=False)
    return ran.stdout
