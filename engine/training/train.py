"""Training the speech LM, one stage at a time: ``train_stage`` takes a model from stage to stage.

The task runs in the common loop, so every stage can be killed and resumed. A finished stage leaves
``model.safetensors`` in its folder, which the next stage starts from.
"""

import random
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.checkpoint import load_weights, save_weights
from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM, initialise
from engine.training.data import BatchSampler, SpeechData
from engine.training.listening import ListeningHead
from engine.training.losses import Losses, Objective, Scores, speech_losses
from engine.training.optim import ParameterGroup
from engine.training.packing import Batch, Task, pad
from engine.training.stages import Stage, begin, trained_groups
from engine.training.start import place_audio_tokens
from engine.training.trainer import RunConfig, run
from engine.vocab import Vocabulary

WEIGHTS = "model.safetensors"

_HELD_OUT_PER_TASK = 48


class LanguageModelTask:
    """One stage of the speech LM as a task of the training loop."""

    def __init__(
        self,
        model: SpeechLM,
        stage: Stage,
        sampler: BatchSampler,
        held_out: Mapping[Task, Batch],
        vocabulary: Vocabulary,
    ) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._groups = trained_groups(model, stage)
        self._listening_weight = stage.listening_weight
        self._listening = ListeningHead(model, vocabulary) if stage.listening_weight else None
        if self._listening is not None:
            self._groups.append(ParameterGroup(list(self._listening.parameters())))
        self._objective = stage.objective(model.config)
        self._sampler = sampler
        self._held_out = held_out

    def modules(self) -> dict[str, nn.Module]:
        """The model, and what only its training needs."""
        own: dict[str, nn.Module] = {"model": self._model}
        return own if self._listening is None else own | {"listening": self._listening}

    def parameter_groups(self) -> list[ParameterGroup]:
        """What the stage trains."""
        return self._groups

    def next_batch(self) -> Batch:
        """Draws from the sampler, onto the device of the model."""
        return self._sampler.next_batch().to(self._model.head_weight.device)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The stage's loss with the shared denominator, and its parts."""
        losses = speech_losses(
            self._model, batch, self._objective, batch.n_labels, self._vocabulary
        )
        total, figures = losses.total, _figures(losses)
        if self._listening is not None:
            ctc = self._listening.loss(batch)
            total = total + self._listening_weight * ctc / batch.n_labels
            figures["listening"] = ctc.item() / max(sum(map(len, batch.said)), 1)
        return total, figures

    def after_step(self, step: int) -> None:
        """Nothing follows a step."""

    def evaluate(self) -> dict[str, float]:
        """Loss and token accuracy by task and kind of token, and of every module over all tasks."""
        found: dict[str, float] = {}
        counts: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        for task, batch in self._held_out.items():
            losses = self._evaluate_batch(batch)
            assert losses.stp is not None
            found[f"{task.value}/loss"] = losses.stp.loss(None).item()
            found[f"{task.value}/accuracy"] = _accuracy(losses.stp)
            for k, scores in enumerate(losses.modules, start=1):
                hits = (scores.predicted == scores.targets).sum().item()
                total = counts[f"module{k:02d}"]
                total[0] += hits
                total[1] += scores.loss_sum.item()
                total[2] += scores.count
        for name, (hits, loss_sum, count) in counts.items():
            found[f"{name}/accuracy"] = hits / max(count, 1)
            found[f"{name}/loss"] = loss_sum / max(count, 1)
        return found

    def sampler_state(self) -> dict[str, Any]:
        """Where the sampler stands."""
        return self._sampler.state()

    def load_sampler_state(self, state: dict[str, Any]) -> None:
        """Goes on where another run's sampler stood."""
        self._sampler.load_state(state)

    def _evaluate_batch(self, batch: Batch) -> Losses:
        objective = Objective(self._objective.n_modules, with_stp=True, detach=False)
        device = self._model.head_weight.device
        return speech_losses(self._model, batch.to(device), objective, None)


def train_stage(
    stage: Stage,
    config: ModelConfig,
    train_data: SpeechData,
    held_out_data: SpeechData,
    run_config: RunConfig,
    folder: Path,
    start: Path | None,
    tokens_per_batch: int = 1024,
    progress_bar: bool = True,
    codebook: Tensor | None = None,
) -> Path:
    """Trains one stage in ``folder`` and returns its weights' file; resumes what was begun.

    ``start`` holds the weights of the stage before; None draws fresh ones, with the audio tokens
    placed as in the speech tokenizer's ``codebook`` (N, D) where it is given.
    """
    weights = folder / WEIGHTS
    if weights.is_file():
        return weights
    model = SpeechLM(config)
    if start is None:
        initialise(model, torch.Generator().manual_seed(run_config.seed))
        if codebook is not None:
            place_audio_tokens(model, train_data.tokenizer.vocabulary, codebook)
    else:
        load_weights(model, start)
    begin(model, stage)
    task = LanguageModelTask(
        model,
        stage,
        BatchSampler(
            train_data, stage.mixture, tokens_per_batch, run_config.accumulate, run_config.seed
        ),
        held_out_batches(held_out_data, stage.mixture),
        train_data.tokenizer.vocabulary,
    )
    run(task, run_config, folder, progress_bar)
    save_weights(model, weights)
    return weights


def held_out_batches(data: SpeechData, mixture: Mapping[Task, float]) -> dict[Task, Batch]:
    """The same few samples of every task in each evaluation."""
    rng = random.Random(0)
    padding_id = data.tokenizer.vocabulary.endoftext
    return {
        task: pad([data.draw(task, rng) for _ in range(_HELD_OUT_PER_TASK)], padding_id)
        for task in mixture
        if data.has(task)
    }


def _figures(losses: Losses) -> dict[str, float]:
    figures = {}
    if losses.stp is not None:
        figures["stp"] = losses.stp.loss(None).item()
        figures["accuracy"] = _accuracy(losses.stp)
    for k in {1, len(losses.modules)} if losses.modules else ():
        figures[f"module{k:02d}"] = losses.modules[k - 1].loss(None).item()
    return figures


def _accuracy(scores: Scores) -> float:
    return (scores.predicted == scores.targets).sum().item() / max(scores.count, 1)
