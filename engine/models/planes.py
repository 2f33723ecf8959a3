"""Weight matrices kept in four or eight bits: planes of four-bit codes, and their product.

A plane stands for the matrix (code - 8) * scale + offset, with a scale and an offset for each group
of inputs of each output. int4 is one plane. int8 is two, for 8-bit numbers are 16 * high + low: so
both run on the one operator for a few rows that torch has on GPUs and CPUs alike, without a package
beside torch, without compiling, and within CUDA graphs. The operator takes bfloat16 and its layout
is torch's own matter, so its product is compared once with that of the matrix before it is trusted.
Where it is missing or differs, the plain one is taken, which undoes the codes block by block.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from engine.precision import ROW_MULTIPLE, Precision

RowsTimesMatrix = Callable[[Tensor, Tensor | None, Tensor], Tensor]
"""Takes rows (S, in), an optional bias (out,) and where to write; returns that, (S, out)."""

_MIDDLE, _LARGEST = 8, 15  # of the codes
_INT8_LARGEST = 16 * 7 + 7  # the largest 16 * high + low with both from -8 to 7
# Shares of a group's range that int4 tries to cover: leaving out the ends can be more exact.
_COVERED = (1.0, 0.9, 0.8)
# Weights that are quantised at once, and that the plain product undoes at once; in whole tiles of
# outputs, as operators lay them out.
_QUANTISED_WEIGHTS, _UNDONE_WEIGHTS = 1 << 20, 1 << 23
_TILE_ROWS = 64


@dataclass(frozen=True, slots=True)
class Plane:
    """Four bits of every weight of a matrix (N, K), in groups of G inputs."""

    codes: Tensor  # (N, K), uint8 from 0 to 15
    parameters: Tensor  # (K / G, N, 2): scales and offsets, in the dtype that is computed in

    def matrix(self) -> Tensor:
        """The matrix it stands for, (N, K) in single precision."""
        n_groups, n_out, _ = self.parameters.shape
        scale, offset = self.parameters.float().permute(2, 1, 0).unsqueeze(-1)  # (N, K / G, 1) each
        codes = self.codes.view(n_out, n_groups, -1).float() - _MIDDLE
        return (codes * scale + offset).view(n_out, -1)


@dataclass(frozen=True, slots=True)
class _Operator:
    """How a plane is kept, and how rows are multiplied by it."""

    pack: Callable[[Tensor], Tensor]  # codes (N, K) -> the same in four bits, N first
    multiply: Callable[[Tensor, Tensor, int, Tensor], Tensor]
    """Rows (S, K), packed codes, group size, parameters -> (S, N)."""


def planes_of(weight: Tensor, precision: Precision) -> tuple[Plane, ...]:
    """The planes of a matrix (N, K), whose sum is nearest to it; parameters are of its dtype."""
    group = precision.group(weight.shape[1])
    assert group is not None, f"{tuple(weight.shape)} cannot be kept as {precision.value}"
    grouped = weight.float().unflatten(1, (-1, group))  # (N, K / G, G)
    return _QUANTISERS[precision](grouped, weight.dtype)


def quantised(weight: Tensor, precision: Precision) -> RowsTimesMatrix:
    """Multiplication by a matrix (N, K) kept in fewer bits; ``weight`` is not needed any more."""
    n_out, n_in = weight.shape
    group = precision.group(n_in)
    assert group is not None, f"{tuple(weight.shape)} cannot be kept as {precision.value}"
    operator = _operator_for(weight.device, weight.dtype)
    packed: list[list[Tensor]] = [[] for _ in range(precision.n_planes)]
    parameters: list[list[Tensor]] = [[] for _ in range(precision.n_planes)]
    for block in weight.split(_block_rows(n_in, _QUANTISED_WEIGHTS)):
        missing = -len(block) % ROW_MULTIPLE
        filled = torch.nn.functional.pad(block, (0, 0, 0, missing)) if missing else block
        for n, plane in enumerate(planes_of(filled, precision)):
            packed[n].append(operator.pack(plane.codes))
            parameters[n].append(plane.parameters)
    planes = [
        (torch.cat(codes), torch.cat(pairs, dim=1).contiguous())
        for codes, pairs in zip(packed, parameters, strict=True)
    ]

    def multiply(rows: Tensor, bias: Tensor | None, out: Tensor) -> Tensor:
        terms = [operator.multiply(rows, codes, group, pairs)[:, :n_out] for codes, pairs in planes]
        if bias is not None:
            terms.append(bias)
        if len(terms) == 1:
            return out.copy_(terms[0])
        torch.add(terms[0], terms[1], out=out)
        for term in terms[2:]:
            out.add_(term)
        return out

    return multiply


def has_operator(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether rows of ``dtype`` are multiplied by torch's own operator, not the plain product."""
    return _operator_for(device, dtype) is not _PLAIN


@cache
def _operator_for(device: torch.device, dtype: torch.dtype) -> _Operator:
    native = _NATIVE.get(device.type)
    if native is None or dtype != torch.bfloat16 or not _is_right(native, device):
        return _PLAIN
    return native


def _is_right(operator: _Operator, device: torch.device) -> bool:
    """Whether an operator's product is that of the matrix, on a small one."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(64, 256, generator=generator).to(device, torch.bfloat16)
    rows = torch.randn(3, 256, generator=generator).to(device, torch.bfloat16)
    (plane,) = planes_of(weight, Precision.INT4)
    group = 256 // plane.parameters.shape[0]
    expected = rows.float() @ plane.matrix().t()
    try:
        product = operator.multiply(rows, operator.pack(plane.codes), group, plane.parameters)
    except (AttributeError, RuntimeError):
        return False
    return bool((product.float() - expected).abs().max() <= 0.02 * expected.abs().max())


def _four_bits(grouped: Tensor, dtype: torch.dtype) -> tuple[Plane, ...]:
    """One plane: of several ranges for each group the one with the smallest squared error."""
    low, high = grouped.aminmax(dim=2, keepdim=True)
    middle, width = (low + high) / 2, high - low
    best_error = torch.full_like(middle, torch.inf)
    best_scale, best_offset = torch.ones_like(middle), middle
    for share in _COVERED:
        step = width * (share / _LARGEST)
        scale = _rounded(step, dtype)
        # The codes lie from -8 to 7, so their middle is half a step below the offset.
        offset = (middle + step / 2).to(dtype).float()
        error = grouped - (_codes(grouped, scale, offset) * scale + offset)
        error = error.square().sum(dim=2, keepdim=True)
        is_better = error < best_error
        best_error = torch.where(is_better, error, best_error)
        best_scale = torch.where(is_better, scale, best_scale)
        best_offset = torch.where(is_better, offset, best_offset)
    codes = _codes(grouped, best_scale, best_offset)
    return (_plane(codes, best_scale, best_offset, dtype),)


def _eight_bits(grouped: Tensor, dtype: torch.dtype) -> tuple[Plane, ...]:
    """Two planes, of which the first has sixteen times the scale of the second."""
    largest = grouped.abs().amax(dim=2, keepdim=True)
    scale = _rounded(largest / _INT8_LARGEST, dtype)
    numbers = (grouped / scale).round().clamp(-16 * _MIDDLE - _MIDDLE, _INT8_LARGEST)
    high = ((numbers + _MIDDLE) / 16).floor()
    none = torch.zeros_like(scale)
    return (
        _plane(high, 16 * scale, none, dtype),
        _plane(numbers - 16 * high, scale, none, dtype),
    )


_QUANTISERS = {Precision.INT4: _four_bits, Precision.INT8: _eight_bits}


def _codes(grouped: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """The nearest codes, counted from the middle: whole numbers from -8 to 7."""
    return ((grouped - offset) / scale).round().clamp(-_MIDDLE, _LARGEST - _MIDDLE)


def _rounded(scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Scales as they can be kept; 1 in place of 0, with which equal weights have the code 0."""
    kept = scale.to(dtype).float()
    return torch.where(kept == 0, torch.ones_like(kept), kept)


def _plane(codes: Tensor, scale: Tensor, offset: Tensor, dtype: torch.dtype) -> Plane:
    """From codes counted from the middle (N, K / G, G), scales and offsets (N, K / G, 1)."""
    parameters = torch.cat((scale, offset), dim=2).transpose(0, 1).to(dtype).contiguous()
    return Plane((codes + _MIDDLE).to(torch.uint8).flatten(1), parameters)


def _two_in_a_byte(codes: Tensor) -> Tensor:
    """Codes (N, K) -> (N, K / 2), the first of two in the upper half."""
    return codes[:, ::2] << 4 | codes[:, 1::2]


def _plain_product(rows: Tensor, packed: Tensor, group: int, parameters: Tensor) -> Tensor:
    """Undoes the codes of a block of outputs at a time."""
    n_rows = _block_rows(rows.shape[1], _UNDONE_WEIGHTS)
    products = []
    for codes, pairs in zip(packed.split(n_rows), parameters.split(n_rows, dim=1), strict=True):
        scale, offset = pairs.permute(2, 1, 0).unsqueeze(-1)  # (N, K / G, 1) each
        numbers = torch.stack((codes >> 4, codes & _LARGEST), dim=2).view(len(codes), -1, group)
        matrix = ((numbers.to(rows.dtype) - _MIDDLE) * scale + offset).flatten(1)
        products.append(rows @ matrix.t())
    return torch.cat(products, dim=1)


def _block_rows(n_in: int, n_weights: int) -> int:
    """Outputs of about so many weights, in whole tiles."""
    return max(1, n_weights // n_in // _TILE_ROWS) * _TILE_ROWS


def _cuda_pack(codes: Tensor) -> Tensor:
    # Tiles of 16 inputs that a thread reads at once: 8, 4 or 2, the most that fit.
    n_tiles = next(n for n in (8, 4, 2) if codes.shape[1] % (16 * n) == 0)
    return torch.ops.aten._convert_weight_to_int4pack(_two_in_a_byte(codes), n_tiles)


def _cpu_pack(codes: Tensor) -> Tensor:
    return torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.int(), 1)


# Looked up when they are called: not every build of torch has every one of them.
_NATIVE = {
    "cuda": _Operator(
        _cuda_pack,
        lambda rows, packed, group, parameters: torch.ops.aten._weight_int4pack_mm(
            rows, packed, group, parameters
        ),
    ),
    "cpu": _Operator(
        _cpu_pack,
        lambda rows, packed, group, parameters: torch.ops.aten._weight_int4pack_mm_for_cpu(
            rows, packed, group, parameters
        ),
    ),
}
_PLAIN = _Operator(_two_in_a_byte, _plain_product)
