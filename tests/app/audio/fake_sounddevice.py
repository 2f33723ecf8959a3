"""A stand-in for the sounddevice module: devices come and go, and a test calls the callbacks."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class FakeClock:
    """Time that passes only when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class FakeDevice:
    """A device of the machine."""

    name: str
    n_inputs: int = 0
    n_outputs: int = 0
    sample_rate: float = 48000.0
    opens: bool = True


@dataclass(frozen=True)
class FakeTimes:
    """The times that PortAudio hands to a callback."""

    currentTime: float
    inputBufferAdcTime: float = 0.0
    outputBufferDacTime: float = 0.0


@dataclass(frozen=True)
class FakeFlags:
    """The flags that PortAudio hands to a callback."""

    input_overflow: bool = False
    output_underflow: bool = False


class FakePortAudioError(Exception):
    """What the real module raises."""


@dataclass
class FakeStream:
    """An open stream; ``play`` and ``record`` are the sound card calling."""

    module: "FakeSoundDevice"
    device_name: str
    is_output: bool
    samplerate: float
    channels: int
    latency: float
    callback: Callable[..., None]
    finished_callback: Callable[[], None]
    state: str = "open"
    delay_s: float = 0.1
    hangs_until: threading.Event | None = None

    def start(self) -> None:
        if self.module.find(self.device_name) is None:
            raise FakePortAudioError("the device is gone")
        self.state = "running"

    def abort(self) -> None:
        if self.hangs_until is not None:
            self.hangs_until.wait(10.0)
        self.state = "stopped"

    def close(self) -> None:
        self.state = "closed"

    def die(self) -> None:
        """The driver gives up."""
        self.state = "dead"
        self.finished_callback()

    def play(self, n_frames: int, flags: FakeFlags | None = None) -> np.ndarray:
        """The card asks for a block (frames, channels); time passes meanwhile."""
        assert self.state == "running"
        out = np.full((n_frames, self.channels), np.nan, dtype=np.float32)
        now = self.module.clock.now
        times = FakeTimes(now, outputBufferDacTime=now + self.delay_s)
        self.callback(out, n_frames, times, flags or FakeFlags())
        self.module.clock.now += n_frames / self.samplerate
        return out

    def record(self, block: np.ndarray, flags: FakeFlags | None = None) -> None:
        """The card delivers a block, the end of which was captured just now."""
        assert self.state == "running"
        if block.ndim == 1:
            block = np.repeat(block[:, np.newaxis], self.channels, axis=1)
        self.module.clock.now += len(block) / self.samplerate
        now = self.module.clock.now
        times = FakeTimes(now, inputBufferAdcTime=now - len(block) / self.samplerate)
        self.callback(block, len(block), times, flags or FakeFlags())


@dataclass
class FakeSoundDevice:
    """PortAudio: what the machine has now, and the older list that PortAudio made of it."""

    machine: list[FakeDevice]
    clock: FakeClock = field(default_factory=FakeClock)
    streams: list[FakeStream] = field(default_factory=list)
    n_starts: int = 0
    mono_input: bool = True

    PortAudioError = FakePortAudioError

    def __post_init__(self) -> None:
        self._initialize()

    def _initialize(self) -> None:
        self.known = list(self.machine)
        self.n_starts += 1

    def _terminate(self) -> None:
        assert not self.running(), "starting anew ends streams"

    def find(self, name: str) -> FakeDevice | None:
        return next((d for d in self.machine if d.name == name and d.opens), None)

    def running(self) -> list[FakeStream]:
        return [
            stream
            for stream in self.streams
            if stream.state == "running" and stream.hangs_until is None
        ]

    def pull(self, name: str) -> None:
        """Somebody pulls the cable."""
        self.machine = [device for device in self.machine if device.name != name]
        for stream in self.running():
            if stream.device_name == name:
                stream.die()

    def plug(self, device: FakeDevice) -> None:
        self.machine = [*self.machine, device]

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {
                "name": device.name,
                "hostapi": 0,
                "max_input_channels": device.n_inputs,
                "max_output_channels": device.n_outputs,
                "default_samplerate": device.sample_rate,
            }
            for device in self.known
        ]

    def query_hostapis(self) -> list[dict[str, Any]]:
        """One host API; the first device of each kind is the default."""

        def first(kind: str) -> int:
            found = (n for n, device in enumerate(self.known) if getattr(device, kind))
            return next(found, -1)

        return [
            {
                "name": "ALSA",
                "default_input_device": first("n_inputs"),
                "default_output_device": first("n_outputs"),
            }
        ]

    def InputStream(self, **options: Any) -> FakeStream:
        if options["channels"] == 1 and not self.mono_input:
            raise FakePortAudioError("Invalid number of channels")
        return self._open(is_output=False, **options)

    def OutputStream(self, **options: Any) -> FakeStream:
        return self._open(is_output=True, **options)

    def _open(
        self,
        *,
        is_output: bool,
        device: int,
        samplerate: float,
        channels: int,
        dtype: str,
        latency: float,
        blocksize: int,
        callback: Callable[..., None],
        finished_callback: Callable[[], None],
    ) -> FakeStream:
        assert dtype == "float32" and blocksize == 0
        name = self.known[device].name
        if self.find(name) is None:
            raise FakePortAudioError("Device unavailable")
        stream = FakeStream(
            self, name, is_output, samplerate, channels, latency, callback, finished_callback
        )
        self.streams.append(stream)
        return stream
