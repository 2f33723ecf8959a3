"""The microphone and the speaker on a real sound server: PortAudio, ALSA and PulseAudio."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from app.audio.capture import SAMPLE_RATE, AudioInput, Block
from app.audio.devices import DeviceId, Direction
from app.audio.echo import EchoCanceller
from app.audio.keeper import DeviceBack, DeviceEvent, DeviceKeeper, DeviceLost
from app.audio.playback import AudioOutput
from app.audio.portaudio import PortAudio
from app.audio.resample import StreamResampler
from app.audio.ring import Samples
from engine.cancel import CancelToken
from tests.app.audio import sound_server
from tests.app.audio.sound_server import RATE, SoundServer
from tests.app.audio.test_echo import level_db, voice

pytestmark = [
    pytest.mark.audio,
    pytest.mark.skipif(not sound_server.is_available(), reason="PulseAudio is not installed"),
]

HEADSET = DeviceId("headset", "ALSA")
REPLY_RATE = 24000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    with SoundServer(tmp_path_factory.mktemp("sound")) as server, pytest.MonkeyPatch.context() as m:
        for name, value in server.environment.items():
            m.setenv(name, value)
        yield server


class Program:
    """The microphone, the speaker and their keeper, as the program has them."""

    def __init__(self, input_id: DeviceId | None = None, output_id: DeviceId | None = None) -> None:
        PortAudio().start_anew()
        self.microphone = AudioInput()
        self.speaker = AudioOutput()
        self.events: list[DeviceEvent] = []
        self.blocks: list[Block] = []
        self.keeper = DeviceKeeper(
            self.microphone,
            self.speaker,
            self.events.append,
            input_id=input_id,
            output_id=output_id,
        )
        self.keeper.start()

    def wait(self, until: Callable[[], bool], seconds: float = 30.0) -> None:
        """Listens until something is so."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, f"told: {self.events}"
            self.blocks.extend(self.microphone.read_block())
            time.sleep(0.01)

    def listen(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= end)

    def heard(self) -> Samples:
        return np.concatenate([block.samples for block in self.blocks])

    def uses(self, name: str, direction: Direction = Direction.INPUT) -> bool:
        device = (self.microphone if direction is Direction.INPUT else self.speaker).device
        return device is not None and device.name == name

    def lost(self, direction: Direction) -> list[DeviceLost]:
        told = [event for event in self.events if isinstance(event, DeviceLost)]
        return [event for event in told if event.direction is direction]

    def back(self, direction: Direction) -> list[DeviceBack]:
        told = [event for event in self.events if isinstance(event, DeviceBack)]
        return [event for event in told if event.direction is direction]


@pytest.fixture
def start(server: SoundServer) -> Iterator[Callable[..., Program]]:
    """Makes programs, and ends them however the test ends."""
    programs: list[Program] = []

    def make(input_id: DeviceId | None = None, output_id: DeviceId | None = None) -> Program:
        programs.append(Program(input_id, output_id))
        return programs[-1]

    yield make
    for program in programs:
        program.keeper.stop(5.0)
    server.headset.stop()


def chirp(duration_s: float, rate: int, low: float = 200.0, high: float = 5000.0) -> Samples:
    """A tone that rises, with soft ends: it fits at one place only."""
    times = np.arange(round(duration_s * rate)) / rate
    phase = 2 * np.pi * (low * times + (high - low) * times**2 / (2 * duration_s))
    ends = np.minimum(1, np.minimum(times, duration_s - times) / 0.02)
    return (0.5 * ends * np.sin(phase)).astype(np.float32)


def place_of(sound: Samples, recorded: Samples) -> tuple[int, float]:
    """Where the sound is in the recording, and how alike they are."""
    size = 1 << (len(recorded) + len(sound)).bit_length()
    product = np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(sound, size))
    place = int(np.argmax(np.fft.irfft(product, size)[: len(recorded)]))
    found = recorded[place : place + len(sound)]
    assert len(found) == len(sound), "the end of the sound is missing"
    # On its way through other rates it may lie between two samples.
    spectrum, frequencies = np.fft.rfft(sound), np.fft.rfftfreq(len(sound))
    shifted = (
        np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequencies * fraction), len(sound))
        for fraction in np.linspace(-0.5, 0.5, 9)
    )
    return place, max(float(np.corrcoef(found, guess)[0, 1]) for guess in shifted)


def resampled(samples: Samples, rate_in: int, rate_out: int) -> Samples:
    resampler = StreamResampler(rate_in, rate_out)
    return np.concatenate((resampler.push(samples), resampler.finish()))


def test_a_reply_reaches_the_speaker_whole_and_when_it_says(
    server: SoundServer, start: Callable[..., Program]
) -> None:
    program = start()
    reply = chirp(1.5, REPLY_RATE)
    with server.record() as recording:
        program.speaker.begin(1)
        for piece in np.array_split(reply, 11):
            assert program.speaker.write(1, piece, REPLY_RATE, CancelToken())
        program.speaker.end(1)
        program.wait(lambda: program.speaker.is_drained(1))
        time.sleep(0.5)
    place, likeness = place_of(resampled(reply, REPLY_RATE, RATE), recording.samples())
    assert likeness > 0.99
    mark = program.speaker.heard(1)
    assert mark.n_samples == len(reply)
    assert mark.first_sample_at is not None
    assert mark.first_sample_at == pytest.approx(recording.began_at + place / RATE, abs=0.1)
    assert program.speaker.underruns == 0


@contextmanager
def busy_interpreter() -> Iterator[None]:
    """Another thread does as the engine does: products of matrices, with Python in between."""
    is_over = threading.Event()

    def work() -> None:
        matrix = np.ones((300, 300), dtype=np.float32)
        while not is_over.is_set():
            for _ in range(20):
                matrix @ matrix
            sum(n * n for n in range(3000))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        is_over.set()
        worker.join()


def test_a_reply_survives_a_busy_interpreter(
    server: SoundServer, start: Callable[..., Program]
) -> None:
    """Other programs may starve the sound server itself, so one reply of three has to be whole."""
    program = start()
    reply = chirp(3.0, REPLY_RATE)
    outcomes = []
    for turn_id in range(3):
        underruns_before = program.speaker.underruns
        with server.record() as recording:
            with busy_interpreter():
                program.speaker.begin(turn_id)
                for piece in np.array_split(reply, 40):
                    program.speaker.write(turn_id, piece, REPLY_RATE, CancelToken())
                program.speaker.end(turn_id)
                program.wait(lambda turn_id=turn_id: program.speaker.is_drained(turn_id))
            time.sleep(0.3)
        _, likeness = place_of(resampled(reply, REPLY_RATE, RATE), recording.samples())
        outcomes.append((program.speaker.underruns - underruns_before, likeness))
        if outcomes[-1][0] == 0 and likeness > 0.99:
            return
    pytest.fail(f"underruns and likeness: {outcomes}")


def test_what_is_said_into_the_microphone_arrives_whole_with_its_time(
    server: SoundServer, start: Callable[..., Program]
) -> None:
    program = start()
    program.wait(lambda: program.uses("default"))
    sound = chirp(1.5, RATE)
    with server.record("micfeed") as recording:
        speaking = server.say(sound)
        program.wait(lambda: speaking.poll() is not None)
        program.listen(0.5)
    place, likeness = place_of(resampled(sound, RATE, SAMPLE_RATE), program.heard())
    assert likeness > 0.99
    assert program.microphone.overflows == 0
    first = program.blocks[place // 320]
    heard_at = first.stamp - (320 - place % 320) / SAMPLE_RATE
    said_at = recording.began_at + place_of(sound, recording.samples())[0] / RATE
    assert heard_at == pytest.approx(said_at, abs=0.1)


def test_a_flush_silences_the_speaker_within_a_fifth_of_a_second(
    server: SoundServer, start: Callable[..., Program]
) -> None:
    program = start()
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(3 * REPLY_RATE) / REPLY_RATE)).astype("f4")
    with server.record() as recording:
        program.speaker.begin(1)
        program.speaker.write(1, tone, REPLY_RATE, CancelToken())
        program.wait(lambda: program.speaker.heard(1).n_samples > REPLY_RATE)
        flushed_at = time.monotonic()
        mark = program.speaker.flush()
        time.sleep(0.7)
    heard = np.flatnonzero(np.abs(recording.samples()) > 1e-3)
    silent_after_s = recording.began_at + heard[-1] / RATE - flushed_at

    assert silent_after_s < 0.2
    assert mark.n_samples / REPLY_RATE == pytest.approx((heard[-1] - heard[0]) / RATE, abs=0.03)


def test_a_headset_pulled_while_it_plays_hands_over_and_takes_back(
    server: SoundServer, start: Callable[..., Program]
) -> None:
    server.headset.start()
    program = start(output_id=HEADSET)
    reply = chirp(3.0, REPLY_RATE)
    with server.record() as recording:
        program.speaker.begin(1)
        program.speaker.write(1, reply, REPLY_RATE, CancelToken())
        program.speaker.end(1)
        program.wait(lambda: program.speaker.heard(1).n_samples > REPLY_RATE)
        assert program.uses("headset", Direction.OUTPUT)
        server.headset.stop()
        program.wait(lambda: program.speaker.is_drained(1))
        assert program.uses("default", Direction.OUTPUT)
        time.sleep(0.3)
    assert program.lost(Direction.OUTPUT) == [DeviceLost(Direction.OUTPUT, "headset", "default")]
    assert program.speaker.heard(1).n_samples == len(reply)
    _, likeness = place_of(resampled(reply[-REPLY_RATE:], REPLY_RATE, RATE), recording.samples())
    assert likeness > 0.99

    server.headset.start()

    def is_back() -> bool:
        program.speaker.prepare()  # as when the next answer is expected
        return bool(program.back(Direction.OUTPUT))

    program.wait(is_back)
    assert program.uses("headset", Direction.OUTPUT)
    with server.record(server=server.headset) as recording:
        program.speaker.begin(99)
        program.speaker.write(99, reply, REPLY_RATE, CancelToken())
        program.speaker.end(99)
        program.wait(lambda: program.speaker.is_drained(99))
        time.sleep(0.3)
    assert place_of(resampled(reply, REPLY_RATE, RATE), recording.samples())[1] > 0.99


def test_a_headset_pulled_while_it_listens_hands_over_and_takes_back(
    server: SoundServer, start: Callable[..., Program]
) -> None:
    server.headset.start()
    program = start(input_id=HEADSET)
    program.wait(lambda: program.uses("headset"))
    program.listen(1.0)
    server.headset.stop()
    program.wait(lambda: program.uses("default"))
    assert program.lost(Direction.INPUT) == [DeviceLost(Direction.INPUT, "headset", "default")]

    sound = chirp(1.0, RATE)
    program.blocks.clear()
    speaking = server.say(sound)
    program.wait(lambda: speaking.poll() is not None)
    program.listen(0.5)
    assert place_of(resampled(sound, RATE, SAMPLE_RATE), program.heard())[1] > 0.99

    server.headset.start()
    program.wait(lambda: program.uses("headset"), seconds=60.0)
    assert program.back(Direction.INPUT) == [DeviceBack(Direction.INPUT, "headset")]
    program.blocks.clear()
    speaking = server.say(sound, server=server.headset)
    program.wait(lambda: speaking.poll() is not None)
    program.listen(0.5)
    assert place_of(resampled(sound, RATE, SAMPLE_RATE), program.heard())[1] > 0.99


def test_a_headset_that_was_never_there_is_used_once_it_is_plugged_in(
    server: SoundServer, start: Callable[..., Program]
) -> None:
    program = start(input_id=HEADSET)
    program.wait(lambda: program.uses("default"))
    server.headset.start()
    program.wait(lambda: program.uses("headset"), seconds=60.0)
    program.listen(0.5)
    assert program.microphone.level == 0.0


def test_a_headset_that_hangs_is_given_up_within_three_seconds(
    server: SoundServer, start: Callable[..., Program]
) -> None:
    server.headset.start()
    program = start(input_id=HEADSET)
    program.wait(lambda: program.uses("headset"))
    program.listen(1.0)
    server.headset.freeze()
    try:
        program.wait(lambda: program.uses("default"), seconds=3.0)
        assert program.lost(Direction.INPUT) == [DeviceLost(Direction.INPUT, "headset", "default")]
    finally:
        server.headset.thaw()


def test_the_canceller_removes_the_echo_of_the_speaker_in_the_room(
    server: SoundServer, start: Callable[..., Program]
) -> None:
    program = start()
    program.wait(lambda: program.uses("default"))
    canceller = EchoCanceller(True, False)
    captured, cleaned = [], []
    with server.loop_back(-12.0):
        program.speaker.begin(1)
        program.speaker.write(1, voice(3.9, 120, seed=1), SAMPLE_RATE, CancelToken())
        program.speaker.end(1)
        while not program.speaker.is_drained(1):
            for block in program.microphone.read_block():
                far = program.speaker.far_end.read(len(block.samples), block.stamp)
                if far is not None:
                    canceller.far(far)
                captured.append(block.samples)
                cleaned.append(canceller.near(block.samples))
            time.sleep(0.01)
    heard = slice(-2 * SAMPLE_RATE, None)  # after it got used to the room
    echo_db = level_db(np.concatenate(captured)[heard])
    assert echo_db > -50
    assert level_db(np.concatenate(cleaned)[heard]) < echo_db - 20


def test_a_sound_server_that_dies_takes_nothing_with_it_and_is_found_again(
    server: SoundServer, start: Callable[..., Program]
) -> None:
    program = start()
    program.wait(lambda: program.uses("default"))
    reply = chirp(3.0, REPLY_RATE)
    program.speaker.begin(1)
    program.speaker.write(1, reply, REPLY_RATE, CancelToken())
    program.speaker.end(1)
    program.wait(lambda: program.speaker.heard(1).n_samples > REPLY_RATE // 2)
    server.card.stop()
    try:
        program.wait(lambda: program.speaker.is_drained(1))  # its text goes on
        program.wait(lambda: bool(program.lost(Direction.INPUT)))
        assert program.lost(Direction.INPUT) == [DeviceLost(Direction.INPUT, "default", None)]
    finally:
        server.card.start()
    program.wait(lambda: program.uses("default"), seconds=60.0)
    program.listen(0.5)
