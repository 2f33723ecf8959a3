"""Pickled weights are read without running what they may hold, and written once as safetensors."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import parametrizations

from engine.errors import CheckpointError
from engine.pickled_weights import as_safetensors, normalised, read
from engine.speech.vocoder import HiFT, HiFTConfig

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


class Bomb:
    """Runs a command where a pickle is read without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "release" / "flow.pt"
    path.parent.mkdir()
    torch.save(WEIGHTS, path)
    return path


def assert_same(stored: Path, expected: dict[str, torch.Tensor]) -> None:
    torch.testing.assert_close(load_file(stored), expected, rtol=0, atol=0)


def test_weights_are_written_beside_the_pickle(file: Path, tmp_path: Path) -> None:
    made = as_safetensors(file, tmp_path / "spare")
    assert made == file.with_suffix(".safetensors")
    assert_same(made, WEIGHTS)
    assert sorted(path.name for path in file.parent.iterdir()) == ["flow.pt", "flow.safetensors"]


def test_a_second_time_nothing_is_read_but_the_first_ones_result(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = as_safetensors(file, tmp_path / "spare")
    before = made.stat().st_mtime_ns
    monkeypatch.setattr("engine.pickled_weights.read", None)
    assert as_safetensors(file, tmp_path / "spare") == made
    assert made.stat().st_mtime_ns == before


def test_another_version_of_the_pickle_is_converted_anew(file: Path, tmp_path: Path) -> None:
    as_safetensors(file, tmp_path / "spare")
    newer = {"b.weight": torch.zeros(3)}
    torch.save(newer, file)
    assert_same(as_safetensors(file, tmp_path / "spare"), newer)


def test_the_pickle_is_not_needed_any_more_once_it_was_converted(
    file: Path, tmp_path: Path
) -> None:
    made = as_safetensors(file, tmp_path / "spare")
    file.unlink()
    assert as_safetensors(file, tmp_path / "spare") == made
    made.unlink()
    with pytest.raises(CheckpointError, match=r"flow\.pt: there is no such file"):
        as_safetensors(file, tmp_path / "spare")


def test_where_nothing_can_be_written_beside_it_the_spare_folder_is_used(
    file: Path, tmp_path: Path
) -> None:
    # A folder in the file's place cannot be replaced by it, whoever runs the test.
    (file.with_suffix(".safetensors") / "in the way").mkdir(parents=True)
    made = as_safetensors(file, tmp_path / "spare")
    assert made == tmp_path / "spare" / "flow.safetensors"
    assert_same(made, WEIGHTS)
    assert as_safetensors(file, tmp_path / "spare") == made


def test_where_nothing_can_be_written_at_all_both_folders_are_named(
    file: Path, tmp_path: Path
) -> None:
    (file.with_suffix(".safetensors") / "in the way").mkdir(parents=True)
    (tmp_path / "spare").write_text("a file where a folder is needed")
    with pytest.raises(CheckpointError) as caught:
        as_safetensors(file, tmp_path / "spare")
    assert str(file.parent) in str(caught.value) and "spare" in str(caught.value)


def test_what_a_pickle_would_run_is_not_run(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    for name, dump in (
        ("torch.pt", lambda path: torch.save({"a": torch.ones(1), "b": Bomb(sign)}, path)),
        ("plain.pt", lambda path: path.write_bytes(pickle.dumps({"a": Bomb(sign)}))),
    ):
        dump(tmp_path / name)
        with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
            as_safetensors(tmp_path / name, tmp_path)
    assert not sign.exists()
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"PK\x03\x04 cut off"])
def test_a_damaged_pickle_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hift.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"hift\.pt") as caught:
        as_safetensors(path, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_truncated_pickle_is_told(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=r"flow\.pt"):
        read(file)


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_weights_inside_a_training_programs_file_are_found(tmp_path: Path, wrapper: str) -> None:
    torch.save({wrapper: WEIGHTS, "epoch": 3}, tmp_path / "model.pt")
    torch.testing.assert_close(read(tmp_path / "model.pt"), WEIGHTS)


@pytest.mark.parametrize("content", [{}, {"a": 1}, [torch.ones(1)], torch.ones(1)])
def test_what_is_no_table_of_weights_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(CheckpointError):
        read(tmp_path / "model.pt")


def test_tensors_that_share_memory_are_stored_apart(tmp_path: Path) -> None:
    whole = torch.arange(8.0)
    torch.save({"a": whole[:4], "b": whole[2:], "c": whole}, tmp_path / "model.pt")
    made = as_safetensors(tmp_path / "model.pt", tmp_path)
    assert_same(made, {"a": whole[:4], "b": whole[2:], "c": whole})


def test_normalised_weights_are_taken_in_every_form_they_are_stored_in() -> None:
    torch.manual_seed(0)
    vocoder = HiFT(HiFTConfig.tiny())
    state = {name: torch.randn_like(value) for name, value in vocoder.state_dict().items()}
    expected = frozenset(state)
    later = {
        name.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): value
        for name, value in state.items()
    }
    assert later.keys() != state.keys()
    torch.testing.assert_close(normalised(later, expected), state, rtol=0, atol=0)
    torch.testing.assert_close(normalised(dict(state), expected), state, rtol=0, atol=0)

    vocoder.load_state_dict(state)
    vocoder.fold()
    plain = {name: value for name, value in state.items() if not name.endswith(("_g", "_v"))}
    for name, module in vocoder.named_modules():
        if f"{name}.weight_v" in state:
            plain[f"{name}.weight"] = module.folded
    refolded = HiFT(HiFTConfig.tiny())
    refolded.load_state_dict(normalised(plain, expected))
    refolded.fold()
    for one, other in zip(vocoder.modules(), refolded.modules(), strict=True):
        if hasattr(one, "folded"):
            torch.testing.assert_close(one.folded, other.folded)


def test_torchs_own_names_of_normalised_weights_are_those_that_are_mapped() -> None:
    layer = parametrizations.weight_norm(nn.Conv1d(2, 3, 5))
    mapped = normalised(dict(layer.state_dict()), frozenset({"bias", "weight_g", "weight_v"}))
    assert mapped.keys() == {"bias", "weight_g", "weight_v"}
    assert mapped["weight_g"].shape == (3, 1, 1)
    assert mapped["weight_v"].shape == (3, 2, 5)
