"""The losses of the speech LM: next token (STP), and one cross-entropy per MCTP module.

Module k joins the embedding of token i+k with the state of the module before at i, and is scored
on token i+k+1. For that the first token of every sample and the last state of every sample are
dropped once per module. Logits are computed at supervised positions only.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.models.attention import causal_segment_mask
from engine.models.speech_lm import SpeechLM
from engine.training.packing import IGNORED, Batch
from engine.vocab import Vocabulary


@dataclass(frozen=True, slots=True)
class Objective:
    """What one stage minimises: weight/K times the sum over its K modules, with STP or without.

    ``n_modules`` counts the modules in use, from the first on. ``detach`` keeps their gradients
    out of the backbone and the embeddings; the chain of modules itself is never cut.
    """

    n_modules: int
    with_stp: bool
    detach: bool
    mtp_weight: float = 1.0
    text_weight: float = 1.0  # of a text token's losses; an audio token's are 1


@dataclass(frozen=True, slots=True)
class Scores:
    """The summed loss of one head over the supervised tokens of a batch."""

    loss_sum: Tensor  # ()
    predicted: Tensor  # (N,) the most likely tokens, without gradient
    targets: Tensor  # (N,)
    rows: Tensor  # (N,) the batch row each target belongs to
    losses: Tensor  # (N,) each token's loss, without gradient

    @property
    def count(self) -> int:
        """How many tokens were scored."""
        return self.targets.shape[0]

    def loss(self, denominator: float | None) -> Tensor:
        """The sum over a given denominator, or the mean over the tokens scored here."""
        return self.loss_sum / (max(self.count, 1) if denominator is None else denominator)


@dataclass(frozen=True, slots=True)
class Losses:
    """The total to minimise, the STP score (None where left out) and one score per module."""

    total: Tensor
    stp: Scores | None
    modules: tuple[Scores, ...]


def speech_losses(
    model: SpeechLM,
    batch: Batch,
    objective: Objective,
    denominator: float | None,
    vocabulary: Vocabulary | None = None,
) -> Losses:
    """All losses of one batch; ``denominator`` None takes the mean of each loss by itself.

    ``denominator`` is the same for STP and all modules: the supervised tokens of the whole
    accumulated step (per micro-batch). A ``text_weight`` other than 1 needs the ``vocabulary``.
    """
    mask = causal_segment_mask(batch.positions) if batch.packed else None
    with torch.set_grad_enabled(torch.is_grad_enabled() and objective.with_stp):
        hidden = model.backbone(batch.ids, batch.positions, mask)  # (B, T, D)
    weights = None
    if objective.text_weight != 1.0:
        assert vocabulary is not None, "which tokens are text is not known"
        weights = hidden.new_ones(model.head_weight.shape[0])
        weights[: vocabulary.audio_0] = objective.text_weight
    stp = score(model, hidden, batch.labels, weights) if objective.with_stp else None
    modules = _module_scores(model, hidden, batch, objective, weights)
    total = stp.loss(denominator) if stp is not None else hidden.new_zeros(())
    if modules:
        each = torch.stack([scores.loss(denominator) for scores in modules])
        total = total + objective.mtp_weight / objective.n_modules * each.sum()
    return Losses(total, stp, modules)


def score(model: SpeechLM, hidden: Tensor, labels: Tensor, weights: Tensor | None = None) -> Scores:
    """Scores states (B, T, D) on the labels (B, T) one step ahead within each row.

    ``weights`` (V,) multiply the losses of their tokens.
    """
    targets = labels[:, 1:]
    scored = targets != IGNORED
    rows = scored.nonzero()[:, 0]
    targets = targets[scored]
    logits = model.logits(hidden[:, :-1][scored]).float()  # (N, V)
    losses = F.cross_entropy(logits, targets, weights, reduction="none")
    return Scores(losses.sum(), logits.detach().argmax(-1), targets, rows, losses.detach())


def _module_scores(
    model: SpeechLM, hidden: Tensor, batch: Batch, objective: Objective, weights: Tensor | None
) -> tuple[Scores, ...]:
    if not objective.n_modules:
        return ()
    embeddings, positions, labels = model.embed(batch.ids), batch.positions, batch.labels
    if objective.detach:
        embeddings, hidden = embeddings.detach(), hidden.detach()
    found = []
    for k in range(1, objective.n_modules + 1):
        mask = None
        if batch.packed:
            first, last = _borders(positions, lowest=k - 1)
            hidden = hidden[:, ~last]
            embeddings = embeddings[:, ~first]
            positions, labels = positions[:, ~first], labels[:, ~first]
            mask = causal_segment_mask(positions)
        else:
            hidden, embeddings = hidden[:, :-1], embeddings[:, 1:]
            positions, labels = positions[:, 1:], labels[:, 1:]
        if not positions.shape[1]:
            break
        hidden = model.mctp_forward(k, embeddings, hidden, positions, mask)
        found.append(score(model, hidden, labels, weights))
    return tuple(found)


def _borders(positions: Tensor, lowest: int) -> tuple[Tensor, Tensor]:
    """Where samples begin and end in a packed row (1, T) whose samples begin at ``lowest``."""
    first = positions[0] == lowest  # (T,)
    return first, torch.cat((first[1:], first.new_ones(1)))
