"""Where the parts of a model lie, and what each of them must hold.

Pure. A model has a language model with its text tokenizer, a speech decoder and a speech tokenizer,
in the Plus variants a speech encoder in its place. Its folder says where they are in one of three
ways:

1. ``model.json`` names their folders (relative to itself, or absolute):
   ``{"version": 1, "parts": {"language_model": "../parts/VITA-Audio-Boost", ...}}``;
2. they lie in it: the language model's files right there, the others in folders of their own that
   are called ``speech_tokenizer`` and so on (the built-in model's form);
3. it is a released language model, and the other parts lie beside it under their released names.

A part that ``model.json`` leaves out is looked for in the second and third way.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from engine.errors import CheckpointError

PARTS_FILE = "model.json"
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_VERSION = 1


class Part(Enum):
    """A part of a model; the value is its name in ``model.json`` and in the built-in form."""

    LANGUAGE_MODEL = "language_model"
    SPEECH_TOKENIZER = "speech_tokenizer"
    SPEECH_DECODER = "speech_decoder"
    SPEECH_ENCODER = "speech_encoder"


RELEASED_FOLDERS = {
    Part.SPEECH_TOKENIZER: "glm-4-voice-tokenizer",
    Part.SPEECH_DECODER: "glm-4-voice-decoder",
    Part.SPEECH_ENCODER: "SenseVoiceSmall",
}
"""What the folders of the released parts are called, by their repositories."""

# Of each group one alternative must be there whole.
_NEEDED: Mapping[Part, tuple[tuple[tuple[str, ...], ...], ...]] = {
    Part.LANGUAGE_MODEL: (
        (("config.json",),),
        (("tokenizer.json",), ("vocab.json", "merges.txt")),
        ((SINGLE,), (INDEX,)),
    ),
    Part.SPEECH_TOKENIZER: ((("config.json",),), ((SINGLE,), (INDEX,))),
    Part.SPEECH_DECODER: (
        (("config.json",), ("config.yaml",)),
        (("flow.safetensors",), ("flow.pt",)),
        (("hift.safetensors",), ("hift.pt",)),
    ),
    Part.SPEECH_ENCODER: ((("am.mvn",),),),
}


@dataclass(frozen=True, slots=True)
class ModelParts:
    """The folders of one model; ``folder`` is its own, which may hold none of the parts.

    ``speech_encoder`` is None where there is none, as only the Plus variants need one.
    """

    folder: Path
    language_model: Path
    speech_tokenizer: Path
    speech_decoder: Path
    speech_encoder: Path | None

    @classmethod
    def of(cls, folder: Path) -> "ModelParts":
        """Finds the parts of the model in ``folder``; they need not be complete."""
        named = _named_parts(folder)
        base = named.get(Part.LANGUAGE_MODEL, folder)

        def place(part: Part) -> Path:
            if part in named:
                return named[part]
            beside = base.parent / RELEASED_FOLDERS[part]
            inside = base / part.value
            return beside if beside.is_dir() and not inside.is_dir() else inside

        encoder = place(Part.SPEECH_ENCODER)
        # One that merely lies near is no part of the model until it is complete.
        is_part = (
            Part.SPEECH_ENCODER in named
            or (base / Part.SPEECH_ENCODER.value).is_dir()
            or not missing_from(Part.SPEECH_ENCODER, encoder)
        )
        return cls(
            folder,
            base,
            place(Part.SPEECH_TOKENIZER),
            place(Part.SPEECH_DECODER),
            encoder if is_part else None,
        )

    def folders(self) -> dict[Part, Path]:
        """The folder of every part; a speech tokenizer is one unless an encoder replaces it."""
        found = {
            Part.LANGUAGE_MODEL: self.language_model,
            Part.SPEECH_DECODER: self.speech_decoder,
        }
        if self.speech_encoder is None or self.speech_tokenizer.is_dir():
            found[Part.SPEECH_TOKENIZER] = self.speech_tokenizer
        if self.speech_encoder is not None:
            found[Part.SPEECH_ENCODER] = self.speech_encoder
        return found

    def missing(self) -> tuple[str, ...]:
        """The files that the model lacks, as they are called from its own folder."""
        return tuple(
            _from(self.folder, folder / name)
            for part, folder in self.folders().items()
            for name in missing_from(part, folder)
        )


def missing_from(part: Part, folder: Path) -> tuple[str, ...]:
    """The files that a part's folder lacks, the shards that its index names included."""
    missing = missing_names(part, lambda name: (folder / name).is_file())
    if part in (Part.LANGUAGE_MODEL, Part.SPEECH_TOKENIZER) and (folder / INDEX).is_file():
        try:
            shards = shards_of(folder / INDEX)
        except CheckpointError:  # told better when the model is opened
            return missing
        missing += tuple(shard for shard in shards if not (folder / shard).is_file())
    return missing


def missing_names(part: Part, is_there: Callable[[str], bool]) -> tuple[str, ...]:
    """The files a part lacks, of alternatives the first; ``is_there`` answers for one name."""
    return tuple(
        name
        for alternatives in _NEEDED[part]
        if not any(all(map(is_there, names)) for names in alternatives)
        for name in alternatives[0]
        if not is_there(name)
    )


def shards_of(index: Path) -> list[str]:
    """The files that an index of sharded weights names, sorted."""
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if not all(isinstance(shard, str) and Path(shard).name == shard for shard in shards):
            raise ValueError("it names what is no file of this folder")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"cannot read the weight index {index}: {error}") from error
    return sorted(shards)


def parts_file(parts: Mapping[Part, Path], folder: Path) -> str:
    """The text of a ``model.json`` in ``folder``: relative where the parts lie near, else absolute.

    Relative paths let the models folder be moved as a whole.
    """
    named = {}
    for part, place in parts.items():
        near = place.resolve().is_relative_to(folder.resolve().parent)
        named[part.value] = _from(folder, place) if near else place.resolve().as_posix()
    return json.dumps({"version": _VERSION, "parts": named}, indent=2) + "\n"


def _named_parts(folder: Path) -> dict[Part, Path]:
    path = folder / PARTS_FILE
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']} is not known")
        return {Part(name): (folder / place).resolve() for name, place in content["parts"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{path}: not a list of a model's parts: {error}") from error


def _from(folder: Path, path: Path) -> str:
    """A path as it is written in ``folder``, with at most one step up."""
    for base, prefix in ((folder, ""), (folder.parent, "../")):
        for one, other in ((path, base), (path.resolve(), base.resolve())):
            if one.is_relative_to(other):
                return prefix + one.relative_to(other).as_posix()
    return path.as_posix()
