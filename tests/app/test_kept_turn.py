"""A kept turn is small and gives its sound back."""

from datetime import UTC, datetime

import numpy as np
import pytest

from app.kept_turn import KeptTurn, Side, SoundPlace
from app.turn_record import Origin, Outcome, Stamps, TurnRecord
from engine.modes import InferenceMode
from tests.app.turns_to_keep import turn, typed_turn


def record(n_question: int, n_answer: int) -> TurnRecord:
    times = np.arange(max(n_question, n_answer, 1)) / 16000
    speech = (0.2 * np.sin(2 * np.pi * 150 * times)).astype(np.float32)
    return TurnRecord(
        1,
        datetime(2026, 3, 14, tzinfo=UTC),
        *(Origin.SPOKEN, InferenceMode.BOOST, "nano", 7, "Seven?", "Twelve.", Outcome.COMPLETE),
        Stamps(),
        user_samples=speech[:n_question] if n_question else None,
        answer_samples=speech[:n_answer] if n_answer else None,
        answer_sample_rate=22050,
    )


def test_sound_comes_back_as_it_was() -> None:
    whole = record(16000, 22050)
    kept = KeptTurn.of(whole)
    for side, samples, sample_rate in (
        (Side.QUESTION, whole.user_samples, 16000),
        (Side.ANSWER, whole.answer_samples, 22050),
    ):
        found, rate = kept.sound(side)
        assert rate == sample_rate
        assert found == pytest.approx(samples, abs=1 / 32768)
    restored = kept.restored()
    assert restored.user_samples == pytest.approx(whole.user_samples, abs=1 / 32768)
    assert restored.answer_text == "Twelve."
    assert kept.question_s == 1.0


def test_a_kept_turn_takes_less_than_a_third_of_its_samples() -> None:
    whole = record(32000, 44100)
    assert whole.user_samples is not None and whole.answer_samples is not None
    kept = KeptTurn.of(whole)
    n_bytes = whole.user_samples.nbytes + whole.answer_samples.nbytes
    assert kept.record.user_samples is None and kept.record.answer_samples is None
    assert 3 * (len(kept.question) + len(kept.answer)) < n_bytes


def test_a_side_without_sound_stays_without() -> None:
    kept = KeptTurn.of(record(0, 100))
    assert not kept.has_sound(Side.QUESTION)
    assert kept.has_sound(Side.ANSWER)
    assert kept.restored().user_samples is None


def test_a_late_transcript_changes_the_words_only() -> None:
    kept = KeptTurn.of(record(100, 100))
    later = kept.with_question_text("Seven plus five?")
    assert later.record.user_text == "Seven plus five?"
    assert (later.question, later.answer) == (kept.question, kept.answer)


@pytest.mark.parametrize("place", [SoundPlace.HISTORY, SoundPlace.NOWHERE])
def test_a_turn_without_its_sound_is_as_light_as_its_words_and_knows_where_it_went(
    place: SoundPlace,
) -> None:
    kept = KeptTurn.of(turn(1))
    light = kept.without_sound(place)
    assert (light.question, light.answer) == (b"", b"")
    assert light.record.stats is not None
    assert light.record.stats.audio_codes == light.record.stats.question_codes == ()
    assert (light.record.answer_text, light.sound_s) == ("answer 1 in full", kept.sound_s)
    is_kept = place is SoundPlace.HISTORY
    assert light.has_sound(Side.ANSWER) is light.has_sound(Side.QUESTION) is is_kept
    assert light.has_lost_sound is not is_kept
    again = light.with_sound(kept.question, kept.answer)
    assert again.sound(Side.ANSWER)[0] == pytest.approx(kept.sound(Side.ANSWER)[0])


def test_a_typed_turn_has_no_sound_to_lose() -> None:
    assert not KeptTurn.of(typed_turn(1)).without_sound(SoundPlace.NOWHERE).has_lost_sound
