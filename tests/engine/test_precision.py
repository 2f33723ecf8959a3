"""Precisions are data: how matrices are kept, and which is chosen where nobody names one."""

import pytest

from engine.fit import best_precision
from engine.precision import Precision, automatic_precisions, matrix_bytes


@pytest.mark.parametrize(
    ("precision", "n_in", "group"),
    [
        (Precision.INT8, 3584, 256),
        (Precision.INT8, 64 * 3, 64),
        (Precision.INT4, 3584, 64),
        (Precision.INT4, 32 * 5, 32),
        (Precision.INT4, 48, None),
        (Precision.BF16, 3584, None),
    ],
)
def test_a_group_divides_the_inputs(precision: Precision, n_in: int, group: int | None) -> None:
    assert precision.group(n_in) == group


def test_a_matrix_has_its_weights_and_their_scales() -> None:
    n_weights = 160 * 256
    assert matrix_bytes(160, 256, Precision.FP32) == 4 * n_weights
    assert matrix_bytes(160, 256, Precision.FP16) == 2 * n_weights
    assert matrix_bytes(160, 256, Precision.INT8) == n_weights + 2 * 4 * n_weights // 256
    assert matrix_bytes(160, 256, Precision.INT4) == n_weights // 2 + 4 * n_weights // 64
    assert matrix_bytes(150, 256, Precision.INT4) == matrix_bytes(160, 256, Precision.INT4)
    assert matrix_bytes(160, 40, Precision.INT4) == 2 * 160 * 40


def test_the_most_exact_that_fits_is_chosen_and_else_the_smallest() -> None:
    needed = {Precision.BF16: 20, Precision.INT8: 10, Precision.INT4: 6}
    chosen = [best_precision(needed, free) for free in (30, 20, 19, 6, 1)]
    assert chosen[:2] == [Precision.BF16] * 2
    assert chosen[2:] == [Precision.INT8, Precision.INT4, Precision.INT4]


def test_what_is_chosen_from_computes_on_the_device() -> None:
    assert automatic_precisions(is_gpu=True)[0] is Precision.BF16
    assert automatic_precisions(is_gpu=True, has_bf16=False)[0] is Precision.FP16
    assert automatic_precisions(is_gpu=False) == (Precision.FP32, Precision.BF16)
