import numpy as np
import pytest

from app.audio.far_end import LEAD_S, SAMPLE_RATE, FarEnd, FarLine
from app.audio.ring import Samples

BLOCK = 320
LATENCY_S = 0.1


def signal(times: np.ndarray) -> Samples:
    """Something that tells where it was cut."""
    tones = [np.sin(2 * np.pi * frequency * times) for frequency in (31, 53, 97, 171, 233)]
    return np.sum(tones, axis=0).astype(np.float32)


class Room:
    """A card that plays ``signal`` of the time at which each sample leaves it."""

    def __init__(self, rate: int = 48000, drift: float = 0.0) -> None:
        self.now = 0.0
        self.line = FarLine(rate)
        self.far_end = FarEnd(lambda: self.line)
        self._rate = rate
        self._drift = 1.0 + drift
        self._played_until = 0.0

    def start_at(self, now: float) -> None:
        """The card is opened at this moment."""
        self._played_until = now

    def play_until(self, now: float, is_audible: bool = True) -> None:
        """Blocks of 25 ms, each fetched when the one 0.1 s before it begins to be heard."""
        self.now = now
        while self._played_until < now + LATENCY_S:
            n_samples = self._rate // 40
            step = self._drift / self._rate
            times = self._played_until + step * np.arange(1, n_samples + 1)
            self._played_until = float(times[-1])
            block = signal(times) if is_audible else np.zeros(n_samples, dtype=np.float32)
            self.line.write(block, self._played_until, is_audible)


def shift_s(reference: Samples, stamp: float) -> float:
    """How much earlier than the captured block the reference is."""
    times = stamp - np.arange(len(reference) - 1, -1, -1) / SAMPLE_RATE
    shifts = np.arange(-0.02, 0.25, 0.0005)
    errors = [float(np.square(signal(times + shift) - reference).sum()) for shift in shifts]
    return float(shifts[int(np.argmin(errors))])


@pytest.mark.parametrize("rate", [48000, 44100])
def test_the_reference_is_what_leaves_the_device_a_little_later_than_the_capture(rate: int) -> None:
    room = Room(rate)
    for n in range(1, 100):
        stamp = n * 0.02
        room.play_until(stamp + 0.02)
        reference = room.far_end.read(BLOCK, stamp)
        assert reference is not None and len(reference) == BLOCK
        if n > 5 and n % 9 == 0:
            assert shift_s(reference, stamp) == pytest.approx(LEAD_S, abs=0.005)


def test_two_clocks_that_drift_apart_keep_the_reference_ahead_of_its_echo() -> None:
    """A card that is 0.8 % fast or slow is far worse than any."""
    for drift in (0.008, -0.008):
        room = Room(drift=drift)
        shifts = []
        for n in range(1, 1000):
            stamp = n * 0.02
            room.play_until(stamp + 0.02)
            reference = room.far_end.read(BLOCK, stamp)
            assert reference is not None
            if n % 70 == 0 and reference.any():
                shifts.append(shift_s(reference, stamp))
        assert min(shifts) >= 0.0
        assert max(shifts) <= 0.21


def test_while_nothing_is_played_there_is_no_reference_and_afterwards_it_is_in_time() -> None:
    room = Room()
    assert room.far_end.read(BLOCK, 0.0) is None
    room.play_until(5.0, is_audible=False)
    assert room.far_end.read(BLOCK, 5.0) is None
    for n in range(1, 50):
        stamp = 5.0 + n * 0.02
        room.play_until(stamp + 0.02)
        reference = room.far_end.read(BLOCK, stamp)
        assert reference is not None
        if n > 12 and n % 5 == 0:
            assert shift_s(reference, stamp) == pytest.approx(LEAD_S, abs=0.04)
    room.play_until(10.0, is_audible=False)
    assert room.far_end.read(BLOCK, 10.0) is None


def test_the_reference_goes_on_for_the_echo_of_the_last_sound() -> None:
    room = Room()
    room.play_until(1.0)
    room.play_until(2.5, is_audible=False)
    assert room.far_end.read(BLOCK, 1.5) is not None
    assert room.far_end.read(BLOCK, 2.5) is None


def test_a_new_output_stream_is_followed() -> None:
    room = Room()
    room.play_until(1.0)
    assert room.far_end.read(BLOCK, 0.9) is not None
    room.line = FarLine(44100)
    assert room.far_end.read(BLOCK, 0.92) is None


def test_a_reader_that_is_far_behind_gets_silence_for_what_was_before_the_first_sound() -> None:
    room = Room()
    room.start_at(10.0)
    room.play_until(11.0)
    for n in range(150):
        stamp = 8.0 + 0.02 * n
        reference = room.far_end.read(BLOCK, stamp)
        assert reference is not None
        if stamp + LEAD_S < 9.9:
            assert not reference.any()
        elif stamp > 10.1 and n % 9 == 0:
            assert shift_s(reference, stamp) == pytest.approx(LEAD_S, abs=0.005)
