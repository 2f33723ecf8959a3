"""The Windows installer: what makensis is told, and the version resource of the programs."""

import re
import shutil
import subprocess
from pathlib import Path

from installers import file_list
from installers.project import PACKAGING, PackagingError, Project

SCRIPT = PACKAGING / "windows" / "parley.nsi"


def file_name(project: Project) -> str:
    """The name of the installer's file."""
    return f"{project.name}-{project.version}-windows-x86_64-setup.exe"


def command(project: Project, program: Path, icon: Path, target: Path) -> list[str]:
    """The call that compiles the installer of the frozen folder."""
    defines = {
        "VERSION": project.version,
        "VERSION_NUMBERS": ".".join(map(str, _numbers(project.version))),
        "APP_ID": project.app_id,
        "PUBLISHER": project.maintainer.partition(" <")[0],
        "HOMEPAGE": project.homepage,
        "PROGRAM": str(program),
        "ICON": str(icon),
        "TARGET": str(target),
        "INSTALLED_KIB": str(-(-file_list.n_bytes(program) // 1024)),
    }
    given = [f"-D{name}={value}" for name, value in defines.items()]
    return ["makensis", "-V2", "-WX", "-INPUTCHARSET", "UTF8", *given, str(SCRIPT)]


def pack(project: Project, program: Path, icon: Path, target: Path) -> None:
    """Compiles the installer; raises ``PackagingError`` where it cannot."""
    if shutil.which("makensis") is None:
        raise PackagingError("makensis is missing: sudo apt-get install nsis, or install NSIS 3")
    ran = subprocess.run(
        command(project, program, icon, target), capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        raise PackagingError(f"makensis: {(ran.stdout + ran.stderr).strip()}")


def version_resource(project: Project) -> str:
    """What Windows shows of a program's file, in the form that PyInstaller reads."""
    numbers = _numbers(project.version)
    texts = {
        "CompanyName": project.maintainer.partition(" <")[0],
        "FileDescription": "Parley",
        "FileVersion": project.version,
        "InternalName": project.name,
        "LegalCopyright": project.licence,
        "OriginalFilename": "parley.exe",
        "ProductName": "Parley",
        "ProductVersion": project.version,
    }
    structures = ", ".join(f"StringStruct({name!r}, {text!r})" for name, text in texts.items())
    return (
        f"VSVersionInfo(ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}, mask=0x3F, "
        "flags=0, OS=0x40004, fileType=1, subtype=0, date=(0, 0)), kids=[StringFileInfo("
        f"[StringTable('040904B0', [{structures}])]), "
        "VarFileInfo([VarStruct('Translation', [0x0409, 1200])])])\n"
    )


def _numbers(version: str) -> tuple[int, int, int, int]:
    """Windows knows versions of four numbers only."""
    found = [int(number) for number in re.findall(r"\d+", version)[:4]]
    one, two, three, four = (*found, 0, 0, 0, 0)[:4]
    return one, two, three, four
