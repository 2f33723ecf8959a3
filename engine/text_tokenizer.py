"""Text to ids and back, with a byte-level BPE ``tokenizer.json``.

Pure, except for the ``tokenizers`` library. Text can never turn into control or audio tokens:
those are placed by id, so the added tokens of the file are read for the vocabulary and then left
out of the encoder. Ids become bytes one by one, which is what makes streaming exact.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from engine.errors import CheckpointError
from engine.tokenizer_parts import is_in_parts, read_parts
from engine.vocab import (
    BASE_SPECIALS,
    CONTEXT_OF_AUDIO,
    ENDOFTEXT,
    Vocabulary,
    added_specials,
    audio_token,
)


class TextTokenizer:
    """Encodes and decodes text, and knows its vocabulary; immutable, any thread may use it."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._tokenizer = tokenizer
        self._bytes = tuple(
            _token_bytes(tokenizer.id_to_token(token_id), token_id)
            for token_id in range(vocabulary.endoftext)
        )

    @classmethod
    def load(cls, path: Path) -> TextTokenizer:
        """Read a model's ``tokenizer.json``, or the tokenizer files in a folder.

        A folder may hold ``vocab.json`` and ``merges.txt`` in its place, as releases do.
        """
        if path.is_dir() and not (path / "tokenizer.json").exists() and is_in_parts(path):
            tokenizer, added = read_parts(path)
            return cls(tokenizer, _read_vocabulary(added, path))
        file = path / "tokenizer.json" if path.is_dir() else path
        try:
            description = json.loads(file.read_text(encoding="utf-8"))
            added = {entry["content"]: entry["id"] for entry in description["added_tokens"]}
            description["added_tokens"] = []
            tokenizer = Tokenizer.from_str(json.dumps(description))
        except OSError as error:
            raise CheckpointError(f"Cannot read the tokenizer {file}: {error.strerror}.") from error
        except Exception as error:  # the library raises bare Exception for a malformed file
            raise CheckpointError(f"{file} is not a usable tokenizer.json: {error}") from error
        if (description.get("decoder") or {}).get("type") != "ByteLevel":
            raise CheckpointError(f"{file} is not a byte-level tokenizer.")
        return cls(tokenizer, _read_vocabulary(added, file))

    def encode(self, text: str) -> list[int]:
        """The ids of a piece of text; nothing is added, and nothing in it is special."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the text ids among ``ids``."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes one id stands for; none unless it is text."""
        return self._bytes[token_id] if self.vocabulary.is_text(token_id) else b""

    def stream(self) -> StreamingText:
        """A decoder for ids that come one at a time."""
        return StreamingText(self)


class StreamingText:
    """Turns ids into printable text as they come; one reply, one owner.

    What was pushed so far, joined, is always a prefix of ``decode`` of the same ids: a character
    whose bytes are spread over several tokens comes out with the last of them.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        """The characters that this id completes, often none or several."""
        return self._decoder.decode(self._tokenizer.token_bytes(token_id))

    def finish(self) -> str:
        """What is left of a character that never became complete."""
        return self._decoder.decode(b"", final=True)


def with_audio_tokens(base: Tokenizer, n_audio: int, plus: bool = False) -> Tokenizer:
    """Give a text tokenizer the special and audio tokens that a speech model needs.

    ``base`` holds text tokens, with or without the base specials after them; it is changed and
    returned, and can then be saved as a model's ``tokenizer.json``.
    """
    n_text = base.get_vocab_size(with_added_tokens=False)
    specials = (*BASE_SPECIALS, *added_specials(plus))
    base.add_special_tokens([_literal(token, special=True) for token in specials])
    base.add_tokens([_literal(audio_token(code), special=False) for code in range(n_audio)])
    expected = n_text + len(specials) + n_audio
    assert base.get_vocab_size() == expected, (
        f"the text tokenizer already holds other added tokens: {base.get_vocab_size()} ids "
        f"in place of {expected}"
    )
    return base


def _literal(token: str, special: bool) -> AddedToken:
    return AddedToken(token, normalized=False, special=special)


def _read_vocabulary(added: dict[str, int], file: Path) -> Vocabulary:
    """Find the vocabulary that the added tokens of a file describe, and check every one of them."""
    if ENDOFTEXT not in added:
        raise CheckpointError(f"{file} lacks the token {ENDOFTEXT}.")
    n_audio = 0
    while audio_token(n_audio) in added:
        n_audio += 1
    vocabulary = Vocabulary(
        base_size=added[ENDOFTEXT] + len(BASE_SPECIALS),
        n_audio=n_audio,
        plus=CONTEXT_OF_AUDIO in added,
    )
    expected: Sequence[str] = (
        *BASE_SPECIALS,
        *added_specials(vocabulary.plus),
        *(audio_token(code) for code in range(n_audio)),
    )
    for token_id, token in enumerate(expected, start=vocabulary.endoftext):
        if added.get(token) != token_id:
            raise CheckpointError(
                f"{file} should give {token} the id {token_id}, but has {added.get(token)}."
            )
    return vocabulary


def _byte_of_character() -> dict[str, int]:
    """The printable stand-ins of byte-level BPE: printable Latin-1 is itself, the rest 256 up."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    stand_ins = {chr(256 + index): byte for index, byte in enumerate(others)}
    return {chr(byte): byte for byte in printable} | stand_ins


_BYTE_OF_CHARACTER = _byte_of_character()


def _token_bytes(token: str | None, token_id: int) -> bytes:
    try:
        return bytes(_BYTE_OF_CHARACTER[character] for character in token or "")
    except KeyError as error:
        raise CheckpointError(f"Text token {token_id} ({token!r}) is not byte-level.") from error
