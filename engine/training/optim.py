"""The optimiser and the learning-rate schedule of every training run.

Groups of weight matrices marked ``orthogonal`` go to Muon, everything else to AdamW.
The schedule is a pure function of progress in [0, 1]: a linear warm-up, then a cosine down to a
floor. Progress follows the step count, or the clock where a run is bounded by time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from engine.training.muon import MOMENTUM, MuonAdamW


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters trained with one learning-rate scale, and their own weight decay where given.

    ``orthogonal`` groups hold matrices only.
    """

    params: Sequence[nn.Parameter]
    lr_scale: float = 1.0
    weight_decay: float | None = None
    orthogonal: bool = False


def progress(step: int, steps: int, elapsed_s: float, limit_s: float | None) -> float:
    """How much of a run is behind us, in [0, 1], by steps or by time, whichever is further."""
    by_steps = step / max(steps, 1)
    by_time = elapsed_s / limit_s if limit_s else 0.0
    return min(1.0, max(by_steps, by_time))


def rate_factor(done: float, warmup_fraction: float, floor_fraction: float) -> float:
    """The share of the peak learning rate used at this progress."""
    if done < warmup_fraction:
        return max(done / warmup_fraction, 1e-3)
    along = (done - warmup_fraction) / max(1.0 - warmup_fraction, 1e-9)
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(along, 1.0)))
    return floor_fraction + (1.0 - floor_fraction) * cosine


def build_optimizer(
    groups: Sequence[ParameterGroup],
    lr: float,
    weight_decay: float,
    betas: tuple[float, float],
    eps: float,
) -> MuonAdamW:
    """One optimiser for all groups, AdamW's part in its fused form."""
    described = [
        {"params": list(group.params), "lr": lr * group.lr_scale} | settings(group, weight_decay)
        for group in groups
    ]
    return MuonAdamW(described, lr=lr, betas=betas, eps=eps, fused=True)


def settings(group: ParameterGroup, weight_decay: float) -> dict[str, float | bool]:
    """What a group is trained with, whatever a checkpoint says of it."""
    return {
        "lr_scale": group.lr_scale,
        "weight_decay": weight_decay if group.weight_decay is None else group.weight_decay,
        "orthogonal": group.orthogonal,
        "momentum": MOMENTUM,
    }


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Gives every group its share of this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]
