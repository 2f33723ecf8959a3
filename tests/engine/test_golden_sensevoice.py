"""Plus equals the reference: features, encoder and projector."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.checkpoint import load_weights, without_weights
from engine.config import ModelConfig
from engine.models.plus_lm import PlusSpeechLM
from engine.models.sensevoice import N_QUERIES, SenseVoiceConfig
from engine.speech.fbank import kaldi_fbank, stacked
from tests.golden_data import golden

TOLERANCE = 1e-4
# Both sides compute spectra in single precision. In the quietest band the reference is up to 4.7e-4
# and we are up to 9.5e-4 from the same in double precision; the mean difference is below 1e-5.
FBANK_TOLERANCE, FBANK_MEAN_TOLERANCE = 1.5e-3, 2e-5


@pytest.fixture(scope="module")
def folder() -> Path:
    return golden("sensevoice_tiny")


@pytest.fixture(scope="module")
def io(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "io.safetensors")


@pytest.fixture(scope="module")
def meta(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "meta.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def model(folder: Path, meta: dict[str, Any]) -> PlusSpeechLM:
    config = ModelConfig.from_dict(meta["config"])
    with without_weights():
        model = PlusSpeechLM(config, SenseVoiceConfig.from_json(meta["encoder_conf"]))
    load_weights(model, folder)
    return model.eval()


def assert_close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE)


def test_filterbank_and_its_normalised_stack_equal_the_reference(io: dict[str, Tensor]) -> None:
    waves = load_file(golden("whisper_vq_tiny") / "io.safetensors")
    shift, scale = io["cmvn"]
    names = [name.removesuffix(".fbank80") for name in io if name.endswith(".fbank80")]
    assert names
    for name in names:
        fbank = kaldi_fbank(waves[f"{name}.pcm16"].float() / 32768)
        expected = io[f"{name}.fbank80"]
        torch.testing.assert_close(fbank, expected, rtol=0, atol=FBANK_TOLERANCE)
        assert (fbank - expected).abs().mean() < FBANK_MEAN_TOLERANCE
        assert torch.equal(stacked(expected), io[f"{name}.lfr560"])
        normalised = (stacked(fbank) + shift) * scale
        expected = io[f"{name}.lfr560_cmvn"]
        tolerance = FBANK_TOLERANCE * float(scale.max())
        torch.testing.assert_close(normalised, expected, rtol=0, atol=tolerance)


def test_any_number_of_frames_is_stacked_as_the_reference_does(io: dict[str, Tensor]) -> None:
    names = [name for name in io if name.startswith("lfr_rule.T")]
    assert names
    for name in names:
        n_frames = int(name.removeprefix("lfr_rule.T"))
        frames = torch.arange(2 * n_frames).view(n_frames, 2) / 2
        assert torch.equal(stacked(frames), io[name]), name


@torch.inference_mode()
def test_states_and_embeddings_equal_the_reference_alone(
    model: PlusSpeechLM, io: dict[str, Tensor]
) -> None:
    for n in (0, 1):
        states = model.speech_encoder(io[f"audio{n}"][None])
        assert states.shape[1] == len(io[f"audio{n}"]) + N_QUERIES
        assert_close(states, io[f"single{n}.encoder_out"])
        assert_close(model.projector(states), io[f"single{n}.projected"])


@torch.inference_mode()
def test_states_and_embeddings_equal_the_reference_in_a_batch(
    model: PlusSpeechLM, io: dict[str, Tensor]
) -> None:
    recordings = [io["audio0"], io["audio1"]]
    rows = torch.nn.utils.rnn.pad_sequence(recordings, batch_first=True)
    states = model.speech_encoder(rows, torch.tensor([len(x) for x in recordings]))
    embedded = model.projector(states)
    for n, length in enumerate(io["batch.encoder_lens"].tolist()):
        assert_close(states[n, :length], io["batch.encoder_out"][n, :length])
        assert_close(embedded[n, :length], io["batch.projected"][n, :length])
