"""Every form of a weight matrix multiplies like the plain one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import engine.models.matrices as matrices
from engine.models.matrices import (
    RowsTimesMatrix,
    is_exact_in_half_precision,
    laid_out,
    packed_half,
    prepare,
)


def weight(n_out: int, n_in: int) -> Tensor:
    drawn = torch.randn(n_out, n_in, generator=torch.Generator().manual_seed(n_out))
    return drawn.half().float()


@pytest.mark.parametrize("form", [laid_out, packed_half, prepare])
@pytest.mark.parametrize("shape", [(40, 24), (24, 40), (1200, 900)])
@pytest.mark.parametrize("n_rows", [1, 11])
@pytest.mark.parametrize("with_bias", [False, True])
def test_every_form_gives_the_plain_product(
    form: Callable[[Tensor], RowsTimesMatrix | None],
    shape: tuple[int, int],
    n_rows: int,
    with_bias: bool,
) -> None:
    matrix = weight(*shape)
    multiply = form(matrix)
    if multiply is None:
        pytest.skip("this processor has no packed half precision")
    rows = torch.randn(n_rows, shape[1])
    bias = torch.randn(shape[0]) if with_bias else None
    out = torch.empty(n_rows, shape[0])
    result = multiply(rows, bias, out)
    assert result.data_ptr() == out.data_ptr()
    expected = torch.nn.functional.linear(rows, matrix, bias)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-4)


def test_weights_that_half_precision_would_change_keep_single_precision() -> None:
    matrix, rows, out = torch.randn(60, 80) * 0.02, torch.randn(3, 80), torch.empty(3, 60)
    prepare(matrix)(rows, None, out)
    torch.testing.assert_close(out, rows @ matrix.t(), rtol=0, atol=1e-6)


def test_exactness_in_half_precision_is_seen() -> None:
    exact = weight(8, 8)
    assert is_exact_in_half_precision(exact)
    assert not is_exact_in_half_precision(exact * 1.0001)
    assert not is_exact_in_half_precision(torch.tensor([[1e6]]))


def test_weights_beyond_the_range_of_half_precision_are_kept() -> None:
    matrix, rows, out = torch.full((4, 4), 1e6), torch.ones(1, 4), torch.empty(1, 4)
    assert torch.equal(prepare(matrix)(rows, None, out), torch.full((1, 4), 4e6))


def test_the_smallest_numbers_of_half_precision_are_not_lost() -> None:
    matrix = torch.arange(-32.0, 32.0).reshape(8, 8) * 2**-24
    rows, out = torch.randn(2, 8), torch.empty(2, 8)
    torch.testing.assert_close(
        prepare(matrix)(rows, None, out), rows @ matrix.t(), rtol=1e-4, atol=1e-12
    )


def test_where_the_packed_form_is_missing_the_plain_one_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_: Tensor) -> RowsTimesMatrix:
        raise RuntimeError("not on this processor")

    monkeypatch.setattr(matrices, "_packed_half_for_one_thread", missing)
    matrix, rows, out = weight(6, 4), torch.randn(2, 4), torch.empty(2, 6)
    assert packed_half(matrix) is None
    torch.testing.assert_close(prepare(matrix)(rows, None, out), rows @ matrix.t())
