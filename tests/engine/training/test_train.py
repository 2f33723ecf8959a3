"""Laws of a stage's training: it learns, frozen weights stay, and the next one goes on."""

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from engine.config import ModelConfig
from engine.training.data import SpeechData
from engine.training.packing import Task
from engine.training.stages import STAGES
from engine.training.train import train_stage
from engine.training.trainer import RunConfig
from tests.engine.training.token_rows import OPTIONS, rows, tokenizer

CONFIG = replace(
    ModelConfig.tiny(), vocab_size=tokenizer().vocabulary.size, tie_word_embeddings=True
)
MIXTURE = {Task.ASR: 1.0, Task.SPOKEN_QA: 1.0}
RUN = RunConfig(steps=3, lr=1e-3, log_every=4)


def _train(number: int, folder: Path, start: Path | None, run: RunConfig = RUN) -> Path:
    train, held_out = (
        SpeechData(rows(), tokenizer(), OPTIONS, split) for split in ("train", "test")
    )
    stage = replace(STAGES[number - 1], mixture=MIXTURE)
    return train_stage(stage, CONFIG, train, held_out, run, folder, start, 256, False)


def test_the_four_stages_follow_each_other_and_frozen_weights_stay(tmp_path: Path) -> None:
    start: Path | None = None
    weights = []
    for number in (1, 2, 3, 4):
        start = _train(number, tmp_path / f"stage{number}", start)
        weights.append(load_file(start))
    embedding, last = "model.embed_tokens.weight", f"mtp_projs.{CONFIG.depth - 1}.weight"
    assert torch.equal(weights[0][embedding], weights[2][embedding])
    assert not torch.equal(weights[2][embedding], weights[3][embedding])
    assert torch.equal(weights[0][last], weights[1][last])
    assert not torch.equal(weights[1][last], weights[2][last])


def test_alignment_learns(tmp_path: Path) -> None:
    _train(1, tmp_path, None, RunConfig(steps=60, lr=3e-3, log_every=10))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["kind"] == "train"]
    assert losses[-1] < 0.8 * losses[0]
    assert {"asr/loss", "asr/accuracy", "spoken_qa/loss"} <= lines[-1].keys()


def test_a_finished_stage_is_not_trained_again(tmp_path: Path) -> None:
    weights = _train(1, tmp_path, None)
    written = weights.stat().st_mtime_ns
    _train(1, tmp_path, None)
    assert weights.stat().st_mtime_ns == written
