import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from app.audio.capture import AudioInput
from app.audio.devices import DeviceId, Direction, SoundDevice, sound_devices
from app.audio.keeper import (
    Choose,
    DeviceBack,
    DeviceEvent,
    DeviceKeeper,
    DeviceLost,
    DevicesListed,
    Word,
)
from app.audio.playback import AudioOutput
from app.audio.portaudio import PortAudio
from app.audio.watcher import DeviceWatcher
from engine.cancel import CancelToken
from tests.app.audio.fake_sounddevice import FakeDevice, FakeFlags, FakeSoundDevice, FakeTimes

LAPTOP = FakeDevice("Laptop", 2, 2, 44100.0)
HEADSET = FakeDevice("Headset", 1, 2, 48000.0)
HEADSET_ID = DeviceId("Headset", "ALSA")
IN, OUT = Direction.INPUT, Direction.OUTPUT


class Machine:
    """A keeper on fake devices, with a watcher that lists what the machine has at once."""

    def __init__(
        self,
        *devices: FakeDevice,
        input_id: DeviceId | None = None,
        output_id: DeviceId | None = None,
    ) -> None:
        self.module = FakeSoundDevice(list(devices))
        self.clock = self.module.clock
        self.portaudio = PortAudio(self.module)
        self.microphone = AudioInput(self.clock)
        self.speaker = AudioOutput(self.clock)
        self.events: list[DeviceEvent] = []
        self.is_quiet = True
        self.n_listings = 0
        self.keeper = DeviceKeeper(
            self.microphone,
            self.speaker,
            self.events.append,
            input_id=input_id,
            output_id=output_id,
            is_quiet=lambda: self.is_quiet,
            portaudio=self.portaudio,
            watcher=DeviceWatcher(
                lambda: tuple(self.module.machine), self.start_listing, self.clock
            ),
            clock=self.clock,
        )

    def start_listing(self) -> "Machine":
        self.n_listings += 1
        return self

    def result(self) -> tuple[SoundDevice, ...]:
        return sound_devices(FakeSoundDevice([d for d in self.module.machine if d.opens]))

    def abandon(self) -> None:
        pass

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """The device thread's rounds, and cards that go on calling."""
        end = self.clock.now + seconds
        while self.clock.now < end and not until():
            self.keeper.step()
            now = self.clock.now
            for stream in self.module.running():
                if stream.is_output:
                    stream.play(round(stream.samplerate / 4))
                else:
                    stream.record(np.zeros(round(stream.samplerate / 4), dtype=np.float32))
                self.clock.now = now
            self.microphone.read_block()
            self.clock.now = now + 0.25

    def told(self) -> list[DeviceEvent]:
        """What the user was told since the last time, but for lists."""
        told = [event for event in self.events if not isinstance(event, DevicesListed)]
        self.events.clear()
        return told

    def say(self, turn_id: int, duration_s: float) -> None:
        self.speaker.begin(turn_id)
        self.keeper.step(Word.NEEDED)
        samples = np.full(round(duration_s * 16000), 0.25, dtype=np.float32)
        assert self.speaker.write(turn_id, samples, 16000, CancelToken())
        self.speaker.end(turn_id)

    def used(self) -> tuple[str | None, str | None]:
        devices = self.microphone.device, self.speaker.device
        return tuple(d.name if d is not None else None for d in devices)  # type: ignore[return-value]


def test_the_microphone_is_open_from_the_start_and_the_speaker_when_it_is_needed() -> None:
    machine = Machine(LAPTOP)
    machine.run(1.0)
    assert machine.used() == ("Laptop", None)
    machine.speaker.begin(1)
    machine.run(1.0)
    assert machine.used() == ("Laptop", "Laptop")
    machine.say(1, 1.0)
    machine.run(10.0)
    assert machine.used() == ("Laptop", "Laptop")
    machine.run(5.0)
    assert machine.used() == ("Laptop", None)
    assert machine.told() == []
    assert machine.module.n_starts == 1


def test_the_devices_are_listed_at_the_start_and_whenever_somebody_looks() -> None:
    machine = Machine(LAPTOP)
    machine.run(1.0)
    (listed,) = machine.events
    assert isinstance(listed, DevicesListed)
    assert [device.name for device in listed.devices] == ["Laptop"]
    machine.keeper.step(Word.LIST)
    assert len(machine.events) == 2
    machine.module.plug(HEADSET)
    machine.run(4.0)
    last = machine.events[-1]
    assert isinstance(last, DevicesListed)
    assert [device.name for device in last.devices] == ["Laptop", "Headset"]


def test_chosen_devices_are_used_although_others_are_the_default() -> None:
    machine = Machine(LAPTOP, HEADSET, input_id=HEADSET_ID, output_id=HEADSET_ID)
    machine.speaker.prepare()
    machine.run(1.0)
    assert machine.used() == ("Headset", "Headset")
    assert machine.told() == []


def test_a_headset_pulled_while_listening_is_replaced_and_used_again_when_it_is_back() -> None:
    machine = Machine(LAPTOP, HEADSET, input_id=HEADSET_ID)
    machine.run(5.0)
    machine.module.pull("Headset")
    machine.run(1.0)
    assert machine.used() == ("Laptop", None)
    assert machine.told() == [DeviceLost(IN, "Headset", "Laptop")]
    machine.run(120.0)
    assert machine.told() == []
    machine.module.plug(HEADSET)
    machine.run(5.0)
    assert machine.used() == ("Headset", None)
    assert machine.told() == [DeviceBack(IN, "Headset")]


def test_a_headset_pulled_in_the_middle_of_an_answer_loses_nothing_of_it() -> None:
    machine = Machine(LAPTOP, HEADSET, output_id=HEADSET_ID)
    machine.say(1, 3.0)
    machine.run(1.0)
    machine.module.pull("Headset")
    machine.run(1.0)
    assert machine.used()[1] == "Laptop"
    assert machine.told() == [DeviceLost(OUT, "Headset", "Laptop")]
    machine.module.plug(HEADSET)
    machine.run(1.0)
    assert machine.used()[1] == "Laptop"  # the answer is not interrupted for it
    machine.run(20.0, until=lambda: not machine.speaker.is_playing())
    assert machine.speaker.heard(1).n_samples == 3 * 16000
    assert machine.speaker.underruns == 0
    machine.run(1.0)
    machine.speaker.begin(2)
    machine.run(1.0)
    assert machine.used()[1] == "Headset"
    assert machine.told() == [DeviceBack(OUT, "Headset")]


def test_nobody_who_speaks_is_interrupted_for_the_return_of_a_device() -> None:
    machine = Machine(LAPTOP, HEADSET, input_id=HEADSET_ID)
    machine.run(5.0)
    machine.module.pull("Headset")
    machine.run(2.0)
    machine.is_quiet = False
    machine.module.plug(HEADSET)
    machine.run(60.0)
    assert machine.used() == ("Laptop", None)
    machine.is_quiet = True
    machine.run(1.0)
    assert machine.used() == ("Headset", None)


def test_a_device_that_portaudio_never_saw_is_found_by_starting_it_anew() -> None:
    machine = Machine(LAPTOP, input_id=HEADSET_ID)
    machine.run(1.0)
    assert machine.told() == [DeviceLost(IN, "Headset", "Laptop")]
    machine.module.plug(HEADSET)
    machine.say(1, 2.0)
    machine.run(1.5)
    assert machine.module.n_starts == 1  # it would silence the answer
    machine.run(20.0, until=lambda: machine.used()[0] == "Headset")
    assert machine.module.n_starts == 2
    assert machine.told() == [DeviceBack(IN, "Headset")]
    machine.run(60.0)
    assert machine.module.n_starts == 2
    machine.say(2, 1.0)
    machine.run(1.0)
    assert machine.used() == ("Headset", "Laptop")


def test_without_any_device_nothing_is_tried_often_and_all_else_works() -> None:
    machine = Machine()
    machine.speaker.begin(1)
    machine.run(1.0)
    assert machine.told() == [DeviceLost(IN, "", None), DeviceLost(OUT, "", None)]
    machine.say(2, 30.0)
    assert machine.speaker.is_drained(2)
    machine.run(600.0)
    assert machine.n_listings < 30
    assert machine.told() == []
    machine.module.plug(LAPTOP)
    machine.speaker.begin(3)
    machine.run(5.0)
    assert machine.used() == ("Laptop", "Laptop")
    assert machine.told() == [DeviceBack(IN, "Laptop"), DeviceBack(OUT, "Laptop")]


def test_the_only_device_pulled_and_plugged_in_again_within_the_grace_loses_no_answer() -> None:
    machine = Machine(LAPTOP)
    machine.say(1, 3.0)
    machine.run(1.0)
    machine.module.pull("Laptop")
    machine.run(1.5)
    assert machine.told() == []
    machine.module.plug(LAPTOP)
    machine.run(1.0)
    assert machine.used() == ("Laptop", "Laptop")
    machine.run(20.0, until=lambda: not machine.speaker.is_playing())
    assert machine.speaker.heard(1).n_samples == 3 * 16000


def test_the_only_device_pulled_for_long_lets_the_answer_go_on_as_text() -> None:
    machine = Machine(LAPTOP)
    machine.say(1, 4.0)
    machine.run(1.0)
    machine.module.pull("Laptop")
    machine.run(5.0)
    assert machine.told() == [DeviceLost(IN, "Laptop", None), DeviceLost(OUT, "Laptop", None)]
    assert machine.speaker.is_drained(1)
    assert machine.speaker.heard(1).n_samples == 4 * 16000
    machine.module.plug(LAPTOP)
    machine.run(5.0)
    assert machine.used()[0] == "Laptop"
    assert DeviceBack(IN, "Laptop") in machine.told()


def test_another_default_is_followed_when_no_device_was_chosen() -> None:
    machine = Machine(HEADSET, LAPTOP)
    machine.run(5.0)
    assert machine.used() == ("Headset", None)
    machine.module.pull("Headset")
    machine.run(5.0)
    assert machine.used() == ("Laptop", None)
    assert DeviceLost(IN, "Headset", "Laptop") in machine.told()


def test_a_device_that_opens_and_dies_at_once_is_not_opened_again_and_again() -> None:
    machine = Machine(LAPTOP, HEADSET, input_id=HEADSET_ID)
    for _ in range(400):
        machine.run(0.25)
        for stream in machine.module.running():
            if stream.device_name == "Headset":
                stream.die()
    n_opened = sum(stream.device_name == "Headset" for stream in machine.module.streams)
    assert n_opened < 12
    assert machine.used()[0] == "Laptop"


def test_the_only_device_is_tried_again_after_it_died_at_once() -> None:
    machine = Machine(LAPTOP)
    machine.run(0.5)
    machine.module.running()[0].die()
    machine.run(5.0)
    assert machine.used() == ("Laptop", None)
    n_opened = len(machine.module.streams)
    for _ in range(400):
        machine.run(0.25)
        for stream in machine.module.running():
            stream.die()
    assert len(machine.module.streams) - n_opened < 12
    machine.run(60.0)
    assert machine.used() == ("Laptop", None)


def test_a_driver_that_hangs_is_left_behind_and_the_answer_goes_on_elsewhere() -> None:
    machine = Machine(LAPTOP, HEADSET, output_id=HEADSET_ID)
    machine.say(1, 3.0)
    machine.run(1.0)
    hung = next(stream for stream in machine.module.streams if stream.is_output)
    hung.hangs_until = threading.Event()
    machine.module.machine = [LAPTOP]
    machine.run(2.0)
    assert machine.used()[1] == "Laptop"
    assert machine.told() == [DeviceLost(OUT, "Headset", "Laptop")]
    before = machine.speaker.heard(1).n_samples
    silence = np.zeros((4800, 2), dtype=np.float32)
    hung.callback(silence, 4800, FakeTimes(machine.clock.now), FakeFlags())
    assert machine.speaker.heard(1).n_samples == before  # it no longer reads what is played
    machine.module.plug(FakeDevice("New", 1, 1))
    machine.run(60.0)
    assert machine.module.n_starts == 1  # PortAudio would hang too
    assert machine.speaker.heard(1).n_samples == 3 * 16000
    hung.hangs_until.set()
    while machine.portaudio.is_hanging():
        time.sleep(0.01)
    machine.keeper.step(Choose(OUT, DeviceId("New", "ALSA")))
    machine.speaker.begin(2)
    machine.run(1.0)
    assert machine.used()[1] == "New"


def test_a_choice_is_obeyed_at_once() -> None:
    machine = Machine(LAPTOP, HEADSET)
    machine.say(1, 2.0)
    machine.run(0.5)
    machine.keeper.step(Choose(OUT, HEADSET_ID))
    assert machine.used() == ("Laptop", "Headset")
    machine.keeper.step(Choose(IN, HEADSET_ID))
    assert machine.used() == ("Headset", "Headset")
    machine.keeper.step(Choose(IN, None))
    assert machine.used() == ("Laptop", "Headset")
    assert machine.told() == []
    machine.keeper.step(Choose(IN, DeviceId("Nowhere", "ALSA")))
    assert machine.told() == [DeviceLost(IN, "Nowhere", "Laptop")]


def test_a_driver_that_raises_in_the_middle_does_not_end_the_thread(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(LAPTOP)
    raised = threading.Event()
    opened = threading.Event()
    real_open = machine.microphone.open

    def open_once_with_trouble(portaudio: PortAudio, index: int) -> None:
        if not raised.is_set():
            raised.set()
            raise RuntimeError("a driver's mistake")
        real_open(portaudio, index)
        opened.set()

    monkeypatch.setattr(machine.microphone, "open", open_once_with_trouble)
    machine.keeper.start()
    assert raised.wait(5.0)
    assert opened.wait(5.0)
    machine.keeper.stop(5.0)
    assert machine.used() == (None, None)
    assert not machine.module.running()
    assert "could not be looked after" in caplog.text


def test_the_thread_wakes_up_at_once_when_a_reply_begins() -> None:
    machine = Machine(LAPTOP)
    machine.keeper.start()
    opened = threading.Event()
    real_open = machine.speaker.open

    def open_and_tell(portaudio: PortAudio, index: int) -> None:
        real_open(portaudio, index)
        opened.set()

    machine.speaker.open = open_and_tell  # type: ignore[method-assign]
    machine.speaker.begin(1)
    assert opened.wait(5.0)
    machine.keeper.stop(5.0)
