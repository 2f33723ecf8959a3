"""Augmentation changes the sound, not the words: lengths, levels and repeatability are pinned."""

import numpy as np
import pytest

from engine.training.nano.augment import (
    SAMPLE_RATE,
    add_noise,
    add_room,
    augment,
    change_formants,
    change_speed,
    change_tempo,
    equalise,
    telephone,
)


def _tone(frequency: float = 200.0, duration_s: float = 1.0) -> np.ndarray:
    times = np.arange(int(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.2 * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def _pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(spectrum.argmax() * SAMPLE_RATE / (8 * len(samples)))


def test_augmented_clips_are_finite_bounded_and_repeat_with_their_seed() -> None:
    for seed in range(60):
        taken = augment(_tone(), np.random.default_rng(seed))
        assert taken.dtype == np.float32
        assert np.isfinite(taken).all()
        assert np.abs(taken).max() <= 1.0
        assert 0.6 * SAMPLE_RATE < len(taken) < 2.1 * SAMPLE_RATE
        np.testing.assert_array_equal(taken, augment(_tone(), np.random.default_rng(seed)))


def test_a_very_short_clip_is_augmented_too() -> None:
    for seed in range(40):
        assert np.isfinite(augment(_tone(duration_s=0.05), np.random.default_rng(seed))).all()


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.3])
def test_speed_moves_pitch_and_length_together(factor: float) -> None:
    changed = change_speed(_tone(), factor)
    assert len(changed) == pytest.approx(SAMPLE_RATE / factor, rel=0.01)
    assert _pitch(changed) == pytest.approx(200 * factor, rel=0.01)


def _vowel(pitch: float, formants: tuple[float, ...]) -> np.ndarray:
    """Harmonics of a pitch under broad peaks."""
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    harmonics = pitch * np.arange(1, int(7500 / pitch))
    levels = sum(np.exp(-(((harmonics - f) / 250.0) ** 2)) for f in formants) + 1e-3
    waves = np.sin(2 * np.pi * harmonics[:, None] * times)
    return (0.05 * (levels[:, None] * waves).sum(0)).astype(np.float32)


def _peak(samples: np.ndarray, low: float, high: float) -> float:
    """The centre of the energy between two frequencies, in Hz."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    band = (frequencies > low) & (frequencies < high)
    return float((frequencies * power)[band].sum() / power[band].sum())


@pytest.mark.parametrize("factor", [0.84, 0.92, 1.1, 1.22])
def test_formants_move_alone(factor: float) -> None:
    vowel = _vowel(120.0, (600.0, 2200.0))
    changed = change_formants(vowel, factor)
    assert len(changed) == len(vowel)
    assert _peak(changed, 1500, 3200) == pytest.approx(2200 * factor, rel=0.04)
    spectrum = np.abs(np.fft.rfft(changed * np.hanning(len(changed))))
    spacing = np.argsort(spectrum)[-6:] % 120  # bins are 1 Hz wide
    assert np.all(np.minimum(spacing, 120 - spacing) <= 2)


def test_formants_left_alone_leave_the_sound_alone() -> None:
    vowel = _vowel(120.0, (600.0, 2200.0))
    np.testing.assert_allclose(change_formants(vowel, 1.0), vowel, atol=2e-3)


@pytest.mark.parametrize("factor", [0.9, 1.12])
def test_tempo_moves_the_length_alone(factor: float) -> None:
    changed = change_tempo(_tone(), factor)
    assert len(changed) == pytest.approx(SAMPLE_RATE / factor, rel=0.06)
    assert _pitch(changed) == pytest.approx(200, rel=0.02)
    middle = changed[2000:-2000]
    assert np.abs(middle).max() == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize("seed", range(12))
def test_noise_has_the_asked_ratio(seed: int) -> None:
    tone = _tone()
    noise = add_noise(tone, 20.0, np.random.default_rng(seed)) - tone
    assert 10 * np.log10((tone**2).mean() / (noise**2).mean()) == pytest.approx(20.0, abs=0.1)


@pytest.mark.parametrize("change", [equalise, add_room, telephone])
def test_filters_keep_the_length(change) -> None:  # type: ignore[no-untyped-def]
    assert change(_tone(), np.random.default_rng(0)).shape == _tone().shape


def test_a_telephone_passes_only_its_band() -> None:
    rng = np.random.default_rng
    assert np.abs(telephone(_tone(1000.0), rng(1))[4000:]).max() == pytest.approx(0.2, rel=0.1)
    assert np.abs(telephone(_tone(7000.0), rng(1))[4000:]).max() < 0.02
