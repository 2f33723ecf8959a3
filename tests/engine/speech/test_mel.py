"""Laws of the log mel spectrogram."""

import pytest
import torch

from engine.speech.mel import HOP, N_MELS, SAMPLE_RATE, SILENCE, mel_filters, mel_spectrogram


@pytest.mark.parametrize("n_samples", [256, 384, 385, 5000, 22050])
def test_there_is_one_frame_per_whole_hop(n_samples: int) -> None:
    assert mel_spectrogram(torch.rand(2, n_samples)).shape == (2, N_MELS, n_samples // HOP)


def test_silence_is_the_floor() -> None:
    assert mel_spectrogram(torch.zeros(1, 4096)).sub(SILENCE).abs().max() < 0.1


def test_a_frame_depends_only_on_the_samples_around_it() -> None:
    samples = torch.rand(1, 40 * HOP, generator=torch.Generator().manual_seed(0))
    whole = mel_spectrogram(samples)
    part = mel_spectrogram(samples[:, 10 * HOP : 30 * HOP])
    torch.testing.assert_close(part[..., 2:-2], whole[..., 12:28])


def test_a_louder_sound_is_higher_by_the_logarithm() -> None:
    samples = torch.rand(1, 8192, generator=torch.Generator().manual_seed(0)) - 0.5
    difference = mel_spectrogram(samples) - mel_spectrogram(samples / 2)
    torch.testing.assert_close(difference, torch.full_like(difference, 0.6931), atol=1e-3, rtol=0)


def test_a_tone_lights_the_filter_at_its_pitch() -> None:
    filters = mel_filters(N_MELS, 1024, SAMPLE_RATE, 0.0, 8000.0)
    time_s = torch.arange(8192) / SAMPLE_RATE
    for hertz in (300.0, 1000.0, 5000.0):
        loudest = mel_spectrogram((6.2832 * hertz * time_s).sin()[None])[0, :, 16].argmax()
        wanted = filters[:, round(hertz * 1024 / SAMPLE_RATE)].argmax()
        assert abs(int(loudest) - int(wanted)) <= 1


def test_filters_have_unit_area() -> None:
    filters = mel_filters(20, 1 << 14, SAMPLE_RATE, 0.0, 8000.0)
    area = filters.sum(dim=1) * SAMPLE_RATE / (1 << 14)
    torch.testing.assert_close(area, torch.ones(20), atol=5e-3, rtol=0)
