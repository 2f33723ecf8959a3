"""The whole program in a process of its own, without a screen and without a sound card."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.commands.gui import has_screen

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """A home of its own, an offscreen window, and no sound server."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PULSE")}
    return own | {
        "PARLEY_HOME": str(tmp_path / "home"),
        "QT_QPA_PLATFORM": "offscreen",
        "OMP_NUM_THREADS": "1",
    }


def start(surroundings: Mapping[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "gui", *map(str, arguments)],
        env=dict(surroundings),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_window_comes_before_torch_and_the_model_gets_ready(
    tiny_model: Path, surroundings: dict[str, str]
) -> None:
    ran = start(surroundings, "--exit-when-ready", "--json", "--model", tiny_model)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["torch_before_window"] is False
    assert 0 < told["visible_s"] < told["ready_s"]


def test_a_model_that_cannot_be_loaded_is_one_line_and_the_settings_stay(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    (tmp_path / "empty").mkdir()
    ran = start(surroundings, "--exit-when-ready", "--model", tmp_path / "empty")
    assert ran.returncode == 1
    told = [line for line in ran.stderr.splitlines() if line.startswith("parley: ")]
    assert len(told) == 1 and "lacks config.json" in told[0]
    assert not (tmp_path / "home" / "config" / "settings.json").exists()


def test_a_broken_settings_file_is_set_aside_and_the_program_starts(
    tiny_model: Path, tmp_path: Path, surroundings: dict[str, str]
) -> None:
    folder = Path(_asked("print(paths.settings_file().parent)", surroundings))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text("{not json")
    ran = start(surroundings, "--exit-when-ready", "--model", tiny_model)
    assert ran.returncode == 0, ran.stderr
    assert [path.read_text() for path in folder.glob("settings.*.json")] == ["{not json"]


def test_a_program_told_to_stay_offline_starts_all_the_same(
    tiny_model: Path, surroundings: dict[str, str]
) -> None:
    ran = start(surroundings, "--exit-when-ready", "--offline", "--model", tiny_model)
    assert ran.returncode == 0, ran.stderr


def test_without_a_screen_ready_cannot_be_waited_for(surroundings: dict[str, str]) -> None:
    blind = {
        name: value
        for name, value in surroundings.items()
        if name not in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")
    }
    ran = start(blind, "--exit-when-ready")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)


def test_a_screen_is_known_by_its_variables() -> None:
    assert has_screen("linux", {"DISPLAY": ":1"})
    assert has_screen("linux", {"WAYLAND_DISPLAY": "wayland-0"})
    assert not has_screen("linux", {"DISPLAY": ""})
    assert has_screen("win32", {})


def _asked(program: str, surroundings: Mapping[str, str]) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", f"from app import paths; {program}"],
        env=dict(surroundings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


def test_the_window_waits_for_no_library_that_it_does_not_show(
    surroundings: dict[str, str],
) -> None:
    heavy = ("numpy", "torch", "tokenizers", "sounddevice", "soundfile", "onnxruntime")
    program = f"import sys, app.application; print([m for m in {heavy} if m in sys.modules])"
    assert _asked(program, surroundings) == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGTERM")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_of_the_session_closes_the_window(
    number: signal.Signals, tiny_model: Path, surroundings: dict[str, str]
) -> None:
    with subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), "gui", "--json", "--model", str(tiny_model)],
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None and program.stderr is not None
        assert "ready_s" in program.stdout.readline()
        program.send_signal(number)
        assert program.wait(timeout=30) == 0
        assert "Traceback" not in program.stderr.read()
