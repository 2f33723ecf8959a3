"""Turns out of synthetic voices in noise: short words kept, phonemes at the keys kept, pauses."""

from pathlib import Path

import numpy as np
import pytest

from app.settings import TalkMode, TurnSettings
from app.turns.turn_detector import TurnDetector
from app.turns.turn_events import KeyDown, KeyUp, SoftPause, SpeechEnded, SpeechStarted
from app.turns.utterances import SoundHistory
from tests.app.turns.speech import BLOCK, detect, espeak, flite, in_room, needs_espeak, needs_flite

HANDS_FREE = TurnSettings(TalkMode.HANDS_FREE)
# Words whose first and last phonemes are soft, or stops that a pause comes before.
CLIPS = (
    *("yes", "stop", "fish", "hat", "six", "half", "please", "thanks", "sit", "fifth"),
    *("What is seven plus five", "Hello there", "Ship ahead", "Show me the east coast"),
    *("Switch off the lights", "How far is it", "Find a shop", "That is enough", "Fast", "Cats"),
)


def spans(events: list[object]) -> list[tuple[int, int]]:
    return [
        (event.start_sample, event.end_sample) for event in events if isinstance(event, SpeechEnded)
    ]


@needs_espeak
@needs_flite
@pytest.mark.parametrize("snr_db", [40, 20, 12])
@pytest.mark.parametrize("text", ["yes", "stop", "no", "six"])
def test_a_short_word_is_one_whole_turn_in_hands_free_talk(
    text: str, snr_db: float, tmp_path: Path
) -> None:
    for speech in (espeak(text), flite(text, tmp_path)):
        room = in_room(speech, snr_db)
        ((start, end),) = spans(detect(room, TurnDetector(HANDS_FREE)))
        assert start <= 16000
        assert end >= 16000 + len(speech)


@needs_espeak
def test_a_question_is_one_turn_whose_end_is_noticed_soon() -> None:
    speech = espeak("What is the capital of France, and what is the capital of Spain?")
    room = in_room(speech, snr_db=25)
    events = detect(room, TurnDetector(HANDS_FREE))
    assert [type(event) for event in events] == [SpeechStarted, SoftPause, SpeechEnded]
    ended = events[-1]
    assert isinstance(ended, SpeechEnded)
    assert abs(ended.last_voiced_sample - 16000 - len(speech)) < 0.15 * 16000


@needs_espeak
def test_a_pause_in_the_middle_of_a_question_does_not_end_it() -> None:
    parts = [espeak("What is seven"), np.zeros(9600, dtype=np.float32), espeak("plus five?")]
    patient = TurnSettings(TalkMode.HANDS_FREE, patience=1.0)
    assert len(spans(detect(in_room(np.concatenate(parts), 25), TurnDetector(patient)))) == 1


@needs_espeak
@pytest.mark.parametrize("text", CLIPS)
def test_keys_struck_right_at_the_words_lose_neither_their_first_nor_last_phoneme(
    text: str,
) -> None:
    """The key goes down with the first sample of the word, or late, and up with its last, or soon.

    The microphone is heard in blocks, so both keys come between two of them.
    """
    speech = espeak(text)
    room = in_room(speech, snr_db=30)
    history = SoundHistory()
    for start in range(0, len(room), BLOCK):
        history.push(room[start : start + BLOCK], last_at=0.0)
    for late_ms, early_ms in ((0, 0), (200, 0), (0, 200), (150, 150)):
        down, up = 16000 + 16 * late_ms, 16000 + len(speech) - 16 * early_ms
        keys = [(down, KeyDown()), (max(down + 1, up), KeyUp())]
        ((start, end),) = spans(detect(room, TurnDetector(TurnSettings()), keys))
        utterance = history.cut(start, end)
        n_before, n_after = 16000 - start, end - 16000 - len(speech)
        assert n_before >= 16 * 100
        assert n_after >= 16 * 100
        kept = utterance[n_before : n_before + len(speech)]
        np.testing.assert_array_equal(kept, room[16000 : 16000 + len(speech)])
