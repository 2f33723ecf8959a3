"""Notices that sound devices came or went, without touching the streams that are open.

PortAudio makes its list once, and making it anew closes every stream of the process. So a cheap
look at what the system itself knows is taken every two seconds, and only when that has changed, or
when somebody misses a device, another process starts PortAudio for itself and prints its list.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Hashable
from typing import Protocol

from app.audio import devices
from app.audio.devices import SoundDevice
from app.audio.system_look import system_look
from app.log import logger

_LOOK_EVERY_S = 2.0
_LISTING_MAY_TAKE_S = 20.0

_log = logger("audio")


class Listing(Protocol):
    """A list that is being made somewhere else."""

    def result(self) -> tuple[SoundDevice, ...] | None:
        """The list, or None while it is not ready; raises ValueError where there will be none."""

    def abandon(self) -> None:
        """Nobody waits for it any more."""


class DeviceWatcher:
    """Tells when the list of devices may have changed; belongs to the device thread.

    Nothing here waits: a listing runs on its own and is picked up by a later ``poll``.
    """

    def __init__(
        self,
        look: Callable[[], Hashable] | None = None,
        start_listing: Callable[[], Listing] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look or system_look
        self._start_listing = start_listing or ChildListing
        self._clock = clock
        self._seen = self._look()
        self._looked_at = clock()
        self._listing: Listing | None = None
        self._listing_since = 0.0
        self._is_asked = False

    def ask(self) -> None:
        """Somebody misses a device: the list shall be made whether or not anything changed."""
        self._is_asked = True

    def poll(self) -> tuple[SoundDevice, ...] | None:
        """A list that was just made; None most of the time."""
        now = self._clock()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                self._is_asked = True
        if self._listing is None:
            if self._is_asked:
                self._is_asked = False
                self._listing, self._listing_since = self._start_listing(), now
            return None
        try:
            result = self._listing.result()
        except ValueError as error:
            _log.warning("the sound devices could not be listed: %s", error)
            self._listing = None
            return None
        if result is not None:
            self._listing = None
        elif now - self._listing_since > _LISTING_MAY_TAKE_S:
            self.close()
        return result

    def close(self) -> None:
        """Gives up a listing that is still being made."""
        if self._listing is not None:
            self._listing.abandon()
            self._listing = None


class ChildListing:
    """PortAudio's list, made by a process of its own."""

    def __init__(self) -> None:
        if getattr(sys, "frozen", False):
            command = [sys.executable, "devices", "--json"]
        else:
            command = [sys.executable, devices.__file__]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    def result(self) -> tuple[SoundDevice, ...] | None:
        """The list once the process has ended; a list is far smaller than a pipe holds."""
        code = self._process.poll()
        if code is None:
            return None
        if code != 0:
            self.abandon()
            raise ValueError(f"exit code {code}")
        printed, _ = self._process.communicate()
        return devices.from_json(printed.decode())

    def abandon(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
