"""Which models a machine has: folders that say where a complete set of model files lies."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import CheckpointError
from engine.model_folder import ModelParts

MODEL_FILES = (
    "config.json",
    "tokenizer.json",
    "speech_tokenizer/config.json",
    "speech_tokenizer/model.safetensors",
    "speech_decoder/config.json",
    "speech_decoder/flow.safetensors",
    "speech_decoder/hift.safetensors",
)
"""What a folder in the built-in model's form holds, beside its own weights in one or more files."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model on this machine; ``n_bytes`` counts all its parts, wherever they lie."""

    name: str
    folder: Path
    n_bytes: int


def missing_files(folder: Path) -> tuple[str, ...]:
    """The files that a model lacks, as they are called from its folder."""
    return ModelParts.of(folder).missing()


def installed(roots: Iterable[Path]) -> tuple[ModelEntry, ...]:
    """Every complete model whose folder is right below one of ``roots``."""
    return tuple(
        _entry(folder)
        for root in roots
        if root.is_dir()
        for folder in sorted(root.iterdir())
        if folder.is_dir() and _is_complete(folder)
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


def _is_complete(folder: Path) -> bool:
    try:
        return not missing_files(folder)
    except CheckpointError:
        return False


def _entry(folder: Path) -> ModelEntry:
    places = {folder, *ModelParts.of(folder).folders().values()}
    files = {path for place in places for path in place.rglob("*") if path.is_file()}
    return ModelEntry(folder.name, folder, sum(path.stat().st_size for path in files))
