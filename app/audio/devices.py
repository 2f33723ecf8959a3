"""Which sound devices this machine has, and how one is found again.

A device is remembered by its name and host API: its number changes whenever another one is plugged
in. PortAudio makes its list once; ``app.audio.watcher`` runs this file as a program, which prints
the list of a PortAudio that has just started. So it imports nothing of ours.
"""

import json
import re
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, assert_never

# The same device through WASAPI has a fifth of the latency that it has through MME, which PortAudio
# prefers; other systems have one host API for all.
_BEST_HOST_API = "Windows WASAPI"
# ALSA numbers its cards in the order in which they were plugged in.
_CARD_NUMBER = re.compile(r" ?\(hw:\d+,\d+\)$")


class Direction(Enum):
    """Whether sound comes in through a device or goes out through it."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class DeviceId:
    """What a device is remembered by."""

    name: str
    host_api: str

    def is_again(self, other: "DeviceId") -> bool:
        """Whether the other one is the same device, perhaps plugged in at another place."""
        return self.host_api == other.host_api and _CARD_NUMBER.sub("", self.name) == (
            _CARD_NUMBER.sub("", other.name)
        )


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """One device as PortAudio describes it; a device may have inputs, outputs or both."""

    name: str
    host_api: str
    n_inputs: int
    n_outputs: int
    default_sample_rate: int
    is_default_input: bool = False
    is_default_output: bool = False

    @property
    def id(self) -> DeviceId:
        """What the device is remembered by."""
        return DeviceId(self.name, self.host_api)

    def n_channels(self, direction: Direction) -> int:
        """How many channels it has in this direction; 0 if it cannot do that."""
        match direction:
            case Direction.INPUT:
                return self.n_inputs
            case Direction.OUTPUT:
                return self.n_outputs
            case _:
                assert_never(direction)

    def is_default(self, direction: Direction) -> bool:
        """Whether this is what the system uses when no device was chosen."""
        match direction:
            case Direction.INPUT:
                return self.is_default_input
            case Direction.OUTPUT:
                return self.is_default_output
            case _:
                assert_never(direction)


def sound_devices(module: Any = None) -> tuple[SoundDevice, ...]:
    """Every sound device in PortAudio's order; none where it is missing or sees no card.

    ``module`` stands in for sounddevice, which is otherwise imported when it is needed.
    """
    if module is None:
        try:
            import sounddevice
        except OSError:  # the PortAudio library is not installed
            return ()
        module = sounddevice
    try:
        found = module.query_devices()
        apis = module.query_hostapis()
    except module.PortAudioError:
        return ()
    default_input = _default(apis, "default_input_device")
    default_output = _default(apis, "default_output_device")
    return tuple(
        SoundDevice(
            name=str(device["name"]),
            host_api=str(apis[device["hostapi"]]["name"]),
            n_inputs=int(device["max_input_channels"]),
            n_outputs=int(device["max_output_channels"]),
            default_sample_rate=round(device["default_samplerate"]),
            is_default_input=index == default_input,
            is_default_output=index == default_output,
        )
        for index, device in enumerate(found)
    )


def find(
    devices: tuple[SoundDevice, ...], device_id: DeviceId | None, direction: Direction
) -> int | None:
    """The place of a device in the list, or of the default; None where it is not there."""
    able = [(n, device) for n, device in enumerate(devices) if device.n_channels(direction)]
    if device_id is None:
        return next((n for n, device in able if device.is_default(direction)), None)
    exact = next((n for n, device in able if device.id == device_id), None)
    if exact is not None:
        return exact
    return next((n for n, device in able if device.id.is_again(device_id)), None)


def _default(apis: Any, key: str) -> int | None:
    """The number of the default device of the best host API that has one."""
    best_first = sorted(apis, key=lambda api: api["name"] != _BEST_HOST_API)
    return next((int(api[key]) for api in best_first if api[key] >= 0), None)


def to_json(devices: tuple[SoundDevice, ...]) -> str:
    """The list as one line of text."""
    return json.dumps([asdict(device) for device in devices])


def from_json(text: str) -> tuple[SoundDevice, ...]:
    """The list that ``to_json`` wrote; raises ValueError for anything else."""
    listed = json.loads(text)
    if not isinstance(listed, list):
        raise ValueError("not a list of sound devices")
    try:
        return tuple(SoundDevice(**fields) for fields in listed)
    except TypeError as error:
        raise ValueError("not a list of sound devices") from error


if __name__ == "__main__":
    print(to_json(sound_devices()))
