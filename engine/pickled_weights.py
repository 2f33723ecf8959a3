"""Weights that were released as pickles: read safely, written once as safetensors.

A pickle can hold any code. ``torch.load(weights_only=True)`` builds tensors and plain containers
and refuses everything else, and nothing here reads one in another way. The tensors are then kept
as safetensors, beside the pickle or, where nothing can be written there, in a folder of the
program's, so that later starts map them into memory like all others.
"""

import logging
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.checkpoint import save_tensors
from engine.errors import CheckpointError

Weights: TypeAlias = dict[str, Tensor]

_log = logging.getLogger("engine.checkpoint")
_SOURCE = "source"
# Names under which training programs store the weights inside what they save.
_WRAPPERS = ("state_dict", "model_state_dict", "model")


def as_safetensors(
    file: Path, spare: Path, rename: Callable[[Weights], Weights] = lambda weights: weights
) -> Path:
    """The safetensors file with the weights of the pickle ``file``, written first where need be.

    It lies beside the pickle, or in the folder ``spare`` where that cannot be written to. One that
    was made from another version of the pickle is made anew; one without its pickle is taken as it
    is. ``rename`` gives the weights the names of the network they are for.
    """
    places = (file.with_suffix(".safetensors"), spare / f"{file.stem}.safetensors")
    if not file.is_file():
        for place in places:
            if place.is_file():
                return place
        raise CheckpointError(f"cannot read weights {file}: there is no such file")
    stamp = _stamp(file)
    for place in places:
        if _made_from(place) == stamp:
            return place
    weights = rename(read(file))
    for place in places:
        try:
            save_tensors(weights, place, {_SOURCE: stamp})
        except OSError as error:
            _log.info("%s cannot be written: %s", place, error)
            failure = error
            continue
        _log.info("%s was converted to %s", file, place)
        return place
    raise CheckpointError(
        f"{file} must be converted once, but neither {places[0].parent} nor {spare} can be "
        f"written to: {failure.strerror}"
    )


def read(file: Path) -> Weights:
    """The tensors of a pickle by their names; raises ``CheckpointError`` for anything else."""
    try:
        with warnings.catch_warnings():
            # What torch says of an unusual pickle, it says again when it refuses it.
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file} holds more than weights, or is damaged, and was not opened"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, AttributeError) as error:
        first = str(error).strip().partition("\n")[0]
        raise CheckpointError(f"cannot read weights {file}: {first}") from error
    for name in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{file} holds no table of weights")
    others = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if others or not content:
        named = ", ".join(map(str, others[:4])) or "nothing at all"
        raise CheckpointError(f"{file} holds what is no weight: {named}")
    # Tensors that share memory cannot be stored as they are.
    return {str(name): value.detach().clone().contiguous() for name, value in content.items()}


def without_parametrizations(weights: Weights) -> Weights:
    """Normalised weights by their classic names, whichever way they were stored.

    The length and direction of a normalised weight are called ``weight_g`` and ``weight_v``, or
    ``parametrizations.weight.original0`` and ``original1`` by later versions of torch.
    """
    renamed = {}
    for name, value in weights.items():
        for later, classic in (("original0", "weight_g"), ("original1", "weight_v")):
            name = name.replace(f"parametrizations.weight.{later}", classic)
        renamed[name] = value
    return renamed


def normalised(weights: Weights, expected: frozenset[str]) -> Weights:
    """The weights of a network of which ``expected`` names all, with folded weights taken apart.

    Where ``x.weight`` is stored and ``x.weight_g`` and ``x.weight_v`` are expected, the weight
    becomes the direction and its own length the length; folding them gives it back.
    """
    weights = without_parametrizations(weights)
    apart: Weights = {}
    for name, value in weights.items():
        if name not in expected and f"{name}_g" in expected and f"{name}_v" in expected:
            axes = tuple(range(1, value.dim()))
            apart[f"{name}_g"] = torch.linalg.vector_norm(value, dim=axes, keepdim=True)
            apart[f"{name}_v"] = value
        else:
            apart[name] = value
    return apart


def _stamp(file: Path) -> str:
    state = file.stat()
    return f"{file.name} {state.st_size} {state.st_mtime_ns}"


def _made_from(place: Path) -> str | None:
    """The pickle that a file was made from; None where there is no such file or it is broken."""
    try:
        with safe_open(place, framework="pt") as opened:
            return (opened.metadata() or {}).get(_SOURCE)
    except (OSError, SafetensorError):
        return None
