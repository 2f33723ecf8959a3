"""Laws of the F0 estimate."""

import numpy as np
import pytest

from engine.speech.mel import HOP, SAMPLE_RATE
from engine.training.pitch import estimate_f0


def _harmonic(hertz: np.ndarray) -> np.ndarray:
    """A buzz with the given fundamental per sample."""
    cycles = np.cumsum(hertz) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * h * cycles) / h for h in range(1, 12))
    return (0.1 * buzz).astype(np.float32)


@pytest.mark.parametrize("hertz", [75.0, 110.0, 187.3, 260.0, 420.0])
def test_a_steady_pitch_is_found_within_half_a_percent(hertz: float) -> None:
    f0 = estimate_f0(_harmonic(np.full(SAMPLE_RATE, hertz)))
    assert np.abs(f0[3:-6] / hertz - 1).max() < 0.005


def test_a_gliding_pitch_is_followed() -> None:
    hertz = 150 + 50 * np.sin(2 * np.pi * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)
    f0 = estimate_f0(_harmonic(hertz))
    assert np.abs(f0 / hertz[HOP // 2 :: HOP][: len(f0)] - 1)[3:-6].max() < 0.03


def test_silence_and_noise_are_unvoiced() -> None:
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32) * 0.1
    assert not estimate_f0(np.zeros(SAMPLE_RATE, dtype=np.float32)).any()
    assert (estimate_f0(noise) > 0).mean() < 0.02


@pytest.mark.parametrize("n_samples", [0, 100, 256, 3000])
def test_there_is_one_value_per_mel_frame(n_samples: int) -> None:
    assert estimate_f0(np.zeros(n_samples, dtype=np.float32)).shape == (n_samples // HOP,)
