"""The backbone is the known Qwen2: same weights, same logits, and the names it is stored under."""

import warnings

import pytest
import torch

from engine.config import ModelConfig
from engine.models.attention import causal_segment_mask
from engine.models.decoder import Decoder
from engine.models.kv_cache import KVCache
from engine.models.speech_lm import SpeechLM

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return ModelConfig(
        vocab_size=120,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        rms_norm_eps=1e-5,
        rope_theta=5000.0,
        tie_word_embeddings=request.param,
    )


@pytest.fixture(scope="module")
def known(config: ModelConfig) -> torch.nn.Module:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.Qwen2ForCausalLM(
            transformers.Qwen2Config(
                vocab_size=config.vocab_size,
                hidden_size=config.hidden_size,
                intermediate_size=config.intermediate_size,
                num_hidden_layers=config.num_hidden_layers,
                num_attention_heads=config.num_attention_heads,
                num_key_value_heads=config.num_key_value_heads,
                rms_norm_eps=config.rms_norm_eps,
                rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
                tie_word_embeddings=config.tie_word_embeddings,
                attn_implementation="eager",
            )
        )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval()


@pytest.fixture(scope="module")
def ours(config: ModelConfig, known: torch.nn.Module) -> SpeechLM:
    model = SpeechLM(config)
    weights = known.state_dict()
    if config.tie_word_embeddings:
        del weights["lm_head.weight"]
    model.load_state_dict(weights, strict=True)
    return model.eval()


@torch.inference_mode()
def test_the_logits_are_the_same(known: torch.nn.Module, ours: SpeechLM) -> None:
    ids = torch.randint(0, 120, (2, 23), generator=torch.Generator().manual_seed(1))
    expected = known(input_ids=ids).logits
    torch.testing.assert_close(ours.logits(ours.backbone(ids)), expected, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_cached_in_pieces_the_logits_are_the_same(known: torch.nn.Module, ours: SpeechLM) -> None:
    ids = torch.randint(0, 120, (23,), generator=torch.Generator().manual_seed(2))
    decoder = Decoder(ours)
    cache = KVCache(decoder.config, len(ids))
    hidden = torch.cat([decoder.main_step(piece, cache).clone() for piece in ids.split(5)])
    expected = known(input_ids=ids.unsqueeze(0)).logits[0]
    torch.testing.assert_close(decoder.logits(hidden), expected, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_packed_samples_do_not_see_each_other(ours: SpeechLM) -> None:
    first, second = torch.arange(9).unsqueeze(0), torch.arange(40, 55).unsqueeze(0)
    positions = torch.cat((torch.arange(9), torch.arange(15))).unsqueeze(0)
    packed = ours.backbone(
        torch.cat((first, second), dim=1), positions, causal_segment_mask(positions)
    )
    apart = torch.cat((ours.backbone(first), ours.backbone(second)), dim=1)
    torch.testing.assert_close(packed, apart, rtol=0, atol=1e-5)


def test_a_new_segment_begins_where_positions_do_not_continue() -> None:
    mask = causal_segment_mask(torch.tensor([[2, 3, 2, 3, 4]]))
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 1, 1, 1],
    ]
