"""The CTC head's words: greedy ids, and the pieces of a SentencePiece model behind them."""

from pathlib import Path

import pytest
import torch

from engine.errors import CheckpointError
from engine.speech.ctc import BLANK, CTCVocabulary, greedy_ids
from tests.fakes import CTC_PIECES, write_pieces


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pieces.model"


def logits_of(ids: list[int], n_ids: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(ids), n_ids).float()


def test_runs_become_one_and_blanks_part_equals() -> None:
    heard = [BLANK, 3, 3, BLANK, 3, 4, 4, BLANK, BLANK]
    assert greedy_ids(logits_of(heard, 5)) == [3, 3, 4]
    assert greedy_ids(logits_of([BLANK] * 4, 5)) == []


def test_pieces_are_put_together_to_words(path: Path) -> None:
    write_pieces(path, ["<unk>", "<s>", "</s>", "\u2581good", "\u2581mor", "ning", "早", "安"])
    vocabulary = CTCVocabulary.load(path)
    assert len(vocabulary) == 8
    assert vocabulary.text([3, 4, 5]) == "good morning"
    assert vocabulary.text([6, 7]) == "早安"
    assert vocabulary.text([]) == ""


def test_tags_of_the_speech_are_no_words(path: Path) -> None:
    write_pieces(path, CTC_PIECES)
    vocabulary = CTCVocabulary.load(path)
    assert vocabulary.text([3, 0, 1, 2, 4, 5]) == "ma me"


def test_bytes_make_characters_together(path: Path) -> None:
    write_pieces(path, ["<0xE6>", "<0x97>", "<0xA9>", "<left out>"], kinds=[6, 6, 6, 5])
    assert CTCVocabulary.load(path).text([0, 1, 2, 3]) == "早"
    assert CTCVocabulary.load(path).text([0, 1]) == "\ufffd"


def test_a_piece_without_a_kind_is_an_ordinary_one(path: Path) -> None:
    path.write_bytes(b"\x0a\x04\x0a\x02hi")
    assert CTCVocabulary.load(path).text([0]) == "hi"


def test_what_sentencepiece_itself_would_write_is_read(path: Path) -> None:
    schema = pytest.importorskip("transformers.utils.sentencepiece_model_pb2_new")
    model = schema.ModelProto()
    kinds = {"<unk>": 2, "<s>": 3, "<|zh|>": 4, "<0x21>": 6, "spare": 5, "\u2581hi": 1, "早": 1}
    for text, kind in kinds.items():
        model.pieces.add(piece=text, score=-3.5, type=kind)
    model.pieces.add(piece="\u2581there", score=0.0)
    model.trainer_spec.vocab_size = 25055
    model.trainer_spec.input.append("corpus.txt")
    model.normalizer_spec.precompiled_charsmap = bytes(range(256))
    path.write_bytes(model.SerializeToString())
    vocabulary = CTCVocabulary.load(path)
    assert len(vocabulary) == 8
    assert vocabulary.text(range(8)) == "! hi早 there"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="no file"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x0a\x04\x0a\x02h", id="cut within a piece"),
        pytest.param(b"\x0a\x80", id="cut within a number"),
        pytest.param(b"\x0a" + b"\xff" * 99, id="endless number"),
        pytest.param(b"\x0b\x00", id="unknown wire type"),
        pytest.param(b"\x0a\x02\x0a\x05", id="piece longer than its message"),
        pytest.param(b"\x08\x01", id="no pieces"),
    ],
)
def test_what_is_no_sentencepiece_model_is_told(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    told = "cannot read" if content is None else "not a SentencePiece model"
    with pytest.raises(CheckpointError, match=told):
        CTCVocabulary.load(path)


def test_any_cut_of_a_vocabulary_is_read_or_told(path: Path) -> None:
    write_pieces(path, CTC_PIECES)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            assert len(CTCVocabulary.load(path)) <= len(CTC_PIECES)
        except CheckpointError as error:
            assert "SentencePiece" in str(error)
