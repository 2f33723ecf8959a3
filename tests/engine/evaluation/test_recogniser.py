"""The independent ear: its grammar lets answers be wrong, and it hears which they are."""

import shutil

import numpy as np
import pytest

from engine.evaluation.recogniser import Recogniser, answer_grammar
from engine.evaluation.spoken_qa import AnswerJudge
from engine.training.nano import subjects_en
from engine.training.nano.corpus import exchanges
from engine.training.nano.topics import Topic
from engine.training.nano.voices import ANSWER_VOICE

CITIES = ({"country": "France", "city": "Paris"}, {"country": "Italy", "city": "Rome"})
TOPICS = (
    Topic("capitals", (), (), "The capital of {country} is {city}.", "{city}", CITIES),
    Topic(
        "sums", (), (), "{a} plus {b} is {c}.", "is {c}", ({"a": "two", "b": "one", "c": "three"},)
    ),
    Topic(
        "counting",
        (),
        (),
        "{numbers}.",
        "{numbers}",
        ({"numbers": "one, two"}, {"numbers": "two, three"}),
    ),
    Topic("talk", (), (), "You are welcome.", "welcome"),
)


def test_every_slot_takes_every_value_so_that_answers_can_be_wrong() -> None:
    grammar = answer_grammar(TOPICS)
    assert "the capital of ( france | italy ) is ( paris | rome )" in grammar
    assert "<number> plus <number> is <number>" in grammar
    assert "( one two | two three )" in grammar
    assert "( [ one ] [ two ] | [ two ] [ three ] )" in grammar
    assert "you are welcome" in grammar


def test_an_answer_is_in_the_grammar_once_however_many_topics_share_it() -> None:
    assert answer_grammar(TOPICS + TOPICS) == answer_grammar(TOPICS)


@pytest.fixture(scope="module")
def ear() -> Recogniser:
    pytest.importorskip("pocketsphinx")
    return Recogniser(answer_grammar(subjects_en.topics()))


def test_every_word_of_the_answers_can_be_pronounced(ear: Recogniser) -> None:
    assert ear.recognise(np.zeros(0, np.float32), 16000) == ""


def test_silence_says_nothing(ear: Recogniser) -> None:
    assert ear.recognise(np.zeros(22050, np.float32), 22050) == ""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("flite") is None, reason="needs flite")
@pytest.mark.parametrize(
    ("question", "spoken", "is_right"),
    [
        ("sums", "true", True),
        ("sums", "other", False),
        ("capitals", "true", True),
        ("capitals", "other", False),
        ("talk", "true", True),
        ("unknown", "true", True),
    ],
)
def test_right_and_wrong_answers_are_told_apart_by_their_sound(
    ear: Recogniser, question: str, spoken: str, is_right: bool
) -> None:
    from engine.training.nano.synthesis import synthesise

    known = exchanges("en", "test")
    judge = AnswerJudge.of(known, "en")
    group = [exchange for exchange in known if exchange.subject == question]
    asked = group[len(group) // 2]
    others = [e.answer for e in group if e.key != asked.key]
    text = asked.answer if spoken == "true" else others[len(others) // 3]
    samples, sample_rate = synthesise(text, ANSWER_VOICE["en"])
    assert judge.is_right(ear.recognise(samples, sample_rate), asked) is is_right
