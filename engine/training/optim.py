"""The optimiser and the learning-rate schedule of every training run.

The schedule is a pure function of progress in [0, 1]: a linear warm-up, then a cosine down to a
floor. Progress follows the step count, or the clock where a run is bounded by time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters trained with one learning-rate scale, and their own weight decay where given."""

    params: Sequence[nn.Parameter]
    lr_scale: float = 1.0
    weight_decay: float | None = None


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
) -> torch.optim.AdamW:
    """AdamW in its fused form; each group remembers its scale as ``lr_scale``."""
    described = [
        {
            "params": list(group.params),
            "lr": lr * group.lr_scale,
            "lr_scale": group.lr_scale,
            "weight_decay": weight_decay if group.weight_decay is None else group.weight_decay,
        }
        for group in groups
    ]
    return torch.optim.AdamW(described, lr=lr, betas=betas, eps=eps, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Gives every group its share of this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]
