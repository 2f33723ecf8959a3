import subprocess
import sys
from typing import Any

import pytest

from app.audio import devices
from app.audio.devices import DeviceId, Direction, SoundDevice, find, from_json, sound_devices
from app.cli import main
from app.commands.devices import in_words
from tests.app.audio.fake_sounddevice import FakeDevice, FakeSoundDevice

LAPTOP = FakeDevice("Laptop", 2, 2, 44100.0)
HEADSET = FakeDevice("Headset: Audio (hw:1,0)", 1, 2)


def test_a_device_is_told_with_its_host_api_and_its_own_rate() -> None:
    laptop, headset = sound_devices(FakeSoundDevice([LAPTOP, HEADSET]))
    assert laptop == SoundDevice("Laptop", "ALSA", 2, 2, 44100, True, True)
    assert headset.id == DeviceId("Headset: Audio (hw:1,0)", "ALSA")
    assert not headset.is_default(Direction.OUTPUT)


def test_a_device_is_found_by_name_and_host_api_wherever_it_stands() -> None:
    wanted = DeviceId(LAPTOP.name, "ALSA")
    for order in ([LAPTOP, HEADSET], [HEADSET, LAPTOP]):
        listed = sound_devices(FakeSoundDevice(order))
        assert find(listed, wanted, Direction.INPUT) == order.index(LAPTOP)
    assert find(listed, DeviceId(LAPTOP.name, "JACK"), Direction.INPUT) is None


def test_a_card_that_got_another_number_is_still_the_same_card() -> None:
    listed = sound_devices(FakeSoundDevice([LAPTOP, HEADSET]))
    again = DeviceId("Headset: Audio (hw:3,0)", "ALSA")
    assert find(listed, again, Direction.INPUT) == 1


def test_a_device_without_inputs_is_no_microphone() -> None:
    listed = sound_devices(FakeSoundDevice([FakeDevice("Monitor", 0, 2), LAPTOP]))
    assert find(listed, DeviceId("Monitor", "ALSA"), Direction.INPUT) is None
    assert find(listed, None, Direction.INPUT) == 1
    assert find(listed, None, Direction.OUTPUT) == 0


def test_without_a_sound_card_there_is_no_device() -> None:
    listed = sound_devices(FakeSoundDevice([]))
    assert listed == ()
    assert find(listed, None, Direction.OUTPUT) is None


def test_the_default_on_windows_is_that_of_wasapi() -> None:
    class Windows(FakeSoundDevice):
        def query_devices(self) -> list[dict[str, Any]]:
            mme, wasapi = super().query_devices()
            return [mme, wasapi | {"hostapi": 1}]

        def query_hostapis(self) -> list[dict[str, Any]]:
            names = ("MME", "Windows WASAPI")
            return [
                {"name": name, "default_input_device": n, "default_output_device": n}
                for n, name in enumerate(names)
            ]

    listed = sound_devices(Windows([LAPTOP, LAPTOP]))
    assert find(listed, None, Direction.OUTPUT) == 1


def test_a_list_survives_its_way_as_text() -> None:
    listed = sound_devices(FakeSoundDevice([LAPTOP, HEADSET]))
    assert from_json(devices.to_json(listed)) == listed
    for broken in ("", "{}", '[{"name": 1}]', "[1]"):
        with pytest.raises(ValueError):
            from_json(broken)


def test_the_file_is_a_program_that_prints_the_list() -> None:
    ran = subprocess.run(
        [sys.executable, devices.__file__], capture_output=True, text=True, check=True
    )
    assert isinstance(from_json(ran.stdout), tuple)


def test_the_command_lists_them_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice([LAPTOP, HEADSET]))
    assert main(["devices", "--json"]) == 0
    listed = from_json(capsys.readouterr().out)
    assert listed == sound_devices()
    assert in_words(listed[0]) == (
        "Laptop (ALSA, 44100 Hz): 2 in, 2 out, default input, default output"
    )
