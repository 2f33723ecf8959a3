"""Reads a model folder into the parts of an engine, and checks that they belong together."""

import json
import math
from pathlib import Path
from typing import Any

import torch

from engine.checkpoint import opened_weights, weight_names, weight_shapes, without_weights
from engine.config import ModelConfig
from engine.device import automatic_precision, choose_device, compute_dtype
from engine.errors import CheckpointError, RequestError
from engine.model_folder import ModelParts
from engine.models.decoder import Decoder
from engine.models.plus_lm import AUDIO_PREFIXES, CTC_WEIGHT, PlusSpeechLM
from engine.models.speech_lm import SpeechLM
from engine.precision import Precision
from engine.sampling_params import SamplingParams
from engine.speech.decoder import SpeechDecoder
from engine.speech.encoder import SpeechEncoder, read_config
from engine.speech.tokenizer import SpeechTokenizer
from engine.text_tokenizer import TextTokenizer
from engine.vocab import Vocabulary

# Keys of a released generation_config.json that say nothing about sampling.
_INFORMATIVE_KEYS = frozenset(
    {
        "bos_token_id",
        "do_sample",
        "eos_token_id",
        "mtp_inference_mode",
        "pad_token_id",
        "transformers_version",
    }
)
_SAMPLING_KEYS = frozenset(
    {"temperature", "top_k", "top_p", "repetition_penalty", "max_new_tokens"}
)
# What building a network from a config of the wrong form or impossible sizes raises.
_NONSENSE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


Components = tuple[
    Decoder, TextTokenizer, SpeechTokenizer | SpeechEncoder, SpeechDecoder, SamplingParams
]
"""What ``SpeechEngine`` is made of, in its order."""


def load_components(folder: Path, device_name: str, precision: Precision | None) -> Components:
    """The parts of the model in ``folder``, on the named device.

    ``precision`` None is the most exact that fits there. Raises ``CheckpointError`` for a folder
    that cannot be used.
    """
    parts = ModelParts.of(folder)
    if missing := parts.missing():
        raise CheckpointError(f"{folder}: the model lacks {', '.join(missing)}")
    device = choose_device(device_name)
    try:
        return _load(parts, device, precision)
    except _NONSENSE as error:
        raise CheckpointError(f"{folder}: the model's files do not make sense: {error}") from error


def _load(parts: ModelParts, device: torch.device, precision: Precision | None) -> Components:
    folder = parts.language_model
    text_tokenizer = TextTokenizer.load(folder)
    vocabulary = text_tokenizer.vocabulary
    check_variant(folder, vocabulary)
    config = ModelConfig.from_json(folder / "config.json")
    if config.vocab_size != vocabulary.size:
        raise CheckpointError(
            f"{folder}: the tokenizer has {vocabulary.size} ids, the model {config.vocab_size}"
        )
    lm = _language_model(parts, config, vocabulary.plus)
    precision = precision or automatic_precision(config, device, *_speech_bytes(parts, device))
    dtype = compute_dtype(precision, device)
    with opened_weights(lm, folder, dtype=dtype, device=device) as stored:
        decoder = Decoder(lm, precision, stored.fill)
        if isinstance(lm, PlusSpeechLM):
            for prefix in AUDIO_PREFIXES:
                stored.fill(lm.get_submodule(prefix.removesuffix(".")), prefix)
    speech_decoder = SpeechDecoder.load(parts.speech_decoder, device, parts.folder / "converted")
    counts = {"text tokenizer": vocabulary.n_audio, "speech decoder": speech_decoder.n_codes}
    speech_tokenizer: SpeechTokenizer | SpeechEncoder
    if isinstance(lm, PlusSpeechLM):
        assert parts.speech_encoder is not None, "the network was built from its config"
        speech_tokenizer = SpeechEncoder.load(parts.speech_encoder, lm.speech_encoder, lm.projector)
    else:
        speech_tokenizer = SpeechTokenizer.load(parts.speech_tokenizer, device)
        counts["speech tokenizer"] = speech_tokenizer.n_codes
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} ({part})" for part, count in counts.items())
        raise CheckpointError(f"{folder}: the parts know different numbers of audio tokens: {told}")
    return decoder, text_tokenizer, speech_tokenizer, speech_decoder, default_params(folder)


def _speech_bytes(parts: ModelParts, device: torch.device) -> tuple[int, int]:
    """The bytes of speech parts within the language model's weights, and beside them."""
    shapes = weight_shapes(parts.language_model)
    encoder = [shape for name, shape in shapes.items() if name.startswith(AUDIO_PREFIXES)]
    within = sum(map(math.prod, encoder)) * (2 if device.type == "cuda" else 4)
    folders = (parts.speech_decoder, *(() if encoder else (parts.speech_tokenizer,)))
    return within, sum(map(_single_precision_bytes, folders))


def _single_precision_bytes(folder: Path) -> int:
    """What the weights in a folder take when they are read; of pickles the size of their files."""
    files = list(folder.glob("*.safetensors"))
    if not files:
        return sum(file.stat().st_size for file in folder.glob("*.pt"))
    shapes = [shape for file in files for shape in weight_shapes(file).values()]
    return torch.float32.itemsize * sum(map(math.prod, shapes))


def check_variant(folder: Path, vocabulary: Vocabulary) -> None:
    """Raises unless tokenizer and weights are of the same variant, discrete or Plus.

    Both vocabularies have the same size, shifted by one id: with the wrong one every audio token
    would be its neighbour.
    """
    is_plus = any(name.startswith(AUDIO_PREFIXES) for name in weight_names(folder))
    if is_plus != vocabulary.plus:
        names = {True: "of a Plus model", False: "of a model without a speech encoder"}
        raise CheckpointError(
            f"{folder}: the tokenizer is that {names[vocabulary.plus]}, "
            f"the weights are those {names[is_plus]}"
        )


def _language_model(parts: ModelParts, config: ModelConfig, is_plus: bool) -> SpeechLM:
    """The network that the weights are for, without them."""
    with without_weights():
        if not is_plus:
            return SpeechLM(config)
        if parts.speech_encoder is None:
            raise CheckpointError(f"{parts.folder}: the model lacks the folder speech_encoder")
        shapes = weight_shapes(parts.language_model)
        n_ctc_ids, *_ = shapes.get(CTC_WEIGHT, (0,))
        return PlusSpeechLM(config, read_config(parts.speech_encoder), n_ctc_ids)


def default_params(folder: Path) -> SamplingParams:
    """The model's own sampling settings, or greedy decoding where it has none."""
    path = folder / "generation_config.json"
    if not path.exists():
        return SamplingParams()
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        unknown = values.keys() - _SAMPLING_KEYS - _INFORMATIVE_KEYS
        if unknown:
            raise CheckpointError(f"{path}: unknown key {min(unknown)!r}")
        settings = {key: values[key] for key in _SAMPLING_KEYS & values.keys()}
        if not values.get("do_sample", "temperature" in settings):
            settings["temperature"] = 0.0
        return SamplingParams(**settings)
    except (OSError, ValueError, AttributeError, TypeError, RequestError) as error:
        raise CheckpointError(f"{path}: not usable: {error}") from error
