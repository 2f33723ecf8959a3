"""Moves a file that cannot be used out of the way, so that the program starts and nothing is lost.

Settings and history share it. What happened is told as a ``StoreNotice``: the window translates its
kind, everything else prints ``message``.
"""

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class StoreNoticeKind(Enum):
    """What was wrong with a stored file."""

    SETTINGS_BROKEN = "settings_broken"
    SETTINGS_NEWER = "settings_newer"
    SETTINGS_UNKNOWN_KEYS = "settings_unknown_keys"
    HISTORY_BROKEN = "history_broken"
    HISTORY_NEWER = "history_newer"


_SENTENCES = {
    StoreNoticeKind.SETTINGS_BROKEN: "The settings could not be read, so the defaults are used",
    StoreNoticeKind.SETTINGS_NEWER: (
        "The settings were written by a newer version of Parley, so the defaults are used"
    ),
    StoreNoticeKind.SETTINGS_UNKNOWN_KEYS: "Some settings are not known and are left out",
    StoreNoticeKind.HISTORY_BROKEN: (
        "The saved conversations could not be read, so a new list was begun"
    ),
    StoreNoticeKind.HISTORY_NEWER: (
        "The saved conversations were written by a newer version of Parley, so a new list was begun"
    ),
}


@dataclass(frozen=True, slots=True)
class StoreNotice:
    """One thing to tell the user about a stored file.

    ``kept_as`` is where the old file lies now; None where it was left in its place.
    """

    kind: StoreNoticeKind
    detail: str
    kept_as: Path | None = None

    @property
    def message(self) -> str:
        """The notice in one English line."""
        kept = f" The old file is kept as {self.kept_as}." if self.kept_as else ""
        return f"{_SENTENCES[self.kind]} ({self.detail}).{kept}"


def set_aside(path: Path, label: str, companions: tuple[str, ...] = ()) -> Path | None:
    """Renames ``name.ext`` to ``name.label.ext``, or to the next free name of that kind.

    ``companions`` are suffixes of files that belong to it and go with it. Returns the new path, or
    None where the folder does not allow it.
    """
    target = path.with_name(f"{path.stem}.{label}{path.suffix}")
    number = 1
    while os.path.lexists(target):
        number += 1
        target = path.with_name(f"{path.stem}.{label}-{number}{path.suffix}")
    try:
        path.rename(target)
        for companion in companions:
            source = path.with_name(path.name + companion)
            if source.exists():
                source.rename(target.with_name(target.name + companion))
    except OSError:
        return None
    return target
