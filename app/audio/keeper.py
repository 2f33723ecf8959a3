"""The device thread: opens the sound devices, notices when one is gone, falls back and returns.

It is the only thread that talks to PortAudio. The microphone is open all the time; the speaker is
open while a reply plays or is expected. A device that cannot be used is replaced by the system's
default, or by nothing; that is told as an event, and so is its return. What plays or is being said
is not interrupted for a return: that waits until all is quiet.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Protocol, TypeAlias

from app.audio.capture import AudioInput
from app.audio.devices import DeviceId, Direction, SoundDevice, find
from app.audio.playback import AudioOutput
from app.audio.portaudio import DeviceError, PortAudio
from app.audio.watcher import DeviceWatcher
from app.log import logger

_TICK_S = 0.25
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 30.0
# A device that is lost so soon after it was opened is not opened again at once.
_SHORT_LIVED_S = 2.0
# So long a reply is held for a device to take the place of the one that was lost.
_GRACE_S = 3.0

_log = logger("audio")


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A device is gone or cannot be used; ``instead`` names the one used now, None for none.

    ``name`` is empty where there never was a device.
    """

    direction: Direction
    name: str
    instead: str | None


@dataclass(frozen=True, slots=True)
class DeviceBack:
    """The wished device is used again."""

    direction: Direction
    name: str


@dataclass(frozen=True, slots=True)
class DevicesListed:
    """The devices that can be chosen now."""

    devices: tuple[SoundDevice, ...]


DeviceEvent: TypeAlias = DeviceLost | DeviceBack | DevicesListed


class Endpoint(Protocol):
    """What is asked of the microphone and of the speaker alike."""

    @property
    def device(self) -> SoundDevice | None: ...

    def is_needed(self) -> bool: ...

    def is_lost(self) -> bool: ...

    def open(self, portaudio: PortAudio, index: int) -> None: ...

    def close(self) -> None: ...

    def do_without(self) -> None: ...


class _Standing(Enum):
    """What serves one direction: nothing yet, what was wished for, something else, nothing."""

    UNTRIED = "untried"
    AS_WISHED = "as wished"
    REPLACED = "replaced"
    ABSENT = "absent"


@dataclass(slots=True)
class _Role:
    """One direction, and what the user was told of it."""

    direction: Direction
    endpoint: Endpoint
    wished: DeviceId | None
    standing: _Standing = _Standing.UNTRIED
    name: str = ""  # of the device that was used last
    opened_at: float = float("-inf")
    was_lost: bool = False
    is_short_lived: bool = False
    hangs: bool = False  # its driver answers nobody, so that opening it would hang too
    unserved_since: float | None = None
    retry_at: float = float("-inf")
    retry_after_s: float = _FIRST_RETRY_S

    def postpone(self, now: float) -> None:
        """The next attempt comes later than the one before."""
        self.retry_at = now + self.retry_after_s
        self.retry_after_s = min(2 * self.retry_after_s, _LONGEST_RETRY_S)

    def try_soon(self) -> None:
        """Something changed, so that an attempt may succeed."""
        self.retry_at = float("-inf")
        self.retry_after_s = _FIRST_RETRY_S
        self.is_short_lived = False


@dataclass(frozen=True, slots=True)
class Choose:
    """The user wishes for this device from now on; None is the system's default."""

    direction: Direction
    device_id: DeviceId | None


class Word(Enum):
    """What else the device thread is told: list the devices, a stream is needed, the end."""

    LIST = "list"
    NEEDED = "needed"
    STOP = "stop"


class DeviceKeeper:
    """Keeps microphone and speaker on the wished devices, or on the next best.

    ``start``, ``choose``, ``refresh`` and ``stop`` may be called by any thread; ``post`` and
    ``is_quiet`` are called on the device thread and must not block. ``is_quiet`` says whether
    nobody is speaking, so that the microphone may pause for half a second.
    """

    def __init__(
        self,
        microphone: AudioInput,
        speaker: AudioOutput,
        post: Callable[[DeviceEvent], None],
        *,
        input_id: DeviceId | None = None,
        output_id: DeviceId | None = None,
        is_quiet: Callable[[], bool] = lambda: True,
        portaudio: PortAudio | None = None,
        watcher: DeviceWatcher | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._microphone = microphone
        self._speaker = speaker
        self._roles = (
            _Role(Direction.INPUT, microphone, input_id),
            _Role(Direction.OUTPUT, speaker, output_id),
        )
        self._post = post
        self._is_quiet = is_quiet
        self._portaudio = portaudio or PortAudio()
        self._watcher = watcher or DeviceWatcher(clock=clock)
        self._clock = clock
        # What the system has, and the list of it for which PortAudio was last started.
        self._listed: tuple[SoundDevice, ...] | None = None
        self._started_for: tuple[SoundDevice, ...] | None = None
        self._words: SimpleQueue[Choose | Word] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="devices", daemon=True)
        speaker.on_needed = lambda: self._words.put(Word.NEEDED)

    def start(self) -> None:
        """Opens the devices as soon as may be, and looks after them until ``stop``."""
        self._thread.start()

    def choose(self, direction: Direction, device_id: DeviceId | None) -> None:
        """Changes over to this device, whatever is going on; None is the system's default."""
        self._words.put(Choose(direction, device_id))

    def refresh(self) -> None:
        """Somebody looks at the list of devices: makes it anew and posts it."""
        self._words.put(Word.LIST)

    def stop(self, timeout_s: float = 0.5) -> None:
        """Closes the devices; does not wait longer for a driver that hangs."""
        self._words.put(Word.STOP)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        word: Choose | Word | None = None
        while word is not Word.STOP:
            try:
                self.step(word)
            except Exception:
                _log.exception("the sound devices could not be looked after")
            try:
                word = self._words.get(timeout=_TICK_S)
            except Empty:
                word = None
        for role in self._roles:
            role.endpoint.close()
        self._watcher.close()

    # The device thread.

    def step(self, word: Choose | Word | None = None) -> None:
        """One round: obeys a word, takes in a new list, looks after both directions."""
        if self._listed is None:
            self._listed = self._started_for = self._portaudio.devices()
            self._post_list()
        if isinstance(word, Choose):
            self._obey(word)
        elif word is Word.LIST:
            self._watcher.ask()
            self._post_list()
        listed = self._watcher.poll()
        if listed is not None:
            self._take_in(listed)
        for role in self._roles:
            self._look_after(role)
        if (
            self._listed is not self._started_for
            and not self._portaudio.is_hanging()
            and any(self._misses_a_listed_device(role) for role in self._roles)
            and self._may_interrupt()
        ):
            self._start_anew()

    def _obey(self, word: Choose) -> None:
        role = next(role for role in self._roles if role.direction is word.direction)
        if word.device_id == role.wished:
            return
        role.wished = word.device_id
        role.standing = _Standing.UNTRIED
        role.try_soon()
        self._watcher.ask()
        if role.endpoint.device is not None:
            self._open(role)

    def _take_in(self, listed: tuple[SoundDevice, ...]) -> None:
        """A list was made, so no driver hangs; a new one may have what is missed."""
        for role in self._roles:
            if role.hangs or listed != self._listed:
                role.hangs = False
                role.try_soon()
        if listed != self._listed:
            self._listed = listed
            self._post_list()

    def _look_after(self, role: _Role) -> None:
        now = self._clock()
        endpoint = role.endpoint
        if endpoint.is_lost():
            _log.warning("%s lost: %s", role.direction.value, role.name)
            endpoint.close()
            role.was_lost = True
            role.is_short_lived = now - role.opened_at < _SHORT_LIVED_S
            role.hangs = self._portaudio.is_hanging()
            self._watcher.ask()
        if not endpoint.is_needed():
            endpoint.close()
        elif endpoint.device is None:
            if role.standing is not _Standing.ABSENT:
                self._open(role)
            elif now >= role.retry_at:
                role.is_short_lived = False
                self._open(role)
        elif role.standing is _Standing.REPLACED:
            if now >= role.retry_at and self._may_interrupt():
                role.is_short_lived = False
                self._open(role)
        elif now - role.opened_at > _SHORT_LIVED_S:
            role.try_soon()

    def _open(self, role: _Role) -> None:
        """Opens the wished device, or stays with or opens the default, or does without."""
        devices = self._portaudio.devices()
        wished = find(devices, role.wished, role.direction)
        default = find(devices, None, role.direction)
        for index in dict.fromkeys((wished, default)):
            if index is None or (index == wished and (role.is_short_lived or role.hangs)):
                continue
            standing = _Standing.AS_WISHED if index == wished else _Standing.REPLACED
            if devices[index] != role.endpoint.device:
                try:
                    role.endpoint.open(self._portaudio, index)
                except DeviceError as error:
                    _log.info("%s", error)
                    continue
                role.opened_at = self._clock()
            self._settle(role, standing, devices[index].name)
            return
        self._settle(role, _Standing.ABSENT, role.name)

    def _settle(self, role: _Role, standing: _Standing, name: str) -> None:
        """Notes what serves a direction now, and tells what the user should know."""
        now = self._clock()
        wished_name = role.wished.name if role.wished is not None else role.name
        event: DeviceEvent | None = None
        if standing is _Standing.ABSENT:
            if role.unserved_since is None:
                role.unserved_since = now
            is_held = role.standing in (_Standing.AS_WISHED, _Standing.REPLACED)
            if is_held and now - role.unserved_since < _GRACE_S:
                return
            role.endpoint.do_without()
            if role.standing is not _Standing.ABSENT:
                event = DeviceLost(role.direction, role.name or wished_name, None)
        else:
            role.unserved_since = None
            if standing is _Standing.REPLACED:
                if role.standing is not _Standing.REPLACED or role.name != name:
                    event = DeviceLost(role.direction, wished_name, name)
            elif role.standing in (_Standing.REPLACED, _Standing.ABSENT):
                event = DeviceBack(role.direction, name)
            elif role.was_lost and role.name != name:
                event = DeviceLost(role.direction, role.name, name)
            role.was_lost = False
        role.standing, role.name = standing, name
        if standing is not _Standing.AS_WISHED:
            role.postpone(now)
            self._watcher.ask()
        if event is not None:
            self._post(event)

    def _misses_a_listed_device(self, role: _Role) -> bool:
        """Whether the system has the device that is wished for, but PortAudio cannot use it."""
        listed, known = self._listed or (), self._portaudio.devices()
        place = find(listed, role.wished, role.direction)
        if place is None:
            return False
        if role.wished is not None:
            is_known = find(known, role.wished, role.direction) is not None
            return not is_known or role.standing in (_Standing.REPLACED, _Standing.ABSENT)
        default = find(known, None, role.direction)
        return default is None or known[default].id != listed[place].id

    def _may_interrupt(self) -> bool:
        """Whether nobody minds if both devices pause."""
        is_silent = self._speaker.device is None or not self._speaker.is_playing()
        return is_silent and (self._microphone.device is None or self._is_quiet())

    def _start_anew(self) -> None:
        """Lets PortAudio see the devices of today; both streams are closed meanwhile."""
        for role in self._roles:
            role.endpoint.close()
        self._portaudio.start_anew()
        self._started_for = self._listed
        for role in self._roles:
            role.try_soon()
            self._look_after(role)

    def _post_list(self) -> None:
        """A device in use may be hidden from others, but it can be chosen."""
        listed = self._listed or ()
        known = {device.id for device in listed}
        used = (role.endpoint.device for role in self._roles)
        rest = tuple(device for device in used if device is not None and device.id not in known)
        self._post(DevicesListed(listed + rest))
