"""GLM-4-Voice's speech decoder as it was released: config.yaml, flow.pt and hift.pt.

The YAML names the classes of the reference by tags (``!new:...``), which are read as what they are,
text, and never looked up. Every key must be known: those that set a size are taken over, those that
choose between networks must choose ours, and those of training have no effect here.

The keys are those of third-party copies of the file; the published one was not seen.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.errors import CheckpointError
from engine.pickled_weights import Weights, normalised
from engine.speech.flow import FlowConfig
from engine.speech.vocoder import HiFTConfig

CONFIG = "config.yaml"

_SIZES: Mapping[str, tuple[str, ...]] = {
    "flow": ("input_size", "output_size", "spk_embed_dim", "vocab_size", "input_frame_rate"),
    "encoder": ("output_size", "attention_heads", "linear_units", "num_blocks", "block_size"),
    "length_regulator": ("channels", "sampling_ratios"),
    "cfm": ("inference_cfg_rate",),
    "estimator": (
        *("in_channels", "out_channels", "channels", "attention_head_dim"),
        *("n_blocks", "num_mid_blocks", "num_heads"),
    ),
    "hift": (
        *("in_channels", "base_channels", "nb_harmonics", "sampling_rate", "nsf_alpha"),
        *("nsf_sigma", "nsf_voiced_threshold", "upsample_rates", "upsample_kernel_sizes"),
        *("resblock_kernel_sizes", "source_resblock_kernel_sizes", "lrelu_slope", "audio_limit"),
    ),
}
# Keys that choose between networks, with the choice that is implemented.
_REQUIRED: Mapping[str, Mapping[str, object]] = {
    "flow": {"output_type": "mel"},
    "encoder": {
        "normalize_before": True,
        "input_layer": "linear",
        "pos_enc_layer_type": "rel_pos_espnet",
        "use_cnn_module": False,
        "macaron_style": False,
    },
    "cfm": {"solver": "euler", "t_scheduler": "cosine"},
    "estimator": {"act_fn": "gelu"},
}
_WITHOUT_EFFECT: Mapping[str, tuple[str, ...]] = {
    "flow": ("only_mask_loss",),
    "encoder": (
        *("dropout_rate", "positional_dropout_rate", "attention_dropout_rate"),
        *("input_size", "selfattention_layer_type", "static_chunk_size"),
    ),
    "cfm": ("sigma_min", "training_cfg_rate", "reg_loss_type"),
    "decoder": ("in_channels", "n_spks", "spk_emb_dim"),
    "estimator": ("dropout",),
    "f0_predictor": ("num_class", "in_channels"),
}


def released_config(folder: Path) -> tuple[FlowConfig, HiFTConfig]:
    """The sizes that ``config.yaml`` names; raises ``CheckpointError`` for a network not ours."""
    path = folder / CONFIG
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Reader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CheckpointError(f"{path}: the config cannot be read: {error}") from error
    try:
        flow, hift = (_resolved(content[name], content) for name in ("flow", "hift"))
        return _flow(flow), _hift(hift)
    except (KeyError, TypeError, AttributeError, ValueError, AssertionError) as error:
        raise CheckpointError(f"{path}: not the config of a speech decoder: {error}") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def flow_weights(weights: Weights) -> Weights:
    """``flow.pt`` by our names, which are its own."""
    return weights


def hift_weights(weights: Weights, expected: frozenset[str]) -> Weights:
    """``hift.pt`` by our names, which are its own but for the way normalised weights are stored."""
    return normalised(weights, expected)


def _flow(flow: dict[str, Any]) -> FlowConfig:
    flow = dict(flow)
    encoder, regulator = flow.pop("encoder"), flow.pop("length_regulator")
    decoder = dict(flow.pop("decoder"))
    parameters, estimator = decoder.pop("cfm_params"), decoder.pop("estimator")
    _check("decoder", decoder)
    return FlowConfig.from_json(
        {
            **_sizes("flow", flow),
            "encoder": _sizes("encoder", encoder),
            "length_regulator": _sizes("length_regulator", regulator),
            "cfm": _sizes("cfm", parameters.get("content", parameters)),
            "estimator": _sizes("estimator", estimator),
        }
    )


def _hift(hift: dict[str, Any]) -> HiFTConfig:
    hift = dict(hift)
    predictor = dict(hift.pop("f0_predictor"))
    istft = hift.pop("istft_params")
    dilations = {
        tuple(row)
        for name in ("resblock_dilation_sizes", "source_resblock_dilation_sizes")
        for row in hift.pop(name)
    }
    if len(dilations) != 1:
        raise CheckpointError(f"residual blocks of different dilations: {sorted(dilations)}")
    width = predictor.pop("cond_channels")
    _check("f0_predictor", predictor)
    return HiFTConfig.from_json(
        {
            **_sizes("hift", hift),
            "istft": {"n_fft": istft["n_fft"], "hop": istft["hop_len"]},
            "resblock_dilations": dilations.pop(),
            "f0_cond_channels": width,
        }
    )


def _sizes(section: str, values: dict[str, Any]) -> dict[str, Any]:
    names = _SIZES[section]
    _check(section, {name: value for name, value in values.items() if name not in names})
    return {name: value for name, value in values.items() if name in names}


def _check(section: str, rest: dict[str, Any]) -> None:
    """Raises for a key that is not known, or asks for another network."""
    required = _REQUIRED.get(section, {})
    for name, value in rest.items():
        if name in required and value != required[name]:
            raise CheckpointError(f"{section}.{name} is {value!r}, supported is {required[name]!r}")
        if name not in required and name not in _WITHOUT_EFFECT.get(section, ()):
            raise CheckpointError(f"unknown key {section}.{name}")


class _Reference(str):
    """The name of a value elsewhere in the file, ``!ref <name>``."""


class _Reader(yaml.SafeLoader):
    """Reads tagged nodes as the plain values they carry."""


def _untagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    text = str(loader.construct_scalar(node))
    return _Reference(text.strip("<> ")) if suffix == "ref" else text


_Reader.add_multi_constructor("!", _untagged)


def _resolved(value: Any, whole: dict[str, Any]) -> Any:
    """The value with every reference to the top of the file replaced."""
    if isinstance(value, _Reference):
        return whole[str(value)]
    if isinstance(value, dict):
        return {name: _resolved(inner, whole) for name, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, whole) for inner in value]
    return value
