"""Interleaving follows the ratio; taking apart gives every token back, and gives it early."""

import pytest

from engine.errors import TrainingDataError
from engine.interleave import AudioGroup, Deinterleaver, Piece, Text, interleave
from engine.vocab import Vocabulary

VOCAB = Vocabulary(base_size=1022, n_audio=4096)
BEGIN, END = VOCAB.begin_of_audio, VOCAB.end_of_audio
BOOST = (1, 10, 4, 10)
BALANCE = (1, 4, 3, 8, 4, 10)


def reply(n_text: int, n_audio: int) -> list[int]:
    return [*range(n_text), BEGIN, *map(VOCAB.audio_id, range(n_audio)), END]


def shape(ids: list[int]) -> str:
    """Runs of text and audio, such as T1[A8]T4[A8]."""
    out, run, kind = "", 0, ""
    for token_id in [*ids, BEGIN]:
        new = "T" if VOCAB.is_text(token_id) else "A" if VOCAB.is_audio(token_id) else ""
        if new != kind:
            out += f"T{run}" if kind == "T" else f"[A{run}]" if kind == "A" else ""
            run, kind = 0, new
        run += 1
    return out


def pieces(ids: list[int], group_size: int = 8) -> list[Piece]:
    deinterleaver = Deinterleaver(VOCAB, group_size)
    found = [deinterleaver.push(token_id) for token_id in ids] + [deinterleaver.finish()]
    return [piece for piece in found if piece is not None]


@pytest.mark.parametrize(
    ("n_text", "n_audio", "ratio", "expected"),
    [
        (10, 40, BOOST, "T1[A8]T4[A8]T4[A8]T1[A16]"),
        (20, 25, BOOST, "T1[A8]T4[A8]T4[A8]T11[A1]"),
        (10, 40, BALANCE, "T1[A2]T3[A6]T4[A8]T2[A24]"),
    ],
)
def test_chunks_follow_the_ratio_and_the_last_takes_the_rest(
    n_text: int, n_audio: int, ratio: tuple[int, ...], expected: str
) -> None:
    assert shape(interleave(reply(n_text, n_audio), VOCAB, ratio)) == expected


def test_text_alone_and_audio_alone_stay_as_they_are() -> None:
    assert interleave([1, 2, 3], VOCAB) == [1, 2, 3]
    assert interleave(reply(0, 20), VOCAB) == reply(0, 20)
    assert interleave([], VOCAB) == []


def test_text_after_the_span_joins_the_text_before_it() -> None:
    assert interleave([*reply(1, 3), 7, 8], VOCAB) == [0, 7, 8, *reply(0, 3)]


@pytest.mark.parametrize(
    "ids",
    [
        reply(5, 0),
        [*reply(1, 2), *reply(1, 2)],
        [1, BEGIN, VOCAB.audio_id(0)],
        [1, VOCAB.audio_id(0), END],
        [1, END, VOCAB.audio_id(0), BEGIN],
        [1, BEGIN, VOCAB.audio_id(0), 2, END],
    ],
    ids=["empty span", "two spans", "no end", "no begin", "end before begin", "text in span"],
)
def test_reply_that_would_lose_tokens_is_refused(ids: list[int]) -> None:
    with pytest.raises(TrainingDataError):
        interleave(ids, VOCAB)


@pytest.mark.parametrize("ratio", [(), (1,), (1, 2), (0, 10), (1, 10, 4)])
def test_ratio_that_makes_empty_chunks_is_refused(ratio: tuple[int, ...]) -> None:
    with pytest.raises(AssertionError):
        interleave(reply(2, 2), VOCAB, ratio)


@pytest.mark.parametrize("group_size", [1, 2, 7, 8, 100])
@pytest.mark.parametrize("ratio", [BOOST, BALANCE])
@pytest.mark.parametrize(("n_text", "n_audio"), [(0, 9), (1, 1), (3, 40), (40, 3), (13, 26)])
def test_taking_apart_inverts_interleaving(
    n_text: int, n_audio: int, ratio: tuple[int, ...], group_size: int
) -> None:
    found = pieces(interleave(reply(n_text, n_audio), VOCAB, ratio), group_size)
    text = [piece.token_id for piece in found if isinstance(piece, Text)]
    codes = [code for piece in found if isinstance(piece, AudioGroup) for code in piece.codes]
    assert text == list(range(n_text))
    assert codes == list(range(n_audio))
    sizes = [len(piece.codes) for piece in found if isinstance(piece, AudioGroup)]
    assert all(1 <= size <= group_size for size in sizes)


def test_first_boost_group_is_complete_before_its_end_tag() -> None:
    ids = interleave(reply(9, 40), VOCAB, BOOST)[:10]
    assert pieces(ids[:9])[:-1] == [Text(0)]
    deinterleaver = Deinterleaver(VOCAB)
    assert [deinterleaver.push(token_id) for token_id in ids][-1] == AudioGroup(tuple(range(8)))


def test_long_span_gives_out_groups_before_it_ends() -> None:
    deinterleaver = Deinterleaver(VOCAB, group_size=8)
    given = [deinterleaver.push(token_id) for token_id in reply(0, 24)[:-1]]
    assert [index for index, piece in enumerate(given) if piece] == [8, 16, 24]


def test_end_tag_gives_out_the_rest_at_once() -> None:
    assert pieces(reply(0, 11)) == [AudioGroup(tuple(range(8))), AudioGroup((8, 9, 10))]


@pytest.mark.parametrize("closing", [VOCAB.im_end, VOCAB.endoftext, BEGIN])
def test_forgotten_end_tag_loses_nothing(closing: int) -> None:
    deinterleaver = Deinterleaver(VOCAB)
    assert deinterleaver.push(VOCAB.audio_id(5)) is None
    assert deinterleaver.push(3) == Text(3)
    assert deinterleaver.push(closing) == AudioGroup((5,))
    assert deinterleaver.finish() is None
