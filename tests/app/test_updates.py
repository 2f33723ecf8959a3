"""The update check: believes only what its key signed, asks one address, downloads nothing."""

import base64
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from app import build_info, updates
from app.build_info import BuildInfo
from app.minisign import PublicKey, SignatureError, verify
from app.updates import Release, UpdateError

ROOT = Path(__file__).resolve().parent.parent.parent
NUMBER = b"PARLEY01"
SIGNER = SigningKey(bytes(range(32)))
PUBLIC = base64.b64encode(b"Ed" + NUMBER + bytes(SIGNER.verify_key)).decode()
PAGE = "https://parley.invalid/releases/0.2.0"


def minisigned(
    message: bytes,
    kind: bytes = b"ED",
    number: bytes = NUMBER,
    signer: SigningKey = SIGNER,
    comment: str = "timestamp:1767225600",
) -> str:
    """A signature as the program minisign writes it, by the description of its form."""
    signed = hashlib.blake2b(message).digest() if kind == b"ED" else message
    of_message = signer.sign(signed).signature
    of_all = signer.sign(of_message + comment.encode()).signature
    first = base64.b64encode(kind + number + of_message).decode()
    second = base64.b64encode(of_all).decode()
    return f"untrusted comment: a signature\n{first}\ntrusted comment: {comment}\n{second}\n"


def answer(version: object = "0.2.0", page: object = PAGE, **how: object) -> bytes:
    told = json.dumps({"version": version, "page": page}).encode() + b"\n"
    return told + minisigned(told, **how).encode()  # type: ignore[arg-type]


# Signatures that minisign made of a file with the word "test", published by its author.
OF_MINISIGN = {
    "of the text": (
        "RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIas"
        "SSbXxwA=",
        "timestamp:1555779966\tfile:test",
        "QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==",
    ),
    "of its digest": (
        "RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo"
        "8KLzZwo=",
        "timestamp:1556193335\tfile:test",
        "y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==",
    ),
}


@pytest.mark.parametrize("parts", OF_MINISIGN.values(), ids=OF_MINISIGN)
def test_what_minisign_itself_signed_is_believed(parts: tuple[str, str, str]) -> None:
    key = PublicKey.parse("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3")
    first, comment, second = parts
    signature = f"untrusted comment: x\n{first}\ntrusted comment: {comment}\n{second}\n"
    verify(b"test", signature, key)
    with pytest.raises(SignatureError, match="does not belong"):
        verify(b"Test", signature, key)


@pytest.mark.parametrize("kind", [b"Ed", b"ED"])
def test_both_kinds_of_signature_are_read(kind: bytes) -> None:
    assert updates.parse(answer(kind=kind), PUBLIC) == Release("0.2.0", PAGE)


def changed(text: bytes, old: bytes, new: bytes) -> bytes:
    assert text.count(old) == 1
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("forged", "told"),
    [
        (changed(answer(), b'0.2.0",', b'9.2.0",'), "does not belong"),
        (changed(answer(), b"timestamp:1767225600", b"timestamp:1999999999"), "does not belong"),
        (answer(signer=SigningKey(bytes(32))), "does not belong"),
        (answer(number=b"ANOTHER1"), "another key"),
        (answer(kind=b"XX"), "not known"),
        (answer().partition(b"\n")[0] + b"\n", "not one of minisign's"),
        (changed(answer(), b"trusted comment: timestamp", b"comment: timestamp"), "not one of"),
        (answer()[:-20] + b"\n", "has .* bytes|base64"),
        (answer()[:-5] + b"\xff\xff\xff\xff\n", "not one of minisign's"),
        (b"", "not one of minisign's"),
    ],
)
def test_what_the_key_did_not_sign_is_refused(forged: bytes, told: str) -> None:
    with pytest.raises(SignatureError, match=told):
        updates.parse(forged, PUBLIC)


@pytest.mark.parametrize("key", ["", "not base64!", PUBLIC[:-8], "AA" + PUBLIC[2:]])
def test_a_key_that_is_none_is_an_error(key: str) -> None:
    with pytest.raises(SignatureError, match="public key"):
        PublicKey.parse(key)


@pytest.mark.parametrize(
    "signed",
    [
        answer(version="newest"),
        answer(version="1.2.3.4.5"),
        answer(version="1" * 40),
        answer(version=2),
        answer(page="http://parley.invalid/"),
        answer(page="file:///etc/passwd"),
        answer(page="javascript:alert(1)"),
        answer(page=None),
        b"[]\n" + minisigned(b"[]\n").encode(),
        b"{}\n" + minisigned(b"{}\n").encode(),
        b"\xff\n" + minisigned(b"\xff\n").encode(),
    ],
)
def test_a_signed_answer_must_still_make_sense(signed: bytes) -> None:
    with pytest.raises(UpdateError):
        updates.parse(signed, PUBLIC)


class Server(http.server.ThreadingHTTPServer):
    """Answers every request alike and remembers what came."""

    body = b""
    redirect = ""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/latest"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        self.send_response(302 if self.server.redirect else 200)
        if self.server.redirect:
            self.send_header("Location", self.server.redirect)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serving(body: bytes = b"", redirect: str = "") -> Iterator[Server]:
    with Server() as server:
        server.body, server.redirect = body, redirect
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def build(server: Server, version: str = "0.1.0") -> BuildInfo:
    return BuildInfo(version, server.url, PUBLIC)


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("own", "newest", "is_newer"),
    [
        ("0.1.0", "0.2.0", True),
        ("0.2.0", "0.2.0", False),
        ("0.2", "0.2.0", False),
        ("0.10.0", "0.9.0", False),
        ("1.0rc1", "1.0", True),
        ("1.0", "1.0rc2", False),
        ("1.0b3", "1.0rc1", True),
    ],
)
def test_only_a_newer_version_is_told_of(own: str, newest: str, is_newer: bool) -> None:
    with serving(answer(newest)) as server:
        found = updates.newer_release(build(server, own))
    assert found == (Release(newest, PAGE) if is_newer else None)


@pytest.mark.enable_socket
def test_one_request_goes_out_and_tells_nothing() -> None:
    with serving(answer()) as server:
        updates.newer_release(build(server))
    ((path, headers),) = server.requests
    assert path == "/latest"
    assert headers.pop("Host").startswith("127.0.0.1")
    assert headers == {
        "User-Agent": "Parley",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


@pytest.mark.enable_socket
@pytest.mark.parametrize("target", ["http://parley.invalid/x", "file:///etc/passwd", "ftp://x/y"])
def test_no_redirect_leads_to_what_is_not_encrypted(target: str) -> None:
    with serving(redirect=target) as server, pytest.raises(UpdateError, match=r"https|could not"):
        updates.newer_release(build(server))
    assert len(server.requests) == 1


@pytest.mark.enable_socket
def test_an_endless_answer_is_cut_off() -> None:
    with serving(b"x" * 70_000) as server, pytest.raises(UpdateError, match="too much"):
        updates.newer_release(build(server))


@pytest.mark.enable_socket
def test_a_server_that_is_gone_is_one_clear_line() -> None:
    with serving() as server:
        gone = build(server)
    with pytest.raises(UpdateError, match=r"127\.0\.0\.1 could not be asked") as raised:
        updates.newer_release(gone)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("url", ["", "http://parley.invalid/x", "file:///etc/passwd", "https://"])
def test_only_an_encrypted_address_is_asked(url: str) -> None:
    with pytest.raises(UpdateError, match="no https address"):
        updates.newer_release(BuildInfo("0.1.0", url, PUBLIC))


def test_offline_nothing_is_asked() -> None:
    program = (
        "from app.network import NetworkForbidden, NetworkGuard\n"
        "from app import updates\n"
        "from app.build_info import BuildInfo\n"
        "guard = NetworkGuard(); guard.shut()\n"
        f"try: updates.newer_release(BuildInfo('0.1.0', 'https://192.0.2.1/x', {PUBLIC!r}))\n"
        "except NetworkForbidden as error: print(error)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "https_proxy": "http://127.0.0.1:9"},
    )
    assert "192.0.2.1" in ran.stdout and "--offline" in ran.stdout, ran.stderr


def test_a_build_without_an_address_has_nobody_to_ask(tmp_path: Path) -> None:
    assert build_info.load(tmp_path / "none.json").update_host == ""
    assert BuildInfo("1", "https://parley.invalid/latest").update_host == "parley.invalid"


def test_a_build_knows_what_its_packager_wrote(tmp_path: Path) -> None:
    path = tmp_path / "build.json"
    path.write_text('{"version": "7.1", "update_url": "https://x/", "update_key": "k"}')
    assert build_info.load(path) == BuildInfo("7.1", "https://x/", "k")
