"""Writes a checkpoint in the form of the releases, with random weights, and puts it to the test.

``python tests/release_layout.py FOLDER --size 7b`` writes the language model in shards with their
index, the tokenizer's files, and beside it the speech tokenizer and the pickled speech decoder;
opens it as one model, runs all four modes, saves it back and compares every byte. Disk: twice the
size (41 GB for 7b); memory: the size of the model once more than what runs it.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor

from engine.benchmarks.sizes import FULL_SPEECH_TOKENIZER, QWEN_SIZES
from engine.checkpoint import (
    load_weights,
    save_index,
    save_sharded,
    save_tensors,
    shards_for,
    without_weights,
)
from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM
from engine.models.whisper_vq import WhisperVQConfig, WhisperVQEncoder
from engine.speech.flow import FlowConfig, FlowDecoder
from engine.speech.vocoder import HiFT, HiFTConfig
from engine.vocab import BASE_SPECIALS, added_specials, audio_token
from tests.fakes import FLOW, HIFT, N_AUDIO, SPEECH_TOKENIZER


@dataclass(frozen=True)
class Size:
    """How large the parts are; the vocabulary follows from the text and audio tokens."""

    lm: ModelConfig
    n_text: int
    n_audio: int
    speech_tokenizer: WhisperVQConfig
    flow: FlowConfig
    hift: HiFTConfig
    shard_bytes: int


SMALL = Size(
    lm=replace(ModelConfig.tiny(), num_hidden_layers=12, num_nextn_predict_layers=10),
    n_text=300,
    n_audio=N_AUDIO,
    speech_tokenizer=SPEECH_TOKENIZER,
    flow=replace(FLOW, mel_scale=FlowConfig().mel_scale),
    hift=HIFT,
    shard_bytes=100_000,
)


def full_size(name: str) -> Size:
    """A Qwen2.5 of this size with ten MCTP modules, untied, and the released speech parts."""
    lm = replace(QWEN_SIZES[name], tie_word_embeddings=False)
    parts = (FULL_SPEECH_TOKENIZER, FlowConfig(), HiFTConfig())
    return Size(lm, 151643, 16384, *parts, shard_bytes=5_000_000_000)


SIZES = {
    "small": SMALL,
    "0.5b": full_size("0.5b"),
    "7b": full_size("7b"),
}


def write_release(root: Path, size: Size = SMALL, plus: bool = False) -> Path:
    """Writes all parts below ``root``; gives the language model's folder."""
    folder = root / "VITA-Audio-Boost"
    folder.mkdir(parents=True)
    n_ids = write_tokenizer_files(folder, size.n_text, size.n_audio, plus)
    config = replace(size.lm, vocab_size=-(-n_ids // 8) * 8)
    (folder / "config.json").write_text(json.dumps(_released_keys(config), indent=2) + "\n")
    (folder / "generation_config.json").write_text(json.dumps(_GENERATION, indent=2) + "\n")
    (folder / "modeling_qwen2.py").write_text("raise RuntimeError('code of a release was run')\n")
    _write_random_lm(config, folder, size.shard_bytes)
    write_speech_tokenizer(root / "glm-4-voice-tokenizer", size.speech_tokenizer)
    write_speech_decoder(root / "glm-4-voice-decoder", size.flow, size.hift)
    return folder


def write_tokenizer_files(folder: Path, n_text: int, n_audio: int, plus: bool = False) -> int:
    """vocab.json, merges.txt, added_tokens.json and tokenizer_config.json; gives the ids used."""
    letters = sorted(ByteLevel.alphabet())
    tokens = dict.fromkeys(letters)
    merges: list[tuple[str, str]] = []
    for left, right in _pairs(letters):
        if len(tokens) == n_text:
            break
        if left + right not in tokens:
            merges.append((left, right))
            tokens[left + right] = None
    vocab = {token: number for number, token in enumerate(tokens)}
    specials = (*BASE_SPECIALS, *added_specials(plus))
    added = (*specials, *map(audio_token, range(n_audio)))
    ids = {token: n_text + number for number, token in enumerate(added)}
    base = {str(ids[token]): {"content": token, "special": True} for token in BASE_SPECIALS}
    text = "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text(text, encoding="utf-8")
    (folder / "added_tokens.json").write_text(json.dumps(ids))
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": base}))
    return n_text + len(added)


def _pairs(letters: list[str]) -> Iterator[tuple[str, str]]:
    """Merges in an order in which the left part is there before it is used."""
    yield from ((left, right) for left in letters for right in letters)
    yield from ((one + two, three) for one in letters for two in letters for three in letters)


def write_speech_tokenizer(folder: Path, config: WhisperVQConfig) -> None:
    """config.json with keys of a Whisper config that have no effect, and the weights."""
    with without_weights():
        encoder = WhisperVQEncoder(config)
    extra = {"model_type": "whisper", "pooling_type": "avg", "encoder_layers": 32}
    extra |= {"pooling_position": config.quantize_position, "quantize_encoder_only": True}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**asdict(config), **extra}))
    save_tensors(_random(encoder.state_dict(), 1), folder / "model.safetensors")


def write_speech_decoder(folder: Path, flow: FlowConfig, hift: HiFTConfig) -> None:
    """config.yaml and the two pickles, normalised weights by torch's later names."""
    folder.mkdir()
    (folder / "config.yaml").write_text(_decoder_yaml(flow, hift))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        vocoder = HiFT(hift).state_dict()
        decoder = FlowDecoder(flow).state_dict()
    later = {
        name.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): tensor
        for name, tensor in vocoder.items()
    }
    torch.save(decoder, folder / "flow.pt")
    torch.save(later, folder / "hift.pt")


def check(folder: Path, copy: Path, size: Size) -> None:
    """Opens the model, runs all modes, saves the language model back and compares every byte."""
    from engine.conversation import Conversation
    from engine.engine import SpeechEngine
    from engine.events import ReplyEnded
    from engine.modes import InferenceMode
    from engine.precision import Precision
    from engine.requests import ReplyRequest
    from engine.sampling_params import SamplingParams

    engine = SpeechEngine.load(folder, precision=Precision.BF16)
    for mode in InferenceMode:
        request = ReplyRequest(0, Conversation(), "Hello?", mode, SamplingParams(max_new_tokens=24))
        end = list(engine.respond(request))[-1]
        assert isinstance(end, ReplyEnded), end
        print(f"{mode.value}: {end.stats.n_tokens} tokens")
    del engine
    save_back(folder, copy, torch.bfloat16, size.shard_bytes)
    assert digests(folder) == digests(copy), "the copy differs"
    print("saved back: every shard and the index are the same")


def save_back(folder: Path, copy: Path, dtype: torch.dtype, shard_bytes: int) -> None:
    """Loads the language model and writes it again, in shards of the same size."""
    with without_weights():
        lm = SpeechLM(ModelConfig.from_json(folder / "config.json"))
    load_weights(lm, folder, dtype=dtype)
    save_sharded(lm, copy, dtype, shard_bytes)


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every weight file and of the index."""
    found = {}
    for path in (*folder.glob("*.safetensors"), folder / "model.safetensors.index.json"):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _write_random_lm(config: ModelConfig, folder: Path, shard_bytes: int) -> None:
    """Shard by shard, so that the memory need not hold the whole."""
    with without_weights():
        state = SpeechLM(config).state_dict()
    sizes = {name: 2 * tensor.numel() for name, tensor in state.items()}
    shards = shards_for(sizes, shard_bytes)
    for number, (file, names) in enumerate(shards.items()):
        tensors = _random({name: state[name] for name in names}, number)
        save_tensors({name: tensors[name].bfloat16() for name in names}, folder / file)
    save_index(folder, shards, sum(sizes.values()))


def _random(shapes: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.ones(like.shape)
        if name.endswith("norm.weight") or "_norms." in name
        else torch.empty(like.shape).normal_(0, 0.02, generator=generator)
        for name, like in shapes.items()
    }


_GENERATION = {
    "bos_token_id": 151643,
    "do_sample": True,
    "eos_token_id": [151645, 151643],
    "max_new_tokens": 60,
    "mtp_inference_mode": [1, 10, 4, 10],
    "pad_token_id": 151643,
    "repetition_penalty": 1.05,
    "temperature": 0.7,
    "top_k": 20,
    "top_p": 0.8,
    "transformers_version": "4.48.3",
}


def _released_keys(config: ModelConfig) -> dict[str, object]:
    """A released config.json: our keys and those that say nothing about the computation."""
    values = {name: value for name, value in asdict(config).items() if value is not None}
    values |= {"hidden_act": "silu", "architectures": ["Qwen2MTPForCausalLM"], "use_cache": True}
    values |= {"auto_map": {"AutoModel": "modeling_qwen2.Qwen2MTPForCausalLM"}}
    values |= {"attention_dropout": 0.0, "use_sliding_window": False, "torch_dtype": "bfloat16"}
    return values


def _decoder_yaml(flow: FlowConfig, hift: HiFTConfig) -> str:
    """A config in the reference's form: classes as tags, references, keys of training."""
    encoder, estimator, cfm = flow.encoder, flow.estimator, flow.cfm
    rows = [list(hift.resblock_dilations)] * len(hift.resblock_kernel_sizes)
    source_rows = [list(hift.resblock_dilations)] * len(hift.source_resblock_kernel_sizes)
    return f"""\
__set_seed1: !apply:random.seed [1986]
sample_rate: {hift.sampling_rate}
spk_embed_dim: {flow.spk_embed_dim}

flow: !new:reference.flow.Flow
    input_size: {flow.input_size}
    output_size: {flow.output_size}
    spk_embed_dim: !ref <spk_embed_dim>
    output_type: 'mel'
    vocab_size: {flow.vocab_size}
    input_frame_rate: {flow.input_frame_rate}
    only_mask_loss: True
    encoder: !new:reference.encoder.BlockEncoder
        output_size: {encoder.output_size}
        attention_heads: {encoder.attention_heads}
        linear_units: {encoder.linear_units}
        num_blocks: {encoder.num_blocks}
        block_size: {encoder.block_size}
        dropout_rate: 0.1
        positional_dropout_rate: 0.1
        attention_dropout_rate: 0.1
        normalize_before: True
        input_layer: 'linear'
        pos_enc_layer_type: 'rel_pos_espnet'
        selfattention_layer_type: 'rel_selfattn'
        input_size: {flow.input_size}
        use_cnn_module: False
        macaron_style: False
    length_regulator: !new:reference.regulator.Regulator
        channels: {flow.length_regulator.channels}
        sampling_ratios: {list(flow.length_regulator.sampling_ratios)}
    decoder: !new:reference.cfm.Matching
        in_channels: 240
        n_spks: 1
        spk_emb_dim: 80
        cfm_params: !new:reference.DictConfig
            content:
                sigma_min: 1e-06
                solver: 'euler'
                t_scheduler: 'cosine'
                training_cfg_rate: 0.2
                inference_cfg_rate: {cfm.inference_cfg_rate}
                reg_loss_type: 'l1'
        estimator: !new:reference.estimator.Estimator
            in_channels: {estimator.in_channels}
            out_channels: {estimator.out_channels}
            channels: {list(estimator.channels)}
            dropout: 0
            attention_head_dim: {estimator.attention_head_dim}
            n_blocks: {estimator.n_blocks}
            num_mid_blocks: {estimator.num_mid_blocks}
            num_heads: {estimator.num_heads}
            act_fn: 'gelu'

hift: !new:reference.hift.Generator
    in_channels: {hift.in_channels}
    base_channels: {hift.base_channels}
    nb_harmonics: {hift.nb_harmonics}
    sampling_rate: !ref <sample_rate>
    nsf_alpha: {hift.nsf_alpha}
    nsf_sigma: {hift.nsf_sigma}
    nsf_voiced_threshold: {hift.nsf_voiced_threshold}
    upsample_rates: {list(hift.upsample_rates)}
    upsample_kernel_sizes: {list(hift.upsample_kernel_sizes)}
    istft_params:
        n_fft: {hift.istft.n_fft}
        hop_len: {hift.istft.hop}
    resblock_kernel_sizes: {list(hift.resblock_kernel_sizes)}
    resblock_dilation_sizes: {rows}
    source_resblock_kernel_sizes: {list(hift.source_resblock_kernel_sizes)}
    source_resblock_dilation_sizes: {source_rows}
    lrelu_slope: {hift.lrelu_slope}
    audio_limit: {hift.audio_limit}
    f0_predictor: !new:reference.f0.Predictor
        num_class: 1
        in_channels: {hift.in_channels}
        cond_channels: {hift.f0_cond_channels}
"""


def main(arguments: list[str]) -> int:
    """Writes a release of the wanted size and checks it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="small")
    given = parser.parse_args(arguments)
    size = SIZES[given.size]
    check(write_release(given.folder / "release", size), given.folder / "copy", size)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
