"""Weights on disk: strict loading of safetensors onto a meta-built network, and atomic saving."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from engine.errors import CheckpointError

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"


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
    tensors become ``dtype`` on ``device``; ``module`` is best built ``without_weights``.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    tensors: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for file in _weight_files(Path(path)):
            try:
                opened = stack.enter_context(safe_open(file, framework="pt"))
            except (OSError, SafetensorError) as error:
                raise CheckpointError(f"cannot read weights {file}: {error}") from error
            keys = opened.keys()
            for key in keys:
                name = key if key_map is None else key_map.get(key, key)
                if name not in expected:
                    raise CheckpointError(f"{file}: unexpected weight {key!r}")
                shape = tuple(opened.get_slice(key).get_shape())
                if shape != expected[name]:
                    raise CheckpointError(
                        f"{file}: weight {key!r} has shape {shape}, expected {expected[name]}"
                    )
                tensor = opened.get_tensor(key)
                wanted = dtype if tensor.is_floating_point() else tensor.dtype
                tensors[name] = tensor.to(device=device, dtype=wanted)
    missing = sorted(expected.keys() - tensors.keys())
    if missing:
        raise CheckpointError(
            f"{path}: {len(missing)} weights are missing, the first are {', '.join(missing[:4])}"
        )
    module.load_state_dict(tensors, assign=True)
    left = [name for name, buffer in module.named_buffers() if buffer.is_meta]
    assert not left, f"buffers outside the checkpoint were built on meta: {left}"


def weight_shapes(path: Path | str) -> dict[str, tuple[int, ...]]:
    """The shapes of all weights that ``load_weights`` would find, by their names in the files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in _weight_files(Path(path)):
        try:
            with safe_open(file, framework="pt") as opened:
                keys = opened.keys()
                shapes |= {key: tuple(opened.get_slice(key).get_shape()) for key in keys}
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"cannot read weights {file}: {error}") from error
    return shapes


def save_weights(module: nn.Module, path: Path | str, dtype: torch.dtype | None = None) -> None:
    """Writes all parameters and buffers to ``path``; a reader sees the old file or the new one."""
    path = Path(path)
    tensors = {}
    for name, tensor in module.state_dict().items():
        wanted = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
        tensors[name] = tensor.detach().to("cpu", wanted).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata={"format": "pt"})
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _weight_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    index = path / _INDEX
    if not index.exists():
        return [path / _SINGLE]
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(f"cannot read the weight index {index}: {error}") from error
    return [path / shard for shard in sorted(shards)]
