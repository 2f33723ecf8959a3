"""Which models a machine has: folders that hold a complete set of model files."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import CheckpointError

_COMMON_FILES = (
    "config.json",
    "tokenizer.json",
    "speech_decoder/config.json",
    "speech_decoder/flow.safetensors",
    "speech_decoder/hift.safetensors",
)
MODEL_FILES = (
    *_COMMON_FILES,
    "speech_tokenizer/config.json",
    "speech_tokenizer/model.safetensors",
)
"""What a model folder must hold, beside its own weights, which may be in several shards."""

PLUS_FILES = (*_COMMON_FILES, "speech_encoder/config.json", "speech_encoder/am.mvn")
"""What the folder of a Plus model must hold; the encoder's weights are among its own."""

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model on this machine."""

    name: str
    folder: Path
    n_bytes: int


def missing_files(folder: Path) -> tuple[str, ...]:
    """The files a model folder lacks."""
    needed = PLUS_FILES if (folder / "speech_encoder").is_dir() else MODEL_FILES
    missing = [name for name in needed if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _WEIGHTS):
        missing.append(_WEIGHTS[0])
    return tuple(missing)


def installed(roots: Iterable[Path]) -> tuple[ModelEntry, ...]:
    """Every complete model folder right below ``roots``."""
    return tuple(
        _entry(folder)
        for root in roots
        if root.is_dir()
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not missing_files(folder)
    )


def find(name: str, roots: Iterable[Path]) -> ModelEntry:
    """The model of that name below ``roots``, or the model in the folder ``name``."""
    roots = tuple(roots)
    for folder in (*(root / name for root in roots), Path(name)):
        if folder.is_dir():
            if missing := missing_files(folder):
                raise CheckpointError(f"{folder}: the model lacks {', '.join(missing)}")
            return _entry(folder)
    there = ", ".join(entry.name for entry in installed(roots))
    hint = f"there is {there}" if there else "`python main.py train nano` makes the built-in one"
    raise CheckpointError(f"{name}: no such model or model folder; {hint}")


def _entry(folder: Path) -> ModelEntry:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return ModelEntry(folder.name, folder, size)
