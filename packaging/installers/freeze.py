"""The frozen program: what is generated for it, and the call of PyInstaller."""

import json
import os
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path

from installers import components, file_list, icons, notices, sbom, windows
from installers.project import MODELS, PACKAGING, ROOT, PackagingError, Project

# Packages of the optional parts that ship where the building machine has them.
EXTRAS = ("pynput",)


def build_information(project: Project) -> str:
    """What the running program knows of its build, as the file that it reads."""
    told = {
        "version": project.version,
        "update_url": project.update_url,
        "update_key": project.update_key,
    }
    return json.dumps(told, indent=2) + "\n"


def stage(project: Project, staged: Path) -> None:
    """Generates what the spec takes in beside the sources."""
    shutil.rmtree(staged, ignore_errors=True)
    assets = staged / "assets"
    assets.mkdir(parents=True)
    (assets / "build.json").write_text(build_information(project), encoding="utf-8")
    pictures = icons.draw(ROOT / "assets" / "icons" / "parley.svg")
    (staged / "parley.ico").write_bytes(icons.ico(pictures))
    (staged / "parley.icns").write_bytes(icons.icns(pictures))
    (staged / "version.txt").write_text(windows.version_resource(project), encoding="utf-8")


def run_pyinstaller(packager: Path, staged: Path, work: Path, epoch: int) -> Path:
    """Makes the program's folder and returns it."""
    if util.find_spec("PyInstaller") is None:
        raise PackagingError("PyInstaller is missing: run `make setup-package`")
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level=WARN"]
    command += ["--distpath", str(work / "program"), "--workpath", str(work / "pyinstaller")]
    command.append(str(PACKAGING / "pyinstaller" / "parley.spec"))
    environment = {
        **os.environ,
        "PARLEY_PACKAGER": str(packager),
        "PARLEY_STAGED": str(staged),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(ROOT),
        "SOURCE_DATE_EPOCH": str(epoch),
    }
    if subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode != 0:
        raise PackagingError("PyInstaller failed; what it said stands above")
    return work / "program" / "parley"


def document(project: Project, program: Path, documents: Path, epoch: int) -> tuple[str, ...]:
    """Writes licences, SBOM and file list of the frozen folder; names what has no licence text.

    The licences also go into the program, which shows them.
    """
    internal = program / "_internal"
    found = components.all_components(internal, EXTRAS)
    shutil.rmtree(documents, ignore_errors=True)
    documents.mkdir(parents=True)
    texts = notices.text_of((ROOT / "LICENSE").read_text(encoding="utf-8"), found)
    (documents / "licences.txt").write_text(texts, encoding="utf-8")
    bundled = program.parent / "Parley.app" / "Contents" / "Resources"
    for data in (internal, bundled):
        if data.is_dir():
            (data / "assets" / "licences.txt").write_text(texts, encoding="utf-8")
    models = file_list.files_of(MODELS) if MODELS.is_dir() else ()
    bill = sbom.text_of(sbom.document(project, found, models, epoch))
    (documents / "sbom.cdx.json").write_text(bill, encoding="utf-8")
    listed = file_list.text_of(file_list.files_of(program))
    (documents / "files.txt").write_text(listed, encoding="utf-8")
    return notices.without_licence(found)
