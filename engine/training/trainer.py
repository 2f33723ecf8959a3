"""The one training loop: ``run(task, config, folder)`` trains any ``Trainable`` and can be killed.

It keeps ``folder/checkpoint.pt`` (weights, optimiser, sampler, random states, time spent), writes
``folder/log.jsonl`` and TensorBoard scalars, and shows a bar with the loss and the time left. A run
that was killed and started again ends with the same weights as one that was not. What the loop
leaves out: several devices, and the choice of threads (``torch.set_num_threads`` is the caller's).
"""

import contextlib
import json
import logging
import math
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from engine.training.optim import (
    ParameterGroup,
    build_optimizer,
    progress,
    rate_factor,
    set_rate,
    settings,
)

__all__ = ["ParameterGroup", "RunConfig", "Trainable", "TrainingInterrupted", "run"]

CHECKPOINT = "checkpoint.pt"

logger = logging.getLogger("engine.training")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How long and how fast one run trains; with ``max_minutes`` the schedule follows the clock."""

    steps: int
    lr: float
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    warmup_fraction: float = 0.03
    floor_fraction: float = 0.1
    clip: float = 1.0
    accumulate: int = 1
    seed: int = 42
    checkpoint_s: float = 180.0
    log_every: int = 20
    eval_every: int = 0  # 0: only at the end
    device: str = "cpu"
    bf16: bool = False
    max_minutes: float | None = None

    @property
    def limit_s(self) -> float | None:
        """The longest time the run may take, in seconds."""
        return None if self.max_minutes is None else 60.0 * self.max_minutes


class Trainable(Protocol):
    """What the loop needs of a task; the task puts its batches on the device of its modules."""

    def modules(self) -> dict[str, nn.Module]:
        """Everything that is saved and restored, by a stable name."""
        ...

    def parameter_groups(self) -> list[ParameterGroup]:
        """What is trained, in an order that is the same in every process."""
        ...

    def next_batch(self) -> Any:
        """Draws the next batch from the task's own sampler."""
        ...

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """The scalar to minimise and the figures to log."""
        ...

    def after_step(self, step: int) -> None:
        """Called when ``step`` optimiser steps are done."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Figures on held-out data; the loop has switched to eval mode and gradients off."""
        ...

    def sampler_state(self) -> dict[str, Any]:
        """All that ``next_batch`` depends on, as plain values and tensors."""
        ...

    def load_sampler_state(self, state: dict[str, Any]) -> None:
        """Takes back what ``sampler_state`` gave."""
        ...


class TrainingInterrupted(Exception):
    """SIGINT or SIGTERM ended the run; its checkpoint is written and the run can be resumed."""


def run(
    task: Trainable,
    config: RunConfig,
    folder: Path,
    progress_bar: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Trains until the steps or the time are used up, resuming from the folder's checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    for module in task.modules().values():
        module.to(config.device).train()
    groups = task.parameter_groups()
    optimizer = build_optimizer(groups, config.lr, config.weight_decay, config.betas, config.eps)
    state = _State(last_save_s=clock())
    if (folder / CHECKPOINT).is_file():
        _restore(folder / CHECKPOINT, task, optimizer, state)
        for group, described in zip(groups, optimizer.param_groups, strict=True):
            described.update(settings(group, config.weight_decay))
    else:
        _seed(config.seed)
    if state.done:
        return
    params = [parameter for group in groups for parameter in group.params]
    started_s = clock() - state.elapsed_s
    with _stop_requests() as stop, _Reporter(folder, config, state, progress_bar) as report:
        while True:
            state.elapsed_s = clock() - started_s
            done = progress(state.step, config.steps, state.elapsed_s, config.limit_s)
            if done >= 1.0:
                break
            rate = rate_factor(done, config.warmup_fraction, config.floor_fraction)
            set_rate(optimizer, config.lr * rate)
            _train_step(task, config, optimizer, params, state)
            state.step += 1
            task.after_step(state.step)
            if state.step % config.log_every == 0:
                report.training(done, config.lr * rate)
            if config.eval_every and state.step % config.eval_every == 0:
                report.evaluation(_evaluate(task, config))
            if stop.is_set():
                state.elapsed_s = clock() - started_s
                _save(folder / CHECKPOINT, task, optimizer, state)
                raise TrainingInterrupted(f"stopped at step {state.step}; {folder} can be resumed")
            if clock() - state.last_save_s >= config.checkpoint_s:
                state.elapsed_s = clock() - started_s
                _save(folder / CHECKPOINT, task, optimizer, state)
                state.last_save_s = clock()
        report.training(1.0, config.lr * config.floor_fraction)
        report.evaluation(_evaluate(task, config))
        state.done = True
        _save(folder / CHECKPOINT, task, optimizer, state)


@dataclass(slots=True)
class _State:
    """What changes during a run, apart from weights; owned by the loop."""

    last_save_s: float
    step: int = 0
    elapsed_s: float = 0.0
    skipped: int = 0  # micro-batches or steps that were not finite, over the whole run
    done: bool = False
    sums: dict[str, float] = field(default_factory=dict)  # figures since the last report
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + value
        self.counts[name] = self.counts.get(name, 0) + 1


def _train_step(
    task: Trainable,
    config: RunConfig,
    optimizer: torch.optim.Optimizer,
    params: list[nn.Parameter],
    state: _State,
) -> None:
    """One optimiser step over ``accumulate`` micro-batches; what is not finite is left out."""
    optimizer.zero_grad(set_to_none=True)
    used = 0
    for _ in range(config.accumulate):
        batch = task.next_batch()
        with _precision(config):
            loss, figures = task.loss(batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            state.skipped += 1
            continue
        (loss / config.accumulate).backward()
        used += 1
        state.add("loss", value)
        for name, figure in figures.items():
            state.add(name, figure)
    if not used:
        return
    norm = float(nn.utils.clip_grad_norm_(params, config.clip))
    if not math.isfinite(norm):
        state.skipped += 1
        return
    state.add("grad_norm", norm)
    optimizer.step()


def _evaluate(task: Trainable, config: RunConfig) -> dict[str, float]:
    modules = task.modules().values()
    for module in modules:
        module.eval()
    with torch.no_grad(), _precision(config):
        figures = task.evaluate()
    for module in modules:
        module.train()
    return figures


def _precision(config: RunConfig) -> contextlib.AbstractContextManager[Any]:
    if not config.bf16:
        return contextlib.nullcontext()
    return torch.autocast(torch.device(config.device).type, dtype=torch.bfloat16)


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _save(path: Path, task: Trainable, optimizer: torch.optim.Optimizer, state: _State) -> None:
    """Writes the checkpoint beside its final name first, so that a kill leaves the old one."""
    content = {
        "modules": {name: module.state_dict() for name, module in task.modules().items()},
        "optimizer": optimizer.state_dict(),
        "sampler": task.sampler_state(),
        "step": state.step,
        "elapsed_s": state.elapsed_s,
        "skipped": state.skipped,
        "done": state.done,
        "random": {
            "python": random.getstate(),
            "numpy": np.random.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        },
    }
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _restore(path: Path, task: Trainable, optimizer: torch.optim.Optimizer, state: _State) -> None:
    # The file is this program's own: it holds Python and numpy random states beside tensors.
    content = torch.load(path, map_location="cpu", weights_only=False)
    for name, module in task.modules().items():
        module.load_state_dict(content["modules"][name])
    optimizer.load_state_dict(content["optimizer"])
    task.load_sampler_state(content["sampler"])
    state.step = content["step"]
    state.elapsed_s = content["elapsed_s"]
    state.skipped = content["skipped"]
    state.done = content["done"]
    random.setstate(content["random"]["python"])
    np.random.set_state(content["random"]["numpy"])
    torch.set_rng_state(content["random"]["torch"])
    if content["random"]["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(content["random"]["cuda"])


@contextlib.contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set meanwhile; a second SIGINT ends the block at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Reporter:
    """The bar, ``log.jsonl`` and the TensorBoard scalars of one run; used by the loop only."""

    def __init__(self, folder: Path, config: RunConfig, state: _State, progress_bar: bool) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from tqdm import tqdm

        self._state = state
        self._config = config
        self._first = (
            progress(state.step, config.steps, state.elapsed_s, config.limit_s),
            state.elapsed_s,
        )
        self._log = (folder / "log.jsonl").open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"))
        self._bar = tqdm(
            total=100,
            desc=folder.name,
            disable=not progress_bar,
            bar_format="{desc} {percentage:3.0f}% |{bar:24}| {postfix}",
        )

    def __enter__(self) -> "_Reporter":
        return self

    def __exit__(self, *_error: object) -> None:
        self._log.close()
        self._board.close()
        self._bar.close()

    def training(self, done: float, lr: float) -> None:
        """Reports the means since the last call."""
        state = self._state
        if not state.sums:
            return
        figures = {name: total / state.counts[name] for name, total in state.sums.items()}
        state.sums.clear()
        state.counts.clear()
        self._write("train", {"lr": lr, "skipped": float(state.skipped), **figures})
        self._bar.n = round(100 * done)
        loss = figures.get("loss", math.nan)
        skipped = f", {state.skipped} skipped" if state.skipped else ""
        self._bar.set_postfix_str(
            f"step {state.step}, loss {loss:.4f}, {self._left(done)} left{skipped}"
        )

    def evaluation(self, figures: dict[str, float]) -> None:
        """Reports figures on held-out data."""
        self._write("eval", figures)
        logger.info("step %d: %s", self._state.step, figures)

    def _write(self, kind: str, figures: dict[str, float]) -> None:
        step = self._state.step
        line = {"kind": kind, "step": step, "elapsed_s": round(self._state.elapsed_s, 2)}
        rounded = {name: float(f"{value:.6g}") for name, value in figures.items()}
        self._log.write(json.dumps({**line, **rounded}) + "\n")
        self._log.flush()
        for name, value in figures.items():
            self._board.add_scalar(f"{kind}/{name}", value, step)

    def _left(self, done: float) -> str:
        gained = done - self._first[0]
        if gained <= 0:
            return "?"
        left_s = (self._state.elapsed_s - self._first[1]) / gained * (1.0 - done)
        return f"{int(left_s // 3600)}:{int(left_s // 60 % 60):02d}:{int(left_s % 60):02d}"
