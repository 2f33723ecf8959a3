"""The flow decoder learns tokens -> mel, resumes where it stopped, and exports what runs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.checkpoint import load_weights
from engine.errors import TrainingDataError
from engine.speech.flow import FlowConfig, FlowDecoder, mel_frames
from engine.speech.flow_stream import StreamPlan
from engine.training.flow import FlowTask, FlowTraining, measure_scale
from engine.training.flow_pairs import Pair, PairStore, token_mel, write_pairs
from engine.training.trainer import RunConfig, run

_SETTINGS = FlowTraining(batch_frames=220, crop_tokens=(8, 16), average_decay=0.9)


def _pairs(n_pairs: int = 6) -> list[Pair]:
    """Each token stands for one fixed spectrum, so that there is something to learn."""
    rng = np.random.default_rng(3)
    spectra = rng.normal(-5, 2, size=(16, 80)).astype(np.float32)
    pairs = []
    for number in range(n_pairs):
        tokens = rng.integers(0, len(spectra), size=17 + 3 * number).astype(np.int16)
        n_frames = mel_frames(len(tokens))
        at = np.minimum(np.arange(n_frames) * len(tokens) // n_frames, len(tokens) - 1)
        split = "test" if number == 0 else "train"
        pairs.append(Pair(tokens, spectra[tokens[at]].astype(np.float16), split))
    return pairs


def _task(pairs: list[Pair]) -> FlowTask:
    torch.manual_seed(0)
    config = replace(FlowConfig.tiny(), mel_scale=measure_scale(pairs))
    return FlowTask(pairs, pairs[:1], config, _SETTINGS)


def test_training_brings_generated_mel_nearer_to_the_true_one(tmp_path: Path) -> None:
    task = _task(_pairs())
    before = task.evaluate()
    run(task, RunConfig(steps=40, lr=1e-2), tmp_path, progress_bar=False)
    after = task.evaluate()
    assert after["guess_l1"] < 0.8 * before["guess_l1"]
    assert after["mel_l1"] < 0.95 * before["mel_l1"]
    assert after["streamed_l1"] < 0.95 * before["streamed_l1"]


def test_crops_begin_mid_clip_and_prompts_never_cover_what_is_to_be_generated() -> None:
    task = _task(_pairs())
    prompted = 0
    for _ in range(20):
        batch = task.next_batch()
        n_frames = batch.mel.shape[2]
        assert n_frames == mel_frames(batch.tokens.shape[1])
        given = batch.condition.abs().sum(1) > 0  # (B, T)
        for row in given:
            n_prompt = int(row.sum())
            prompted += n_prompt > 0
            assert row[:n_prompt].all()
            assert n_prompt <= n_frames - _SETTINGS.plan.held_back_frames
    assert prompted > 0


def test_batches_go_on_where_a_resumed_run_stopped() -> None:
    first, second = _task(_pairs()), _task(_pairs())
    for _ in range(3):
        first.next_batch()
    second.load_sampler_state(first.sampler_state())
    ours, theirs = first.next_batch(), second.next_batch()
    assert torch.equal(ours.tokens, theirs.tokens)
    assert torch.equal(ours.noise, theirs.noise)
    assert torch.equal(ours.condition, theirs.condition)


def test_export_can_be_loaded_and_leaves_the_vocoder_part_alone(tmp_path: Path) -> None:
    task = _task(_pairs())
    (tmp_path / "config.json").write_text(json.dumps({"hift": {"base_channels": 16}}))
    task.export(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())
    assert stored["hift"] == {"base_channels": 16}
    config = FlowConfig.from_json(stored["flow"])
    assert config == task.config
    assert StreamPlan(**stored["stream"]) == _SETTINGS.plan
    with torch.device("meta"):
        flow = FlowDecoder(config)
    load_weights(flow, tmp_path / "flow.safetensors")


def test_pairs_survive_the_disk_and_keep_their_splits(tmp_path: Path) -> None:
    pairs = _pairs()
    assert write_pairs(pairs, tmp_path) == len(pairs)
    store = PairStore(tmp_path)
    read = store.pairs("test") + store.pairs("train")
    for ours, theirs in zip(pairs, read, strict=True):
        assert np.array_equal(ours.tokens, theirs.tokens)
        assert np.array_equal(ours.mel, theirs.mel)


def test_a_folder_without_pairs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError):
        PairStore(tmp_path)


@pytest.mark.parametrize("n_samples", [1000, 16000, 20000])
def test_mel_of_a_sound_has_as_many_frames_as_its_tokens_stand_for(n_samples: int) -> None:
    n_tokens = -(-n_samples // 1280)
    samples = np.sin(np.arange(n_samples) / 9).astype(np.float32)
    assert token_mel(samples, 16000, n_tokens).shape == (mel_frames(n_tokens), 80)
