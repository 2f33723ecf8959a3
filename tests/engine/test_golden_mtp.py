"""Numerical parity of the backbone and the MCTP modules with the reference implementation."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.checkpoint import load_weights
from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM
from engine.modes import ForwardSchedule
from tests.engine.uncached import uncached_logits
from tests.golden_data import golden

TOLERANCE = 2e-4


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


def prompts(io: dict[str, Tensor]) -> list[str]:
    return sorted(name.split(".")[0] for name in io if name.endswith(".input_ids"))


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


def test_every_golden_logit_is_computed_anew_without_a_cache(
    folder: Path, model: SpeechLM, io: dict[str, Tensor]
) -> None:
    modes = json.loads((folder / "meta.json").read_text())["modes"]
    prompt = prompts(io)[0]
    for mode, pairs in modes.items():
        schedule = ForwardSchedule(tuple(pairs), model.config.depth)
        ids = io[f"{prompt}.input_ids"][0].tolist()
        tokens, logits = io[f"{prompt}.{mode}.tokens"], io[f"{prompt}.{mode}.logits"]
        for n, (token, expected) in enumerate(zip(tokens.tolist(), logits, strict=True)):
            actual = uncached_logits(model, ids, schedule.maker(n))
            torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE)
            ids.append(token)
