"""The licences of the program and of the Python packages it stands on, as one text."""

import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LICENCE_FILE = re.compile(r"(?:LICEN[CS]E|COPYING|NOTICE)[^/]*$", re.IGNORECASE)
_RULE = "\n\n" + "-" * 72 + "\n"


def all_licences(own: Path) -> str:
    """The program's own licence, then name, version and licence of every package it needs."""
    parts = [own.read_text(encoding="utf-8").strip()]
    parts += [_licence(package) for package in needed_packages("parley")]
    return _RULE.join(parts) + "\n"


def needed_packages(root: str, extras: Iterable[str] = ()) -> list[metadata.Distribution]:
    """The installed packages that ``root`` and ``extras`` need, those that they need, ..., by name.

    ``extras`` are packages themselves, and are among the result where they are installed.
    """
    found: dict[str, metadata.Distribution] = {}
    waiting = [*_requirements(root), *extras]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # meant for another system
            continue
        waiting += _requirements(name)
    return [found[name] for name in sorted(found)]


def named_licence(package: metadata.Distribution) -> str:
    """What the package's metadata call its licence."""
    fields = package.metadata
    named = fields["License-Expression"] or _first_line(fields["License"]) or _classified(fields)
    return named or "see its home page"


def licence_texts(package: metadata.Distribution) -> tuple[str, ...]:
    """The licence files that came with the package."""
    return tuple(
        file.read_text(encoding="utf-8").strip()
        for file in package.files or ()
        if _LICENCE_FILE.search(str(file)) and ".py" not in file.suffix
    )


def _requirements(name: str) -> Iterator[str]:
    for requirement in metadata.requires(name) or ():
        wanted, _, condition = requirement.partition(";")
        match = _NAME.match(wanted)
        if match and "extra" not in condition:
            yield match.group().lower().replace("_", "-")


def _licence(package: metadata.Distribution) -> str:
    head = f"{package.metadata['Name']} {package.version}: {named_licence(package)}"
    return "\n\n".join((head, *licence_texts(package)))


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n")[0]


def _classified(fields: metadata.PackageMetadata) -> str:
    classes = (value for value in fields.get_all("Classifier") or () if "License ::" in value)
    return ", ".join(value.rpartition(" :: ")[2] for value in classes)
