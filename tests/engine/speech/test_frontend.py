"""The log-mel front-end is Whisper's."""

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from engine.speech.frontend import SAMPLE_RATE, mel_filters, whisper_log_mel


def _speech_like(n_samples: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n_samples, generator=generator)
    envelope = torch.sin(torch.arange(n_samples) / 3000).clamp(min=0)
    return 0.1 * noise * envelope


@pytest.mark.parametrize("n_mels", [40, 80, 128])
def test_log_mel_equals_the_known_feature_extractor(n_mels: int) -> None:
    samples = _speech_like(2 * SAMPLE_RATE)
    extractor = WhisperFeatureExtractor(feature_size=n_mels)
    known = extractor(
        samples.numpy(), sampling_rate=SAMPLE_RATE, padding="longest", return_tensors="np"
    )
    ours = whisper_log_mel(samples, n_mels)
    np.testing.assert_allclose(ours.numpy(), known["input_features"][0], atol=1e-4)


def test_filters_equal_the_known_filters() -> None:
    known = WhisperFeatureExtractor(feature_size=80).mel_filters.T
    np.testing.assert_allclose(mel_filters(80, torch.device("cpu")).numpy(), known, atol=1e-6)


def test_one_frame_per_ten_milliseconds_for_any_leading_shape() -> None:
    samples = torch.stack([_speech_like(16_000, seed) for seed in range(6)]).view(2, 3, -1)
    assert whisper_log_mel(samples, 80).shape == (2, 3, 80, 100)


def test_a_batch_equals_its_items_alone() -> None:
    loud, quiet = _speech_like(8000, 1), 0.01 * _speech_like(8000, 2)
    together = whisper_log_mel(torch.stack([loud, quiet]), 80)
    torch.testing.assert_close(together[0], whisper_log_mel(loud, 80))
    torch.testing.assert_close(together[1], whisper_log_mel(quiet, 80))


def test_silence_is_finite_and_flat() -> None:
    mel = whisper_log_mel(torch.zeros(1600), 80)
    assert torch.isfinite(mel).all() and mel.std() == 0
