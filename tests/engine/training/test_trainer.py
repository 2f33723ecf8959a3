"""Laws of the training loop: it can be killed, it follows the clock, it leaves out bad batches."""

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.training.optim import ParameterGroup, progress, rate_factor
from engine.training.trainer import RunConfig, TrainingInterrupted, run


class Line:
    """A toy task: one linear layer on noisy data, with every kind of randomness in use."""

    def __init__(
        self, stop_at: int | None = None, bad: tuple[int, ...] = (), orthogonal: bool = False
    ) -> None:
        torch.manual_seed(1)
        self.net = nn.Linear(4, 1)
        self.orthogonal = orthogonal
        self._generator = torch.Generator().manual_seed(5)
        self._stop_at = stop_at
        self._bad = bad
        self._drawn = 0
        self.evaluations = 0

    def modules(self) -> dict[str, nn.Module]:
        return {"net": self.net}

    def parameter_groups(self) -> list[ParameterGroup]:
        return [
            ParameterGroup([self.net.weight], orthogonal=self.orthogonal),
            ParameterGroup([self.net.bias], lr_scale=10.0),
        ]

    def next_batch(self) -> Tensor:
        self._drawn += 1
        batch = torch.randn(8, 4, generator=self._generator)
        return batch * float("nan") if self._drawn in self._bad else batch

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        noise = torch.randn(8, 1) * 0.1 + random.random() * 0.1
        error = (self.net(batch) - batch.sum(1, keepdim=True) - noise).square().mean()
        return error, {"error": float(error.detach())}

    def after_step(self, step: int) -> None:
        if step == self._stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def evaluate(self) -> dict[str, float]:
        self.evaluations += 1
        return {"weight": float(self.net.weight.sum())}

    def sampler_state(self) -> dict[str, Any]:
        return {"generator": self._generator.get_state(), "drawn": self._drawn}

    def load_sampler_state(self, state: dict[str, Any]) -> None:
        self._generator.set_state(state["generator"])
        self._drawn = state["drawn"]


CONFIG = RunConfig(steps=40, lr=0.05, log_every=5, accumulate=2)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, orthogonal: bool
) -> None:
    whole = Line(orthogonal=orthogonal)
    run(whole, CONFIG, tmp_path / "whole", progress_bar=False)
    with pytest.raises(TrainingInterrupted):
        run(
            Line(stop_at=17, orthogonal=orthogonal),
            CONFIG,
            tmp_path / "killed",
            progress_bar=False,
        )
    resumed = Line(orthogonal=orthogonal)
    run(resumed, CONFIG, tmp_path / "killed", progress_bar=False)
    assert torch.equal(whole.net.weight, resumed.net.weight)
    assert torch.equal(whole.net.bias, resumed.net.bias)


def test_a_kill_without_warning_resumes_from_the_last_checkpoint(tmp_path: Path) -> None:
    class Dies(Line):
        def after_step(self, step: int) -> None:
            if step == 23:
                raise MemoryError

    every_step = RunConfig(steps=40, lr=0.05, accumulate=2, checkpoint_s=0.0)
    with pytest.raises(MemoryError):
        run(Dies(), every_step, tmp_path / "killed", progress_bar=False)
    resumed, whole = Line(), Line()
    run(resumed, every_step, tmp_path / "killed", progress_bar=False)
    run(whole, every_step, tmp_path / "whole", progress_bar=False)
    assert torch.equal(whole.net.weight, resumed.net.weight)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    run(Line(), CONFIG, tmp_path, progress_bar=False)
    again = Line()
    run(again, CONFIG, tmp_path, progress_bar=False)
    assert again.evaluations == 0
    assert again.sampler_state()["drawn"] == 80


def test_batches_that_are_not_finite_are_left_out_and_counted(tmp_path: Path) -> None:
    task = Line(bad=(3, 9, 10))
    run(task, CONFIG, tmp_path, progress_bar=False)
    assert torch.isfinite(task.net.weight).all()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line for line in lines if line["kind"] == "train"][-1]["skipped"] == 3


def test_time_ends_a_bounded_run_and_drives_its_schedule(tmp_path: Path) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.5
        return now[0]

    config = RunConfig(steps=10**9, lr=1.0, log_every=1, max_minutes=1.0)
    run(Line(), config, tmp_path, progress_bar=False, clock=clock)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    rates = [line["lr"] for line in lines if line["kind"] == "train"]
    assert 20 < len(rates) < 121
    assert max(rates) > 0.9
    assert rates[-2] < 0.15


def test_the_schedule_warms_up_and_ends_at_its_floor() -> None:
    assert rate_factor(0.015, 0.03, 0.1) == pytest.approx(0.5)
    assert rate_factor(0.03, 0.03, 0.1) == pytest.approx(1.0)
    assert rate_factor(1.0, 0.03, 0.1) == pytest.approx(0.1)


def test_progress_is_the_further_of_steps_and_time() -> None:
    assert progress(5, 10, 1.0, None) == 0.5
    assert progress(5, 10, 9.0, 10.0) == 0.9
    assert progress(50, 10, 0.0, 10.0) == 1.0
