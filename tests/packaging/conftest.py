"""A frozen program in miniature, and the facts of a project."""

from pathlib import Path

import pytest
from installers.project import Project


@pytest.fixture
def facts() -> Project:
    return Project(
        name="parley",
        version="1.2.3",
        summary="Talks & listens",
        licence="Apache-2.0",
        app_id="app.parley.Parley",
        maintainer="Some One <some.one@parley.invalid>",
        homepage="https://parley.invalid/",
        update_url="",
        update_key="",
    )


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder like the frozen one; its program prints its version and its arguments."""
    folder = tmp_path / "frozen" / "parley"
    assets = folder / "_internal" / "assets"
    assets.mkdir(parents=True)
    start = folder / "parley"
    start.write_text('#!/bin/sh\necho "parley 1.2.3 $*"\n')
    start.chmod(0o775)
    (folder / "_internal" / "libx.so.1").write_bytes(b"\x7fELF" + bytes(5000))
    (folder / "_internal" / "libx.so").symlink_to("libx.so.1")
    (assets / "with space 语音.txt").write_text("x")
    (assets / "with space 语音.txt").chmod(0o600)
    return folder


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in ("licences.txt", "sbom.cdx.json", "files.txt"):
        (folder / name).write_text(f"{name}\n")
    return folder
