"""Speech becomes audio tokens: any rate, any length, strict about its checkpoint."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.checkpoint import save_weights
from engine.errors import CheckpointError, RequestError
from engine.models.whisper_vq import WhisperVQConfig, WhisperVQEncoder, attention_bias
from engine.speech.tokenizer import SpeechTokenizer

CONFIG = replace(WhisperVQConfig.tiny(), max_source_positions=1500)


def _encoder(config: WhisperVQConfig = CONFIG) -> WhisperVQEncoder:
    torch.manual_seed(0)
    return WhisperVQEncoder(config).eval()


def _noise(seconds: float, sample_rate: int = 16_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(round(seconds * sample_rate))).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(asdict(CONFIG)))
    save_weights(_encoder(), tmp_path / "model.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    ("seconds", "n_tokens"), [(0.001, 1), (0.1, 2), (3.2, 40), (7.5, 94), (31.0, 375 + 13)]
)
def test_a_token_for_every_started_80_milliseconds(seconds: float, n_tokens: int) -> None:
    assert len(SpeechTokenizer(_encoder()).encode(_noise(seconds), 16_000)) == n_tokens


def test_ten_minutes_are_read_in_pieces() -> None:
    tokens = SpeechTokenizer(_encoder()).encode(_noise(600.0), 16_000)
    assert len(tokens) == 7500
    first = SpeechTokenizer(_encoder()).encode(_noise(600.0)[: 30 * 16_000], 16_000)
    assert tokens[:375] == first


@pytest.mark.parametrize("sample_rate", [8000, 22_050, 44_100, 48_000])
def test_any_sample_rate_is_heard(sample_rate: int) -> None:
    tokens = SpeechTokenizer(_encoder()).encode(_noise(1.6, sample_rate), sample_rate)
    assert len(tokens) == 20


def test_only_the_first_channel_is_read() -> None:
    tokenizer = SpeechTokenizer(_encoder())
    mono = _noise(1.0)
    stereo = np.stack([mono, np.zeros_like(mono)], axis=1)
    assert tokenizer.encode(stereo, 16_000) == tokenizer.encode(mono, 16_000)


def test_no_samples_are_an_error() -> None:
    with pytest.raises(RequestError):
        SpeechTokenizer(_encoder()).encode(np.zeros(0, np.float32), 16_000)


def test_a_loaded_tokenizer_equals_the_saved_one(folder: Path) -> None:
    samples = _noise(2.0)
    loaded = SpeechTokenizer.load(folder)
    assert loaded.encode(samples, 16_000) == SpeechTokenizer(_encoder()).encode(samples, 16_000)
    assert loaded.n_codes == CONFIG.quantize_vocab_size


@pytest.mark.parametrize(
    "change",
    [{"nonsense": 1}, {"pooling_type": "max"}, {"pooling_position": 1}, {"d_model": None}],
)
def test_a_config_that_asks_for_another_network_is_refused(
    folder: Path, change: dict[str, object]
) -> None:
    values = {**json.loads((folder / "config.json").read_text()), **change}
    values = {key: value for key, value in values.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError):
        SpeechTokenizer.load(folder)


def test_a_missing_weight_or_config_is_named(folder: Path) -> None:
    wider = {**asdict(CONFIG), "quantize_position": CONFIG.quantize_position + 1}
    (folder / "config.json").write_text(json.dumps(wider))
    with pytest.raises(CheckpointError, match="layers"):
        SpeechTokenizer.load(folder)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json"):
        SpeechTokenizer.load(folder)


def test_a_full_whisper_config_is_understood() -> None:
    values = {**asdict(CONFIG), "pooling_position": CONFIG.quantize_position}
    values |= {"decoder_layers": 32, "torch_dtype": "float32", "activation_function": "gelu"}
    assert WhisperVQConfig.from_json(values) == CONFIG


def test_padding_in_a_batch_changes_nothing() -> None:
    encoder = _encoder()
    mel = torch.randn(2, CONFIG.num_mel_bins, 160)
    mask = torch.arange(160) < torch.tensor([[160], [96]])
    with torch.no_grad():
        together = encoder(mel, mask)
        alone = encoder(mel[1:, :, :96])
    torch.testing.assert_close(together[1:, :12], alone, rtol=1e-4, atol=1e-5)


def test_a_frame_sees_its_own_block_and_earlier_ones_only() -> None:
    encoder = _encoder()
    mel = torch.randn(1, CONFIG.num_mel_bins, 160)  # two blocks of 40 frames at 50 Hz
    changed = mel.clone()
    changed[:, :, 80:] += 1.0
    with torch.no_grad():
        before, after = encoder(mel), encoder(changed)
    torch.testing.assert_close(before[:, :10], after[:, :10])
    assert not torch.allclose(before[:, 10:], after[:, 10:])
    assert attention_bias(40, 40, None, mel) is None


def test_quantising_picks_the_nearest_code() -> None:
    encoder = _encoder()
    states = torch.randn(3, 7, CONFIG.d_model)
    nearest = torch.cdist(states, encoder.codebook.weight[None]).argmin(-1)
    assert torch.equal(encoder.quantise(states), nearest)
