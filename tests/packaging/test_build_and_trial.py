"""The command line of the build, and the checks of an installed program, on a stand-in for it."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import build
import pytest
from installers import appimage, archive, freeze, project, trial
from installers.project import PackagingError, Project
from installers.trial import Machine

EPOCH = 1_767_225_600  # 2026-01-01

has_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="needs zstd")


def test_the_running_program_is_told_the_version_and_whom_to_ask(facts: Project) -> None:
    told = json.loads(freeze.build_information(facts))
    assert told == {"version": "1.2.3", "update_url": "", "update_key": ""}


def test_two_lists_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "1.txt", tmp_path / "2.txt"
    one.write_text("aa  - 1 x\nbb  x 2 y z\n")
    other.write_text("aa  - 1 x\ncc  x 2 y z\n")
    assert build.main(["compare", str(one), str(one)]) == 0
    assert capsys.readouterr().out == "equal: 2 files\n"
    assert build.main(["compare", str(one), str(other)]) == 1
    assert capsys.readouterr().out == "differs: y z (2, 2 bytes)\n"


def test_what_cannot_be_built_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["deb", "--keep-frozen", "--work", str(tmp_path), "--results", str(tmp_path)]
    assert build.main(arguments) == 2
    assert "leave out --keep-frozen" in capsys.readouterr().err


def test_the_time_of_a_package_is_that_of_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    assert build.source_epoch() == 12345


@has_zstd
def test_the_same_folder_gives_the_same_archive(program: Path, tmp_path: Path) -> None:
    (program / "twin").hardlink_to(program / "parley")
    archive.pack(program, tmp_path / "1.tar.zst", EPOCH)
    (program / "parley").touch()
    archive.pack(program, tmp_path / "2.tar.zst", EPOCH)
    assert (tmp_path / "1.tar.zst").read_bytes() == (tmp_path / "2.tar.zst").read_bytes()
    plain = tmp_path / "1.tar"
    subprocess.run(["zstd", "-dq", tmp_path / "1.tar.zst", "-o", plain], check=True)
    with tarfile.open(plain) as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert members["parley/parley"].mode == 0o755
    assert members["parley/_internal/libx.so"].linkname == "libx.so.1"
    assert members["parley/twin"].isreg()
    assert {(item.uid, item.uname, item.mtime) for item in members.values()} == {(0, "root", EPOCH)}
    assert "parley/_internal/assets/with space 语音.txt" in members


@has_zstd
def test_a_full_disk_is_told(program: Path) -> None:
    with pytest.raises(PackagingError, match="full"):
        archive.pack(program, Path("/dev/full"), EPOCH)


def test_the_image_starts_the_program(facts: Project, program: Path, tmp_path: Path) -> None:
    folder = tmp_path / "image"
    appimage.lay_out(facts, program, folder, EPOCH)
    ran = subprocess.run([folder / "AppRun", "a b"], capture_output=True, text=True)
    assert ran.stdout == "parley 1.2.3 a b\n"
    assert (folder / ".DirIcon").resolve().is_file() and (folder / "parley.desktop").is_file()


GOOD = """#!/bin/sh
case "$*" in
    --version) echo "parley 1.2.3" ;;
    models) echo "nano 40.0 MiB /x" ;;
    selftest) echo "selftest passed" ;;
    gui*) [ "$QT_QPA_PLATFORM" = offscreen ] && [ -z "$DISPLAY" ] || exit 1
        echo '{"visible_s": 1.5, "ready_s": 4.0, "torch_before_window": false}' ;;
    train*) echo "parley: the installed program has no training" >&2; exit 2 ;;
esac
"""


def outcomes(program: Path, script: str) -> dict[str, bool]:
    start = program / "parley"
    start.write_text(script)
    licences = program / "_internal" / "assets" / "licences.txt"
    licences.write_text("x" * 200_000)
    machine = Machine(("env",), start, program.parent, program)
    return {item.name: item.is_passed for item in trial.run_all(machine, "1.2.3", 3.0)}


def test_a_good_program_passes_every_check(program: Path) -> None:
    found = outcomes(program, GOOD)
    assert len(found) == 8 and all(found.values()), found


@pytest.mark.parametrize(
    ("old", "new", "failed"),
    [
        ("parley 1.2.3", "parley 1.2.2", "--version"),
        ("nano 40.0", "no models in", "models"),
        ('echo "selftest passed"', "exit 1", "selftest"),
        ('"visible_s": 1.5', '"visible_s": 3.5', "the window is there in time"),
        ('"ready_s": 4.0', '"ready_s": null', "the window opens and closes"),
        ("exit 2", "exit 0", "training is left out"),
    ],
)
def test_each_check_finds_its_fault(program: Path, old: str, new: str, failed: str) -> None:
    assert old in GOOD
    found = outcomes(program, GOOD.replace(old, new))
    assert [name for name, is_passed in found.items() if not is_passed] == [failed]


def test_a_program_that_is_not_there_is_no_pass(tmp_path: Path) -> None:
    machine = Machine((), tmp_path / "parley", tmp_path, tmp_path)
    assert not trial.version_check(machine, "1.2.3").is_passed
    assert "could not be started" in trial.version_check(machine, "1.2.3").detail


def test_the_programs_environment_knows_no_python() -> None:
    environment = trial.bare_environment(Path("/home/x"))
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "DISPLAY", "WAYLAND_DISPLAY", "PULSE_SERVER"} & set(
        environment
    )


def test_folders_of_two_versions_have_two_names(facts: Project) -> None:
    assert facts.folder_name.startswith(f"parley-1.2.3-{project.system()}-")
