"""The licences of the program and of the Python packages it stands on, as one text."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LICENCE_FILE = re.compile(r"(?:LICEN[CS]E|COPYING|NOTICE)[^/]*$", re.IGNORECASE)
_RULE = "\n\n" + "-" * 72 + "\n"


def all_licences(own: Path) -> str:
    """The program's own licence, then name, version and licence of every package it needs."""
    parts = [own.read_text(encoding="utf-8").strip()]
    parts += [_licence(package) for package in _needed("parley")]
    return _RULE.join(parts) + "\n"


def _needed(root: str) -> list[metadata.Distribution]:
    """The installed packages that ``root`` needs, those that they need, ..., by name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(_requirements(root))
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


def _requirements(name: str) -> Iterator[str]:
    for requirement in metadata.requires(name) or ():
        wanted, _, condition = requirement.partition(";")
        match = _NAME.match(wanted)
        if match and "extra" not in condition:
            yield match.group().lower().replace("_", "-")


def _licence(package: metadata.Distribution) -> str:
    fields = package.metadata
    named = fields["License-Expression"] or _first_line(fields["License"]) or _classified(fields)
    texts = [
        file.read_text(encoding="utf-8").strip()
        for file in package.files or ()
        if _LICENCE_FILE.search(str(file)) and ".py" not in file.suffix
    ]
    head = f"{fields['Name']} {package.version}: {named or 'see its home page'}"
    return "\n\n".join((head, *texts))


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n")[0]


def _classified(fields: metadata.PackageMetadata) -> str:
    classes = (value for value in fields.get_all("Classifier") or () if "License ::" in value)
    return ", ".join(value.rpartition(" :: ")[2] for value in classes)
