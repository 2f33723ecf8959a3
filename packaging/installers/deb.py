"""The Debian package: its tree, its control files, and the call of dpkg-deb."""

import gzip
import hashlib
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from installers import desktop, file_list
from installers.project import PackagingError, Project, architecture

SCREEN_PACKAGES = (
    *("libegl1", "libgl1", "libxkbcommon-x11-0", "libxcb-cursor0", "libxcb-icccm4"),
    *("libxcb-keysyms1", "libxcb-image0", "libxcb-render-util0", "libxcb-xinerama0"),
    *("libxcb-shape0", "libxcb-xkb1", "libdbus-1-3", "libfontconfig1"),
)
"""What Qt loads at run time to open a window; `setup.sh` installs the same."""

DEPENDS = ("libportaudio2", *SCREEN_PACKAGES)
_RECOMMENDS = ("fonts-noto-cjk | fonts-wqy-microhei", "pipewire-alsa | libasound2-plugins")
_ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}


def file_name(project: Project) -> str:
    """The name of the package's file."""
    return f"{project.name}_{project.version}_{debian_architecture()}.deb"


def debian_architecture() -> str:
    """This machine's instruction set, as Debian calls it."""
    return _ARCHITECTURES.get(architecture(), architecture())


def control(project: Project, installed_kib: int, libc: str) -> str:
    """The control file; the program needs no older C library than the one it was built with."""
    lines = [
        f"Package: {project.name}",
        f"Version: {project.version}",
        f"Architecture: {debian_architecture()}",
        f"Maintainer: {project.maintainer}",
        f"Installed-Size: {installed_kib}",
        f"Depends: {', '.join((f'libc6 (>= {libc})', *DEPENDS))}",
        f"Recommends: {', '.join(_RECOMMENDS)}",
        "Section: sound",
        "Priority: optional",
    ]
    if project.homepage:
        lines.append(f"Homepage: {project.homepage}")
    lines += [
        "Description: voice assistant that runs on your own machine",
        " Ask a question aloud and hear the answer while it is being made. One language",
        " model takes speech in and gives speech out; it ships with the program and runs",
        " without a network.",
        " .",
        " Nothing is written down unless the user wants it.",
    ]
    return "\n".join(lines) + "\n"


def lay_out(project: Project, program: Path, documents: Path, tree: Path, epoch: int) -> None:
    """Makes the tree of the package in the new folder ``tree``.

    ``program`` is the frozen folder, ``documents`` holds what is told about it: licences, SBOM.
    """
    library = tree / "usr" / "lib" / project.name
    library.parent.mkdir(parents=True)
    shutil.copytree(program, library, symlinks=True)
    share = tree / "usr" / "share"
    doc = share / "doc" / project.name
    command = tree / "usr" / "bin" / project.name
    command.parent.mkdir()
    command.symlink_to(f"../lib/{project.name}/{project.name}")
    _write(share / "applications" / "parley.desktop", desktop.entry())
    _write(share / "metainfo" / f"{project.app_id}.metainfo.xml", desktop.metainfo(project, epoch))
    icon = share / "icons" / "hicolor" / "scalable" / "apps" / "parley.svg"
    icon.parent.mkdir(parents=True)
    shutil.copyfile(desktop.icon(), icon)
    shutil.copytree(documents, doc)
    (doc / "licences.txt").rename(doc / "copyright")
    changes = gzip.compress(changelog(project, epoch).encode(), mtime=0)
    (doc / "changelog.gz").write_bytes(changes)
    _set_modes(tree)
    # What Debian writes into control is rounded up to whole KiB for each file.
    kib = sum(-(-item.n_bytes // 1024) for item in file_list.files_of(tree))
    information = tree / "DEBIAN"
    sums = md5sums(tree)
    _write(information / "control", control(project, kib, platform.libc_ver()[1]))
    _write(information / "md5sums", sums)
    _set_modes(information)


def changelog(project: Project, epoch: int) -> str:
    """The changelog of the package, which is not that of the program."""
    date = format_datetime(datetime.fromtimestamp(epoch, UTC))
    head = f"{project.name} ({project.version}) unstable; urgency=medium"
    return f"{head}\n\n  * Package of this version.\n\n -- {project.maintainer}  {date}\n"


def md5sums(tree: Path) -> str:
    """The sums by which dpkg finds damaged files."""
    lines = []
    for item in file_list.files_of(tree):
        path = tree / item.path
        if not path.is_symlink():
            with path.open("rb") as content:
                digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
            lines.append(f"{digest.hexdigest()}  {item.path}\n")
    return "".join(lines)


def pack(tree: Path, target: Path, epoch: int) -> None:
    """Makes the package of a tree; raises ``PackagingError`` where dpkg-deb cannot."""
    if shutil.which("dpkg-deb") is None:
        raise PackagingError("dpkg-deb is missing: a .deb is built on Debian or Ubuntu")
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(target)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise PackagingError(f"dpkg-deb: {ran.stderr.strip()}")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _set_modes(tree: Path) -> None:
    """Anybody may read, only root may write, whatever the builder's umask."""
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        is_open = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if is_open else 0o644)
