"""Laws of Muon: orthogonal updates, the size of an AdamW update, AdamW untouched beside it."""

import torch
from torch import nn

from engine.training.muon import orthogonalise
from engine.training.optim import ParameterGroup, build_optimizer


def _step(orthogonal: bool, shape: tuple[int, int] = (24, 48)) -> torch.Tensor:
    """The change that one step at a learning rate of 1 makes to a matrix of zeros."""
    matrix = nn.Parameter(torch.zeros(shape))
    matrix.grad = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    group = ParameterGroup([matrix], weight_decay=0.0, orthogonal=orthogonal)
    build_optimizer([group], 1.0, 0.0, (0.9, 0.95), 1e-8).step()
    return matrix.detach()


def test_singular_values_come_near_one_and_singular_vectors_stay() -> None:
    for shape in ((3, 16, 40), (3, 40, 16)):
        matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        found = orthogonalise(matrices)
        values = torch.linalg.svdvals(found)
        assert values.min() > 0.6 and values.max() < 1.3
        u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
        core = u.mT @ found @ vh.mT
        off_diagonal = core - torch.diag_embed(torch.diagonal(core, dim1=1, dim2=2))
        assert off_diagonal.abs().max() < 1e-3


def test_an_update_is_about_as_large_as_that_of_adamw() -> None:
    for shape in ((24, 48), (48, 24), (32, 32)):
        assert 0.1 < _step(True, shape).square().mean().sqrt() < 0.3
    assert _step(False).square().mean().sqrt() > 0.9  # the first step of Adam is the learning rate


def test_a_valley_of_unequal_slopes_is_crossed() -> None:
    generator = torch.Generator().manual_seed(1)
    target = torch.randn(12, 12, generator=generator)
    slopes = torch.logspace(0, -2, 12).unsqueeze(1)
    weight, bias = nn.Parameter(torch.zeros(12, 12)), nn.Parameter(torch.zeros(12))
    groups = [ParameterGroup([weight], orthogonal=True), ParameterGroup([bias])]
    optimizer = build_optimizer(groups, 0.05, 0.0, (0.9, 0.95), 1e-8)
    first = last = None
    for step in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / 300)
        optimizer.zero_grad()
        loss = ((slopes * (weight - target)).square().sum() + (bias - 1.0).square().sum()) / 12
        loss.backward()
        optimizer.step()
        first, last = first if first is not None else loss.item(), loss.item()
    assert first is not None and last is not None
    assert last < 0.01 * first
