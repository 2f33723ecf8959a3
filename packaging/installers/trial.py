"""The checks that every form of the installed program has to pass, and the machine they run on.

The machine has no network (a namespace of its own), no screen, no sound, and no Python that the
program could find: the environment is empty but for a path to the system's commands.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one check; ``detail`` is one line."""

    name: str
    is_passed: bool
    detail: str = ""

    def line(self) -> str:
        """The outcome for a person."""
        told = f"{'passed' if self.is_passed else 'FAILED'}  {self.name}"
        return f"{told}: {self.detail}" if self.detail else told


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that ended; ``text`` is what it printed, on both streams."""

    code: int
    output: str
    text: str
    seconds: float

    @property
    def last_line(self) -> str:
        """What it said at last."""
        return (self.text.strip().splitlines() or ["it printed nothing"])[-1]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the program runs: what is put before its command, the command, the user's home.

    ``folder`` is the program's own, as it is seen from outside.
    """

    before: tuple[str, ...]
    program: Path
    home: Path
    folder: Path

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
        """Runs the program to its end."""
        given = {**bare_environment(self.home), **(environment or {})}
        command = [*self.before, str(self.program), *arguments]
        began = time.monotonic()
        try:
            ran = subprocess.run(
                command, env=given, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return Ran(124, "", f"it did not end within {_TIMEOUT_S:.0f} s", _TIMEOUT_S)
        except OSError as error:
            return Ran(127, "", f"it could not be started: {error.strerror}", 0.0)
        return Ran(ran.returncode, ran.stdout, ran.stdout + ran.stderr, time.monotonic() - began)


def bare_environment(home: Path) -> dict[str, str]:
    """What a user's session has, without a screen, a sound server or a Python."""
    return {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "ALSA_CONFIG_PATH": os.devnull,
    }


def alone() -> tuple[str, ...]:
    """What makes a command run without a network; nothing where the system has no such way."""
    if shutil.which("unshare") is None:
        return ()
    as_root = () if os.geteuid() == 0 else ("--map-root-user",)
    command = ("unshare", "--net", *as_root)
    ran = subprocess.run([*command, "true"], capture_output=True, check=False)
    return (*command, "--") if ran.returncode == 0 else ()


def run_all(machine: Machine, version: str, start_s: float | None = None) -> list[Outcome]:
    """Every check; ``start_s`` is the longest the window may take, None where it is not measured.

    The first start after the files were written is not counted: the disk is read then.
    """
    return [
        Outcome(
            "runs without a network", bool(machine.before), "" if machine.before else "unshare"
        ),
        version_check(machine, version),
        models_check(machine),
        selftest_check(machine),
        *window_checks(machine, start_s),
        left_out_check(machine),
        licences_check(machine),
    ]


def version_check(machine: Machine, version: str) -> Outcome:
    """``--version`` tells the version of the sources."""
    ran = machine.run("--version")
    is_right = ran.code == 0 and ran.output.strip() == f"parley {version}"
    return Outcome("--version", is_right, ran.last_line)


def models_check(machine: Machine) -> Outcome:
    """``models`` lists the built-in one."""
    ran = machine.run("models")
    return Outcome("models", ran.code == 0 and ran.output.startswith("nano "), ran.last_line)


def selftest_check(machine: Machine) -> Outcome:
    """``selftest`` asks the bundled question and gets the right, audible answer."""
    ran = machine.run("selftest")
    return Outcome("selftest", ran.code == 0, f"{ran.last_line} ({ran.seconds:.1f} s)")


def window_checks(machine: Machine, start_s: float | None) -> list[Outcome]:
    """The window opens without a screen, the model gets ready, and the program ends."""
    screen = {"QT_QPA_PLATFORM": "offscreen"}
    arguments = ("gui", "--exit-when-ready", "--json", "--offline")
    machine.run(*arguments, environment=screen)
    ran = machine.run(*arguments, environment=screen)
    times = _times(ran.output)
    if ran.code != 0 or times is None:
        return [Outcome("the window opens and closes", False, ran.last_line)]
    visible, ready = times
    outcomes = [Outcome("the window opens and closes", True, f"model ready after {ready:.1f} s")]
    if start_s is not None:
        told = f"visible after {visible:.2f} s, at most {start_s:.1f} s"
        outcomes.append(Outcome("the window is there in time", visible <= start_s, told))
    return outcomes


def left_out_check(machine: Machine) -> Outcome:
    """Training is not there, and that is told in one line."""
    ran = machine.run("train", "nano")
    is_right = ran.code == 2 and len(ran.text.strip().splitlines()) == 1
    return Outcome("training is left out", is_right, ran.last_line)


def licences_check(machine: Machine) -> Outcome:
    """The licences that the program shows lie in its folder."""
    path = machine.folder / "_internal" / "assets" / "licences.txt"
    n_bytes = path.stat().st_size if path.is_file() else 0
    return Outcome("licences", n_bytes > 100_000, f"{n_bytes} bytes")


def _times(output: str) -> tuple[float, float] | None:
    """When the window was visible and the model ready, of the line that the program printed."""
    for line in output.splitlines():
        try:
            told = json.loads(line)
            return float(told["visible_s"]), float(told["ready_s"])
        except (ValueError, KeyError, TypeError):
            continue
    return None
