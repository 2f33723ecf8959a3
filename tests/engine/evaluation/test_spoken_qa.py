"""The rule for a right answer: the key, whole, and nothing that contradicts it."""
# ruff: noqa: RUF001 - full-width marks are how Chinese is written

import pytest

from engine.evaluation.spoken_qa import AnswerJudge
from engine.training.nano.corpus import exchanges
from engine.training.nano.topics import Exchange

SUM = Exchange(
    "sums", "en", "What is three plus four?", "Three plus four is seven.", ("is", "seven")
)
TWENTY = Exchange(
    "sums", "en", "What is twelve plus eight?", "Twelve plus eight is twenty.", ("is", "twenty")
)
PARIS = Exchange(
    *("capitals", "en", "The capital of France, please."),
    *("The capital of France is Paris.", ("paris",)),
)
ROME = Exchange(
    *("capitals", "en", "The capital of Italy, please."),
    *("The capital of Italy is Rome.", ("rome",)),
)
UNKNOWN = Exchange("unknown", "en", "Who?", "Sorry, I don't know that.", ("don't", "know"))
SEVEN_ZH = Exchange("sums", "zh", "三加四等于几？", "三加四等于七。", ("等", "于", "七"))
TEN_ZH = Exchange("sums", "zh", "三加七等于几？", "三加七等于十。", ("等", "于", "十"))

JUDGES = {
    lang: AnswerJudge.of([SUM, TWENTY, PARIS, ROME, UNKNOWN, SEVEN_ZH, TEN_ZH], lang)
    for lang in ("en", "zh")
}


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        (SUM, "Three plus four is seven."),
        (SUM, "is SEVEN"),
        (SUM, "Well, four plus three is seven!"),
        (TWENTY, "twelve plus eight is twenty"),
        (PARIS, "Paris."),
        (UNKNOWN, "Sorry, I don't know that."),
        (SEVEN_ZH, "三加四等于七"),
        (TEN_ZH, "等于十。"),
    ],
)
def test_the_key_without_contradiction_is_right(exchange: Exchange, said: str) -> None:
    assert JUDGES[exchange.lang].is_right(said, exchange)


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        (SUM, ""),
        (SUM, "Three plus four is eight."),
        (SUM, "Three plus five is seven."),
        (SUM, "Three plus four is seven or eight."),
        (SUM, "Three plus four is seventeen."),
        (SUM, "Three plus four is"),
        (TWENTY, "Twelve plus eight is twenty eight."),
        (PARIS, "The capital of France is Rome."),
        (PARIS, "Paris or Rome."),
        (PARIS, "The capital of Italy is Paris."),
        (PARIS, "parish"),
        (SEVEN_ZH, "三加四等于七十"),
        (SEVEN_ZH, "三加四等于八"),
        (TEN_ZH, "三加七等于十七"),
        (TEN_ZH, "三加七等于二十"),
    ],
)
def test_another_answer_or_two_answers_are_wrong(exchange: Exchange, said: str) -> None:
    assert not JUDGES[exchange.lang].is_right(said, exchange)


def test_a_refusal_is_recognised() -> None:
    assert JUDGES["en"].refuses("Sorry, I don't know that.")
    assert not JUDGES["en"].refuses("I know that.")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_true_answer_is_right_and_the_answers_of_others_are_not(lang: str) -> None:
    known = exchanges(lang, "train") + exchanges(lang, "test")
    judge = AnswerJudge.of(known, lang)
    tested = exchanges(lang, "test")
    assert all(judge.is_right(exchange.answer, exchange) for exchange in tested)
    shifted = [
        (exchange, other)
        for exchange, other in zip(tested, tested[7:], strict=False)
        if exchange.answer != other.answer
    ]
    accepted = [pair for pair in shifted if judge.is_right(pair[1].answer, pair[0])]
    assert not accepted
