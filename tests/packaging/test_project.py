"""The facts of a build: one version for every format, and what a packager may set."""

import re
from pathlib import Path

import pytest
from installers import deb, project
from installers.project import PackagingError, Project

from app import build_info

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_format_and_the_program_tell_the_version_of_pyproject() -> None:
    assert project.load().version == build_info.load().version
    assert re.fullmatch(r"\d+\.\d+\.\d+", project.load().version)


def test_the_packages_file_offers_no_update_check_of_somebody_elses() -> None:
    assert project.load().update_url == project.load().update_key == ""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('url = ""', 'url = "https://x/"', "go together"),
        ('public_key = ""', 'public_key = "RW"', "go together"),
        ('url = ""\n', 'url = "http://x/"\n', "go together"),
        ('homepage = ""', "", "lacks 'homepage'"),
        ("[updates]", "[updates", "packager.toml"),
    ],
)
def test_a_file_that_says_too_little_is_an_error(
    old: str, new: str, told: str, tmp_path: Path
) -> None:
    text = (ROOT / "packaging" / "packager.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "packager.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(PackagingError, match=re.escape(told)):
        project.load(packager=path)


def test_updates_are_asked_over_https_only(facts: Project) -> None:
    with pytest.raises(PackagingError, match="https"):
        Project("p", "1", "s", "l", "a", "m", "h", "http://x/", "key")


@pytest.mark.parametrize(
    ("machine", "name"), [("AMD64", "x86_64"), ("aarch64", "arm64"), ("riscv64", "riscv64")]
)
def test_machines_have_one_name(machine: str, name: str) -> None:
    assert project.architecture(machine) == name


def test_the_package_depends_on_what_the_setup_installs() -> None:
    setup = (ROOT / "packaging" / "setup.sh").read_text(encoding="utf-8")
    screen = re.search(r'^screen="([^"]*)"', setup, re.MULTILINE)
    assert screen is not None
    assert tuple(screen[1].split()) == deb.SCREEN_PACKAGES
