"""What SenseVoice's CTC head heard: greedy ids, and the words behind them.

The head has a vocabulary of its own, a SentencePiece model in protocol-buffer form. Only the pieces
are read from it; putting them together needs no SentencePiece.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path

from torch import Tensor

from engine.errors import CheckpointError

BLANK = 0
"""The id between two equal pieces, and where nothing is said."""


class _Kind(IntEnum):
    """Kinds of pieces, with SentencePiece's numbers."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


# Where a message of the protocol-buffer schema holds what is needed.
_PIECES_OF_MODEL = 1
_TEXT_OF_PIECE = 1
_KIND_OF_PIECE = 3

_WORD_BEGIN = "\u2581"


class CTCVocabulary:
    """The text of every id; immutable."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = tuple(pieces)

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self._pieces)

    @classmethod
    def load(cls, path: Path) -> "CTCVocabulary":
        """Reads a SentencePiece model file."""
        try:
            content = path.read_bytes()
            pieces = [
                _text(piece) for field, piece in _fields(content) if field == _PIECES_OF_MODEL
            ]
        except OSError as error:
            raise CheckpointError(f"cannot read the vocabulary {path}: {error.strerror}") from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is not a SentencePiece model") from error
        if not pieces:
            raise CheckpointError(f"{path} is not a SentencePiece model: it holds no pieces")
        return cls(pieces)

    def text(self, ids: Sequence[int]) -> str:
        """The words of ids; what only tags the speech, such as its language, is left out."""
        content = b"".join(self._pieces[piece_id] for piece_id in ids)
        return " ".join(content.decode("utf-8", errors="replace").split())


def greedy_ids(logits: Tensor) -> list[int]:
    """The likeliest id of each state (T, n_ids), once for each run of the same, without blanks."""
    best: list[int] = logits.argmax(-1).unique_consecutive().tolist()
    return [piece_id for piece_id in best if piece_id != BLANK]


def _text(piece: bytes) -> bytes:
    """The UTF-8 bytes that a piece stands for; none for a tag."""
    values = dict(_fields(piece))
    written, kind = values[_TEXT_OF_PIECE].decode("utf-8"), values.get(_KIND_OF_PIECE, _Kind.NORMAL)
    if kind == _Kind.BYTE:  # written as <0xE4>
        return bytes([int(written[3:-1], 16)])
    is_tag = written.startswith("<|") and written.endswith("|>")
    if is_tag or kind in (_Kind.UNKNOWN, _Kind.CONTROL, _Kind.UNUSED):
        return b""
    return written.replace(_WORD_BEGIN, " ").encode("utf-8")


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of every field of a protocol-buffer message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire_type == 2:
            size, at = _varint(message, at)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        if at + size > len(message):
            raise ValueError("cut off")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than 64 bits")
