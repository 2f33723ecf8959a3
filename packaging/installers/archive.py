"""The relocatable archive for Linux: the program's folder as .tar.zst, equal for equal content."""

import shutil
import subprocess
import tarfile
from pathlib import Path

from installers.project import PACKAGING, PackagingError


def add_installer(folder: Path) -> None:
    """Puts the scripts that enter the program into a user's menu, and take it out, beside it."""
    for name in ("install.sh", "uninstall.sh", "parley.desktop"):
        shutil.copy2(PACKAGING / "linux" / name, folder / name)
    shutil.copyfile(PACKAGING.parent / "assets" / "icons" / "parley.svg", folder / "parley.svg")
    for name in ("install.sh", "uninstall.sh"):
        (folder / name).chmod(0o755)


def pack(folder: Path, target: Path, epoch: int) -> None:
    """Packs the folder under its own name; raises ``PackagingError`` where zstd is missing."""
    if shutil.which("zstd") is None:
        raise PackagingError("zstd is missing: sudo apt-get install zstd")
    command = ["zstd", "-19", "--threads=0", "--quiet", "--force", "-o", str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as packer:
        assert packer.stdin is not None
        with tarfile.open(fileobj=packer.stdin, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for path in (folder, *sorted(folder.rglob("*"))):
                name = path.relative_to(folder.parent).as_posix()
                member = _normal(tar.gettarinfo(path, name), epoch)
                if member.islnk():  # a second name of a file is packed as a file
                    member.type, member.linkname = tarfile.REGTYPE, ""
                    member.size = path.stat().st_size
                if member.isreg():
                    with path.open("rb") as content:
                        tar.addfile(member, content)
                else:
                    tar.addfile(member)
        packer.stdin.close()
    if packer.returncode != 0:
        raise PackagingError(f"zstd could not write {target}: is the disk full?")


def _normal(member: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    """Without what differs from builder to builder."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = epoch
    if member.isdir() or member.issym():
        member.mode = 0o755 if member.isdir() else 0o777
    else:
        member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member
