"""Files by the names of the releases, small and of no use to a network, for tests of fetching."""

import json
from pathlib import Path

import torch
from safetensors.torch import save

from engine.releases import RELEASES, Release

LICENCE = "The licence of a test.\nUse it for tests.\n"
_SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def repositories() -> dict[str, dict[str, bytes]]:
    """The content of every released repository."""
    found: dict[str, dict[str, bytes]] = {}
    for number, release in enumerate(RELEASES):
        language_model, *others = release.parts
        found[language_model.repo_id] = _language_model(release, number)
        for part in others:
            found[part.repo_id] = _PARTS[part.part.value](number)
    return found


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """The files of a repository in a folder."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _language_model(release: Release, number: int) -> dict[str, bytes]:
    shards = {name: _weights(f"{number}.{name}", 900) for name in _SHARDS}
    weight_map = {f"{number}.{name}": name for name in _SHARDS}
    return {
        "config.json": release.config.to_json().encode(),
        "generation_config.json": b"{}",
        "vocab.json": b"{}",
        "merges.txt": b"a b\n",
        "added_tokens.json": b"{}",
        "model.safetensors.index.json": json.dumps({"weight_map": weight_map}).encode(),
        "LICENSE": LICENCE.encode(),
        "modeling_qwen2.py": b"raise SystemExit\n",
        "pytorch_model.bin": bytes(5000),
        **shards,
    }


def _weights(name: str, n_numbers: int) -> bytes:
    return save({name: torch.arange(float(n_numbers))})


_PARTS = {
    "speech_tokenizer": lambda number: {
        "config.json": b'{"d_model": 1280}',
        "model.safetensors": _weights("codebook.weight", 700),
    },
    "speech_decoder": lambda number: {
        "config.yaml": b"flow: 1\n",
        "flow.pt": bytes(range(256)) * 10,
        "hift.pt": bytes(range(256)) * 5,
        "campplus.onnx": bytes(4000),
    },
    "speech_encoder": lambda number: {
        "am.mvn": b"<Nnet>\n",
        "chn_jpn_yue_eng_ko_spectok.bpe.model": bytes(range(256)) * 8,
    },
}
