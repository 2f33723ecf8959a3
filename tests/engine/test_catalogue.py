from pathlib import Path

import pytest

from engine.catalogue import MODEL_FILES, find, installed
from engine.errors import CheckpointError


def _model(folder: Path) -> Path:
    for name in (*MODEL_FILES, "model.safetensors"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"12345")
    return folder


def test_a_model_is_found_by_its_name_or_its_folder(tmp_path: Path) -> None:
    folder = _model(tmp_path / "nano")
    assert find("nano", [tmp_path]) == find(str(folder), []) == installed([tmp_path])[0]
    assert find("nano", [tmp_path]).n_bytes == 5 * (len(MODEL_FILES) + 1)


def test_weights_in_shards_are_weights(tmp_path: Path) -> None:
    folder = _model(tmp_path / "large")
    (folder / "model.safetensors").rename(folder / "model.safetensors.index.json")
    assert [entry.name for entry in installed([tmp_path])] == ["large"]


def test_an_incomplete_model_is_not_listed_and_its_missing_files_are_named(tmp_path: Path) -> None:
    (_model(tmp_path / "nano") / "tokenizer.json").unlink()
    assert installed([tmp_path, tmp_path / "nowhere"]) == ()
    with pytest.raises(CheckpointError, match=r"lacks tokenizer\.json"):
        find("nano", [tmp_path])


def test_a_model_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train nano"):
        find("nano", [tmp_path])
    _model(tmp_path / "other")
    with pytest.raises(CheckpointError, match="there is other"):
        find("nano", iter([tmp_path]))
