"""Error rates count what a listener would, and say how sure they are."""
# ruff: noqa: RUF001 - full-width marks are how Chinese is written

import math

import pytest

from engine.evaluation.error_rates import (
    Edits,
    character_edits,
    edit_distance,
    error_rate,
    share,
    word_edits,
)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "distance"),
    [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)],
)
def test_distance_is_the_fewest_edits(reference: str, hypothesis: str, distance: int) -> None:
    assert edit_distance(reference, hypothesis) == distance


def test_error_rates_agree_with_a_known_implementation() -> None:
    jiwer = pytest.importorskip("jiwer")
    pairs = [("the cat sat on the mat", "a cat sat mat"), ("one two three", "one too three four")]
    words = error_rate(word_edits(a, b, "en") for a, b in pairs)
    characters = error_rate(character_edits(a, b, "en") for a, b in pairs)
    said, heard = (list(texts) for texts in zip(*pairs, strict=True))
    assert words.value == pytest.approx(jiwer.wer(said, heard))
    assert characters.value == pytest.approx(jiwer.cer(said, heard))


def test_case_and_punctuation_are_no_errors() -> None:
    assert word_edits("Hello, World!", "hello world", "en").n_edits == 0
    assert character_edits("你好，世界。", "你好世界", "zh") == Edits(0, 4)


def test_mandarin_words_are_its_characters() -> None:
    assert word_edits("三加四等于七", "三加四等于八", "zh") == Edits(1, 6)


def test_a_rate_weighs_every_reference_by_its_length() -> None:
    assert error_rate([Edits(0, 9), Edits(1, 1)]).value == pytest.approx(0.1)


def test_wilson_interval_of_a_known_case() -> None:
    estimate = share([True] * 8 + [False] * 2)
    assert (estimate.low, estimate.high) == (
        pytest.approx(0.4902, abs=1e-4),
        pytest.approx(0.9433, abs=1e-4),
    )


def test_a_perfect_score_is_still_uncertain() -> None:
    estimate = share([True] * 20)
    assert estimate.value == 1.0
    assert 0.8 < estimate.low < 0.9


def test_nothing_measured_is_no_figure() -> None:
    assert math.isnan(share([]).value)
    assert math.isnan(error_rate([]).value)
