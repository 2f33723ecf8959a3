"""Checks signatures of the form minisign, https://jedisct1.github.io/minisign/. Pure.

Both kinds are read, of the text itself (``Ed``) and of its BLAKE2b digest (``ED``); the trusted
comment is checked too.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from app.errors import AppError

_PLAIN, _HASHED = b"Ed", b"ED"
_UNTRUSTED, _TRUSTED = "untrusted comment:", "trusted comment: "


class SignatureError(AppError):
    """A key or a signature is not of the form, or does not belong to the text."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whom to believe; ``number`` tells keys apart."""

    number: bytes  # 8 bytes
    key: bytes  # 32 bytes

    @staticmethod
    def parse(text: str) -> "PublicKey":
        """The key of one line of base64, as it stands in a ``.pub`` file."""
        content = _decoded(text, 42, "the public key")
        if content[:2] != _PLAIN:
            raise SignatureError("the public key is of another kind than minisign's")
        return PublicKey(content[2:10], content[10:])


def verify(message: bytes, signature: str, key: PublicKey) -> None:
    """Raises ``SignatureError`` unless the four lines of ``signature`` are ``key``'s."""
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    lines = signature.splitlines()
    if len(lines) != 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise SignatureError("the signature is not one of minisign's")
    own = _decoded(lines[1], 74, "the signature")
    of_all = _decoded(lines[3], 64, "the signature of the comment")
    kind, number, of_message = own[:2], own[2:10], own[10:]
    if kind not in (_PLAIN, _HASHED):
        raise SignatureError("the signature is of a kind that is not known")
    if number != key.number:
        raise SignatureError("the signature was made with another key")
    signed = hashlib.blake2b(message).digest() if kind == _HASHED else message
    comment = lines[2].removeprefix(_TRUSTED).encode()
    try:
        checker = VerifyKey(key.key)
        checker.verify(signed, of_message)
        checker.verify(of_message + comment, of_all)
    except BadSignatureError as error:
        raise SignatureError("the signature does not belong to what was received") from error


def _decoded(text: str, n_bytes: int, name: str) -> bytes:
    try:
        content = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError(f"{name} is not valid base64") from error
    if len(content) != n_bytes:
        raise SignatureError(f"{name} has {len(content)} bytes, not {n_bytes}")
    return content
