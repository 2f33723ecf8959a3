"""Weight matrices in the form that multiplies a few rows fastest on the device at hand.

On a CPU, decoding one token at a time is bound by reading the weights. Where every weight is exact
in half precision, as in checkpoints stored that way, the packed form halves that traffic and keeps
float32 arithmetic, so it gives the same numbers.
"""

import warnings

import torch
from torch import Tensor

from engine.models.planes import RowsTimesMatrix, quantised
from engine.precision import Precision

# Weights from which a product is worth sharing out to all threads, which takes about 20 us.
_SPLIT_FROM = 1 << 20


def prepare(weight: Tensor, precision: Precision | None = None) -> RowsTimesMatrix:
    """The fastest multiplication by ``weight`` (out, in); the weights are copied if re-arranged.

    ``precision`` None keeps the weights as they are; a quantised one keeps fewer bits of them,
    except of a matrix whose inputs make no whole groups.
    """
    if precision is not None and precision.group(weight.shape[1]) is not None:
        return quantised(weight, precision)
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return _multiplication(weight.t())
    if is_exact_in_half_precision(weight):
        packed = packed_half(weight)
        if packed is not None:
            return packed
    return laid_out(weight)


def is_exact_in_half_precision(weight: Tensor) -> bool:
    """Whether storing the weights in float16 loses nothing."""
    return torch.equal(weight.half().float(), weight)


def packed_half(weight: Tensor) -> RowsTimesMatrix | None:
    """Multiplication by weights packed in half precision; None where the processor lacks it."""
    try:
        if weight.numel() >= _SPLIT_FROM:
            return _packed_half_for_all_threads(weight)
        return _packed_half_for_one_thread(weight)
    except (AttributeError, RuntimeError):
        return None


def _packed_half_for_one_thread(weight: Tensor) -> RowsTimesMatrix:
    with warnings.catch_warnings():
        # The operator is announced to leave PyTorch some day; ``laid_out`` then takes over.
        warnings.simplefilter("ignore")
        packed = torch.fbgemm_pack_gemm_matrix_fp16(weight)
        multiply = torch.fbgemm_linear_fp16_weight_fp32_activation
        multiply(weight.new_zeros(1, weight.shape[1]), packed, None)
    return lambda rows, bias, out: multiply(rows, packed, bias, out)


def _packed_half_for_all_threads(weight: Tensor) -> RowsTimesMatrix:
    packed = torch.ops.quantized.linear_prepack_fp16(weight, None)
    multiply = torch.ops.quantized.linear_dynamic_fp16.default

    def with_bias(rows: Tensor, bias: Tensor | None, out: Tensor) -> Tensor:
        product = multiply(rows, packed)
        return out.copy_(product) if bias is None else torch.add(product, bias, out=out)

    return with_bias


def laid_out(weight: Tensor) -> RowsTimesMatrix:
    """Multiplication in single precision, with the memory order that suits one row.

    A product with a wide result reads its weights in order when they are stored by input, a product
    with a narrow result when they are stored by output.
    """
    n_out, n_in = weight.shape
    return _multiplication(weight.t().contiguous() if n_out > n_in else weight.contiguous().t())


def _multiplication(by_input: Tensor) -> RowsTimesMatrix:
    def multiply(rows: Tensor, bias: Tensor | None, out: Tensor) -> Tensor:
        if bias is None:
            return torch.mm(rows, by_input, out=out)
        return torch.addmm(bias, rows, by_input, out=out)

    return multiply
