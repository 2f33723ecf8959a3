"""Preparing clips can be killed anywhere and goes on to the same clips."""

import ctypes.util
import shutil
from pathlib import Path

import pytest

from engine.training.nano.clips import ClipStore
from engine.training.nano.corpus import exchanges
from engine.training.nano.prepare import (
    ANSWER_LEAD_S,
    ClipCounts,
    _answer_orders,
    _fill,
    prepare_clips,
)
from engine.training.nano.prepare import _question_order as question_order
from engine.training.nano.voices import LANGUAGES, Split

needs_voices = pytest.mark.skipif(
    ctypes.util.find_library("espeak-ng") is None
    or ctypes.util.find_library("flite") is None
    or shutil.which("festival") is None,
    reason="the speech programs are not installed",
)


@needs_voices
def test_an_interrupted_store_is_finished_as_if_it_had_not_been(tmp_path: Path) -> None:
    def order(index: int):  # type: ignore[no-untyped-def]
        return question_order(7, index)

    _fill(tmp_path / "whole", 8, order, workers=1)
    _fill(tmp_path / "halves", 3, order, workers=1)
    _fill(tmp_path / "halves", 8, order, workers=1)
    whole, halves = ClipStore(tmp_path / "whole"), ClipStore(tmp_path / "halves")
    assert whole.clips() == halves.clips()
    lengths = [halves.duration_s(i) for i in range(8)]
    assert [whole.duration_s(i) for i in range(8)] == pytest.approx(lengths, abs=0.1)


def test_no_answer_of_a_held_out_question_is_training_text() -> None:
    orders = list(_answer_orders(ClipCounts(answer_sentences=5)))
    training = {order.text for order in orders if order.split is Split.TRAIN}
    for lang in LANGUAGES:
        held_out = {e.answer for e in exchanges(lang, Split.TEST) if e.subject == "sums"}
        assert held_out
        assert training.isdisjoint(held_out)
        assert held_out <= {order.text for order in orders}


@needs_voices
def test_test_clips_ask_unseen_questions_in_unseen_voices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.training.nano.prepare.answer_alternatives", lambda lang: ())
    counts = ClipCounts(
        6,
        variations=8,
        strangers=4,
        men=3,
        answer_sentences=1,
        test_questions=4,
        test_sentences=2,
    )
    prepare_clips(tmp_path, counts)
    test, questions = ClipStore(tmp_path / "test"), ClipStore(tmp_path / "questions")
    assert (len(test), len(questions), len(ClipStore(tmp_path / "answers"))) == (12, 6, 2)
    answers = ClipStore(tmp_path / "answers")
    for index in range(len(answers)):
        samples = abs(answers.samples(index))
        pause = int(ANSWER_LEAD_S * answers.sample_rate(index))
        assert samples[:pause].max() < 1e-3
        assert samples[pause : 2 * pause].max() > 0.01
    variations = ClipStore(tmp_path / "variations")
    assert {clip.kind for clip in variations.clips()} == {"question", "shuffled"}
    strangers = ClipStore(tmp_path / "strangers")
    assert len(strangers) == 4
    assert {clip.lang for clip in strangers.clips()} == {"en"}
    men = ClipStore(tmp_path / "men")
    assert {clip.voice.rpartition(":")[0] for clip in men.clips()} == {"flite:slt"}
    heard = {c.voice for store in (questions, variations, strangers, men) for c in store.clips()}
    assert heard.isdisjoint(clip.voice for clip in test.clips())
    trained = {e.question for lang in LANGUAGES for e in exchanges(lang, Split.TRAIN)}
    trained |= {clip.text for clip in variations.clips()}
    assert trained.isdisjoint(clip.text for clip in test.clips())
