"""The bytes of all tensors that an object holds, however deep."""

import gc
from types import FunctionType, ModuleType

import torch


def allocated_bytes(held: object) -> int:
    """Every storage once; what functions have in their closures counts as held."""
    storages: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [held]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType):
            continue
        seen.add(id(one))
        if isinstance(one, torch.Tensor):
            storage = one.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        elif isinstance(one, FunctionType):
            waiting += one.__closure__ or ()
        else:
            waiting += gc.get_referents(one)
    return sum(storages.values())
