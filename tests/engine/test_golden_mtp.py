"""Numerical parity of the backbone and the MCTP modules with the reference implementation."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.checkpoint import load_weights
from engine.config import ModelConfig
from engine.generate import DecodeState, generate
from engine.models.decoder import Decoder
from engine.models.kv_cache import KVCache
from engine.models.speech_lm import SpeechLM
from engine.modes import MAIN, ForwardSchedule
from engine.sampling import penalise
from engine.sampling_params import SamplingParams
from tests.engine.uncached import uncached_logits
from tests.golden_data import golden

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def folder() -> Path:
    return golden("mtp_tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> SpeechLM:
    with torch.device("meta"):
        model = SpeechLM(ModelConfig.from_json(folder / "config.json"))
    load_weights(model, folder)
    return model.eval()


@pytest.fixture(scope="module")
def io(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "io.safetensors")


@pytest.fixture(scope="module")
def meta(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "meta.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def decoder(model: SpeechLM) -> Decoder:
    return Decoder(model)


def prompts(io: dict[str, Tensor]) -> list[str]:
    return sorted(name.split(".")[0] for name in io if name.endswith(".input_ids"))


def prompt_ids(io: dict[str, Tensor], prompt: str) -> list[int]:
    ids: list[int] = io[f"{prompt}.input_ids"][0].tolist()
    return ids


def schedule_of(meta: dict[str, Any], mode: str, decoder: Decoder) -> ForwardSchedule:
    return ForwardSchedule(tuple(meta["modes"][mode]), decoder.config.depth)


def replies(io: dict[str, Tensor], meta: dict[str, Any]) -> list[tuple[str, str, list[int]]]:
    """Prompt, mode and tokens of every plain greedy reply."""
    found = []
    for name, tensor in sorted(io.items()):
        prompt, *rest = name.split(".")
        if rest[1:] == ["tokens"] and rest[0] in meta["modes"]:
            found.append((prompt, rest[0], tensor.tolist()))
    assert found
    return found


class RecordingDecoder(Decoder):
    """Notes what every forward is fed, in the form of the reference's trace."""

    def __init__(self, model: SpeechLM) -> None:
        super().__init__(model)
        self.trace: list[list[Any]] = []

    def main_step(
        self, ids: Tensor, cache: KVCache, inserted: Sequence[tuple[int, Tensor]] = ()
    ) -> Tensor:
        start = cache.length(MAIN)
        self.trace.append(["M", -1, list(range(start, start + len(ids))), ids.tolist(), None])
        return super().main_step(ids, cache, inserted)

    def mctp_step(self, k: int, ids: Tensor, hidden: Tensor, cache: KVCache) -> Tensor:
        start = cache.length(k) + k
        positions = list(range(start, start + len(ids)))
        self.trace.append(["m", k - 1, positions, ids.tolist(), len(hidden)])
        return super().mctp_step(k, ids, hidden, cache)


@torch.inference_mode()
def test_backbone_states_and_logits_are_those_of_the_reference(
    model: SpeechLM, io: dict[str, Tensor]
) -> None:
    for prompt in prompts(io):
        hidden = model.backbone(io[f"{prompt}.input_ids"])
        torch.testing.assert_close(
            hidden, io[f"{prompt}.backbone_hidden_postnorm"], rtol=0, atol=TOLERANCE
        )
        torch.testing.assert_close(
            model.logits(hidden), io[f"{prompt}.backbone_logits"], rtol=0, atol=TOLERANCE
        )


@torch.inference_mode()
def test_cached_backbone_states_are_those_of_the_reference(
    decoder: Decoder, io: dict[str, Tensor]
) -> None:
    for prompt in prompts(io):
        ids = io[f"{prompt}.input_ids"][0]
        hidden = decoder.main_step(ids, KVCache(decoder.config, len(ids)))
        expected = io[f"{prompt}.backbone_hidden_postnorm"][0]
        torch.testing.assert_close(hidden, expected, rtol=0, atol=TOLERANCE)


def test_greedy_tokens_are_those_of_the_reference_in_every_mode(
    decoder: Decoder, io: dict[str, Tensor], meta: dict[str, Any]
) -> None:
    for prompt, mode, tokens in replies(io, meta):
        params = SamplingParams(max_new_tokens=len(tokens))
        schedule = schedule_of(meta, mode, decoder)
        steps = list(generate(decoder, prompt_ids(io, prompt), schedule, params))
        assert [step.token_id for step in steps] == tokens, (prompt, mode)
        assert [step.maker for step in steps] == [schedule.maker(n) for n in range(len(tokens))]


@torch.inference_mode()
def test_logits_and_caches_are_those_of_the_reference_in_every_mode(
    decoder: Decoder, io: dict[str, Tensor], meta: dict[str, Any]
) -> None:
    n_logits = n_caches = 0
    for prompt, mode, tokens in replies(io, meta):
        schedule, expected = schedule_of(meta, mode, decoder), io.get(f"{prompt}.{mode}.logits")
        state = DecodeState(decoder)
        state.append(prompt_ids(io, prompt))
        for n, token in enumerate(tokens):
            logits = state.next_logits(decoder, schedule.maker(n))
            state.append([token])
            if expected is not None:
                torch.testing.assert_close(logits, expected[n], rtol=0, atol=TOLERANCE)
                n_logits += 1
        n_caches += assert_cache_equals(decoder, state.cache, io, f"{prompt}.{mode}.cache")
        lengths = meta["summary"][f"{prompt}.{mode}"]["mtp_cache_lengths"]
        backbone = [state.cache.length(MAIN)] * decoder.config.n_backbone_layers
        modules = [state.cache.length(k) for k in range(1, decoder.config.depth + 1)]
        assert backbone + modules == lengths
    assert n_logits and n_caches


def assert_cache_equals(
    decoder: Decoder, cache: KVCache, io: dict[str, Tensor], prefix: str
) -> int:
    """Compares every stored layer; keys after RoPE pin the positions. Returns their number."""
    config, compared = decoder.config, 0
    for level in range(config.depth + 1):
        keys, values = cache.entries(level)
        first = config.n_backbone_layers + level - 1 if level else 0
        for layer, (key, value) in enumerate(
            zip(decoder.released_keys(keys), values, strict=True), first
        ):
            for name, actual in (("key", key), ("value", value)):
                expected = io.get(f"{prefix}.{layer}.{name}")
                if expected is not None:
                    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE)
                    compared += 1
    return compared


def test_every_forward_is_fed_what_the_reference_feeds(
    folder: Path, model: SpeechLM, io: dict[str, Tensor], meta: dict[str, Any]
) -> None:
    trace = json.loads((folder / "trace.json").read_text())
    decoder = RecordingDecoder(model)
    for prompt, mode, tokens in replies(io, meta):
        decoder.trace = []
        params = SamplingParams(max_new_tokens=len(tokens))
        schedule = schedule_of(meta, mode, decoder)
        list(generate(decoder, prompt_ids(io, prompt), schedule, params))
        assert decoder.trace == [step[:5] for step in trace[f"{prompt}.{mode}"]], (prompt, mode)


def test_the_repetition_penalty_is_that_of_the_reference(
    decoder: Decoder, io: dict[str, Tensor], meta: dict[str, Any]
) -> None:
    for name in meta.get("extra", {}):
        mode, found, penalty = name.partition("_rp")
        if not found:
            continue
        prompt = next(key.split(".")[0] for key in io if f".{name}.tokens" in key)
        tokens = io[f"{prompt}.{name}.tokens"].tolist()
        params = SamplingParams(repetition_penalty=float(penalty), max_new_tokens=len(tokens))
        schedule = schedule_of(meta, mode, decoder)
        steps = generate(decoder, prompt_ids(io, prompt), schedule, params)
        assert [step.token_id for step in steps] == tokens


@torch.inference_mode()
def test_penalised_scores_are_those_of_the_reference(
    decoder: Decoder, io: dict[str, Tensor], meta: dict[str, Any]
) -> None:
    for name, scores in io.items():
        prompt, *rest = name.split(".", 1)
        if not name.endswith(".scores"):
            continue
        mode, _, penalty = rest[0].removesuffix(".scores").partition("_rp")
        state, schedule = DecodeState(decoder), schedule_of(meta, mode, decoder)
        state.append(prompt_ids(io, prompt))
        for n, token in enumerate(io[name.replace(".scores", ".tokens")].tolist()):
            logits = state.next_logits(decoder, schedule.maker(n))
            actual = penalise(logits, state.ids, float(penalty))
            torch.testing.assert_close(actual, scores[n], rtol=0, atol=TOLERANCE)
            state.append([token])


def test_an_end_token_made_by_a_module_stops_the_reply_at_once(
    decoder: Decoder, io: dict[str, Tensor], meta: dict[str, Any]
) -> None:
    for name, case in meta.get("extra", {}).items():
        if not name.endswith("_eos"):
            continue
        mode = name.removesuffix("_eos")
        prompt = next(key.split(".")[0] for key in io if f".{name}.tokens" in key)
        tokens = io[f"{prompt}.{name}.tokens"].tolist()
        steps = list(
            generate(
                decoder,
                prompt_ids(io, prompt),
                schedule_of(meta, mode, decoder),
                SamplingParams(max_new_tokens=meta["max_new_tokens"]),
                eos_ids=case["eos_token_id"],
            )
        )
        assert [step.token_id for step in steps] == tokens
        assert (steps[-1].maker == MAIN) == (case["schedule_at_stop"] == "M")


def test_every_golden_logit_is_computed_anew_without_a_cache(
    model: SpeechLM, decoder: Decoder, io: dict[str, Tensor], meta: dict[str, Any]
) -> None:
    prompt, mode, tokens = next(r for r in replies(io, meta) if f"{r[0]}.{r[1]}.logits" in io)
    ids, schedule = prompt_ids(io, prompt), schedule_of(meta, mode, decoder)
    for n, (token, expected) in enumerate(zip(tokens, io[f"{prompt}.{mode}.logits"], strict=True)):
        actual = uncached_logits(model, ids, schedule.maker(n))
        torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE)
        ids.append(token)
