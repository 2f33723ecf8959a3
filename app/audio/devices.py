"""Which sound devices this machine has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceId:
    """What a device is remembered by: its index changes when another is plugged in."""

    name: str
    host_api: str


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """One device as PortAudio names it; a device may have inputs, outputs or both."""

    name: str
    n_inputs: int
    n_outputs: int


def sound_devices() -> tuple[SoundDevice, ...]:
    """Every sound device; none where PortAudio is missing or sees no card."""
    try:
        import sounddevice
    except OSError:  # the PortAudio library is not installed
        return ()
    try:
        found = sounddevice.query_devices()
    except sounddevice.PortAudioError:
        return ()
    return tuple(
        SoundDevice(
            str(device["name"]),
            int(device["max_input_channels"]),
            int(device["max_output_channels"]),
        )
        for device in found
    )
