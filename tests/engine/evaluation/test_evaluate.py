"""What is measured follows from what the model heard, said and sounded like, and nothing else."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.evaluation.evaluate import (
    EvaluationConfig,
    answer_questions,
    evaluate,
    synthesised_test_set,
)
from engine.evaluation.report import (
    TRUE_VOICE,
    HeardSentence,
    ReadSentence,
    Report,
    SpokenReply,
    markdown,
    rows,
    to_json,
)
from engine.evaluation.spoken_qa import AnswerJudge
from engine.evaluation.test_set import SpokenQuestion
from engine.evaluation.tts import Ear, read_aloud
from engine.modes import InferenceMode
from engine.training.nano.topics import Exchange
from tests.engine.evaluation.fake_model import FakeModel, ear, spoken

SUMS = tuple(
    Exchange(
        *("sums", "en", f"What is two plus {b}?", f"Two plus {b} is {c}.", ("is", c)),
    )
    for b, c in (("one", "three"), ("two", "four"), ("three", "five"))
)
REFUSAL = Exchange("unknown", "en", "Who came?", "Sorry, I don't know that.", ("don't", "know"))
QUESTIONS = tuple(SpokenQuestion(e, "stranger", spoken(e.question), 100) for e in SUMS)
JUDGE = AnswerJudge.of([*SUMS, REFUSAL], "en")
ANSWERS = {e.question: e.answer for e in SUMS}


def ask(model: FakeModel, with_ear: Ear | None = ear) -> list[SpokenReply]:
    return list(answer_questions(model, QUESTIONS, JUDGE, InferenceMode.BOOST, with_ear))


def test_a_perfect_model_is_right_in_text_and_in_sound() -> None:
    replies = ask(FakeModel(ANSWERS))
    assert all(reply.text_right and reply.spoken_right for reply in replies)
    assert all(reply.transcript.characters.n_edits == 0 for reply in replies)


def test_a_reply_without_sound_is_a_wrong_spoken_answer() -> None:
    replies = ask(FakeModel(ANSWERS, mute=True))
    assert [(reply.text_right, reply.spoken_right) for reply in replies] == [(True, False)] * 3


def test_sound_is_judged_by_what_the_ear_heard_and_not_by_the_text() -> None:
    replies = ask(FakeModel(ANSWERS), with_ear=lambda samples, rate: "two plus one is three")
    assert [reply.spoken_right for reply in replies] == [True, False, False]


def test_without_an_ear_nothing_is_said_about_the_sound() -> None:
    assert {reply.spoken_right for reply in ask(FakeModel(ANSWERS), with_ear=None)} == {None}


def test_a_refusal_of_a_known_subject_is_counted() -> None:
    replies = ask(FakeModel({**ANSWERS, SUMS[0].question: REFUSAL.answer}))
    assert [reply.refused for reply in replies] == [True, False, False]
    assert not replies[0].text_right


def test_reading_aloud_is_scored_by_the_ear() -> None:
    reading = read_aloud(FakeModel(), "One small step.", "en", InferenceMode.TURBO, ear)
    assert (reading.edits.n_edits, reading.edits.n_reference) == (0, 3)
    mute = read_aloud(FakeModel(mute=True), "One small step.", "en", InferenceMode.TURBO, ear)
    assert mute.edits.n_edits == 3


def report() -> Report:
    replies = ask(FakeModel({**ANSWERS, SUMS[0].question: "Two plus one is nine."}))
    turbo = [replace(reply, mode="turbo", spoken_right=None) for reply in replies]
    sentence = HeardSentence("boost", "en", replies[0].transcript)
    reading = read_aloud(FakeModel(), "One small step.", "en", InferenceMode.BOOST, ear)
    readings = [ReadSentence(mode, "en", reading) for mode in ("boost", TRUE_VOICE)]
    return Report("toy", "evaluate toy", 7, 1.0, (*replies, *turbo, sentence, *readings))


def test_each_mode_has_its_column_and_each_figure_its_interval() -> None:
    table = {row.name: row.estimates for row in rows(report())}
    right = table["spoken question, text answer right, English"]
    assert list(right) == ["boost", "turbo"]
    assert right["boost"].value == pytest.approx(2 / 3)
    assert right["boost"].low < right["boost"].value < right["boost"].high
    assert math.isnan(table["spoken question, spoken answer right, English"]["turbo"].value)


def test_markdown_repeats_the_command_and_says_what_was_not_measured() -> None:
    text = markdown(report())
    assert "`evaluate toy` (seed 7" in text
    assert "66.7 %" in text
    assert "not measured" in text
    assert "| sums | 67 / 67 (3) | 67 / - (3) |" in text


def test_json_is_strict_and_holds_every_item() -> None:
    plain = json.loads(json.dumps(to_json(report()), allow_nan=False))
    assert len(plain["items"]) == 9
    assert plain["items"][0]["expected"] == SUMS[0].answer


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the synthesisers are Linux packages")
def test_a_whole_evaluation_of_a_random_model_from_nothing(
    tiny_model: Path, tmp_path: Path
) -> None:
    config = EvaluationConfig(
        modes=(InferenceMode.BOOST,),
        questions=2,
        spoken=1,
        sentences=1,
        readings=1,
        copies=1,
        workers=1,
    )
    data = synthesised_test_set(tmp_path, config)
    first = evaluate(tiny_model, data, config, "evaluate tiny")
    again = evaluate(tiny_model, data, config, "evaluate tiny")
    said = [(reply.transcript, reply.text) for reply in first.replies()]
    assert said == [(reply.transcript, reply.text) for reply in again.replies()]
    assert len(first.replies(lang="en")) == len(first.replies(lang="zh")) == 2
    assert "copy-synthesis STOI" in markdown(first)
    assert np.isfinite(rows(first)[0].estimates["boost"].value)
