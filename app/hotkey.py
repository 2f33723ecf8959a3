"""A key combination that works in every window, where the platform lets a program see the keys.

That is X11, Windows and macOS, through pynput, which is imported only when a hotkey is set. It sees
every key that is struck; nothing is kept of them but which keys of the combination are down. On
Wayland, and wherever pynput is missing, a sentence says what to do instead: bind a key of the
desktop to ``parley toggle``.
"""

import os
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from app.errors import AppError
from app.log import logger

# How long the first key of a combination may be down before the last one follows.
_LONGEST_REACH_S = 5.0
_INSTEAD = "bind a key of your desktop to the command `parley toggle` instead"


class HotkeyError(AppError):
    """There is no global hotkey; the message says why, and what to do instead."""


class Modifier(Enum):
    """A key that is held with others; the value is its name in pynput."""

    CTRL = "ctrl"
    ALT = "alt"
    SHIFT = "shift"
    META = "cmd"


# Names of keys as Qt writes them, and as pynput does.
_NAMED_KEYS = {
    **{f"F{number}": f"f{number}" for number in range(1, 21)},
    **{name: name.lower() for name in ("Space", "Tab", "Pause", "Home", "End", "Insert", "Menu")},
    **{name: name.lower() for name in ("Up", "Down", "Left", "Right", "Backspace")},
    **{"Esc": "esc", "Return": "enter", "Del": "delete", "PgUp": "page_up", "PgDown": "page_down"},
    **{"ScrollLock": "scroll_lock", "Print": "print_screen"},
}
# These are struck while typing, so without Ctrl, Alt or Meta they cannot be a hotkey.
_TYPED = {"Space", "Tab", "Return", "Backspace", "Del", "Esc"} | {
    name for name in ("Up", "Down", "Left", "Right", "Home", "End", "PgUp", "PgDown", "Insert")
}


@dataclass(frozen=True, slots=True)
class Chord:
    """A key with the modifiers that are held with it."""

    modifiers: frozenset[Modifier]
    key: str

    @classmethod
    def parse(cls, text: str) -> "Chord":
        """The combination in a text such as ``Ctrl+Alt+Space``; raises ``HotkeyError``."""
        *held, key = (part.strip() for part in text.split("+"))
        try:
            modifiers = frozenset(Modifier[name.upper()] for name in held)
        except KeyError as error:
            allowed = ", ".join(modifier.name.capitalize() for modifier in Modifier)
            raise HotkeyError(f"{text}: before the last + only {allowed} can stand") from error
        is_letter_or_digit = len(key) == 1 and key.isascii() and key.isalnum()
        name = key.upper() if is_letter_or_digit else _named(key)
        if name is None:
            raise HotkeyError(f"{text}: {key or 'nothing'} cannot be the key of a global hotkey")
        if (is_letter_or_digit or name in _TYPED) and modifiers <= {Modifier.SHIFT}:
            raise HotkeyError(f"{text}: hold Ctrl, Alt or Meta with it, or typing would set it off")
        if name.isdigit() and Modifier.SHIFT in modifiers:
            raise HotkeyError(f"{text}: Shift makes another sign of a digit; leave it out")
        return cls(modifiers, name)


class HeldKeys:
    """PURE: which keys of a combination are down, and when the combination begins and ends.

    It begins when its last key goes down while the others, and no further modifiers, are held; it
    ends when any of its keys goes up. A key that went down long ago no longer counts: its release
    was not seen, as when Ctrl+Alt+Del opens a screen that shows no program its keys.
    """

    def __init__(self, wanted: frozenset[Hashable], modifiers: frozenset[Hashable]) -> None:
        self._wanted = wanted
        self._heeded = wanted | modifiers
        self._down_at_s: dict[Hashable, float] = {}
        self.is_pressed = False

    def press(self, key: Hashable, now_s: float) -> bool:
        """Whether the combination begins with this key, which repeats while it is held."""
        if key not in self._heeded:
            return False
        down = {it for it, at_s in self._down_at_s.items() if now_s - at_s <= _LONGEST_REACH_S}
        self._down_at_s = {it: self._down_at_s[it] for it in down} | {key: now_s}
        begins = key in self._wanted - down and down | {key} == self._wanted
        self.is_pressed = self.is_pressed or begins
        return begins

    def release(self, key: Hashable) -> bool:
        """Whether the combination ends with this key."""
        self._down_at_s.pop(key, None)
        ends = self.is_pressed and key in self._wanted
        if ends:
            self.is_pressed = False
        return ends


class GlobalHotkey:
    """Watches the keyboard from ``start`` to ``stop``; both belong to one thread.

    ``pressed`` and ``released`` are called on a thread of pynput's own and must return at once.
    """

    def __init__(
        self, chord: Chord, pressed: Callable[[], None], released: Callable[[], None]
    ) -> None:
        self._chord = chord
        self._pressed = pressed
        self._released = released
        self._listener: Any = None

    def start(self) -> None:
        """Begins to watch; raises ``HotkeyError`` where the platform does not allow it."""
        reason = obstacle(sys.platform, os.environ)
        if reason is not None:
            raise HotkeyError(reason)
        try:
            from pynput import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
                keyboard,
            )
        except ModuleNotFoundError as error:
            raise HotkeyError(
                f"A global hotkey needs the package pynput, which is not installed: {_INSTEAD}"
            ) from error
        except Exception as error:  # it opens the display when it is imported
            raise HotkeyError(f"The keyboard cannot be watched here: {_INSTEAD}") from error
        held: HeldKeys

        def on_press(key: Any) -> None:
            if held.press(listener.canonical(key), time.monotonic()):
                self._pressed()

        def on_release(key: Any) -> None:
            if held.release(listener.canonical(key)):
                self._released()

        listener = keyboard.Listener(on_press=on_press, on_release=on_release)
        modifiers = {it: listener.canonical(keyboard.Key[it.value]) for it in Modifier}
        name = _NAMED_KEYS.get(self._chord.key)
        if name is None:
            key = keyboard.KeyCode.from_char(self._chord.key.lower())
        elif name in keyboard.Key.__members__:
            key = listener.canonical(keyboard.Key[name])
        else:
            raise HotkeyError(f"This keyboard has no key {self._chord.key}: choose another")
        wanted = {modifiers[it] for it in self._chord.modifiers} | {key}
        held = HeldKeys(frozenset(wanted), frozenset(modifiers.values()))
        listener.start()
        # macOS starts a listener that hears nothing until the user allows it.
        if not getattr(listener, "IS_TRUSTED", True):
            logger("hotkey").warning("the system has not allowed the keyboard to be watched yet")
        self._listener = listener

    def stop(self) -> None:
        """Ends the watch, if there is one."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None


def obstacle(platform: str, environment: Mapping[str, str]) -> str | None:
    """Why no program may watch the keyboard here, or None where one may."""
    if platform in ("win32", "darwin"):
        return None
    # An X server beside Wayland shows a program the keys of its own windows only.
    if environment.get("XDG_SESSION_TYPE") == "wayland" or environment.get("WAYLAND_DISPLAY"):
        return f"Wayland lets no program watch the keyboard: {_INSTEAD}"
    if not environment.get("DISPLAY"):
        return f"There is no screen, so there is no keyboard to watch: {_INSTEAD}"
    return None


def _named(key: str) -> str | None:
    return next((name for name in _NAMED_KEYS if name.lower() == key.lower()), None)
