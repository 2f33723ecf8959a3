"""The id layout of both variants is that of the releases."""

import pytest

from engine.errors import CheckpointError
from engine.vocab import ADDED_SPECIALS, BASE_SPECIALS, Vocabulary, added_specials

RELEASE = Vocabulary(base_size=151665, n_audio=16384)
PLUS = Vocabulary(base_size=151665, n_audio=16384, plus=True)
SMALL = Vocabulary(base_size=322, n_audio=50)


def test_release_ids_are_the_published_ones() -> None:
    assert (RELEASE.endoftext, RELEASE.im_start, RELEASE.im_end) == (151643, 151644, 151645)
    assert (RELEASE.begin_of_audio, RELEASE.end_of_audio) == (151674, 151675)
    assert RELEASE.context_of_audio is None
    assert (RELEASE.audio_tag, RELEASE.audio_0) == (151684, 151685)
    assert (RELEASE.n_ids, RELEASE.size) == (168069, 168072)
    assert set(RELEASE.eos_ids) == {151645, 151643}


def test_plus_variant_is_shifted_by_one_from_the_context_token_on() -> None:
    assert (PLUS.begin_of_audio, PLUS.end_of_audio) == (151674, 151675)
    assert (PLUS.context_of_audio, PLUS.audio_tag, PLUS.audio_0) == (151676, 151685, 151686)
    assert (PLUS.n_ids, PLUS.size) == (168070, 168072)


def test_special_tokens_are_as_many_as_published() -> None:
    assert len(BASE_SPECIALS) == 22
    assert len(ADDED_SPECIALS) == 20
    assert len(set(added_specials(plus=True))) == 21


def test_every_id_is_text_or_special_or_audio() -> None:
    kinds = [(SMALL.is_text(i), SMALL.is_audio(i)) for i in range(SMALL.size)]
    assert kinds.count((True, False)) == 300
    assert kinds.count((False, True)) == 50
    assert kinds.count((True, True)) == 0
    assert not SMALL.is_text(-1)


def test_audio_codes_and_ids_are_inverse() -> None:
    codes = range(SMALL.n_audio)
    assert [SMALL.audio_code(SMALL.audio_id(code)) for code in codes] == list(codes)
    with pytest.raises(AssertionError):
        SMALL.audio_id(50)
    with pytest.raises(AssertionError):
        SMALL.audio_code(SMALL.end_of_audio)


def test_vocabulary_without_room_for_text_or_speech_is_refused() -> None:
    for base_size, n_audio in ((22, 8), (300, 0)):
        with pytest.raises(CheckpointError):
            Vocabulary(base_size, n_audio)
