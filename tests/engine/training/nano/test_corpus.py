"""What nano is taught: one answer to a question, nothing held out in training, words that exist."""

import random
import re
from pathlib import Path

import pytest

from engine.training.nano.corpus import (
    answer_alternatives,
    draw_exchange,
    exchanges,
    is_right,
    sentences,
    subjects,
)
from engine.training.nano.topics import Exchange, words
from engine.training.nano.voices import LANGUAGES, Split

TEXT_RULES = {"en": r"[A-Z][A-Za-z' ,]*([.?!][A-Za-z' ,]*)+", "zh": r"[\u4e00-\u9fff，。？！]+"}  # noqa: RUF001


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_question_is_in_both_splits(lang: str) -> None:
    train = {e.question for e in exchanges(lang, Split.TRAIN)}
    assert train.isdisjoint(e.question for e in exchanges(lang, Split.TEST))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_sentence_is_in_both_splits(lang: str) -> None:
    assert set(sentences(lang, Split.TRAIN)).isdisjoint(sentences(lang, Split.TEST, 200))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_held_out_sum_is_asked_in_no_training_wording(lang: str) -> None:
    def answers(split: Split) -> set[str]:
        return {e.answer for e in exchanges(lang, split) if e.subject == "sums"}

    assert answers(Split.TEST)
    assert answers(Split.TRAIN).isdisjoint(answers(Split.TEST))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_answer_is_right_for_its_own_question_and_listed(lang: str) -> None:
    listed = set(answer_alternatives(lang))
    for split in Split:
        for exchange in exchanges(lang, split):
            assert is_right(exchange.answer, exchange), exchange
            assert exchange.answer in listed


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_wrong_number_is_not_right(lang: str) -> None:
    sums = [e for e in exchanges(lang, Split.TRAIN) if e.subject == "sums"][::37]
    for asked in sums:
        for other in sums:
            same_result = asked.key == other.key
            assert is_right(other.answer, asked) is same_result


def test_a_number_inside_a_longer_one_is_not_right() -> None:
    asked = Exchange("sums", "en", "", "", ("is", "twenty"))
    assert is_right("Ten plus ten is twenty.", asked)
    assert not is_right("Ten plus eleven is twenty one.", asked)
    asked = Exchange("sums", "zh", "", "", ("等", "于", "二", "十"))
    assert not is_right("十加十一等于二十一。", asked)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_texts_are_written_as_they_are_spoken(lang: str) -> None:
    texts = [t for split in Split for e in exchanges(lang, split) for t in (e.question, e.answer)]
    for text in (*texts, *sentences(lang, Split.TRAIN)):
        assert re.fullmatch(TEXT_RULES[lang], text), text


def test_every_english_word_is_in_the_independent_recogniser() -> None:
    pocketsphinx = pytest.importorskip("pocketsphinx")
    path = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    known = {line.split()[0] for line in path.read_text().splitlines() if line}
    texts = [t for split in Split for e in exchanges("en", split) for t in (e.question, e.answer)]
    said = {w for text in (*texts, *sentences("en", Split.TRAIN)) for w in words(text, "en")}
    assert said <= known, said - known


@pytest.mark.parametrize("lang", LANGUAGES)
def test_drawing_meets_every_subject_and_repeats_with_its_seed(lang: str) -> None:
    drawn = [draw_exchange(lang, Split.TRAIN, random.Random(n)) for n in range(600)]
    assert {e.subject for e in drawn} == set(subjects(lang))
    assert drawn[:50] == [draw_exchange(lang, Split.TRAIN, random.Random(n)) for n in range(50)]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_sums_are_as_stated(lang: str) -> None:
    results = {e.answer for e in exchanges(lang, Split.TRAIN) if e.subject == "products"}
    expected = "Twelve times twelve is one hundred forty four." if lang == "en" else None
    expected = expected or "十二乘十二等于一百四十四。"
    held_out = {e.answer for e in exchanges(lang, Split.TEST) if e.subject == "products"}
    assert expected in results | held_out
