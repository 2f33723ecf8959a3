"""In which precision a language model's weights are kept, and how many bytes a matrix takes then.

Pure. Quantised matrices are made of planes of four bits: int4 is one plane, int8 two. A plane has a
scale and an offset for every group of inputs of every output; ``engine.models.planes`` makes them.
"""

from enum import Enum

ROW_MULTIPLE = 16
"""A plane's outputs are filled up to a multiple of this."""

_PARAMETER_BYTES = 2 * 2  # a scale and an offset in 16 bits


class Precision(Enum):
    """How the language model's weights are kept; the quantised ones compute in 16 bits."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"
    INT4 = "int4"

    @property
    def compute_bytes(self) -> int:
        """Bytes of a number in computations and in the KV cache."""
        return 4 if self is Precision.FP32 else 2

    @property
    def n_planes(self) -> int:
        """Planes of four bits that a quantised matrix is made of; 0 where it is not quantised."""
        return _PLANES.get(self, 0)

    @property
    def is_quantised(self) -> bool:
        """Whether matrices are kept in fewer bits than they compute in."""
        return self.n_planes > 0

    def group(self, n_in: int) -> int | None:
        """Inputs that share a scale and an offset; None where a matrix of so many stays whole."""
        return next((size for size in _GROUPS.get(self, ()) if n_in % size == 0), None)


_PLANES = {Precision.INT8: 2, Precision.INT4: 1}
# The first that divides the inputs; smaller groups are more exact and take more scales.
_GROUPS = {Precision.INT8: (256, 128, 64, 32), Precision.INT4: (64, 32)}


def matrix_bytes(n_out: int, n_in: int, precision: Precision) -> int:
    """The bytes of one weight matrix (n_out, n_in), with the scales where it is quantised."""
    group = precision.group(n_in)
    if group is None:
        return precision.compute_bytes * n_out * n_in
    rows = -(-n_out // ROW_MULTIPLE) * ROW_MULTIPLE
    return precision.n_planes * (rows * n_in // 2 + _PARAMETER_BYTES * rows * n_in // group)


def automatic_precisions(is_gpu: bool, has_bf16: bool = True) -> tuple[Precision, ...]:
    """Those that are chosen from where the user names none, the most exact first.

    ``has_bf16`` says whether a GPU computes in bfloat16; without, float16 takes its place.
    """
    if not is_gpu:
        return precisions_on(is_gpu)
    return (Precision.BF16 if has_bf16 else Precision.FP16, Precision.INT8, Precision.INT4)


def precisions_on(is_gpu: bool) -> tuple[Precision, ...]:
    """Those worth having on a device: without a GPU nothing smaller than 16 bits is faster."""
    return tuple(Precision) if is_gpu else (Precision.FP32, Precision.BF16)
