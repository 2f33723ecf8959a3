"""The Debian package: its control files, its tree, and the package that dpkg-deb makes of it."""

import gzip
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from installers import deb, debian_root
from installers.project import Project

EPOCH = 1_767_225_600  # 2026-01-01

has_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")


def fields(control: str) -> dict[str, str]:
    lines = [line for line in control.splitlines() if not line.startswith(" ")]
    return dict(line.split(": ", 1) for line in lines)


def test_the_control_file_names_what_the_program_needs(facts: Project) -> None:
    found = fields(deb.control(facts, 1000, "2.36"))
    assert found["Package"] == "parley"
    assert found["Version"] == "1.2.3"
    assert found["Installed-Size"] == "1000"
    assert found["Homepage"] == "https://parley.invalid/"
    depends = found["Depends"].split(", ")
    assert depends[:2] == ["libc6 (>= 2.36)", "libportaudio2"]
    assert not [name for name in depends if "python" in name]


def test_the_description_is_folded_as_debian_wants_it(facts: Project) -> None:
    lines = deb.control(facts, 1, "2.36").partition("Description: ")[2].splitlines()
    assert len(lines[0]) < 80 and not lines[0].endswith(".")
    assert all(line.startswith(" ") and len(line) <= 80 for line in lines[1:])


@pytest.fixture
def tree(facts: Project, program: Path, documents: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    deb.lay_out(facts, program, documents, folder, EPOCH)
    return folder


def test_the_command_leads_to_the_program(tree: Path) -> None:
    ran = subprocess.run([tree / "usr/bin/parley", "x"], capture_output=True, text=True)
    assert ran.stdout == "parley 1.2.3 x\n"


def test_menu_icon_and_documents_are_there(tree: Path) -> None:
    share = tree / "usr/share"
    for name in (
        "applications/parley.desktop",
        "metainfo/app.parley.Parley.metainfo.xml",
        "icons/hicolor/scalable/apps/parley.svg",
        "doc/parley/copyright",
        "doc/parley/sbom.cdx.json",
        "doc/parley/files.txt",
    ):
        assert (share / name).is_file(), name
    changes = gzip.decompress((share / "doc/parley/changelog.gz").read_bytes()).decode()
    assert changes.startswith("parley (1.2.3) unstable;")
    assert "Thu, 01 Jan 2026 00:00:00 +0000" in changes


def test_everybody_may_read_and_nobody_else_write(tree: Path) -> None:
    for path in tree.rglob("*"):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            is_open = path.is_dir() or path.name == "parley"
            assert mode == (0o755 if is_open else 0o644), path


def test_the_sums_are_those_of_the_files(tree: Path) -> None:
    sums = tree / "DEBIAN" / "md5sums"
    assert "DEBIAN" not in sums.read_text()
    if shutil.which("md5sum"):
        subprocess.run(["md5sum", "--check", "--quiet", sums], cwd=tree, check=True)


@has_dpkg
def test_the_same_tree_gives_the_same_package(tree: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.deb", tmp_path / "other.deb"
    deb.pack(tree, one, EPOCH)
    (tree / "usr/bin").touch()
    deb.pack(tree, other, EPOCH)
    assert one.read_bytes() == other.read_bytes()
    told = subprocess.run(
        ["dpkg-deb", "--field", one, "Package", "Version"], capture_output=True, text=True
    )
    assert told.stdout == "Package: parley\nVersion: 1.2.3\n"
    listed = subprocess.run(["dpkg-deb", "--contents", one], capture_output=True, text=True).stdout
    assert "./usr/bin/parley -> ../lib/parley/parley" in listed
    assert all(line.split()[1] == "root/root" for line in listed.splitlines())


@has_dpkg
def test_an_older_package_is_made_of_a_newer_one(tree: Path, tmp_path: Path) -> None:
    deb.pack(tree, tmp_path / "new.deb", EPOCH)
    (tmp_path / "scratch").mkdir()
    older = debian_root.older_of(tmp_path / "new.deb", tmp_path / "scratch")
    told = subprocess.run(["dpkg-deb", "--field", older, "Version"], capture_output=True, text=True)
    is_older = ["dpkg", "--compare-versions", told.stdout.strip(), "lt", "0.1.0"]
    assert subprocess.run(is_older).returncode == 0
