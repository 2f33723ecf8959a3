"""The global hotkey: what may be one, when it is struck, and what is said where there is none."""

import builtins
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.hotkey import Chord, GlobalHotkey, HeldKeys, HotkeyError, Modifier, obstacle

ROOT = Path(__file__).resolve().parent.parent.parent
CTRL_ALT = frozenset({Modifier.CTRL, Modifier.ALT})


@pytest.mark.parametrize(
    ("text", "chord"),
    [
        ("Ctrl+Alt+Space", Chord(CTRL_ALT, "Space")),
        ("alt + CTRL + space", Chord(CTRL_ALT, "Space")),
        ("Meta+t", Chord(frozenset({Modifier.META}), "T")),
        ("Ctrl+7", Chord(frozenset({Modifier.CTRL}), "7")),
        ("F9", Chord(frozenset(), "F9")),
        ("Shift+F12", Chord(frozenset({Modifier.SHIFT}), "F12")),
        ("Pause", Chord(frozenset(), "Pause")),
        ("Ctrl+Shift+PgDown", Chord(frozenset({Modifier.CTRL, Modifier.SHIFT}), "PgDown")),
    ],
)
def test_a_combination_is_read_as_qt_writes_it(text: str, chord: Chord) -> None:
    assert Chord.parse(text) == chord


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing cannot be the key"),
        ("Ctrl+", "nothing cannot be the key"),
        ("Ctrl+Alt", "Alt cannot be the key"),
        ("Hyper+X", "only Ctrl, Alt, Shift, Meta"),
        ("Ctrl+\u00e4", "\u00e4 cannot be the key"),
        ("Ctrl++", "only Ctrl, Alt, Shift, Meta"),
        ("A", "typing would set it off"),
        ("Shift+A", "typing would set it off"),
        ("Space", "typing would set it off"),
        ("Shift+Left", "typing would set it off"),
        ("Ctrl+Shift+1", "another sign"),
        ("F99", "F99 cannot be the key"),
    ],
)
def test_a_combination_that_would_not_do_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(HotkeyError) as caught:
        Chord.parse(text)
    assert reason in str(caught.value)


def strike(keys: str) -> list[str]:
    """What Ctrl+Space tells of a row of strokes: c, a, x or space, down, or up with a minus.

    A number is seconds that pass.
    """
    now_s = 0.0
    held = HeldKeys(frozenset({"c", " "}), frozenset({"c", "a", "s"}))
    told = []
    for stroke in keys.split(","):
        key = stroke.removeprefix("-")
        if stroke.isdigit():
            now_s += float(stroke)
        elif stroke.startswith("-"):
            if held.release(key):
                told.append("released")
        elif held.press(key, now_s):
            told.append("pressed")
    return told


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("c, ", ["pressed"]),
        ("c, ,- ,-c", ["pressed", "released"]),
        ("c, ,-c,- ", ["pressed", "released"]),
        (" ,c", ["pressed"]),
        ("c, , , , ,- ", ["pressed", "released"]),
        ("c, ,- , ,- ", ["pressed", "released", "pressed", "released"]),
        ("c", []),
        (" ,- ", []),
        ("c,-c, ", []),
        ("c,a, ", []),
        ("c,a, ,-a,- , ", ["pressed"]),
        ("c, ,a,-a,- ", ["pressed", "released"]),
        ("x,c,x, ", ["pressed"]),
        ("-c,- ,c, ", ["pressed"]),
        ("c,4, ", ["pressed"]),
        ("c,9, ", []),
        ("c,4,c,4, ", ["pressed"]),
        ("c, ,9,- ", ["pressed", "released"]),
        ("c, ,9, ,- ", ["pressed", "released"]),
        ("a,9,c, ", ["pressed"]),
    ],
)
def test_it_begins_with_its_last_key_and_ends_with_its_first(keys: str, told: list[str]) -> None:
    assert strike(keys) == told


def test_only_keys_of_the_combination_and_modifiers_are_remembered() -> None:
    held = HeldKeys(frozenset({"c", " "}), frozenset({"c", "a"}))
    for key in "secret":
        held.press(key, 0.0)
    assert set(held._down_at_s) == {"c"}


@pytest.mark.parametrize(
    ("platform", "environment", "reason"),
    [
        ("linux", {"DISPLAY": ":0", "XDG_SESSION_TYPE": "wayland"}, "Wayland"),
        ("linux", {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, "Wayland"),
        ("linux", {}, "no screen"),
        ("linux", {"DISPLAY": ":0", "XDG_SESSION_TYPE": "x11"}, None),
        ("win32", {}, None),
        ("darwin", {}, None),
    ],
)
def test_where_no_program_may_watch_the_keyboard_a_sentence_says_what_to_do(
    platform: str, environment: dict[str, str], reason: str | None
) -> None:
    told = obstacle(platform, environment)
    assert (told is None) == (reason is None)
    if told is not None and reason is not None:
        assert reason in told and "parley toggle" in told


def ignore() -> None:
    pass


def test_a_missing_pynput_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.hotkey.obstacle", lambda *_: None)
    monkeypatch.setitem(sys.modules, "pynput", None)
    with pytest.raises(HotkeyError, match="pynput, which is not installed"):
        GlobalHotkey(Chord.parse("F9"), ignore, ignore).start()


def test_a_screen_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def failing(name: str, *arguments: object, **others: object) -> object:
        if name == "pynput":
            raise ImportError("no display")
        return real(name, *arguments, **others)  # type: ignore[arg-type]

    monkeypatch.setattr("app.hotkey.obstacle", lambda *_: None)
    monkeypatch.setattr(builtins, "__import__", failing)
    with pytest.raises(HotkeyError, match="cannot be watched here"):
        GlobalHotkey(Chord.parse("F9"), ignore, ignore).start()


def test_stopping_what_never_started_does_nothing() -> None:
    GlobalHotkey(Chord.parse("F9"), ignore, ignore).stop()


def test_importing_it_does_not_import_pynput() -> None:
    program = "import sys, app.hotkey; print('pynput' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.strip() == "False", ran.stderr


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An X server without a screen."""
    if shutil.which("Xvfb") is None or shutil.which("xdotool") is None:
        pytest.skip("needs Xvfb and xdotool")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as told:
        number = told.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


WATCH = """
import sys
from app.hotkey import Chord, GlobalHotkey
chords = [Chord.parse(text) for text in sys.argv[1:]]
def teller(number, word):
    return lambda: print(number, word, flush=True)
hotkeys = [GlobalHotkey(c, teller(n, "down"), teller(n, "up")) for n, c in enumerate(chords)]
for hotkey in hotkeys:
    hotkey.start()
    hotkey._listener.wait()
print("ready", flush=True)
sys.stdin.readline()
for hotkey in hotkeys:
    hotkey.stop()
"""


@pytest.mark.gui
def test_on_x11_a_struck_combination_is_heard_whoever_has_the_focus(screen: str) -> None:
    environment = {**os.environ, "DISPLAY": screen, "XDG_SESSION_TYPE": "x11"}
    environment.pop("WAYLAND_DISPLAY", None)
    strokes = (
        *("key ctrl+alt+space", "key alt+space", "key ctrl+alt+shift+space", "key x"),
        *("keydown F9", "keydown F9", "keyup F9", "key ctrl+shift+t", "key ctrl+t"),
        *("key ctrl+super+7",),
    )
    with subprocess.Popen(
        [sys.executable, "-c", WATCH, "Ctrl+Alt+Space", "F9", "Ctrl+Shift+T", "Ctrl+Meta+7"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        for stroke in strokes:
            subprocess.run(["xdotool", *stroke.split()], env=environment, check=True)
        heard = [running.stdout.readline().strip() for _ in range(8)]
        rest, _ = running.communicate("end\n", timeout=20)
    # Both ends of one combination come in order; those of two listeners may mingle.
    assert sorted(heard) == sorted(
        f"{number} {word}" for number in range(4) for word in ("down", "up")
    )
    assert rest == ""
    assert running.returncode == 0
