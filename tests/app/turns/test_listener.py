"""From the microphone to questions: what is cut out, how it is treated, and what it costs."""

import time
from collections.abc import Iterable

import numpy as np
import pytest

from app.dialogue_events import QuestionPaused, QuestionSpoken
from app.settings import TalkMode, TurnSettings
from app.turns.listener import Listener, ListenerEvent
from app.turns.turn_events import Forget, KeyDown, KeyUp, SpeechDropped, SpeechStarted
from tests.app.fakes import NOON, LoudIsVoice, silence, voice
from tests.app.turns.speech import detection

HANDS_FREE = TurnSettings(TalkMode.HANDS_FREE)


class Louder:
    """Treats sound so that it shows, and notes how much."""

    def __init__(self) -> None:
        self.n_treated = 0
        self.n_far = 0

    def far(self, samples: np.ndarray) -> None:
        self.n_far += len(samples)

    def near(self, samples: np.ndarray) -> np.ndarray:
        self.n_treated += len(samples)
        return samples * 1.5


def make(settings: TurnSettings = HANDS_FREE) -> Listener:
    return Listener(settings, LoudIsVoice(), lambda: NOON)  # type: ignore[arg-type]


def hear(
    listener: Listener, *sounds: np.ndarray, far: np.ndarray | None = None
) -> list[ListenerEvent]:
    events: list[ListenerEvent] = []
    for sound in sounds:
        for start in range(0, len(sound), 320):
            events += listener.hear(sound[start : start + 320], 0.0, far)
    return events


def question(events: Iterable[ListenerEvent]) -> QuestionSpoken:
    (asked,) = (event for event in events if isinstance(event, QuestionSpoken))
    return asked


def test_a_question_is_its_sound_its_span_and_its_moments() -> None:
    listener = make()
    sound = np.concatenate([silence(1), voice(0.5), silence(2)])
    events: list[ListenerEvent] = []
    for start in range(0, len(sound), 320):
        events += listener.hear(sound[start : start + 320], 50.0 + (start + 320) / 16000, None)
    assert [type(event) for event in events] == [SpeechStarted, QuestionPaused, QuestionSpoken]
    asked = question(events)
    np.testing.assert_array_equal(asked.utterance.samples, sound[slice(*asked.span)])
    assert asked.last_voiced_at == pytest.approx(51.5, abs=0.033)
    assert asked.asked_at == NOON


def test_a_muted_microphone_has_no_question_even_if_a_key_says_so() -> None:
    listener = make(TurnSettings())
    zeros = np.zeros(16000, dtype=np.float32)
    events = hear(listener, zeros)
    for key in (KeyDown(), KeyUp()):
        events += listener.told(key)
        events += hear(listener, zeros)
    assert events[-1] == SpeechDropped(was_wanted=True)


def test_speech_that_goes_on_is_cut_from_its_earlier_start() -> None:
    listener = make()
    first = question(hear(listener, silence(1), voice(0.5), silence(1.3)))
    hear(listener, voice(0.3))
    listener.go_on_from(first.span[0])
    second = question(hear(listener, silence(2)))
    assert second.span[0] == first.span[0]
    assert len(second.utterance.samples) > len(first.utterance.samples) + 16000
    third = question(hear(listener, voice(0.3), silence(2)))  # which is on its own again
    assert third.span[0] > second.span[1]


def test_the_whole_question_is_treated_though_the_canceller_slept_before_it() -> None:
    listener = make()
    listener.echo_canceller = canceller = Louder()  # type: ignore[assignment]
    sound = np.concatenate([silence(2), voice(0.5), silence(2)])
    asked = question(hear(listener, sound))
    np.testing.assert_array_equal(asked.utterance.samples, 1.5 * sound[slice(*asked.span)])
    n_treated = canceller.n_treated
    hear(listener, silence(2))
    assert canceller.n_treated - n_treated < 16000
    assert canceller.n_far == 0


def test_while_sound_is_played_the_canceller_is_awake() -> None:
    listener = make()
    listener.echo_canceller = canceller = Louder()  # type: ignore[assignment]
    hear(listener, silence(1), far=np.ones(320, dtype=np.float32))
    assert canceller.n_far == canceller.n_treated == 16000


def test_while_a_key_is_held_the_canceller_is_awake() -> None:
    listener = make(TurnSettings())
    listener.echo_canceller = canceller = Louder()  # type: ignore[assignment]
    hear(listener, silence(1))
    listener.told(KeyDown())
    hear(listener, silence(1))
    assert canceller.n_treated == pytest.approx(1.6 * 16000, abs=1)


def test_a_forgotten_turn_leaves_nothing_behind() -> None:
    listener = make()
    hear(listener, voice(0.5))
    assert listener.is_on
    assert listener.told(Forget()) == [SpeechDropped(was_wanted=False)]
    assert not listener.is_on
    assert hear(listener, silence(2)) == []


def test_listening_to_a_quiet_room_costs_less_than_one_percent_of_a_core() -> None:
    rng = np.random.default_rng(0)
    room = 0.001 * rng.standard_normal(16000 * 20).astype(np.float32)
    listener = Listener(HANDS_FREE, detection(), lambda: NOON)
    listener.echo_canceller = Louder()  # type: ignore[assignment]
    started = time.thread_time()
    hear(listener, room)
    assert time.thread_time() - started < 0.01 * 20
