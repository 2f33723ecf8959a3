"""A model config is read whole or refused."""

import json
from pathlib import Path

import pytest

from engine.config import ModelConfig
from engine.errors import CheckpointError


def test_a_config_survives_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(ModelConfig.tiny().to_json())
    assert ModelConfig.from_json(path) == ModelConfig.tiny()


def test_mctp_layers_are_counted_among_the_layers() -> None:
    config = ModelConfig.tiny()
    assert (config.n_backbone_layers, config.depth, config.head_dim) == (2, 3, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "unknown key 'surprise'"),
        ({"hidden_act": "gelu"}, "hidden_act = 'gelu' is not supported"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"num_nextn_predict_layers": 5}, "5 MCTP layers do not fit in 5 layers"),
        ({"num_key_value_heads": 3}, "cannot share 3"),
        ({"num_attention_heads": 6}, "heads of even width"),
        ({"vocab_size": 0}, "vocab_size must be positive"),
    ],
)
def test_what_cannot_be_computed_is_refused(change: dict[str, object], message: str) -> None:
    values = json.loads(ModelConfig.tiny().to_json()) | change
    with pytest.raises(CheckpointError, match=message):
        ModelConfig.from_dict(values)


def test_a_missing_size_is_refused() -> None:
    with pytest.raises(CheckpointError, match="vocab_size"):
        ModelConfig.from_dict({"hidden_size": 8})


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_an_unreadable_config_is_a_checkpoint_error(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        ModelConfig.from_json(path)
