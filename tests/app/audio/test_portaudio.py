import pytest

from app.audio.portaudio import StreamClock
from tests.app.audio.fake_sounddevice import FakeClock


def test_a_callback_that_python_runs_late_does_not_shift_the_time() -> None:
    clock = FakeClock(50.0)
    stream_clock = StreamClock(clock)
    for n, late_s in enumerate((0.001, 0.0, 0.03, 0.002, 0.08, 0.0, 0.02)):
        stream_time = 1_000_000 + 0.025 * n
        clock.now = 50.0 + 0.025 * n + late_s
        assert stream_clock.when(stream_time) == pytest.approx(50.0 + 0.025 * n, abs=0.0015)


def test_a_clock_that_is_set_to_another_time_is_followed() -> None:
    clock = FakeClock(50.0)
    stream_clock = StreamClock(clock)
    assert stream_clock.when(1000.0) == 50.0
    for jump in (-3600.0, 7200.0):
        clock.now += 1.0
        assert stream_clock.when(1000.0 + jump) == clock.now


def test_a_stream_without_a_clock_gives_the_time_of_the_callback() -> None:
    clock = FakeClock(50.0)
    stream_clock = StreamClock(clock)
    for _ in range(5):
        clock.now += 1.0
        assert stream_clock.when(0.0) == clock.now
