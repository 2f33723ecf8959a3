"""PortAudio behind one small door: its list of devices, and streams that notice their own death.

All of it belongs to one thread, the import of sounddevice too: WASAPI opens streams only on the
thread that initialised it, and starting anew closes every stream of the process.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

from app.audio.devices import Direction, SoundDevice, sound_devices
from app.errors import AppError
from app.log import logger

# Blocks of 20 ms from the microphone: half of the cost of 10 ms, and still fine for detection.
_INPUT_LATENCY_S = 0.08
# Python may run a callback late by tens of milliseconds beside a busy interpreter.
_OUTPUT_LATENCY_S = 0.1
# Sound cards that do not know their latency report nonsense.
LARGEST_LATENCY_S = 2.0
_CLOCK_WAS_SET_S = 0.5
_CLOCK_DRIFT_S = 2e-5  # for each callback; 25 ms of a clock that runs 800 millionths wrong
_STALLED_S = 1.0
_STALLED_CHECKS = 3

_log = logger("audio")


class DeviceError(AppError):
    """A sound device that cannot be opened or started."""


class TimeInfo(Protocol):
    """When a block was or will be at the device, by the stream's own clock, in seconds."""

    @property
    def currentTime(self) -> float: ...

    @property
    def inputBufferAdcTime(self) -> float: ...

    @property
    def outputBufferDacTime(self) -> float: ...


Callback = Callable[[Any, int, TimeInfo, Any], None]


class StreamClock:
    """Tells a stream's times by the program's clock; belongs to the callback.

    Python may begin to run a callback late, so the callback that came soonest after its time tells
    how the two clocks differ. The bound rises slowly, because one clock may be set right meanwhile.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._difference_s = float("inf")

    def when(self, stream_time: float) -> float:
        """The moment at which the stream's own clock showed the time that it shows just now."""
        difference_s = self._clock() - stream_time
        if difference_s - self._difference_s > _CLOCK_WAS_SET_S:
            self._difference_s = difference_s
        self._difference_s = min(difference_s, self._difference_s + _CLOCK_DRIFT_S)
        return stream_time + self._difference_s


@dataclass(slots=True)
class OpenStream:
    """A stream that is open on one device."""

    device: SoundDevice
    stream: Any
    hanging: list[threading.Thread]
    has_finished: bool = False
    is_stalled: bool = False
    _seen: int = -1
    _still_since: float = 0.0
    _still_checks: int = 0

    @property
    def latency_s(self) -> float:
        """What PortAudio says about the way between the callback and the device."""
        return float(self.stream.latency)

    def is_lost(self, n_callbacks: int, now: float) -> bool:
        """Whether the device is gone: the stream ended by itself, or called nobody for a second.

        A process that was kept from running misses callbacks too, so it takes several looks.
        """
        if self.has_finished:
            return True
        if n_callbacks != self._seen:
            self._seen, self._still_since, self._still_checks = n_callbacks, now, 0
            return False
        self._still_checks += 1
        still_for_s = now - self._still_since
        self.is_stalled = self._still_checks >= _STALLED_CHECKS and still_for_s >= _STALLED_S
        return self.is_stalled

    def close(self) -> None:
        """Ends it at once; what the device had not played yet is not heard.

        A driver that stalled may hang here as well, so it is left to a thread of its own.
        """
        if self.is_stalled:
            thread = threading.Thread(target=self._end, name="hanging device", daemon=True)
            thread.start()
            self.hanging.append(thread)
        else:
            self._end()

    def _end(self) -> None:
        self.stream.abort()
        self.stream.close()


class PortAudio:
    """The sounddevice module, or what stands in for it; belongs to one thread."""

    def __init__(self, sounddevice: ModuleType | Any | None = None) -> None:
        self._module = sounddevice
        self._hanging: list[threading.Thread] = []

    def devices(self) -> tuple[SoundDevice, ...]:
        """The devices that PortAudio knew when it was last started."""
        return sound_devices(self._module)

    def start_anew(self) -> None:
        """Makes PortAudio look for devices again; no stream may be open, and none may hang."""
        module = self._sounddevice()
        if module is None:
            return
        try:
            module._terminate()
            module._initialize()
        except module.PortAudioError as error:
            _log.warning("PortAudio does not start: %s", error)

    def is_hanging(self) -> bool:
        """Whether a stream that stalled is still not closed."""
        self._hanging[:] = [thread for thread in self._hanging if thread.is_alive()]
        return bool(self._hanging)

    def open(self, direction: Direction, index: int, callback: Callback) -> OpenStream:
        """Opens a device at its own rate: one channel in, or up to two out. It has to be started.

        Raises ``DeviceError`` where that fails.
        """
        module = self._sounddevice()
        devices = self.devices()
        if module is None or index >= len(devices):
            raise DeviceError("There is no sound device.")
        device = devices[index]
        is_input = direction is Direction.INPUT
        # Not every device can give a single channel.
        n_all = min(2, device.n_channels(direction))
        error: Exception | None = None
        for n_channels in dict.fromkeys((1, n_all) if is_input else (n_all, 1)):
            opened = OpenStream(device, None, self._hanging)
            try:
                opened.stream = (module.InputStream if is_input else module.OutputStream)(
                    device=index,
                    samplerate=device.default_sample_rate,
                    channels=n_channels,
                    dtype="float32",
                    latency=_INPUT_LATENCY_S if is_input else _OUTPUT_LATENCY_S,
                    blocksize=0,
                    callback=callback,
                    finished_callback=_finisher(opened),
                )
            except (module.PortAudioError, ValueError) as failure:
                error = failure
            else:
                return opened
        raise DeviceError(f"{device.name} cannot be opened: {error}") from error

    def start(self, opened: OpenStream) -> None:
        """Starts an open stream, or closes it and raises ``DeviceError``."""
        module = self._sounddevice()
        try:
            opened.stream.start()
        except module.PortAudioError as error:
            opened.close()
            raise DeviceError(f"{opened.device.name} cannot be started: {error}") from error

    def _sounddevice(self) -> Any:
        if self._module is None:
            try:
                import sounddevice
            except OSError:  # the PortAudio library is not installed
                return None
            self._module = sounddevice
        return self._module


def _finisher(opened: OpenStream) -> Callable[[], None]:
    """What PortAudio calls when a stream has ended, on a thread of its own."""

    def finished() -> None:
        opened.has_finished = True

    return finished
