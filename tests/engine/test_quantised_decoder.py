"""A quantised language model says nearly the same, and takes the memory that is told beforehand."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from engine.benchmarks.random_lm import RandomWeights, random_decoder
from engine.checkpoint import opened_weights, save_weights, without_weights
from engine.config import ModelConfig
from engine.device import compute_dtype
from engine.fit import decoder_bytes
from engine.generate import generate
from engine.models.decoder import Decoder
from engine.models.kv_cache import KVCache
from engine.models.speech_lm import SpeechLM, initialise
from engine.modes import InferenceMode
from engine.precision import Precision
from engine.sampling_params import SamplingParams
from tests.engine.allocated import allocated_bytes

CPU = torch.device("cpu")
SMALL = ModelConfig(
    vocab_size=512,
    hidden_size=256,
    intermediate_size=768,
    num_hidden_layers=6,
    num_attention_heads=4,
    num_key_value_heads=2,
    num_nextn_predict_layers=2,
    max_position_embeddings=256,
    initializer_range=1 / 16,  # every layer counts as much as what it adds to
)
MIDDLE = ModelConfig(
    vocab_size=12_000,
    hidden_size=512,
    intermediate_size=1408,
    num_hidden_layers=6,
    num_attention_heads=8,
    num_key_value_heads=2,
    num_nextn_predict_layers=2,
    max_position_embeddings=2048,
)
# Nats by which the distribution of the next token may differ from single precision's, on average.
# Random weights are the hardest: nothing in them is redundant. Measured: 0.0006, 0.00001, 0.003 and
# 0.34.
MOST_KL = {
    Precision.BF16: 0.002,
    Precision.FP16: 0.0002,
    Precision.INT8: 0.005,
    Precision.INT4: 0.45,
}


def small_model(config: ModelConfig = SMALL) -> SpeechLM:
    model = initialise(SpeechLM(config), torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        model.head_weight.mul_(2)
    return model


@torch.inference_mode()
def log_probabilities(decoder: Decoder, ids: Tensor) -> Tensor:
    """Of the next token after every one, by the backbone and by the first module: (2 T - 1, V)."""
    cache = KVCache(decoder.config, len(ids), dtype=decoder.dtype)
    main = decoder.main_step(ids, cache).clone()
    module = decoder.mctp_step(1, ids[1:], main[:-1], cache)
    logits = decoder.logits(torch.cat((main, module)))
    return logits.float().log_softmax(-1)


@pytest.mark.parametrize("precision", MOST_KL)
def test_the_next_token_is_as_likely_as_in_single_precision(precision: Precision) -> None:
    ids = torch.randint(0, 512, (64,), generator=torch.Generator().manual_seed(1))
    model = small_model()
    exact = log_probabilities(Decoder(model), ids)
    model.to(compute_dtype(precision, CPU))
    found = log_probabilities(Decoder(model, precision), ids)
    assert exact.exp().mul(-exact).sum(-1).mean() > 2
    kl = (exact.exp() * (exact - found)).sum(-1).mean()
    assert 0 < kl < MOST_KL[precision]


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, tie_word_embeddings=True), MIDDLE])
@pytest.mark.parametrize("precision", Precision)
def test_it_takes_the_memory_that_is_told(config: ModelConfig, precision: Precision) -> None:
    held = allocated_bytes(random_decoder(config, precision, CPU))
    assert held == pytest.approx(decoder_bytes(config, precision), rel=0.1)


def test_layer_by_layer_it_becomes_the_same_and_is_never_whole(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = small_model()
    save_weights(model, tmp_path / "model.safetensors")
    with without_weights():
        empty = SpeechLM(SMALL)
    filled: list[int] = []

    def n_there() -> int:
        return sum(not parameter.is_meta for parameter in empty.parameters())

    with opened_weights(empty, tmp_path) as stored:

        def fill(part: nn.Module, prefix: str) -> None:
            stored.fill(part, prefix)
            filled.append(n_there())

        decoder = Decoder(empty, Precision.INT8, fill)
    assert len(filled) > SMALL.num_hidden_layers
    assert max(filled) <= len(list(empty.model.layers[0].parameters()))
    assert n_there() == 0
    ids = torch.arange(20)
    expected = log_probabilities(Decoder(model, Precision.INT8), ids)
    assert torch.equal(log_probabilities(decoder, ids), expected)


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT4])
@pytest.mark.parametrize("mode", InferenceMode)
def test_every_mode_runs_quantised(precision: Precision, mode: InferenceMode) -> None:
    decoder = random_decoder(ModelConfig.tiny(), precision, CPU)
    params = SamplingParams(max_new_tokens=14)
    steps = list(generate(decoder, [1, 2, 3], mode.schedule(decoder.config.depth), params))
    assert len(steps) == 14


def test_random_weights_are_repeated_and_have_the_wanted_spread() -> None:
    parts = []
    for _ in range(2):
        with without_weights():
            part = nn.Sequential(nn.Linear(64, 256), nn.RMSNorm(256))
        RandomWeights(0.02, torch.bfloat16, CPU).fill(part)
        parts.append(part.state_dict())
    assert all(torch.equal(parts[0][name], parts[1][name]) for name in parts[0])
    assert parts[0]["0.weight"].float().std() == pytest.approx(0.02, rel=0.05)
    assert not parts[0]["0.bias"].any()
    assert parts[0]["1.weight"].eq(1).all()
