"""Builds the packages: ``build.py`` all that this system can, ``build.py TARGET`` one of them.

    build.py freeze              the program's folder, with licences, SBOM and file list
    build.py deb|archive|appimage    for Linux
    build.py nsis                for Windows; compiles on any system that has makensis
    build.py dmg                 for macOS
    build.py compare A B         what differs between two file lists

Every target but `freeze` packs the folder that is there, or freezes one first. Results lie in
``dist/``, what is in the making in ``build/package/``.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "packaging"), str(ROOT)]

from installers import (  # noqa: E402
    appimage,
    archive,
    deb,
    file_list,
    freeze,
    macos,
    project,
    windows,
)
from installers.project import PackagingError, Project  # noqa: E402


@dataclass(frozen=True, slots=True)
class Build:
    """One run: what is built, from which commit's time, and where things lie."""

    project: Project
    packager: Path
    epoch: int
    work: Path
    results: Path

    @property
    def staged(self) -> Path:
        """What is generated before freezing."""
        return self.work / "staged"

    @property
    def documents(self) -> Path:
        """Licences, SBOM and file list."""
        return self.work / "documents"

    @property
    def program(self) -> Path:
        """The frozen folder."""
        return self.work / "program" / "parley"

    def fresh(self, name: str) -> Path:
        """A place for a new folder; what an earlier run left there is gone."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder


def freeze_program(build: Build) -> Path:
    """Freezes the program and writes what is told about it."""
    freeze.stage(build.project, build.staged)
    program = freeze.run_pyinstaller(build.packager, build.staged, build.work, build.epoch)
    for name in freeze.document(build.project, program, build.documents, build.epoch):
        print(f"no licence found: {name}", file=sys.stderr)
    return program


def build_deb(build: Build) -> Path:
    """The Debian package."""
    tree, target = build.fresh("deb"), build.results / deb.file_name(build.project)
    deb.lay_out(build.project, build.program, build.documents, tree, build.epoch)
    deb.pack(tree, target, build.epoch)
    return target


def build_archive(build: Build) -> Path:
    """The relocatable archive."""
    folder = build.fresh("archive") / build.project.folder_name
    shutil.copytree(build.program, folder, symlinks=True)
    shutil.copytree(build.documents, folder, dirs_exist_ok=True)
    archive.add_installer(folder)
    target = build.results / f"{folder.name}.tar.zst"
    archive.pack(folder, target, build.epoch)
    return target


def build_appimage(build: Build) -> Path:
    """The AppImage; where its tool is missing, the archive with the same content."""
    if not appimage.is_possible():
        print("appimagetool is missing: the .tar.zst with the same content is built instead")
        return build_archive(build)
    folder = build.fresh("appimage")
    appimage.lay_out(build.project, build.program, folder, build.epoch)
    target = build.results / f"{build.project.folder_name}.AppImage"
    appimage.pack(folder, target, build.epoch)
    return target


def build_nsis(build: Build) -> Path:
    """The Windows installer."""
    if not (build.program / "parley-window.exe").is_file():
        raise PackagingError("the Windows program is frozen on Windows: run `build.py` there")
    target = build.results / windows.file_name(build.project)
    windows.pack(build.project, build.program, build.staged / "parley.ico", target)
    return target


def build_dmg(build: Build) -> Path:
    """The macOS disk image."""
    app = build.fresh("dmg") / "Parley.app"
    app.parent.mkdir(parents=True)
    shutil.copytree(build.program.parent / "Parley.app", app, symlinks=True)
    target = build.results / macos.file_name(build.project)
    macos.pack(app, target, os.environ)
    return target


_TARGETS: dict[str, Callable[[Build], Path]] = {
    "freeze": freeze_program,
    "deb": build_deb,
    "archive": build_archive,
    "appimage": build_appimage,
    "nsis": build_nsis,
    "dmg": build_dmg,
}
_OF_SYSTEM = {"linux": ("deb", "appimage"), "windows": ("nsis",), "macos": ("dmg",)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds what is asked for; 0 done, 1 two lists differ, 2 it cannot be built."""
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.command == "compare":
            return compare(*parsed.lists)
        return build_targets(parsed)
    except PackagingError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2


def build_targets(parsed: argparse.Namespace) -> int:
    """Freezes once where it is needed, then packs every target that is asked for."""
    build = Build(
        project.load(packager=parsed.packager),
        parsed.packager.resolve(),
        source_epoch(),
        parsed.work.resolve(),
        parsed.results.resolve(),
    )
    build.results.mkdir(parents=True, exist_ok=True)
    asked = [parsed.command] if parsed.command else list(_OF_SYSTEM[project.system()])
    if not parsed.keep_frozen and "freeze" not in asked:
        freeze_program(build)
    if parsed.keep_frozen and not build.program.is_dir():
        raise PackagingError(f"{build.program} is not there: leave out --keep-frozen")
    for name in asked:
        made = _TARGETS[name](build)
        size = file_list.n_bytes(made) if made.is_dir() else made.stat().st_size
        print(f"{size / 1e6:8.1f} MB  {made}")
    if build.documents.is_dir():
        for path in build.documents.iterdir():
            shutil.copyfile(path, build.results / path.name)
    return 0


def compare(one: Path, other: Path) -> int:
    """Prints what differs between two file lists."""
    first, second = (file_list.parse(path.read_text(encoding="utf-8")) for path in (one, other))
    lines = file_list.differences(first, second)
    print("\n".join(lines) or f"equal: {len(first)} files")
    return 1 if lines else 0


def source_epoch() -> int:
    """The time that goes into packages: SOURCE_DATE_EPOCH, else that of the commit."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise PackagingError("not a git checkout: set SOURCE_DATE_EPOCH to the release's time")
    return int(ran.stdout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build.py", description="builds Parley's packages")
    commands = parser.add_subparsers(dest="command", metavar="TARGET")
    for name, build in _TARGETS.items():
        _add_options(commands.add_parser(name, help=build.__doc__))
    two = commands.add_parser("compare", help="what differs between two file lists")
    two.add_argument("lists", nargs=2, type=Path, metavar="FILES.txt")
    _add_options(parser)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    default = ROOT / "packaging" / "packager.toml"
    parser.add_argument("--packager", type=Path, default=default, help="another packager.toml")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "package")
    parser.add_argument("--results", type=Path, default=ROOT / "dist")
    parser.add_argument("--keep-frozen", action="store_true", help="pack the program frozen before")


if __name__ == "__main__":
    sys.exit(main())
