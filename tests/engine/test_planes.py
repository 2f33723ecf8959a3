"""Matrices in four or eight bits multiply like what they stand for, which is near the whole."""

import pytest
import torch
from torch import Tensor

from engine.models import planes
from engine.models.matrices import prepare
from engine.models.planes import has_operator, planes_of, quantised
from engine.precision import Precision

QUANTISED = (Precision.INT8, Precision.INT4)
# What of a normal matrix is lost, as a share of its length.
MOST_LOST = {Precision.INT8: 0.01, Precision.INT4: 0.1}
ROUNDING = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.5e-2}


def normal(n_out: int, n_in: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(n_out, n_in, generator=torch.Generator().manual_seed(n_out)).to(dtype)


def stands_for(weight: Tensor, precision: Precision) -> Tensor:
    return torch.stack([plane.matrix() for plane in planes_of(weight, precision)]).sum(0)


@pytest.mark.parametrize("precision", QUANTISED)
@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("shape", [(16, 32), (40, 192), (200, 128)])
@pytest.mark.parametrize(("n_rows", "with_bias"), [(1, False), (11, True)])
def test_the_product_is_that_of_the_planes(
    precision: Precision,
    dtype: torch.dtype,
    shape: tuple[int, int],
    n_rows: int,
    with_bias: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Outputs that fill no tile, and several blocks of them, included."""
    monkeypatch.setattr(planes, "_QUANTISED_WEIGHTS", 64 * 128)
    monkeypatch.setattr(planes, "_UNDONE_WEIGHTS", 64 * 128)
    weight, rows = normal(*shape, dtype), normal(n_rows, shape[1], dtype)
    bias = normal(1, shape[0], dtype)[0] if with_bias else None
    out = torch.empty(n_rows, shape[0], dtype=dtype)
    result = quantised(weight, precision)(rows, bias, out)
    assert result.data_ptr() == out.data_ptr()
    expected = rows.float() @ stands_for(weight, precision).t()
    expected += 0 if bias is None else bias.float()
    assert (out.float() - expected).abs().max() < ROUNDING[dtype] * expected.abs().max()


@pytest.mark.parametrize("precision", QUANTISED)
@pytest.mark.parametrize("dtype", ROUNDING)
def test_little_of_a_matrix_is_lost(precision: Precision, dtype: torch.dtype) -> None:
    weight = 0.02 * normal(256, 384)
    lost = stands_for(weight.to(dtype), precision) - weight
    assert lost.norm() < MOST_LOST[precision] * weight.norm()
    finer = 0.0 if precision is Precision.INT8 else MOST_LOST[Precision.INT8]
    assert lost.norm() > finer * weight.norm()


def test_weights_on_the_grid_of_four_bits_are_kept_exactly() -> None:
    steps = torch.arange(64).remainder(16).float()
    weight = torch.stack([steps * 0.25 - 2, steps.flip(0) * 0.5 + 1] * 8)
    assert torch.equal(stands_for(weight, Precision.INT4), weight)


def test_weights_on_the_grid_of_eight_bits_are_kept_exactly() -> None:
    steps = torch.arange(-119.0, 120.0)[:128]
    weight = torch.stack([steps, -steps] * 8) / 64
    assert torch.equal(stands_for(weight, Precision.INT8), weight)


@pytest.mark.parametrize("precision", QUANTISED)
@pytest.mark.parametrize("value", [0.0, 0.5, -1.0])
def test_equal_weights_stay_what_they_are(precision: Precision, value: float) -> None:
    weight = torch.full((16, 64), value)
    torch.testing.assert_close(stands_for(weight, precision), weight, rtol=2e-3, atol=0)


def test_a_group_has_its_own_range() -> None:
    weight = normal(16, 128)
    weight[:, 64:] *= 1e-3
    lost = stands_for(weight, Precision.INT4) - weight
    assert lost[:, 64:].norm() < 0.1 * weight[:, 64:].norm()


def test_a_matrix_of_no_whole_groups_is_kept_as_it_is() -> None:
    weight, rows, out = normal(16, 40), normal(2, 40), torch.empty(2, 16)
    torch.testing.assert_close(prepare(weight, Precision.INT4)(rows, None, out), rows @ weight.t())


def test_an_operator_that_is_wrong_or_missing_is_not_trusted() -> None:
    def shifted(rows: Tensor, packed: Tensor, group: int, parameters: Tensor) -> Tensor:
        return planes._PLAIN.multiply(rows, packed, group, parameters).roll(1, dims=1)

    def missing(rows: Tensor, packed: Tensor, group: int, parameters: Tensor) -> Tensor:
        raise NotImplementedError("not on this device")

    cpu = torch.device("cpu")
    assert planes._is_right(planes._PLAIN, cpu)
    for multiply in (shifted, missing):
        assert not planes._is_right(planes._Operator(planes._PLAIN.pack, multiply), cpu)


def test_only_bfloat16_has_an_operator_of_its_own() -> None:
    assert not has_operator(torch.device("cpu"), torch.float32)
    assert not has_operator(torch.device("cpu"), torch.float16)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", QUANTISED)
@pytest.mark.parametrize("shape", [(40, 192), (4608, 3584), (896, 4864), (168072, 896)])
@pytest.mark.parametrize("n_rows", [1, 11, 32, 200])
def test_on_a_gpu_the_operator_is_there_and_right(
    precision: Precision, shape: tuple[int, int], n_rows: int
) -> None:
    assert has_operator(torch.device("cuda"), torch.bfloat16)
    weight, rows = normal(*shape, torch.bfloat16).cuda(), normal(n_rows, shape[1]).cuda()
    out = torch.empty(n_rows, shape[0], dtype=torch.bfloat16, device="cuda")
    quantised(weight, precision)(rows.bfloat16(), None, out)
    expected = rows.bfloat16().float() @ stands_for(weight, precision).t()
    assert (out.float() - expected).abs().max() < 1.5e-2 * expected.abs().max()
