"""Weights on disk: strict loading of safetensors onto a meta-built network, and atomic saving."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from engine.errors import CheckpointError
from engine.model_folder import INDEX as _INDEX
from engine.model_folder import SINGLE as _SINGLE
from engine.model_folder import shards_of
from engine.safetensors_header import fault_of

_NAMED = 4  # weights of each kind that an error names


@contextmanager
def without_weights() -> Iterator[None]:
    """Networks built inside have shapes and no memory; ``load_weights`` fills them.

    Drawing start values is left out: on the meta device it draws nothing, but makes torch import
    its compiler, which takes longer than loading all of a small model.
    """
    with torch.device("meta"), _NoStartValues():
        yield


class _NoStartValues(TorchFunctionMode):
    """Passes over every in-place normal draw."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in (nn.init.normal_, Tensor.normal_):
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def load_weights(
    module: nn.Module,
    path: Path | str,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    key_map: Mapping[str, str] | None = None,
) -> None:
    """Fills every parameter and buffer of ``module`` from ``path``; nothing missing, nothing extra.

    ``path`` is a safetensors file or a folder with one (or with shards and their index).
    ``key_map`` maps names in the file to names in the module where they differ. Floating-point
    tensors become ``dtype`` on ``device``; ``module`` is best built ``without_weights``. The files
    are mapped into memory: a tensor goes from the disk straight to the device, and one that stays
    on the CPU as it is stored is never copied. Raises ``CheckpointError``, which names missing,
    unexpected and misshapen weights together.
    """
    with opened_weights(module, path, dtype=dtype, device=device, key_map=key_map) as stored:
        stored.fill(module)
    left = [name for name, buffer in module.named_buffers() if buffer.is_meta]
    assert not left, f"buffers outside the checkpoint were built on meta: {left}"


@contextmanager
def opened_weights(
    module: nn.Module,
    path: Path | str,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    key_map: Mapping[str, str] | None = None,
) -> Iterator["StoredWeights"]:
    """The weights of ``module`` to be read part by part; otherwise as ``load_weights``.

    They are compared with the whole module before the first is read.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    with ExitStack() as stack:
        # Everything is compared before anything is read: a wrong checkpoint costs no memory.
        places: dict[str, tuple[Any, str]] = {}
        faults = _Faults()
        for file in _weight_files(Path(path)):
            opened = stack.enter_context(_opened(file))
            keys = opened.keys()
            for key in keys:
                name = key if key_map is None else key_map.get(key, key)
                if name not in expected:
                    faults.extra.append(key)
                    continue
                places[name] = opened, key
                shape = tuple(opened.get_slice(key).get_shape())
                if shape != expected[name]:
                    faults.misshapen.append(f"{key} has {shape} in place of {expected[name]}")
        faults.missing += sorted(expected.keys() - places.keys())
        faults.raise_any(path)
        yield StoredWeights(places, dtype, torch.device(device))


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """Weights in opened files, for the module they were compared with."""

    places: Mapping[str, tuple[Any, str]]
    """For the name of each weight its file and its key there."""
    dtype: torch.dtype
    device: torch.device

    def fill(self, part: nn.Module, prefix: str = "") -> None:
        """Reads the weights of one part of the module, whose names begin with ``prefix``."""
        tensors: dict[str, Tensor] = {}
        for name in part.state_dict():
            opened, key = self.places[prefix + name]
            tensor = opened.get_tensor(key)
            wanted = self.dtype if tensor.is_floating_point() else tensor.dtype
            tensors[name] = tensor.to(device=self.device, dtype=wanted)
        part.load_state_dict(tensors, assign=True)


def weight_shapes(path: Path | str) -> dict[str, tuple[int, ...]]:
    """The shapes of all weights that ``load_weights`` would find, by their names in the files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in _weight_files(Path(path)):
        with _opened(file) as opened:
            keys = opened.keys()
            shapes |= {key: tuple(opened.get_slice(key).get_shape()) for key in keys}
    return shapes


def save_weights(module: nn.Module, path: Path | str, dtype: torch.dtype | None = None) -> None:
    """Writes all parameters and buffers to ``path``; a reader sees the old file or the new one."""
    save_tensors(_stored(module.state_dict(), dtype), Path(path))


def save_sharded(
    module: nn.Module,
    folder: Path | str,
    dtype: torch.dtype | None = None,
    shard_bytes: int = 5_000_000_000,
) -> None:
    """Writes the weights as released checkpoints have them: numbered shards and their index.

    A shard is closed before the tensor that would make it larger than ``shard_bytes``. The index
    comes last, so that a folder with an index is complete.
    """
    folder, state = Path(folder), module.state_dict()
    sizes = {
        name: tensor.numel() * _stored_dtype(tensor, dtype).itemsize
        for name, tensor in state.items()
    }
    shards = shards_for(sizes, shard_bytes)
    for file, names in shards.items():
        save_tensors(_stored({name: state[name] for name in names}, dtype), folder / file)
    save_index(folder, shards, sum(sizes.values()))


def shards_for(sizes: Mapping[str, int], shard_bytes: int) -> dict[str, list[str]]:
    """Which file each weight goes to, in the order given; ``sizes`` are in bytes."""
    shards: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes.items():
        if shards[-1] and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return {
        f"model-{number:05d}-of-{len(shards):05d}.safetensors": names
        for number, names in enumerate(shards, start=1)
    }


def save_index(folder: Path, shards: Mapping[str, list[str]], total_bytes: int) -> None:
    """Writes the index of sharded weights."""
    weight_map = {name: file for file, names in shards.items() for name in names}
    index = {"metadata": {"total_size": total_bytes}, "weight_map": weight_map}
    text = json.dumps(index, indent=2, sort_keys=True) + "\n"
    (folder / _INDEX).write_text(text, encoding="utf-8")


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a safetensors file; a reader sees the old file or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    try:
        save_file(dict(tensors), temporary, metadata={"format": "pt", **(metadata or {})})
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def weight_names(path: Path | str) -> set[str]:
    """The names of all weights in a file or a folder, as they are stored; reads no weights."""
    names: set[str] = set()
    for file in _weight_files(Path(path)):
        with _opened(file) as opened:
            names.update(opened.keys())
    return names


@dataclass(slots=True)
class _Faults:
    """In what a checkpoint differs from the network it is for."""

    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)

    def raise_any(self, path: Path | str) -> None:
        """Raises one error that names the first few of every kind."""
        kinds = {"missing": self.missing, "unexpected": self.extra, "misshapen": self.misshapen}
        told = [
            f"{len(names)} {kind} ({', '.join(names[:_NAMED])}{', ...' * (len(names) > _NAMED)})"
            for kind, names in kinds.items()
            if names
        ]
        if told:
            raise CheckpointError(f"{path}: these weights are not this model's: {'; '.join(told)}")


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """A safetensors file, mapped into memory."""
    try:
        opened = safe_open(file, framework="pt")
    except OSError as error:
        raise CheckpointError(f"cannot read weights {file}: {error}") from error
    except SafetensorError as error:
        raise CheckpointError(f"cannot read weights {file}: {fault_of(file) or error}") from error
    with opened:
        yield opened


def _stored(state: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """The tensors as they are written; those that are not floating point keep their kind."""
    return {
        name: tensor.detach().to("cpu", _stored_dtype(tensor, dtype)).contiguous()
        for name, tensor in state.items()
    }


def _stored_dtype(tensor: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    return dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype


def _weight_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    index = path / _INDEX
    if not index.exists():
        return [path / _SINGLE]
    return [path / shard for shard in shards_of(index)]
