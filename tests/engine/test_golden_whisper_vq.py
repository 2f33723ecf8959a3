"""The speech tokenizer equals the reference on stored waves: log-mel, masks, states and tokens."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.models.whisper_vq import FRAMES_PER_TOKEN, WhisperVQConfig, WhisperVQEncoder
from engine.speech.frontend import HOP, whisper_log_mel
from engine.speech.tokenizer import SpeechTokenizer
from tests.golden_data import golden


class Reference:
    """One folder of reference data and the network with its weights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta = json.loads((folder / "meta.json").read_text())
        self.tensors = load_file(folder / "io.safetensors")
        self.config = WhisperVQConfig.from_json(self.meta["config"])
        self.encoder = WhisperVQEncoder(self.config)
        self.encoder.load_state_dict(load_file(folder / "model.safetensors"))

    def wave(self, name: str) -> torch.Tensor:
        return self.tensors[f"{name}.pcm16"].float() / 32768

    def batches(self) -> dict[str, list[str]]:
        """Cases with waves, and the names of their waves."""
        return {name: case["waves"] for name, case in self.meta["cases"].items() if "waves" in case}

    def features(self, case: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Our log-mel and mask of a case's waves, padded together to whole tokens."""
        waves = [self.wave(name) for name in self.batches()[case]]
        step = HOP * FRAMES_PER_TOKEN
        n_padded = -(-max(map(len, waves)) // step) * step
        padded = torch.zeros(len(waves), n_padded)
        for row, wave in zip(padded, waves, strict=True):
            row[: len(wave)] = wave
        n_real = torch.tensor([-(-len(wave) // HOP) for wave in waves])
        mask = torch.arange(n_padded // HOP) < n_real[:, None]
        return whisper_log_mel(padded, self.config.num_mel_bins), mask


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(golden("whisper_vq_tiny"))


def test_log_mel_and_mask_equal_the_reference(reference: Reference) -> None:
    compared = 0
    for case in reference.batches():
        mel, mask = reference.features(case)
        shape = reference.meta["cases"][case]["feat_shape"]
        assert list(mel.shape) == shape
        assert mask.sum(1).tolist() == reference.meta["cases"][case]["mask_sum"]
        stored = reference.tensors.get(f"{case}.input_features")
        if stored is not None:
            torch.testing.assert_close(mel, stored, rtol=0, atol=1e-5)
            compared += 1
        stored_mask = reference.tensors.get(f"{case}.attention_mask")
        if stored_mask is not None:
            assert torch.equal(mask, stored_mask.bool())
    assert compared


def test_states_before_quantisation_equal_the_reference(reference: Reference) -> None:
    compared = 0
    for case in reference.batches():
        stored = reference.tensors.get(f"{case}.pre_quant_hidden")
        if stored is None:
            continue
        with torch.no_grad():
            hidden = reference.encoder(*reference.features(case))
        torch.testing.assert_close(hidden, stored, rtol=0, atol=1e-4)
        compared += 1
    assert compared


def test_tokens_equal_the_reference_alone_and_in_a_batch(reference: Reference) -> None:
    for case, waves in reference.batches().items():
        mel, mask = reference.features(case)
        with torch.no_grad():
            ids = reference.encoder.quantise(reference.encoder(mel, mask))
        for row, kept, name in zip(ids, mask[:, ::FRAMES_PER_TOKEN], waves, strict=True):
            assert row[kept].tolist() == reference.tensors[f"{case}.{name}.tokens"].tolist()


def test_the_loaded_tokenizer_gives_the_reference_tokens_of_every_wave(
    reference: Reference, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(reference.meta["config"]))
    os.symlink(reference.folder / "model.safetensors", tmp_path / "model.safetensors")
    tokenizer = SpeechTokenizer.load(tmp_path)
    expected = {
        name: reference.tensors[f"{case}.{name}.tokens"]
        for case, waves in reference.batches().items()
        if len(waves) == 1
        for name in waves
    }
    for case in reference.meta["cases"]:  # "long_w2": the tokens of one wave in several pieces
        if f"{case}.tokens" in reference.tensors:
            expected[case.rpartition("_")[2]] = reference.tensors[f"{case}.tokens"]
    assert expected
    for name, tokens in expected.items():
        assert tokenizer.encode(reference.wave(name).numpy(), 16_000) == tokens.tolist(), name
