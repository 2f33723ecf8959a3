"""A glance at what the operating system knows of its sound devices, for a few microseconds."""

import ctypes
import os
import sys
from collections.abc import Hashable
from pathlib import Path


def system_look() -> Hashable:
    """Something that differs when a device was plugged in or pulled, or another became the default.

    Where the system does not answer it is always the same: the change is then noticed only when a
    device is lost or the list is asked for.
    """
    try:
        if sys.platform == "win32":
            return _windows()
        if sys.platform == "darwin":
            return _macos()
        return _linux()
    except (OSError, AttributeError):
        return None


def _linux() -> Hashable:
    """ALSA's cards, and whether a sound server was started anew."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    server = os.environ.get("PULSE_SERVER", "").removeprefix("unix:")
    cards = Path("/proc/asound/cards")
    seen: list[Hashable] = [cards.read_bytes() if cards.exists() else b""]
    for path in (f"{runtime}/pulse/native", f"{runtime}/pipewire-0", server):
        try:
            status = os.stat(path)
        except OSError:
            seen.append(None)
        else:
            seen.append((status.st_ino, status.st_ctime_ns))
    return tuple(seen)


def _windows() -> Hashable:
    """The devices of the multimedia API by name; the default ones come first."""

    class Caps(ctypes.Structure):  # the beginning that WAVEINCAPSW and WAVEOUTCAPSW share
        _fields_ = (
            ("ids", ctypes.c_ushort * 2),
            ("version", ctypes.c_uint),
            ("name", ctypes.c_wchar * 32),
            ("rest", ctypes.c_byte * 12),
        )

    winmm = ctypes.CDLL("winmm")
    seen: list[Hashable] = []
    for kind, size in (("waveIn", 80), ("waveOut", 84)):
        for number in range(winmm[f"{kind}GetNumDevs"]()):
            caps = Caps()
            winmm[f"{kind}GetDevCapsW"](ctypes.c_size_t(number), ctypes.byref(caps), size)
            seen.append((kind, caps.name))
    return tuple(seen)


def _macos() -> Hashable:
    """Core Audio's numbers of all devices and of its two defaults."""

    class Address(ctypes.Structure):
        _fields_ = tuple((name, ctypes.c_uint32) for name in ("selector", "scope", "element"))

    core_audio = ctypes.CDLL("/System/Library/Frameworks/CoreAudio.framework/CoreAudio")
    system_object, main_element = 1, 0
    seen: list[Hashable] = []
    for selector in (b"dev#", b"dIn ", b"dOut"):
        address = Address(
            int.from_bytes(selector, "big"), int.from_bytes(b"glob", "big"), main_element
        )
        numbers = (ctypes.c_uint32 * 256)()
        size = ctypes.c_uint32(ctypes.sizeof(numbers))
        core_audio.AudioObjectGetPropertyData(
            system_object, ctypes.byref(address), 0, None, ctypes.byref(size), numbers
        )
        seen.append(tuple(numbers[: size.value // 4]))
    return tuple(seen)
