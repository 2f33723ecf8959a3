"""Asks the packager's address whether there is a newer version; downloads nothing else, ever.

One request, without anything about the user, the machine or the version in it. The answer is a JSON
object ``{"version": "1.2.3", "page": "https://..."}`` followed by its minisign signature. It is
believed only where the signature is that of the key in this build; ``page`` is what the user may
open in a browser.
"""

import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from app.build_info import BuildInfo
from app.errors import AppError
from app.minisign import PublicKey, SignatureError, verify

_TIMEOUT_S = 10.0
_MOST_BYTES = 65_536
_VERSION = re.compile(r"(\d{1,9}(?:\.\d{1,9}){0,3})(?:(a|b|rc)(\d{1,9}))?")
_SIGNATURE = b"\nuntrusted comment:"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Where systems keep the certificates they trust, for an OpenSSL that was built on another one.
_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class UpdateError(AppError):
    """Whether there is a newer version could not be found out."""


@dataclass(frozen=True, slots=True)
class Release:
    """The newest version, and the page that offers it."""

    version: str
    page: str


def newer_release(build: BuildInfo) -> Release | None:
    """The newest version if it is newer than this build, else None.

    Takes up to some seconds. Raises ``UpdateError``, ``SignatureError``, or ``NetworkForbidden``
    while the program is offline.
    """
    release = parse(_fetch(build.update_url), build.update_key)
    return release if _order(release.version) > _order(build.version) else None


def parse(answer: bytes, public_key: str) -> Release:
    """The release that a signed answer tells of; raises where it is not to be believed."""
    key = PublicKey.parse(public_key)
    body, mark, rest = answer.partition(_SIGNATURE)
    try:
        signature = (mark + rest).decode().strip()
    except UnicodeDecodeError as error:
        raise SignatureError("the signature is not one of minisign's") from error
    # The file that was signed ends with the line break before the signature.
    verify(body + b"\n", signature, key)
    try:
        told = json.loads(body)
        version, page = told["version"], told["page"]
    except (ValueError, KeyError, TypeError) as error:
        raise UpdateError("what was received tells of no version") from error
    if not isinstance(version, str) or not isinstance(page, str):
        raise UpdateError("what was received tells of no version")
    _order(version)
    _require_https(page)
    return Release(version, page)


def _order(version: str) -> tuple[tuple[int, ...], str, int]:
    """A version as what sorts: 1.2rc1 is before 1.2, which is the same as 1.2.0."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise UpdateError(f"{version[:40]!r} is no version")
    numbers = [int(number) for number in match[1].split(".")]
    return (*numbers, *(0,) * (4 - len(numbers))), match[2] or "release", int(match[3] or 0)


def _fetch(url: str) -> bytes:
    _require_https(url)
    context = ssl.create_default_context()
    if not context.get_ca_certs():
        for path in _CERTIFICATES:
            if Path(path).is_file():
                context.load_verify_locations(path)
                break
    opener = urllib.request.build_opener(
        _SafeRedirects(), urllib.request.HTTPSHandler(context=context)
    )
    # No name of the library or the program's version: the answer is the same for everybody.
    opener.addheaders = [("User-Agent", "Parley"), ("Accept", "*/*")]
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as response:
            content: bytes = response.read(_MOST_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        told = getattr(error, "reason", None) or error
        raise UpdateError(f"{urlsplit(url).hostname} could not be asked: {told}") from error
    if len(content) > _MOST_BYTES:
        raise UpdateError(f"{urlsplit(url).hostname} sent too much")
    return content


def _require_https(url: str) -> None:
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or is_local):
        raise UpdateError(f"{url[:80]!r} is no https address")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to an address that is not encrypted."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request, if it may be made."""
        try:
            _require_https(newurl)
        except UpdateError as error:
            raise urllib.error.URLError(str(error)) from error
        return super().redirect_request(req, fp, code, msg, headers, newurl)
