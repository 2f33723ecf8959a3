"""A tokenizer in the slow form's files splits and merges as the known implementation does."""
# ruff: noqa: RUF001 - full-width marks are how Chinese is written

import json
import warnings
from pathlib import Path

import pytest

from engine.errors import CheckpointError
from engine.text_tokenizer import TextTokenizer
from engine.vocab import Vocabulary
from tests.release_layout import write_tokenizer_files

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")

TEXTS = (
    "It's 12:30, isn't it?  We'll SEE'LL\n\n\tthen   ",
    "你好，今天天气很好。 mixed 中文 and   spaces\r\n",
    "cafe\u0301 naïve — 🙂🚀 \u00a0x",
    "snake_case(x)[0] = {'a': 1.5e-3};  # what?",
    "\x00\x7f",
    "",
)
N_TEXT, N_AUDIO = 5000, 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tokenizer_files(tmp_path, N_TEXT, N_AUDIO)
    return tmp_path


def test_text_becomes_the_ids_of_the_known_tokenizer(folder: Path) -> None:
    ours = TextTokenizer.load(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = transformers.Qwen2Tokenizer(
            json.loads((folder / "vocab.json").read_text("utf-8")),
            [
                tuple(line.split(" "))
                for line in (folder / "merges.txt").read_text("utf-8").splitlines()[1:]
            ],
        )
    for text in TEXTS:
        ids = ours.encode(text)
        assert ids == known.encode(text, add_special_tokens=False)
    assert any(token_id >= 256 for token_id in ours.encode(TEXTS[0])), "no merge was exercised"


def test_the_vocabulary_is_read_from_the_added_tokens(folder: Path) -> None:
    assert TextTokenizer.load(folder).vocabulary == Vocabulary(N_TEXT + 22, N_AUDIO)


def test_the_plus_vocabulary_is_recognised(tmp_path: Path) -> None:
    write_tokenizer_files(tmp_path, N_TEXT, N_AUDIO, plus=True)
    assert TextTokenizer.load(tmp_path).vocabulary == Vocabulary(N_TEXT + 22, N_AUDIO, plus=True)


def test_added_tokens_in_the_config_alone_are_found(folder: Path) -> None:
    added = json.loads((folder / "added_tokens.json").read_text())
    entries = {str(token_id): {"content": token} for token, token_id in added.items()}
    (folder / "added_tokens.json").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": entries}))
    assert TextTokenizer.load(folder).vocabulary.n_audio == N_AUDIO


def test_a_token_with_two_ids_is_refused(folder: Path) -> None:
    entries = {"7": {"content": "<|im_end|>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": entries}))
    with pytest.raises(CheckpointError, match=r"<\|im_end\|> has the ids"):
        TextTokenizer.load(folder)


def test_added_tokens_of_another_vocabulary_are_refused(folder: Path) -> None:
    added = json.loads((folder / "added_tokens.json").read_text())
    (folder / "tokenizer_config.json").unlink()
    (folder / "added_tokens.json").write_text(json.dumps({t: n + 1 for t, n in added.items()}))
    with pytest.raises(CheckpointError, match=f"has {N_TEXT} tokens"):
        TextTokenizer.load(folder)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt", "added_tokens.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_a_broken_file_is_a_checkpoint_error(folder: Path, name: str, content: bytes) -> None:
    (folder / "tokenizer_config.json").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError):
        TextTokenizer.load(folder)
