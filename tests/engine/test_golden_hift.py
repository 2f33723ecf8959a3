"""Numerical parity of our HiFT vocoder with reference tensors, for one go and for pieces."""

import json
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.speech.vocoder import HiFT, HiFTConfig
from tests.golden_data import golden

_PREFIX = "hift."


@cache
def _tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "io.safetensors")


@cache
def _vocoder(folder: Path) -> HiFT:
    config = json.loads((folder / "meta.json").read_text())["config"]["hift"]
    vocoder = HiFT(HiFTConfig.from_json(config))
    weights = load_file(folder / "model.safetensors")
    vocoder.load_state_dict(
        {key.removeprefix(_PREFIX): w for key, w in weights.items() if key.startswith(_PREFIX)}
    )
    vocoder.fold()
    return vocoder


def _runs(tensors: dict[str, Tensor], wanted: str) -> list[tuple[str, str, Tensor]]:
    """Each stored vocoder call that has ``wanted``: its case, its number and its input mel."""
    found = []
    for key in tensors:
        case, _, rest = key.partition(".")
        name, _, number = rest.rpartition(".")
        if name != wanted:
            continue
        mel = tensors.get(f"{case}.hift_in_mel.{number}", tensors.get(f"{case}.mel"))
        if mel is not None:
            found.append((case, number, mel))
    return found


@torch.inference_mode()
def test_f0_equals_the_stored_one() -> None:
    folder = golden("flow_hift_tiny")
    tensors = _tensors(folder)
    runs = _runs(tensors, "f0")
    assert runs
    for case, number, mel in runs:
        f0 = _vocoder(folder).predict_f0(mel)
        torch.testing.assert_close(f0, tensors[f"{case}.f0.{number}"], atol=1e-3, rtol=1e-5)


@torch.inference_mode()
def test_source_equals_the_stored_one() -> None:
    """Looser than the rest: the reference sums its phase in float32, we in float64."""
    folder = golden("flow_hift_tiny")
    tensors = _tensors(folder)
    vocoder = _vocoder(folder)
    compared = 0
    for case, number, _ in _runs(tensors, "f0"):
        f0 = tensors[f"{case}.f0.{number}"]
        shape = (len(f0), vocoder.config.n_sines, f0.shape[1] * vocoder.config.hop)
        noises = [
            value
            for key, value in tensors.items()
            if key.startswith(f"{case}.randn.") and value.shape == shape
        ]
        if f"{case}.phase.{number}" not in tensors or len(noises) != 1:
            continue
        phases = tensors[f"{case}.phase.{number}"][..., 0].clone()
        phases[:, 0] = 0  # the draw was stored before the reference zeroed it
        source, _ = vocoder.source(f0, phases, noises[0].transpose(1, 2))
        stored = tensors[f"{case}.source.{number}"]
        # A later piece of the reference loop begins with the cached source of the one before.
        begin = 0 if number == "0" else vocoder.config.hop
        torch.testing.assert_close(source[..., begin:], stored[..., begin:], atol=1e-3, rtol=0)
        compared += 1
    assert compared


@torch.inference_mode()
def test_waveform_from_the_stored_source_equals_the_stored_one() -> None:
    """In one go, and for each piece of the streaming loops, whose end the reference holds back."""
    folder = golden("flow_hift_tiny")
    tensors = _tensors(folder)
    compared = 0
    for case, number, mel in _runs(tensors, "source"):
        samples = _vocoder(folder).decode(mel, tensors[f"{case}.source.{number}"])
        stored = tensors.get(f"{case}.chunk{number}.wav", tensors.get(f"{case}.wav"))
        if stored is None:
            continue
        error = (samples[:, : stored.shape[1]] - stored).abs()
        # Random weights make single samples ill-conditioned: the reference itself is up to 1.2e-4
        # from its float64 value there. Everywhere else 1e-4 holds.
        assert error.square().mean().sqrt() < 1e-5
        assert (error > 1e-4).float().mean() < 1e-3
        assert error.max() < 1e-3
        compared += 1
    assert compared
