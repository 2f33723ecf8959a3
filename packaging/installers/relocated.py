"""The relocatable archive: unpacked by a user below an odd name, read-only, twice side by side."""

import shutil
import subprocess
from pathlib import Path

from installers import trial
from installers.project import PackagingError
from installers.trial import Machine, Outcome


def trial_of(package: Path, folder: Path, version: str) -> list[Outcome]:
    """Unpacks, enters into the menu, tries, takes out again; ``folder`` is for scratch."""
    home, place = folder / "home", folder / "two words"
    home.mkdir()
    place.mkdir()
    program = unpack(package, place)
    second = place / f"{program.name} $(older) %1"
    shutil.copytree(program, second, symlinks=True, copy_function=_link)
    for path in (program, *program.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    before = _names(home)
    outcomes = [_script_check(second, "install.sh", home), _entry_check(second, home)]
    outcomes += [_script_check(program, "install.sh", home), _entry_check(program, home)]
    machine = Machine(trial.alone(), home / ".local" / "bin" / "parley", home, program)
    outcomes += trial.run_all(machine, version)
    outcomes.append(_script_check(second, "uninstall.sh", home))
    is_kept = (home / ".local" / "bin" / "parley").is_symlink()
    outcomes.append(Outcome("removing one version leaves the other in the menu", is_kept))
    outcomes.append(_script_check(program, "uninstall.sh", home, "--purge"))
    left = sorted(path for path in _names(home) - before if (home / path).is_file())
    outcomes.append(Outcome("nothing is left", not left, ", ".join(left[:5])))
    for path in (program, *program.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    return outcomes


def unpack(package: Path, folder: Path) -> Path:
    """Unpacks the archive and returns the one folder in it."""
    command = ["tar", "--zstd", "--extract", "--file", str(package), "--directory", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise PackagingError(f"tar: {ran.stderr.strip()}")
    (program,) = folder.iterdir()
    return program


def _link(source: str, target: str) -> None:
    """A copy that takes no room, for nothing writes into the folder."""
    Path(target).hardlink_to(source)


def _names(home: Path) -> frozenset[str]:
    return frozenset(path.relative_to(home).as_posix() for path in home.rglob("*"))


def _script_check(program: Path, script: str, home: Path, *arguments: str) -> Outcome:
    ran = subprocess.run(
        [str(program / script), *arguments],
        env=trial.bare_environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (ran.stdout + ran.stderr).strip().splitlines() or [""]
    return Outcome(f"{script} in {program.name}", ran.returncode == 0, lines[-1])


def _entry_check(program: Path, home: Path) -> Outcome:
    """The menu's entry is valid, where that can be told, and names this folder."""
    name = f"the menu's entry of {program.name}"
    path = home / ".local" / "share" / "applications" / "parley.desktop"
    text = path.read_text(encoding="utf-8")
    if f"TryExec={program}/parley\n" not in text:
        return Outcome(name, False, "it names another program")
    if shutil.which("desktop-file-validate") is None:
        return Outcome(name, True, "desktop-file-validate is not installed")
    ran = subprocess.run(
        ["desktop-file-validate", str(path)], capture_output=True, text=True, check=False
    )
    return Outcome(name, ran.returncode == 0, ran.stdout.strip())
