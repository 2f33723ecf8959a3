"""Offline: no library reaches the network by any of Python's ways; this machine stays reachable."""

import ast
import http.server
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.network import NetworkGuard

ROOT = Path(__file__).resolve().parent.parent.parent
# Addresses that are set apart for documentation: nobody answers, whatever the machine.
REACHING_OUT = {
    "tcp": "socket.socket().connect(('192.0.2.1', 80))",
    "tcp without waiting": "socket.socket().connect_ex(('192.0.2.1', 80))",
    "tcp by name": "socket.create_connection(('example.com', 80))",
    "tcp 6": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "udp": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "udp connected": "socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 53))",
    "udp message": (
        "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('192.0.2.1', 53))"
    ),
    "look-up": "socket.getaddrinfo('example.com', 80)",
    "look-up in bytes": "socket.getaddrinfo(b'example.com', 80)",
    "old look-up": "socket.gethostbyname('example.com')",
    "reverse look-up": "socket.gethostbyaddr('192.0.2.1')",
    "name look-up": "socket.getnameinfo(('192.0.2.1', 80), 0)",
    "serving": "socket.socket().bind(('0.0.0.0', 0))",
    "serving everywhere": "socket.socket().bind(('', 0))",
    "below socket": "__import__('_socket').socket().connect(('192.0.2.1', 80))",
    "urllib": "__import__('urllib.request').request.urlopen('http://example.com/')",
    "urllib by address": "__import__('urllib.request').request.urlopen('http://192.0.2.1/')",
    "http.client": "__import__('http.client').client.HTTPSConnection('192.0.2.1').connect()",
    "asyncio": (
        "__import__('asyncio').run(__import__('asyncio').open_connection('192.0.2.1', 80))"
    ),
}


def run(*lines: str, environment: dict[str, str] | None = None) -> str:
    """What a fresh process prints: a guard stays in a process until it ends."""
    program = "\n".join(
        [
            "import os, socket",
            "from app.network import NetworkForbidden, NetworkGuard",
            "guard = NetworkGuard()",
            *lines,
        ]
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, **(environment or {})},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_no_way_out_is_left() -> None:
    lines = ["guard.shut()"]
    for name, call in REACHING_OUT.items():
        ast.parse(call)
        lines += [
            f"try: {call}",
            f"except NetworkForbidden: print({name!r})",
            f"except BaseException as error: print({name!r}, 'raised', repr(error))",
            f"else: print({name!r}, 'went through')",
        ]
    assert run(*lines).splitlines() == list(REACHING_OUT)


def test_a_refusal_names_the_host_and_what_to_do() -> None:
    told = run(
        "guard.shut()",
        "try: socket.create_connection(('example.com', 80))",
        "except NetworkForbidden as error: print(error)",
    )
    assert told.count("\n") == 1
    assert "example.com" in told and "--offline" in told


def test_this_machine_stays_reachable(tmp_path: Path) -> None:
    told = run(
        "guard.shut()",
        "with socket.create_server(('127.0.0.1', 0)) as server:",
        "    socket.create_connection(server.getsockname()).close()",
        "    socket.create_connection(('localhost', server.getsockname()[1])).close()",
        "with socket.socket(socket.AF_UNIX) as server:",
        f"    server.bind({str(tmp_path / 's')!r}); server.listen()",
        f"    socket.socket(socket.AF_UNIX).connect({str(tmp_path / 's')!r})",
        "a, b = socket.socketpair()",
        "a.send(b'x'); a.sendmsg([b'y']); print(b.recv(2).decode())",
    )
    assert told == "xy\n"


def test_opened_again_the_guard_refuses_nothing() -> None:
    told = run(
        "guard.shut(); guard.open()",
        "connection = socket.socket(); connection.setblocking(False)",
        "try: connection.connect(('192.0.2.1', 80))",
        "except OSError: pass",
        "guard.shut()",
        "try: connection.connect(('192.0.2.1', 80))",
        "except NetworkForbidden: print('refused')",
    )
    assert told == "refused\n"


@pytest.mark.enable_socket
def test_a_proxy_on_this_machine_carries_nothing_out() -> None:
    asked: list[str] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    get = "__import__('urllib.request').request.urlopen('http://example.com/').status"
    with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        proxies = {"http_proxy": address, "no_proxy": "", "NO_PROXY": ""}
        assert run(f"print({get})", environment=proxies) == "200\n"
        asked.clear()
        told = run(
            "guard.shut()",
            f"try: print({get})",
            "except NetworkForbidden: print('refused')",
            environment=proxies,
        )
        server.shutdown()
    assert told == "refused\n"
    assert asked == []


def test_libraries_are_told_and_their_variables_come_back() -> None:
    environment = {"HF_HUB_OFFLINE": "0", "OTHER": "x"}
    guard = NetworkGuard(environment)
    guard.open()
    assert environment == {"HF_HUB_OFFLINE": "0", "OTHER": "x"}
    guard.shut()
    guard.shut()
    assert environment["HF_HUB_OFFLINE"] == environment["TRANSFORMERS_OFFLINE"] == "1"
    guard.open()
    assert environment == {"HF_HUB_OFFLINE": "0", "OTHER": "x"}
    assert not guard.is_shut


def test_a_guard_that_was_never_shut_is_not_asked() -> None:
    NetworkGuard({})
    first, second = socket.socketpair()
    with first, second:
        first.sendmsg([b"x"])
        assert second.recv(1) == b"x"
