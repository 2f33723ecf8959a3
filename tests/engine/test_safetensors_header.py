"""A safetensors file that is not whole is told from its size and its header."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.safetensors_header import fault_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    tensors = {"a": torch.zeros(3, 5), "b": torch.zeros(7).bfloat16(), "c": torch.zeros(2).bool()}
    save_file(tensors, path, metadata={"format": "pt"})
    return path


def test_a_whole_file_has_no_fault(file: Path) -> None:
    assert fault_of(file) is None


def test_a_file_without_tensors_has_no_fault(tmp_path: Path) -> None:
    save_file({}, tmp_path / "none.safetensors")
    assert fault_of(tmp_path / "none.safetensors") is None


@pytest.mark.parametrize("kept", [0, 4, 8, 40, -1])
def test_a_file_that_is_cut_off_is_told_wherever_it_is_cut(file: Path, kept: int) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:kept])
    told = fault_of(file)
    assert told is not None and "cut off" in told
    if kept == -1:
        assert f"{len(content) - 1} of {len(content)}" in told


def test_bytes_too_many_are_told(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"xyz")
    assert fault_of(file) == "it is 3 bytes longer than its header says"


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'{"', b"{{"), (b'"F32"', b'"F64"'), (b"[3,5]", b"[3,6]"), (b'"dtype"', b'"dtypf"')],
)
def test_a_flipped_byte_in_the_header_is_told(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new, 1))
    assert fault_of(file) == "its header is damaged"


def test_tensors_that_overlap_are_told(file: Path) -> None:
    content = file.read_bytes()
    start = content.index(b'"data_offsets":[') + len(b'"data_offsets":[')
    file.write_bytes(content[:start] + b"9" + content[start + 1 :])
    assert fault_of(file) == "its header is damaged"


def test_another_kind_of_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "page.safetensors"
    path.write_bytes(b"<html><body>Not found</body></html>")
    assert fault_of(path) == "it is not a safetensors file, or its header is damaged"
