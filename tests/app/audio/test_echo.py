"""Echo cancellation on sound that is made here: a loudspeaker, a room, a microphone."""

import numpy as np
import pytest

from app.audio.echo import FRAME, SAMPLE_RATE, EchoCanceller
from app.audio.ring import Samples

BLOCK = 2 * FRAME


def voice(duration_s: float, pitch: float, seed: int) -> Samples:
    """Something like speech: syllables of a harmonic tone, with noise for consonants."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    phase = np.cumsum(2 * np.pi * pitch * (1 + 0.2 * np.sin(4.4 * times + seed)) / SAMPLE_RATE)
    tone = sum(np.sin(k * phase) / k for k in range(1, 20))
    loudness = np.sqrt(np.clip(np.sin(2 * np.pi * 3.1 * times + seed), 0, 1))
    return (loudness * (0.1 * tone + 0.03 * rng.standard_normal(len(times)))).astype(np.float32)


def echo_of(far: Samples, delay_s: float, gain: float = 0.25) -> Samples:
    """The sound of a loudspeaker as a microphone in the same room hears it."""
    rng = np.random.default_rng(7)
    room = np.zeros(round((delay_s + 0.1) * SAMPLE_RATE), dtype=np.float32)
    first = round(delay_s * SAMPLE_RATE)
    room[first] = gain
    for k in range(1, 30):
        room[first + 37 * k] = 0.3 * gain * np.exp(-k / 8) * rng.choice([-1, 1])
    return np.convolve(far, room)[: len(far)].astype(np.float32)


def cancelled(canceller: EchoCanceller, captured: Samples, far: Samples | None) -> Samples:
    out = []
    for start in range(0, len(captured) - BLOCK + 1, BLOCK):
        block = slice(start, start + BLOCK)
        if far is not None:
            canceller.far(far[block])
        out.append(canceller.near(captured[block]))
    return np.concatenate(out)


def level_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples)) + 1e-12))


@pytest.mark.parametrize("delay_s", [0.01, 0.1, 0.19])
def test_20_db_of_an_echo_are_gone_within_a_second_and_40_soon_after(delay_s: float) -> None:
    far = voice(5.0, 120, seed=1)
    echo = echo_of(far, delay_s)
    out = cancelled(EchoCanceller(True, False), echo, far)
    removed = [
        level_db(echo[n : n + SAMPLE_RATE]) - level_db(out[n : n + SAMPLE_RATE])
        for n in range(0, 5 * SAMPLE_RATE, SAMPLE_RATE)
    ]
    assert removed[0] >= 20
    assert min(removed[3:]) >= 40


@pytest.mark.parametrize("noise_suppression", [True, False])
def test_near_speech_is_kept_while_the_speaker_plays(noise_suppression: bool) -> None:
    far, near = voice(6.0, 120, seed=1), voice(6.0, 210, seed=2)
    near[: 3 * SAMPLE_RATE] = 0.0
    alone = cancelled(EchoCanceller(noise_suppression, False), near, np.zeros_like(near))
    both = cancelled(EchoCanceller(noise_suppression, False), near + echo_of(far, 0.06), far)
    spoken = slice(3 * SAMPLE_RATE, 6 * SAMPLE_RATE)
    assert level_db(both[spoken]) == pytest.approx(level_db(near[spoken]), abs=3.0)
    assert np.corrcoef(both[spoken], alone[spoken])[0, 1] > 0.8


@pytest.mark.parametrize("options", [(True, False), (False, True), (False, False)])
def test_without_anything_played_speech_passes_unharmed(options: tuple[bool, bool]) -> None:
    near = voice(2.0, 210, seed=2)
    out = cancelled(EchoCanceller(*options), near, None)
    assert len(out) == len(near) // BLOCK * BLOCK
    loudest = 20.0 if options[1] else 1.5  # gain control makes a quiet voice louder
    assert -1.5 < level_db(out[SAMPLE_RATE:]) - level_db(near[SAMPLE_RATE:]) < loudest


def test_noise_suppression_makes_a_steady_noise_softer() -> None:
    noise = (0.01 * np.random.default_rng(0).standard_normal(4 * SAMPLE_RATE)).astype(np.float32)
    softer = cancelled(EchoCanceller(True, False), noise, None)[2 * SAMPLE_RATE :]
    assert level_db(softer) < level_db(noise) - 6
    same = cancelled(EchoCanceller(False, False), noise, None)[2 * SAMPLE_RATE :]
    assert level_db(same) == pytest.approx(level_db(noise), abs=1.0)


def test_going_to_rest_and_waking_up_makes_no_click() -> None:
    near = 0.3 * np.sin(2 * np.pi * 200 * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)
    near = near.astype(np.float32)
    canceller = EchoCanceller(False, False)
    out = []
    for n, start in enumerate(range(0, len(near), BLOCK)):
        if (n // 20) % 2:
            canceller.far(np.zeros(BLOCK, dtype=np.float32))
        out.append(canceller.near(near[start : start + BLOCK]))
    steps = np.abs(np.diff(np.concatenate(out)[SAMPLE_RATE // 2 :]))
    assert steps.max() < 1.5 * 0.3 * 2 * np.pi * 200 / SAMPLE_RATE


def test_echo_cancellation_can_be_switched_off() -> None:
    far = voice(1.0, 120, seed=1)
    echo = echo_of(far, 0.05)
    out = cancelled(EchoCanceller(False, False, echo_cancellation=False), echo, far)
    assert level_db(out) == pytest.approx(level_db(echo), abs=1.5)
