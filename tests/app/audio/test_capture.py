import numpy as np
import pytest

from app.audio.capture import BLOCK, SAMPLE_RATE, AudioInput, Block
from app.audio.portaudio import DeviceError, PortAudio
from tests.app.audio.fake_sounddevice import FakeClock, FakeDevice, FakeFlags, FakeSoundDevice


def opened(device: FakeDevice, **options: bool) -> tuple[FakeSoundDevice, AudioInput]:
    module = FakeSoundDevice([device], **options)  # type: ignore[arg-type]
    microphone = AudioInput(module.clock)
    microphone.open(PortAudio(module), 0)
    return module, microphone


def tone(n_samples: int, rate: float, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(n_samples) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [16000.0, 44100.0, 48000.0])
def test_blocks_of_20_ms_come_at_16_khz_whatever_the_device(rate: float) -> None:
    module, microphone = opened(FakeDevice("Mic", 1, 0, rate))
    spoken = tone(round(rate), rate)
    blocks: list[Block] = []
    for piece in np.array_split(spoken, 37):
        module.streams[0].record(piece)
        blocks.extend(microphone.read_block())
    assert all(len(block.samples) == BLOCK for block in blocks)
    heard = np.concatenate([block.samples for block in blocks])
    assert 0.94 <= len(heard) / SAMPLE_RATE <= 1.0
    inside = slice(800, len(heard) - 800)
    assert np.allclose(heard[inside], tone(SAMPLE_RATE, SAMPLE_RATE)[inside], atol=2e-3)


def test_a_stamp_is_the_moment_at_which_the_last_sample_was_captured() -> None:
    module, microphone = opened(FakeDevice("Mic", 1, 0, 48000.0))
    began_at = module.clock.now
    n_heard = 0
    for n in range(40):
        module.streams[0].record(np.zeros(700 + n, dtype=np.float32))
        if n % 3 == 0:  # a late reader gets older blocks, with their own stamps
            for block in microphone.read_block():
                n_heard += BLOCK
                assert block.stamp == pytest.approx(began_at + n_heard / SAMPLE_RATE, abs=1e-4)
    assert n_heard


def test_a_device_that_cannot_give_one_channel_is_mixed_down() -> None:
    module, microphone = opened(FakeDevice("Mic", 2, 0, 16000.0), mono_input=False)
    stereo = np.stack((np.full(BLOCK, 0.5), np.full(BLOCK, 0.1)), axis=1).astype(np.float32)
    module.streams[0].record(stereo)
    (block,) = microphone.read_block()
    assert np.allclose(block.samples, 0.3)


def test_the_level_is_the_peak_of_the_last_blocks() -> None:
    module, microphone = opened(FakeDevice("Mic", 1, 0, 16000.0))
    assert microphone.level == 0.0
    module.streams[0].record(np.full(BLOCK, -0.7, dtype=np.float32))
    microphone.read_block()
    assert microphone.level == pytest.approx(0.7)
    for _ in range(3):
        module.streams[0].record(np.full(BLOCK, 0.1, dtype=np.float32))
    microphone.read_block()
    assert microphone.level == pytest.approx(0.1)


def test_sound_that_is_not_read_for_seconds_is_lost_and_counted() -> None:
    module, microphone = opened(FakeDevice("Mic", 1, 0, 16000.0))
    for _ in range(250):
        module.streams[0].record(np.zeros(BLOCK, dtype=np.float32))
    assert microphone.overflows == 50
    assert len(microphone.read_block()) == 200
    module.streams[0].record(np.zeros(BLOCK, dtype=np.float32), FakeFlags(input_overflow=True))
    assert microphone.overflows == 51


def test_a_device_that_ends_by_itself_is_lost() -> None:
    module, microphone = opened(FakeDevice("Mic", 1))
    assert not microphone.is_lost()
    module.streams[0].die()
    assert microphone.is_lost()
    microphone.close()
    assert not microphone.is_lost()
    assert microphone.device is None
    assert microphone.read_block() == []


def test_a_device_that_calls_nobody_for_a_second_is_lost_but_a_busy_program_loses_none() -> None:
    module, microphone = opened(FakeDevice("Mic", 1))
    looks = []
    for _ in range(8):
        looks.append(microphone.is_lost())
        module.clock.now += 0.25
    assert looks == [False] * 4 + [True] * 4
    module, microphone = opened(FakeDevice("Mic", 1))
    assert not microphone.is_lost()
    module.clock.now += 5.0  # nothing ran for five seconds, this thread included
    assert not microphone.is_lost()
    module.streams[0].record(np.zeros(BLOCK, dtype=np.float32))
    assert not microphone.is_lost()


def test_a_device_that_does_not_open_leaves_everything_as_it_was() -> None:
    module = FakeSoundDevice([FakeDevice("Good", 1), FakeDevice("Bad", 1, opens=False)])
    microphone = AudioInput(module.clock)
    portaudio = PortAudio(module)
    microphone.open(portaudio, 0)
    with pytest.raises(DeviceError, match="Bad cannot be opened"):
        microphone.open(portaudio, 1)
    assert microphone.device is not None and microphone.device.name == "Good"
    assert len(module.running()) == 1


def test_without_a_device_nothing_is_heard() -> None:
    microphone = AudioInput(FakeClock())
    assert microphone.read_block() == []
    assert microphone.level == 0.0
    with pytest.raises(DeviceError, match="no sound device"):
        PortAudio(FakeSoundDevice([])).open(None, 0, None)  # type: ignore[arg-type]
