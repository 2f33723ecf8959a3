"""The history of the sound: any stretch of the last minute, and when it was captured."""

import numpy as np
import pytest

from app.turns.utterances import SoundHistory


def numbers(start: int, stop: int) -> np.ndarray:
    return np.arange(start, stop, dtype=np.float32)


@pytest.mark.parametrize("size", [1, 7, 100, 160, 333])
def test_what_was_pushed_is_cut_out_by_its_sample_numbers(size: int) -> None:
    history = SoundHistory(capacity=100)
    for start in range(0, 1000, size):
        stop = min(start + size, 1000)
        history.push(numbers(start, stop), last_at=0.0)
        oldest = max(0, stop - 100)
        np.testing.assert_array_equal(history.cut(oldest, stop), numbers(oldest, stop))
        middle = (oldest + stop) // 2
        np.testing.assert_array_equal(history.cut(middle, stop), numbers(middle, stop))


def test_what_is_gone_or_not_there_yet_is_left_out() -> None:
    history = SoundHistory(capacity=100)
    history.push(numbers(0, 150), last_at=0.0)
    np.testing.assert_array_equal(history.cut(0, 999), numbers(50, 150))
    assert len(history.cut(150, 160)) == 0
    assert len(history.cut(0, 20)) == 0


def test_a_cut_is_a_copy_that_later_sound_does_not_change() -> None:
    history = SoundHistory(capacity=100)
    history.push(numbers(0, 100), last_at=0.0)
    cut = history.cut(0, 100)
    history.push(numbers(100, 200), last_at=0.0)
    np.testing.assert_array_equal(cut, numbers(0, 100))


def test_the_newest_samples_can_be_replaced() -> None:
    history = SoundHistory(capacity=100)
    history.push(numbers(0, 150), last_at=3.0)
    history.replace_last(-numbers(100, 150))
    expected = np.concatenate([numbers(50, 100), -numbers(100, 150)])
    np.testing.assert_array_equal(history.cut(0, 150), expected)
    assert history.time_of(150) == 3.0


def test_every_sample_has_the_time_of_its_capture() -> None:
    history = SoundHistory()
    history.push(np.zeros(1600, dtype=np.float32), last_at=5.1)
    history.push(np.zeros(1600, dtype=np.float32), last_at=5.2)
    assert history.time_of(3200) == pytest.approx(5.2)
    assert history.time_of(1600) == pytest.approx(5.1)
    assert history.time_of(0) == pytest.approx(5.0)
