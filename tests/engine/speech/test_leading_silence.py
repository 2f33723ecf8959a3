"""A reply is given from its onset on, however it comes in pieces; nothing after it is lost."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.speech.leading_silence import LeadingSilence

RATE = 1000  # so that a sample is a millisecond


def _reply(silent: int, sounding: int = 300) -> NDArray[np.float32]:
    noise = 0.001 * np.random.default_rng(0).standard_normal(silent)
    tone = 0.2 * np.sin(2 * np.pi * 0.05 * np.arange(1, sounding + 1))
    return np.concatenate([np.clip(noise, -0.003, 0.003), tone]).astype(np.float32)


def _given(samples: NDArray[np.float32], piece: int) -> tuple[NDArray[np.float32], int]:
    silence = LeadingSilence(RATE)
    pieces = [silence.push(samples[i : i + piece]) for i in range(0, len(samples), piece)]
    return np.concatenate([*pieces, silence.finish()]), silence.n_left_out


@pytest.mark.parametrize("piece", [1, 7, 50, 1000])
@pytest.mark.parametrize("silent", [0, 10, 20, 21, 320, 599, 700])
def test_the_pieces_make_no_difference_and_only_silence_is_left_out(
    silent: int, piece: int
) -> None:
    reply = _reply(silent)
    given, left_out = _given(reply, piece)
    assert left_out == min(max(0, silent - 20), 600)
    np.testing.assert_array_equal(given, reply[left_out:])


@pytest.mark.parametrize("piece", [1, 50, 2000])
def test_a_reply_that_never_sounds_keeps_what_is_longer_than_a_pause(piece: int) -> None:
    given, left_out = _given(_reply(1500, 0), piece)
    assert (left_out, len(given)) == (600, 900)


def test_a_short_silent_reply_is_given_at_its_end() -> None:
    given, left_out = _given(_reply(15, 0), 5)
    assert (left_out, len(given)) == (0, 15)


def test_a_pause_after_the_onset_stays() -> None:
    reply = np.concatenate([_reply(100), _reply(400)])
    given, _ = _given(reply, 33)
    np.testing.assert_array_equal(given, reply[80:])
