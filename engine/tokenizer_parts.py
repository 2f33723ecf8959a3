"""A Qwen2 text tokenizer from ``vocab.json``, ``merges.txt`` and its list of added tokens.

Pure, except for the ``tokenizers`` library. Releases that were saved by the slow tokenizer have no
``tokenizer.json``; these files hold the same. How text is split before the merges is not among
them: it is that of Qwen2, and a test compares the result with the known implementation.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.normalizers import NFC
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

from engine.errors import CheckpointError
from engine.vocab import ENDOFTEXT

_VOCAB, _MERGES = "vocab.json", "merges.txt"
_ADDED, _CONFIG = "added_tokens.json", "tokenizer_config.json"

# Contractions; letters with one sign in front; single digits; signs; line ends; other spaces.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)


def is_in_parts(folder: Path) -> bool:
    """Whether a folder holds a tokenizer in this form."""
    return (folder / _VOCAB).is_file() and (folder / _MERGES).is_file()


def read_parts(folder: Path) -> tuple[Tokenizer, dict[str, int]]:
    """The tokenizer of plain text, and the ids of all added tokens."""
    try:
        added = _added_tokens(folder)
        model = BPE.from_file(str(folder / _VOCAB), str(folder / _MERGES))
        if not (folder / _MERGES).read_text(encoding="utf-8").strip():
            raise ValueError(f"{_MERGES} is empty")
    except Exception as error:  # the library raises bare Exception for a malformed file
        raise CheckpointError(f"{folder}: the tokenizer's files cannot be used: {error}") from error
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = NFC()
    split = Split(Regex(_SPLIT), behavior="isolated")
    tokenizer.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = ByteLevelDecoder()
    n_text = tokenizer.get_vocab_size(with_added_tokens=False)
    if added.get(ENDOFTEXT, n_text) != n_text:
        raise CheckpointError(
            f"{folder}: {_VOCAB} has {n_text} tokens, but {ENDOFTEXT} has the id {added[ENDOFTEXT]}"
        )
    return tokenizer, added


def _added_tokens(folder: Path) -> dict[str, int]:
    """Tokens and ids of ``added_tokens.json`` and of the tokenizer's config, which must agree."""
    added: dict[str, int] = {}
    for name in (_ADDED, _CONFIG):
        path = folder / name
        if not path.is_file():
            continue
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if name == _CONFIG:
            entries = content.get("added_tokens_decoder", {}).items()
            content = {entry["content"]: int(token_id) for token_id, entry in entries}
        for token, token_id in content.items():
            if added.setdefault(token, token_id) != token_id:
                raise ValueError(f"{token} has the ids {added[token]} and {token_id}")
    return added
