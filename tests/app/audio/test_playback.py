import threading
import time

import numpy as np
import pytest

from app.audio.playback import AudioOutput, HeardMark
from app.audio.portaudio import DeviceError, PortAudio
from app.audio.resample import StreamResampler
from app.audio.ring import Samples
from engine.cancel import CancelToken
from tests.app.audio.fake_sounddevice import FakeClock, FakeDevice, FakeFlags, FakeSoundDevice

RATE = 24000
SPEAKER = FakeDevice("Speaker", 0, 2, 48000.0)


def opened(*devices: FakeDevice) -> tuple[FakeSoundDevice, PortAudio, AudioOutput]:
    module = FakeSoundDevice(list(devices) or [SPEAKER])
    speaker = AudioOutput(module.clock)
    portaudio = PortAudio(module)
    speaker.open(portaudio, 0)
    return module, portaudio, speaker


def tone(duration_s: float, rate: float = RATE, frequency: float = 200.0) -> Samples:
    n_samples = round(duration_s * rate)
    return (0.5 * np.cos(2 * np.pi * frequency * np.arange(n_samples) / rate)).astype(np.float32)


def say(speaker: AudioOutput, turn_id: int, duration_s: float) -> None:
    """A whole reply."""
    speaker.begin(turn_id)
    assert speaker.write(turn_id, tone(duration_s), RATE, CancelToken())
    speaker.end(turn_id)


def test_a_reply_is_played_on_all_channels_at_the_rate_of_the_device() -> None:
    module, _, speaker = opened()
    say(speaker, 1, 0.5)
    out = module.streams[0].play(26000)
    assert np.array_equal(out[:, 0], out[:, 1])
    inside = slice(1000, 23000)
    assert np.allclose(out[inside, 0], tone(0.5, 48000.0)[inside], atol=1e-3)
    assert not out[24500:].any()
    assert speaker.underruns == 0


def test_what_was_heard_follows_the_device_not_the_ring() -> None:
    module, _, speaker = opened()
    say(speaker, 1, 1.0)
    assert speaker.heard(1) == HeardMark(0, None)
    began_at = module.clock.now + 0.1  # the latency of the device
    for _ in range(10):
        module.streams[0].play(2400)
    mark = speaker.heard(1)
    assert mark.first_sample_at == pytest.approx(began_at)
    # Half a second was fetched by the card, of which 0.1 s has not left it yet.
    assert mark.n_samples == pytest.approx(0.4 * RATE, abs=2)
    assert not speaker.is_drained(1)


def test_a_reply_is_drained_when_its_last_sample_has_left_the_device() -> None:
    module, _, speaker = opened()
    say(speaker, 1, 0.5)
    for _ in range(10):
        module.streams[0].play(2400)
    assert not speaker.is_drained(1)
    module.clock.now += 0.11
    assert speaker.is_drained(1)
    assert speaker.heard(1).n_samples == RATE // 2
    assert speaker.is_drained(2)  # not playing, so nothing of it is to come


def test_a_reply_without_a_sample_is_drained_at_once() -> None:
    _, _, speaker = opened()
    speaker.begin(1)
    assert not speaker.is_drained(1)
    speaker.end(1)
    assert speaker.is_drained(1)
    assert speaker.heard(1).n_samples == 0


def test_a_flush_says_what_is_heard_in_the_end() -> None:
    module, _, speaker = opened()
    speaker.begin(1)
    speaker.write(1, tone(2.0), RATE, CancelToken())
    for _ in range(5):
        module.streams[0].play(4800)
    mark = speaker.flush()
    assert mark.n_samples == pytest.approx(0.505 * RATE, abs=2)
    out = module.streams[0].play(4800)
    assert out[:200].any() and not out[240:].any()
    assert speaker.heard(1) == mark
    assert speaker.is_drained(1)
    assert speaker.flush() == HeardMark(0, None)


def test_nothing_of_a_flushed_reply_is_played_and_all_of_the_next() -> None:
    module, _, speaker = opened()
    speaker.begin(1)
    speaker.write(1, np.full(RATE, 0.5, dtype=np.float32), RATE, CancelToken())
    module.streams[0].play(4800)
    speaker.flush()
    assert not speaker.write(1, np.full(RATE, 0.5, dtype=np.float32), RATE, CancelToken())
    speaker.end(1)
    speaker.begin(2)
    assert not speaker.write(1, np.full(RATE, 0.5, dtype=np.float32), RATE, CancelToken())
    speaker.write(2, np.full(RATE, -0.5, dtype=np.float32), RATE, CancelToken())
    speaker.end(2)
    out = module.streams[0].play(60000)[:, 0]
    assert (out[240:] <= 1e-3).all()
    assert np.count_nonzero(out < -0.4) == pytest.approx(48000 - 240, abs=300)


def test_the_next_reply_throws_away_what_is_left_of_the_one_before() -> None:
    module, _, speaker = opened()
    say(speaker, 1, 2.0)
    module.streams[0].play(4800)
    speaker.begin(2)
    assert not module.streams[0].play(9600)[240:].any()
    assert 0 < speaker.heard(1).n_samples < RATE // 4
    assert speaker.heard(2) == HeardMark(0, None)


def test_the_writer_waits_while_four_seconds_are_still_to_be_played() -> None:
    module, _, speaker = opened()
    speaker.begin(1)
    speaker.write(1, tone(3.9), RATE, CancelToken())
    cancel = CancelToken()
    outcome: list[bool] = []
    writer = threading.Thread(
        target=lambda: outcome.append(speaker.write(1, tone(1.0), RATE, cancel))
    )
    writer.start()
    time.sleep(0.05)
    assert writer.is_alive()
    module.streams[0].play(48000)
    writer.join(2.0)
    assert outcome == [True]

    writer = threading.Thread(
        target=lambda: outcome.append(speaker.write(1, tone(9.0), RATE, cancel))
    )
    writer.start()
    cancel.cancel()
    writer.join(2.0)
    assert outcome == [True, False]


def test_a_reply_that_comes_too_late_counts_an_underrun_and_the_cards_own_count_too() -> None:
    module, _, speaker = opened()
    speaker.begin(1)
    speaker.write(1, tone(0.2), RATE, CancelToken())
    module.streams[0].play(14400)
    speaker.write(1, tone(0.2), RATE, CancelToken())
    module.streams[0].play(2400)
    assert speaker.underruns == 1
    module.streams[0].play(2400, FakeFlags(output_underflow=True))
    assert speaker.underruns == 2
    speaker.flush()
    module.streams[0].play(48000)
    module.streams[0].play(2400, FakeFlags(output_underflow=True))  # nobody heard that
    assert speaker.underruns == 2


class SlowResampler(StreamResampler):
    """Lets other threads run between the check of the turn and the write to the ring."""

    def push(self, samples: Samples) -> Samples:
        time.sleep(0.0005)
        return samples


def test_no_stale_sample_is_played_when_flushes_race_with_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the lock around check and write most turns began with sound of the one before."""
    monkeypatch.setattr("app.audio.playback.StreamResampler", SlowResampler)
    module, _, speaker = opened()
    current = 0
    stop = threading.Event()

    def level(turn_id: int) -> float:
        return (turn_id + 1) / 512  # exact in float32

    def engine() -> None:
        """Writes for the turn it last saw, as the engine does: it learns of a flush too late."""
        while not stop.is_set():
            turn_id = current
            sound = np.full(9600, level(turn_id), dtype=np.float32)
            speaker.write(turn_id, sound, 48000, CancelToken())

    writer = threading.Thread(target=engine)
    writer.start()
    n_stale = n_sounding = 0
    try:
        for turn_id in range(1, 121):
            speaker.begin(turn_id)
            module.streams[0].play(256)  # the fade of the turn before
            current = turn_id
            for _ in range(4):
                time.sleep(0.0002)
                block = module.streams[0].play(512)[:, 0]
                n_sounding += bool(block.any())
                is_steady = np.diff(block, prepend=0.0) == 0
                n_stale += bool(np.any(is_steady & (block != 0) & (block != level(turn_id))))
            if turn_id % 2:
                speaker.flush()
    finally:
        stop.set()
        writer.join()
    assert n_stale == 0
    assert n_sounding > 50


def test_a_reply_goes_on_when_its_device_comes_back() -> None:
    module, portaudio, speaker = opened()
    say(speaker, 1, 1.0)
    module.streams[0].play(12000)
    module.streams[0].die()
    assert speaker.is_lost()
    speaker.close()
    assert speaker.is_playing()
    assert speaker.heard(1).n_samples <= RATE // 4
    speaker.open(portaudio, 0)
    out = module.streams[1].play(48000)[:, 0]
    assert np.allclose(out[240:30000], tone(1.0, 48000.0)[12240:42000], atol=1e-3)
    assert speaker.underruns == 0
    module.clock.now += 1.0
    assert speaker.heard(1).n_samples == RATE


def test_a_reply_goes_on_where_it_was_on_a_device_of_another_rate() -> None:
    module, portaudio, speaker = opened(SPEAKER, FakeDevice("Other", 0, 1, 44100.0))
    speaker.begin(1)
    speaker.write(1, tone(1.0), RATE, CancelToken())
    began_at = module.clock.now + 0.1
    module.streams[0].play(24000)
    module.streams[0].die()
    speaker.open(portaudio, 1)
    speaker.write(1, tone(1.5)[RATE:], RATE, CancelToken())
    speaker.end(1)
    assert speaker.heard(1).n_samples == pytest.approx(RATE / 2, abs=2)
    out = module.streams[1].play(44100)[:, 0]
    assert module.streams[1].channels == 1
    expected = tone(1.5, 44100.0)[22050:]
    assert np.allclose(out[400:20000], expected[400:20000], atol=0.01)
    assert np.count_nonzero(np.abs(out) > 1e-4) / 44100 == pytest.approx(1.0, abs=0.01)
    module.clock.now += 1.0
    mark = speaker.heard(1)
    assert mark.n_samples == 1.5 * RATE
    assert mark.first_sample_at == pytest.approx(began_at)
    assert speaker.is_drained(1)


def test_without_a_device_a_reply_counts_as_heard_so_that_its_text_goes_on() -> None:
    speaker = AudioOutput(FakeClock())
    speaker.do_without()
    speaker.begin(1)
    assert speaker.write(1, tone(60.0), RATE, CancelToken())
    assert speaker.heard(1) == HeardMark(60 * RATE, None)
    assert not speaker.is_drained(1)
    speaker.end(1)
    assert speaker.is_drained(1)


def test_a_device_that_comes_in_the_middle_of_a_reply_plays_the_rest() -> None:
    module = FakeSoundDevice([SPEAKER])
    speaker = AudioOutput(module.clock)
    speaker.do_without()
    speaker.begin(1)
    speaker.write(1, tone(1.0), RATE, CancelToken())
    speaker.open(PortAudio(module), 0)
    speaker.write(1, tone(0.5), RATE, CancelToken())
    speaker.end(1)
    assert speaker.heard(1).n_samples == RATE
    module.streams[0].play(48000)
    module.clock.now += 1.0
    assert speaker.heard(1).n_samples == 1.5 * RATE


def test_a_reply_waits_for_a_device_that_is_not_open_yet() -> None:
    module = FakeSoundDevice([SPEAKER])
    speaker = AudioOutput(module.clock)
    asked: list[str] = []
    speaker.on_needed = lambda: asked.append("needed")
    speaker.begin(1)
    assert asked == ["needed"]
    writer = threading.Thread(target=lambda: speaker.write(1, tone(0.2), RATE, CancelToken()))
    writer.start()
    speaker.open(PortAudio(module), 0)
    writer.join(2.0)
    assert not writer.is_alive()
    speaker.end(1)
    assert module.streams[0].play(9600).any()


def test_the_device_is_needed_until_some_seconds_after_the_last_sample() -> None:
    module, _, speaker = opened()
    assert not speaker.is_needed()
    speaker.prepare()
    assert speaker.is_needed()
    say(speaker, 1, 0.5)
    module.clock.now += 60.0  # a slow engine
    assert speaker.is_needed()
    module.streams[0].play(48000)
    module.clock.now += 1.0
    assert speaker.is_needed()
    module.clock.now += 11.0
    assert not speaker.is_needed()


def test_a_device_that_does_not_start_raises_and_is_closed() -> None:
    module, portaudio, speaker = opened(SPEAKER, FakeDevice("Other", 0, 2))
    speaker.close()
    module.machine = [SPEAKER]
    with pytest.raises(DeviceError):
        speaker.open(portaudio, 1)
    assert speaker.device is None
    assert not module.running()


def test_the_volume_is_kept_for_the_next_device() -> None:
    module, portaudio, speaker = opened(SPEAKER, FakeDevice("Other", 0, 2, 44100.0))
    speaker.volume = 0.5
    speaker.open(portaudio, 1)
    say(speaker, 1, 1.0)
    assert np.abs(module.streams[1].play(22050)[2000:]).max() == pytest.approx(0.25, abs=0.01)
