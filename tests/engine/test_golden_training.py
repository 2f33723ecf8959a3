"""Parity of the training losses and gradients with the reference, on its packed batch."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.checkpoint import load_weights
from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM
from engine.training.losses import Losses, Objective, speech_losses
from engine.training.packing import IGNORED, Batch
from engine.training.stages import STAGES, trained_groups
from tests.golden_data import golden

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def folder() -> Path:
    return golden("mtp_train_tiny")


@pytest.fixture(scope="module")
def meta(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "meta.json").read_text())


@pytest.fixture(scope="module")
def stored(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "io.safetensors")


@pytest.fixture(scope="module")
def model(folder: Path) -> SpeechLM:
    weights = golden("mtp_tiny")
    with torch.device("meta"):
        net = SpeechLM(ModelConfig.from_json(weights / "config.json"))
    load_weights(net, weights / "model.safetensors")
    return net


def _case_names() -> list[str]:
    try:
        path = golden("mtp_train_tiny") / "meta.json"
    except pytest.skip.Exception:
        return []
    return list(json.loads(path.read_text())["cases"])


def _batch(name: str, case: dict[str, Any], stored: dict[str, Tensor]) -> Batch:
    """The row of a case: one of its own, the packed row, or one sample cut out of that row."""
    own = f"{name.split('_')[0]}."
    prefix = own if f"{own}input_ids" in stored else ""
    ids, labels, positions = (
        stored[prefix + part] for part in ("input_ids", "labels", "position_ids")
    )
    if not prefix and case["mtp_seq_lens"][0] != ids.shape[1] - _n_samples(positions):
        # module 1 keeps one token less than the sample has
        ids, labels, positions = _sample_of_length(
            case["mtp_seq_lens"][0] + 1, ids, labels, positions
        )
    return Batch(ids, labels, positions, True, (), float((labels != IGNORED).sum()))


def _n_samples(positions: Tensor) -> int:
    return int((positions == 0).sum())


def _sample_of_length(length: int, *parts: Tensor) -> tuple[Tensor, ...]:
    starts = [*(parts[-1][0] == 0).nonzero()[:, 0].tolist(), parts[-1].shape[1]]
    for start, end in pairwise(starts):
        if end - start == length:
            return tuple(part[:, start:end] for part in parts)
    raise AssertionError(f"no sample of {length} tokens in the packed row")


def _run(model: SpeechLM, batch: Batch, case: dict[str, Any]) -> Losses:
    stage = STAGES[2] if case["frozen"] else STAGES[3]
    trained_groups(model, stage)
    model.zero_grad(set_to_none=True)
    objective = replace(stage.objective(model.config), mtp_weight=case["mtp_loss_weight"])
    losses = speech_losses(model, batch, objective, case["num_items_in_batch"])
    losses.total.backward()
    return losses


@pytest.mark.parametrize("name", _case_names())
def test_losses_and_gradients_are_those_of_the_reference(
    name: str, meta: dict[str, Any], stored: dict[str, Tensor], model: SpeechLM
) -> None:
    case = meta["cases"][name]
    batch = _batch(name, case, stored)
    losses = _run(model, batch, case)
    denominator = case["num_items_in_batch"]
    assert float(losses.total.detach()) == pytest.approx(case["total"], rel=TOLERANCE)
    modules = [float(scores.loss(denominator).detach()) for scores in losses.modules]
    assert modules == pytest.approx(case["mtp"], rel=TOLERANCE)
    with torch.no_grad():
        alone = speech_losses(model, batch, Objective(0, with_stp=True, detach=False), denominator)
    assert float(alone.total) == pytest.approx(case["stp"], rel=TOLERANCE)

    grads = {key: p.grad for key, p in model.named_parameters()}
    for key, expected in case["grad_norms"].items():
        if expected is None:
            assert grads[key] is None, f"{key} must not be trained"
        else:
            assert float(grads[key].norm()) == pytest.approx(expected, rel=TOLERANCE, abs=1e-6), key
    total = torch.stack([grad.norm() for grad in grads.values() if grad is not None]).norm()
    assert float(total) == pytest.approx(case["total_grad_norm"], rel=TOLERANCE)
    for stored_key in stored:
        if stored_key.startswith(f"{name}.grad."):
            expected = stored[stored_key]
            error = grads[stored_key.removeprefix(f"{name}.grad.")] - expected
            assert error.norm() <= TOLERANCE * expected.norm(), stored_key
