"""The AppImage for Linux, where appimagetool is installed; the archive has the same content."""

import os
import shutil
import subprocess
from pathlib import Path

from installers import desktop
from installers.project import PackagingError, Project, architecture

_RUN = """#!/bin/sh
here=$(dirname -- "$(readlink -f -- "$0")")
exec "$here/usr/lib/parley/parley" "$@"
"""


def is_possible() -> bool:
    """Whether this machine has what makes an AppImage."""
    return shutil.which("appimagetool") is not None


def lay_out(project: Project, program: Path, folder: Path, epoch: int) -> None:
    """Makes the folder that becomes the image."""
    library = folder / "usr" / "lib" / project.name
    library.parent.mkdir(parents=True)
    shutil.copytree(program, library, symlinks=True)
    metainfo = folder / "usr" / "share" / "metainfo" / f"{project.app_id}.appdata.xml"
    metainfo.parent.mkdir(parents=True)
    metainfo.write_text(desktop.metainfo(project, epoch), encoding="utf-8")
    entry = desktop.entry().replace("TryExec=parley\n", "")
    (folder / "parley.desktop").write_text(entry, encoding="utf-8")
    shutil.copyfile(desktop.icon(), folder / "parley.svg")
    (folder / ".DirIcon").symlink_to("parley.svg")
    run = folder / "AppRun"
    run.write_text(_RUN, encoding="utf-8")
    run.chmod(0o755)


def pack(folder: Path, target: Path, epoch: int) -> None:
    """Makes the image; its runtime must lie where appimagetool finds it, for nothing is fetched."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "ARCH": _architecture()}
    command = ["appimagetool", "--no-appstream", str(folder), str(target)]
    if runtime := os.environ.get("APPIMAGE_RUNTIME"):
        command[1:1] = ["--runtime-file", runtime]
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        raise PackagingError("appimagetool failed; what it said stands above")


def _architecture() -> str:
    return {"arm64": "aarch64"}.get(architecture(), architecture())
