"""Muon: momentum whose every weight matrix is orthogonalised before it is applied.

K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the scale that
lets it share a learning rate with AdamW is that of J. Liu et al., "Muon is Scalable for LLM
Training", 2025, section 2.2. torch's own Muon works in bfloat16, which a processor without bfloat16
units takes a hundred times as long for; this one works in float32, matrices of one shape at a time.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95  # Jordan et al.

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan et al.: steepest at small singular values
_ITERATIONS = 5
_RMS_OF_ADAMW = 0.2  # the root mean square of a usual AdamW update (Liu et al.)


class MuonAdamW(torch.optim.AdamW):
    """Muon for the groups with ``orthogonal`` set, which hold matrices; AdamW for the others."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update; the gradients of the orthogonalised matrices are used up."""
        for group in self.param_groups:
            if group["orthogonal"]:
                self._orthogonal_step(group)
        super().step(closure)

    def _orthogonal_step(self, group: dict[str, Any]) -> None:
        by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
        for parameter in group["params"]:
            if parameter.grad is not None:
                by_shape[parameter.shape].append(parameter)
        for shape, parameters in by_shape.items():
            updates = orthogonalise(torch.stack([self._momentum(p, group) for p in parameters]))
            size = group["lr"] * _RMS_OF_ADAMW * max(shape) ** 0.5
            for parameter, update in zip(parameters, updates, strict=True):
                parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-size)
                parameter.grad = None

    def _momentum(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        """The gradient looked ahead by Nesterov's momentum."""
        assert parameter.grad is not None, "only parameters with a gradient are updated"
        state, beta = self.state[parameter], group["momentum"]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
            state["step"] = torch.zeros(())  # not used here; AdamW wants it when it is restored
        state["momentum"].lerp_(parameter.grad, 1.0 - beta)
        return parameter.grad.lerp(state["momentum"], beta)


def orthogonalise(matrices: Tensor) -> Tensor:
    """(N, R, C) -> (N, R, C) of the same singular vectors, all singular values near one.

    Five steps of a Newton-Schulz iteration; the values end within about 0.7 and 1.2.
    """
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT
