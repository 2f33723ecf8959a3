"""Whether a safetensors file is whole, told from its size and its header alone.

Pure. A file is eight bytes with the length of the header, the header (JSON: dtype, shape and place
of every tensor), and the tensors one after the other. A flipped byte inside a tensor does not show
here; checksums find it (``engine.verify``).
"""

import json
import math
from pathlib import Path
from typing import Any

_PREFIX = 8
_LONGEST_HEADER = 100_000_000
_BITS = {
    "BOOL": 8,
    **{f"{kind}{bits}": bits for kind in "IU" for bits in (8, 16, 32, 64)},
    **{"F16": 16, "BF16": 16, "F32": 32, "F64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8},
}


def fault_of(path: Path) -> str | None:
    """What is wrong with the file, in a few words; None where it is whole.

    Raises ``OSError`` where it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(_PREFIX)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < _PREFIX or (length <= _LONGEST_HEADER and _PREFIX + length > size):
            return f"it is cut off after {size} bytes, within its header"
        if length > _LONGEST_HEADER:
            return "it is not a safetensors file, or its header is damaged"
        header = file.read(length)
    try:
        expected = _PREFIX + length + _end_of_tensors(json.loads(header))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its header is damaged"
    if size < expected:
        return f"it is cut off: {size} of {expected} bytes are there"
    if size > expected:
        return f"it is {size - expected} bytes longer than its header says"
    return None


def _end_of_tensors(header: dict[str, Any]) -> int:
    """Where the last tensor ends; raises unless the tensors follow one another without a gap."""
    places = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        bits = _BITS.get(entry["dtype"])
        if bits is not None and (end - begin) * 8 != math.prod(entry["shape"]) * bits:
            raise ValueError(name)
        places.append((begin, end))
    reached = 0
    for begin, end in sorted(places):
        if begin != reached or end < begin:
            raise ValueError("gap")
        reached = end
    return reached
