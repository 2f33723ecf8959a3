"""The dialogue and the engine on their real threads: nothing stale, nothing stuck, a quick end."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from app.assistant import Assistant
from app.engine_worker import EngineWorker
from app.settings import AudioSettings, Settings, TalkMode, TurnSettings
from app.turn_record import Outcome
from app.ui_commands import (
    Send,
)
from app.ui_events import (
    AnswerText,
    EngineReady,
    TurnFinished,
    UiEvent,
    UserText,
)
from tests.app.fakes import (
    CHUNK,
    FakeEngine,
    FakeMicrophone,
    FakeSpeaker,
    LoudIsVoice,
    NotingCanceller,
    silence,
    voice,
)

PATIENCE_S = 20  # the machine may be busy
HANDS_FREE = TurnSettings(TalkMode.HANDS_FREE)


class Live:
    """The assistant and the worker on their threads, and a sound card that never stops."""

    def __init__(self, engine: FakeEngine, room: int = 200) -> None:
        self.events: list[UiEvent] = []
        self.engine = engine
        self.speaker = FakeSpeaker(time.monotonic, room)
        self.microphone = FakeMicrophone(time.monotonic)
        self.worker = EngineWorker(
            lambda model, report: engine,  # type: ignore[arg-type,return-value]
            lambda message: self.assistant.post(message),
            self.speaker,  # type: ignore[arg-type]
        )
        self.assistant = Assistant(
            self.microphone,  # type: ignore[arg-type]
            self.speaker,  # type: ignore[arg-type]
            self.worker,
            self.events.append,
            Settings(turns=HANDS_FREE, audio=AudioSettings(noise_suppression=False)),
            lambda settings: None,
            make_vad=LoudIsVoice,  # type: ignore[arg-type]
            make_echo_canceller=lambda *treatment: NotingCanceller(treatment),  # type: ignore
        )
        self._is_over = threading.Event()
        self._player = threading.Thread(target=self._play)

    def __enter__(self) -> "Live":
        for part in (self._player, self.worker, self.assistant):
            part.start()
        self.until(lambda: bool(self.of(EngineReady)))
        return self

    def __exit__(self, *_: object) -> None:
        assert self.assistant.shut_down(PATIENCE_S)
        assert self.worker.shut_down(PATIENCE_S)
        self._is_over.set()
        self._player.join(PATIENCE_S)

    def _play(self) -> None:
        while not self._is_over.wait(0.001):
            self.speaker.plays(7)

    def of(self, kind: type) -> list:
        return [event for event in list(self.events) if isinstance(event, kind)]

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, f"it did not happen: {self.events[-5:]}"
            threading.Event().wait(0.002)


@pytest.fixture
def live() -> Iterator[Live]:
    with Live(FakeEngine()) as running:
        yield running


def test_a_dialogue_of_real_threads_answers_and_writes_down_what_was_asked(live: Live) -> None:
    live.microphone.hears(np.concatenate([silence(1), voice(0.5), silence(2)]))
    live.until(lambda: bool(live.of(TurnFinished)) and bool(live.of(UserText)))
    (finished,) = live.of(TurnFinished)
    assert finished.record.answer_text == "One two three four"
    assert "".join(event.text for event in live.of(AnswerText)) == "One two three four"
    assert live.of(UserText)[0].text.endswith("samples")
    assert live.speaker.played == [float(finished.record.turn_id)] * 4 * CHUNK


def test_after_a_flush_nothing_of_the_old_answer_sounds_or_shows(live: Live) -> None:
    """Interrupts 300 answers at random moments, by a new question, on all threads at once."""
    draw = np.random.default_rng(0)
    live.engine.words = tuple("abcdefgh")
    for number in range(300):
        live.assistant.post(Send(f"Question {number}"))
        threading.Event().wait(float(draw.choice([0.0, 0.001, 0.005, 0.02])))
    live.until(lambda: len(live.of(TurnFinished)) == 300)
    played = np.array(live.speaker.played)
    begun = [*live.speaker.begun, (0, len(played))]
    assert len(begun) == 301
    for (turn_id, start), (_, end) in itertools.pairwise(begun):
        assert set(played[start:end]) <= {float(turn_id)}
    over: set[int] = set()
    for event in live.events:
        match event:
            case TurnFinished(record):
                assert record.turn_id not in over
                over.add(record.turn_id)
            case AnswerText(turn_id):
                assert turn_id not in over
            case UserText(turn_id):
                assert turn_id not in over  # what was typed


def test_closing_in_the_middle_of_an_answer_takes_no_second_and_keeps_what_was_heard() -> None:
    with Live(FakeEngine(words=("word ",) * 1000), room=10) as live:
        live.assistant.post(Send("Hello?"))
        live.until(lambda: bool(live.of(AnswerText)))
        began = time.monotonic()
        assert live.assistant.shut_down(PATIENCE_S)
        assert live.worker.shut_down(PATIENCE_S)
        assert time.monotonic() - began < 1.0
        (finished,) = live.of(TurnFinished)
        assert finished.record.outcome is Outcome.INTERRUPTED
        assert not [t for t in threading.enumerate() if t.name in ("engine", "dialogue")]
