"""SenseVoice's config: the released one is read, what asks for another network is refused."""

from dataclasses import asdict

import pytest
import torch

from engine.checkpoint import without_weights
from engine.errors import CheckpointError
from engine.models.sensevoice import N_QUERIES, SenseVoice, SenseVoiceConfig

RELEASED = {
    "output_size": 512,
    "attention_heads": 4,
    "linear_units": 2048,
    "num_blocks": 50,
    "tp_blocks": 20,
    "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1,
    "attention_dropout_rate": 0.1,
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "kernel_size": 11,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}


def test_the_released_config_is_small() -> None:
    assert SenseVoiceConfig.from_json(RELEASED) == SenseVoiceConfig.small()


def test_a_written_config_is_read_back() -> None:
    assert SenseVoiceConfig.from_json(asdict(SenseVoiceConfig.tiny())) == SenseVoiceConfig.tiny()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sanm_shfit": 5}, "sanm_shfit=5, supported is 0"),
        ({"selfattention_layer_type": "rel"}, "supported is 'sanm'"),
        ({"depth": 3}, "unknown key: depth"),
        ({"output_size": 510}, "510 among 4 heads"),
        ({"kernel_size": 10}, "even kernel_size"),
        ({"tp_blocks": 0}, "below 1"),
    ],
)
def test_another_network_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(CheckpointError, match=told):
        SenseVoiceConfig.from_json(RELEASED | changes)


def test_an_incomplete_config_is_refused() -> None:
    with pytest.raises(CheckpointError, match="incomplete"):
        SenseVoiceConfig.from_json({"output_size": 512})


def test_the_released_size_has_the_published_number_of_weights() -> None:
    with without_weights():
        model = SenseVoice(SenseVoiceConfig.small(), n_ctc_ids=25055)
    n_weights = sum(parameter.numel() for parameter in model.parameters())
    assert n_weights == pytest.approx(234e6, rel=0.01)


@torch.no_grad()
def test_what_lies_beyond_a_recording_does_not_change_its_states() -> None:
    torch.manual_seed(0)
    model = SenseVoice(SenseVoiceConfig.tiny())
    rows = torch.randn(2, 9, 560)
    lengths = torch.tensor([9, 4])
    batch = model(rows, lengths)
    for n, length in enumerate(lengths.tolist()):
        alone = model(rows[n : n + 1, :length])[0]
        torch.testing.assert_close(batch[n, : length + N_QUERIES], alone, rtol=0, atol=1e-5)
