"""Paths: everything of the user's is below the operating system's folders, or below one other."""

from pathlib import Path

import pytest

from app import paths

FOLDERS = (paths.config, paths.data, paths.cache, paths.logs, paths.runtime)
FILES = (paths.settings_file, paths.history_file, paths.user_models)


def test_one_variable_moves_every_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    assert {folder().parent for folder in FOLDERS} == {tmp_path}
    assert len({folder() for folder in FOLDERS}) == len(FOLDERS)
    assert all(tmp_path in file().parents for file in FILES)
    assert list(tmp_path.iterdir()) == []


def test_a_relative_home_is_taken_from_the_present_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(paths.HOME_VARIABLE, "here")
    assert paths.config() == tmp_path / "here" / "config"


@pytest.mark.parametrize("runtime", ["", "/run/user/1000"])
def test_without_it_the_operating_systems_folders_are_used(
    runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, "")
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    for path in (folder() for folder in (*FOLDERS, *FILES)):
        assert path.is_absolute()
        assert "parley" in path.parts
    assert paths.settings_file().parent == paths.config()
    assert paths.history_file().parent == paths.data()


def test_what_ships_with_the_program_stays_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    assert paths.sample_question().is_file()
    assert paths.assets() in paths.built_in_models().parents
