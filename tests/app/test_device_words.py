"""What the user is told of devices: lost, replaced, back, or never there."""

from app.audio.devices import Direction, SoundDevice
from app.audio.keeper import DeviceBack, DeviceLost, DevicesListed
from app.device_words import DeviceWords
from app.ui_events import DeviceChange, DeviceNotice, DeviceRole, DevicesChanged

IN, OUT = Direction.INPUT, Direction.OUTPUT
HEADSET = SoundDevice("Headset", "ALSA", 1, 2, 48000)
SPEAKER = SoundDevice("Speaker", "ALSA", 0, 2, 48000)


def words() -> DeviceWords:
    told = DeviceWords()
    told.told(DevicesListed((HEADSET, SPEAKER)))
    return told


def change(event: DeviceLost | DeviceBack) -> tuple[DeviceRole, DeviceChange, str]:
    told = words().told(event)
    assert isinstance(told, DeviceNotice)
    return told.role, told.change, told.name


def test_a_device_that_was_there_is_lost_or_replaced_and_comes_back() -> None:
    role = DeviceRole.INPUT
    assert change(DeviceLost(IN, "Headset", None)) == (role, DeviceChange.LOST, "Headset")
    assert change(DeviceLost(IN, "Headset", "Laptop")) == (role, DeviceChange.FELL_BACK, "Headset")
    assert change(DeviceBack(IN, "Headset")) == (role, DeviceChange.BACK, "Headset")


def test_a_chosen_device_that_was_never_there_is_missing() -> None:
    expected = (DeviceRole.OUTPUT, DeviceChange.MISSING, "Nowhere")
    assert change(DeviceLost(OUT, "Nowhere", "Speaker")) == expected


def test_a_machine_without_any_device_is_told_of_no_loss() -> None:
    assert words().told(DeviceLost(IN, "", None)) is None


def test_the_list_is_told_by_what_each_device_can_do() -> None:
    told = words().told(DevicesListed((HEADSET, SPEAKER)))
    assert told == DevicesChanged((HEADSET,), (HEADSET, SPEAKER))
