"""Laws of vocoder training: batches line up, losses fall, the exported files load again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.checkpoint import load_weights
from engine.speech.mel import HOP, SAMPLE_RATE, SILENCE, mel_spectrogram
from engine.speech.vocoder import HiFT, HiFTConfig
from engine.training.nano.clips import Clip, ClipStore
from engine.training.trainer import RunConfig, run
from engine.training.vocoder import (
    StoredClips,
    VocoderTraining,
    evaluate_clip,
    export,
    imperfect,
    stft_distance,
)


def _clip(seconds: float, hertz: float) -> np.ndarray:
    cycles = np.arange(int(seconds * SAMPLE_RATE)) * hertz / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * h * cycles) / h for h in range(1, 12))
    return (0.1 * buzz).astype(np.float32)


def _task(seed: int = 1) -> VocoderTraining:
    torch.manual_seed(0)
    clips = [_clip(0.9, 120), _clip(0.7, 180), _clip(0.3, 150)]
    return VocoderTraining(HiFT(HiFTConfig.tiny()), clips, [_clip(1.0, 140)], 3, seed)


def test_the_mel_of_a_clean_crop_describes_its_samples() -> None:
    task = _task()
    for _ in range(6):
        mel, samples, f0 = task._crop()
        assert samples.shape == (mel.shape[1] * HOP,) and f0.shape == (mel.shape[1],)
        again = mel_spectrogram(samples[None])[0]
        torch.testing.assert_close(again[:, 3:-3], mel[:, 3:-3], atol=1e-3, rtol=0)


def test_batches_can_be_drawn_again_from_the_sampler_state() -> None:
    task = _task()
    task.next_batch()
    state = task.sampler_state()
    first = task.next_batch()
    other = _task(seed=9)
    other.load_sampler_state(state)
    again = other.next_batch()
    assert torch.equal(first.mel, again.mel) and torch.equal(first.samples, again.samples)


def test_spoiling_leaves_some_mels_alone_and_stays_above_silence() -> None:
    mel = torch.full((64, 80, 10), SILENCE)
    spoiled = imperfect(mel, torch.Generator().manual_seed(0))
    untouched = (spoiled == mel).flatten(1).all(dim=1).sum()
    assert 16 < untouched < 48 and spoiled.min() >= SILENCE


def test_the_distance_of_a_sound_to_itself_is_zero() -> None:
    samples = torch.from_numpy(_clip(0.4, 150))[None]
    assert stft_distance(samples, samples) == 0
    assert stft_distance(samples, 0.5 * samples) > 0.3


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    config = RunConfig(steps=12, lr=2e-3, log_every=4, seed=1)
    run(_task(), config, tmp_path / "run", progress_bar=False)
    log = (tmp_path / "run" / "log.jsonl").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.9 * losses[0]
    assert {"stoi", "mel_l1", "f0_error", "voicing_error"} <= lines[-1].keys()


def test_exported_files_load_and_keep_the_flow_part_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"flow": {"width": 3}}')
    vocoder = HiFT(HiFTConfig.tiny())
    export(vocoder, tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["flow"] == {"width": 3}
    with torch.device("meta"):
        loaded = HiFT(HiFTConfig.from_json(values["hift"]))
    load_weights(loaded, tmp_path / "hift.safetensors")
    mel = torch.zeros(1, 80, 8)
    with torch.inference_mode():
        made = loaded(mel, torch.Generator().manual_seed(0))
        expected = vocoder(mel, torch.Generator().manual_seed(0))
    torch.testing.assert_close(made, expected, atol=2e-2, rtol=0)


def test_evaluation_gives_finite_figures() -> None:
    pytest.importorskip("pystoi")
    figures = evaluate_clip(HiFT(HiFTConfig.tiny()), _clip(1.0, 140))
    assert all(np.isfinite(list(figures.values())))


def test_stored_clips_are_chosen_and_resampled(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "clips", writable=True)
    for kind in ("question", "answer"):
        store.append(
            np.zeros(16000, dtype=np.float32), 16000, Clip("a", "en", "v", (), kind, "train")
        )
    clips = StoredClips(store, [1])
    assert len(clips) == 1 and len(clips[0]) == SAMPLE_RATE and clips[0].dtype == np.float32
