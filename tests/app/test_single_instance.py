"""One running program: a second start reaches the first, and a crash is no hindrance to either."""

import argparse
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from app import paths, single_instance
from app.commands import toggle
from app.single_instance import InstanceError, NotRunning, Order, send, take, take_or_send

ROOT = Path(__file__).resolve().parent.parent.parent

# Both ways in which orders travel, wherever the tests run.
both_ways = pytest.mark.parametrize(
    "loopback", [False, pytest.param(True, marks=pytest.mark.enable_socket)], ids=["unix", "udp"]
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def is_readable(instance: single_instance.RunningInstance) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(instance, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))


@both_ways
def test_a_second_start_is_refused_until_the_first_ends(folder: Path, loopback: bool) -> None:
    with take(folder, loopback) as first:
        assert first is not None
        assert take(folder, loopback) is None
    with take(folder, loopback) as second:
        assert second is not None


@both_ways
def test_orders_arrive_in_turn_and_an_event_loop_sees_them(folder: Path, loopback: bool) -> None:
    instance = take(folder, loopback)
    assert instance is not None
    with instance:
        assert not is_readable(instance)
        assert instance.orders() == []
        for order in (Order.SHOW, Order.TOGGLE, Order.TOGGLE, Order.STOP):
            send(folder, order, loopback)
        assert is_readable(instance)
        assert instance.orders() == [Order.SHOW, Order.TOGGLE, Order.TOGGLE, Order.STOP]
        assert not is_readable(instance)


@both_ways
def test_without_a_running_program_an_order_says_so(folder: Path, loopback: bool) -> None:
    with pytest.raises(NotRunning, match="not running"):
        send(folder, Order.TOGGLE, loopback)
    instance = take(folder, loopback)
    assert instance is not None
    instance.close()
    with pytest.raises(NotRunning):
        send(folder, Order.TOGGLE, loopback)
    assert [file.name for file in folder.iterdir()] == ["parley.lock"]


@both_ways
def test_what_a_killed_program_left_is_taken_over(folder: Path, loopback: bool) -> None:
    program = (
        "import sys; from pathlib import Path; from app.single_instance import take\n"
        f"instance = take(Path(sys.argv[1]), {loopback})\n"
        "print('taken', instance is not None, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, folder],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "taken True\n"
        assert take(folder, loopback) is None
        send(folder, Order.SHOW, loopback)
        running.kill()
    assert running.returncode == -signal.SIGKILL
    assert len(list(folder.iterdir())) == 2  # the lock, and the socket or the port
    with pytest.raises(NotRunning):
        send(folder, Order.SHOW, loopback)
    instance = take(folder, loopback)
    assert instance is not None
    with instance:
        send(folder, Order.TOGGLE, loopback)
        assert instance.orders() == [Order.TOGGLE]


def test_of_many_starts_at_once_one_runs_and_hears_of_all_others(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from app.single_instance import take_or_send\n"
        "sys.stdin.readline(); instance = take_or_send(Path(sys.argv[1]))\n"
        "print('first' if instance else 'second', flush=True); sys.stdin.readline()\n"
        "if instance: print(len(instance.orders()))"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", program, folder],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("go\n")
        start.stdin.flush()
    roles = [start.stdout.readline().strip() for start in starts if start.stdout]
    told = [start.communicate("end\n")[0] for start in starts]
    assert sorted(roles) == ["first", "second", "second", "second", "second"]
    assert "".join(told) == "4\n"
    assert {start.returncode for start in starts} == {0}


def test_a_start_waits_for_one_that_is_just_ending(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = take(folder)
    assert ending is not None
    (folder / "parley.sock").unlink()
    monkeypatch.setattr(single_instance.time, "sleep", lambda _: ending.close())
    with take_or_send(folder) as instance:
        assert instance is not None


def test_a_running_program_that_cannot_be_reached_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_instance.time, "sleep", lambda _: None)
    with take(folder) as instance:
        assert instance is not None
        (folder / "parley.sock").unlink()
        with pytest.raises(InstanceError, match="cannot be reached"):
            take_or_send(folder)


def test_a_program_that_is_stuck_keeps_nobody_waiting(folder: Path) -> None:
    with take(folder) as instance:
        assert instance is not None
        with pytest.raises(InstanceError, match="does not answer"):
            for _ in range(10_000):
                send(folder, Order.TOGGLE)


def test_only_the_user_reaches_the_socket(folder: Path) -> None:
    before = os.umask(0)
    try:
        with take(folder) as instance:
            assert instance is not None
            assert folder.stat().st_mode & 0o777 == 0o700
            assert (folder / "parley.sock").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


@pytest.mark.enable_socket
def test_only_the_user_reads_the_port_and_who_lacks_its_key_is_not_heard(folder: Path) -> None:
    with take(folder, loopback=True) as instance:
        assert instance is not None
        file = folder / "parley.port"
        assert file.stat().st_mode & 0o777 == 0o600
        port, _, key = file.read_text().partition(" ")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for message in (b"", b"toggle", bytes(32) + b"toggle", key.encode() + b"toggle"):
                stranger.sendto(message, ("127.0.0.1", int(port)))
        send(folder, Order.SHOW, loopback=True)
        assert instance.orders() == [Order.SHOW]


def test_what_is_no_order_is_dropped(folder: Path) -> None:
    with take(folder) as instance:
        assert instance is not None
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            for message in (b"", b"explode", b"\xff", b"toggle\n", b"x" * 5000):
                stranger.sendto(message, str(folder / "parley.sock"))
        send(folder, Order.STOP)
        assert instance.orders() == [Order.STOP]


def test_a_folder_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(InstanceError, match="belongs to another user"):
        take(folder)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InstanceError, match="cannot be used"):
        take(tmp_path / "file" / "run")


def test_a_path_too_long_for_a_socket_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / ("long" * 20) / ("\u957f" * 30)
    instance = take(folder)
    assert instance is not None
    with instance:
        send(folder, Order.SHOW)
        assert instance.orders() == [Order.SHOW]
    with pytest.raises(NotRunning):
        send(folder, Order.SHOW)


@pytest.mark.parametrize("order", Order)
def test_a_command_drives_the_running_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Order
) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    parser = argparse.ArgumentParser()
    toggle.add_to(parser.add_subparsers())
    arguments = parser.parse_args([order.value])
    with pytest.raises(NotRunning):
        arguments.run(arguments)
    with take(paths.runtime()) as instance:
        assert instance is not None
        assert arguments.run(arguments) == 0
        assert instance.orders() == [order]


def test_a_command_reaches_the_program_without_qt_or_torch() -> None:
    program = (
        "import sys, app.commands.toggle; print({'torch', 'PySide6', 'numpy'} & {*sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.strip() == "set()", ran.stderr
