"""The .deb in a clean Debian root: installed, upgraded with the user's history kept, removed.

The root holds a minimal Debian with the packages that the .deb depends on, and no Python. It needs
a root user; the program itself runs there as an ordinary one, whose name has a space and Hanzi.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.history import History
from installers import file_list, trial
from installers.project import PackagingError
from installers.trial import Machine, Outcome

_USER = 1000
_HOME = Path("/home/some one 语音")
_NOT_OURS: tuple[str, ...] = (
    "tmp/",
    "home/",
    "proc/",
    "sys/",
    "dev/",
    "run/",
    "var/lib/dpkg/",
    "var/log/",
)
_NOT_OURS += ("var/cache/",)
_OLDER = "0.0.0.1"
_LEFT_BEHIND = "usr/lib/parley/a file of the older version"
_FULL_DISK = "size=32m"
_HISTORY = ".local/share/parley/history.db"
_MODEL = "the model of a kept talk"


@dataclass(frozen=True, slots=True)
class Root:
    """A folder with a Debian in it."""

    folder: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in it, as its root, without a network."""
        return subprocess.run(
            [*self.before(user=0), *command],
            env=trial.bare_environment(Path("/root")),
            capture_output=True,
            text=True,
            check=False,
        )

    def before(self, user: int) -> tuple[str, ...]:
        """What leads a command into the root: no network, processes of its own."""
        return (
            *("unshare", "--net", "--mount", "--pid", "--fork"),
            f"--mount-proc={self.folder / 'proc'}",
            *("chroot", f"--userspec={user}:{user}", str(self.folder)),
        )

    def files(self) -> frozenset[str]:
        """Every path in it that a package may have left."""
        found = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))
        return frozenset(name for name in found if not name.startswith(_NOT_OURS))

    def has(self, command: str) -> bool:
        """Whether a command is there."""
        return any((self.folder / place / command).exists() for place in ("usr/bin", "bin"))


def trial_of(root: Root, package: Path, older: Path | None, version: str) -> list[Outcome]:
    """Installs, upgrades, tries and removes; raises ``PackagingError`` where there is no root."""
    if os.geteuid() != 0:
        raise PackagingError("chroot needs root: sudo python3 packaging/smoke_test.py deb ...")
    if not root.has("dpkg"):
        raise PackagingError(f"{root.folder} is no Debian root: make it by make_root.sh")
    home = root.folder / _HOME.relative_to("/")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    _keep_history(home)
    _give_to_user(home)
    before = root.files()
    outcomes = [
        Outcome("the root has no Python", not any(map(root.has, ("python3", "python")))),
        _full_disk_check(root, package),
        *_install_checks(root, package, older),
    ]
    kept = _history(home)
    outcomes.append(Outcome("the upgrade keeps the history", kept == _MODEL, kept))
    machine = Machine(
        root.before(_USER), Path("/usr/bin/parley"), _HOME, root.folder / "usr/lib/parley"
    )
    outcomes += trial.run_all(machine, version)
    kept = _history(home)
    outcomes.append(Outcome("the newer program keeps the history", kept == _MODEL, kept))
    outcomes.append(_removal_check(root, before))
    kept = _history(home)
    outcomes.append(Outcome("removing keeps the user's files", kept == _MODEL, kept))
    return outcomes


def older_of(package: Path, folder: Path) -> Path:
    """The same package under an older version, with one file that the newer one lacks."""
    tree, made = folder / "tree", folder / "older.deb"
    _call("dpkg-deb", "--raw-extract", str(package), str(tree))
    control = tree / "DEBIAN" / "control"
    lines = control.read_text(encoding="utf-8").splitlines()
    changed = [f"Version: {_OLDER}" if line.startswith("Version:") else line for line in lines]
    control.write_text("\n".join(changed) + "\n", encoding="utf-8")
    (tree / _LEFT_BEHIND).write_text("old\n", encoding="utf-8")
    _call("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(made))
    shutil.rmtree(tree)
    return made


def _install_checks(root: Root, package: Path, older: Path | None) -> list[Outcome]:
    with tempfile.TemporaryDirectory(prefix="parley-older-") as folder:
        first = older or older_of(package, Path(folder))
        ran = _install(root, first)
        outcomes = [Outcome("the older package installs", ran.returncode == 0, _last(ran))]
    ran = _install(root, package)
    outcomes.append(Outcome("the package installs over it", ran.returncode == 0, _last(ran)))
    is_gone = not (root.folder / _LEFT_BEHIND).exists()
    outcomes.append(Outcome("the older version's files are gone", is_gone))
    ran = root.run("dpkg", "--verify", "parley")
    is_whole = ran.returncode == 0 and not ran.stdout
    outcomes.append(Outcome("what is installed is whole", is_whole, _last(ran)))
    size = file_list.n_bytes(root.folder / "usr" / "lib" / "parley")
    outcomes.append(Outcome("at most 1.3 GB installed", size <= 1.3e9, f"{size / 1e6:.0f} MB"))
    size = package.stat().st_size
    outcomes.append(Outcome("at most 450 MB to fetch", size <= 450e6, f"{size / 1e6:.0f} MB"))
    return outcomes


def _install(root: Root, package: Path) -> subprocess.CompletedProcess[str]:
    inside = root.folder / "tmp" / "package.deb"
    shutil.copyfile(package, inside)
    ran = root.run("dpkg", "--install", "/tmp/package.deb")
    inside.unlink()
    return ran


def _full_disk_check(root: Root, package: Path) -> Outcome:
    """Installing on a disk that gets full fails, says so, and leaves nothing installed."""
    place = root.folder / "usr" / "lib" / "parley"
    inside = root.folder / "tmp" / "package.deb"
    shutil.copyfile(package, inside)
    place.mkdir()
    script = 'mount -t tmpfs -o "$1" tmpfs "$2" && exec chroot "$3" dpkg --install "$4"'
    given = (_FULL_DISK, str(place), str(root.folder), "/tmp/package.deb")
    ran = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", script, "sh", *given],
        env=trial.bare_environment(Path("/root")),
        capture_output=True,
        text=True,
        check=False,
    )
    inside.unlink()
    status = root.run("dpkg-query", "--show", "--showformat=${db:Status-Status}", "parley")
    root.run("dpkg", "--purge", "--force-remove-reinstreq", "parley")
    if place.is_dir():
        place.rmdir()
    is_told = "No space left" in ran.stdout + ran.stderr
    is_right = ran.returncode != 0 and is_told and status.stdout != "installed"
    return Outcome("a full disk stops the installation", is_right, _last(ran))


def _removal_check(root: Root, before: frozenset[str]) -> Outcome:
    ran = root.run("dpkg", "--purge", "parley")
    left = sorted(root.files() - before)
    told = f"left: {', '.join(left[:5])}" if left else _last(ran)
    return Outcome("removing leaves nothing", ran.returncode == 0 and not left, told)


def _keep_history(home: Path) -> None:
    """A user who wants history, with one conversation of a model by a name of its own."""
    settings = home / ".config" / "parley" / "settings.json"
    settings.parent.mkdir(parents=True)
    kept = {"version": 1, "settings": {"privacy": {"keep_history": True}}}
    settings.write_text(json.dumps(kept), encoding="utf-8")
    with History(home / _HISTORY) as history:
        history.start_conversation(_MODEL, datetime.now(UTC))


def _history(home: Path) -> str:
    """The model of the conversation that was kept, or what is wrong with the file."""
    path = home / _HISTORY
    if not path.is_file():
        return "the history is gone"
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT model FROM conversations").fetchall()
    except sqlite3.Error as error:
        return str(error)
    return str(rows[0][0]) if rows else "the conversation is gone"


def _give_to_user(home: Path) -> None:
    for path in (home, *home.rglob("*")):
        os.chown(path, _USER, _USER)


def _call(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise PackagingError(f"{command[0]}: {ran.stderr.strip()}")


def _last(ran: subprocess.CompletedProcess[str]) -> str:
    lines = (ran.stdout + ran.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit code {ran.returncode}"
