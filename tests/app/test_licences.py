"""The licences that the Help menu shows."""

from importlib import metadata
from pathlib import Path

import pytest

from app import paths
from app.licences import all_licences


@pytest.fixture(scope="module")
def text() -> str:
    return all_licences(paths.licence())


def test_our_own_licence_comes_first(text: str) -> None:
    assert text.startswith(paths.licence().read_text(encoding="utf-8").strip()[:200])


@pytest.mark.parametrize("name", ["numpy", "torch", "PySide6_Essentials", "sounddevice"])
def test_every_package_the_program_stands_on_is_named_with_its_licence(
    name: str, text: str
) -> None:
    heads = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    assert heads == [head for head in heads if metadata.version(name) in head]
    assert heads and not heads[0].endswith("see its home page")


def test_the_texts_of_licences_are_there(text: str) -> None:
    assert "Redistribution and use in source and binary forms" in text


def test_tools_of_the_tests_are_not_in_it(text: str) -> None:
    assert not any(line.startswith(("pytest ", "mypy ")) for line in text.splitlines())


def test_a_missing_own_licence_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        all_licences(tmp_path / "LICENSE")
