"""The whole program, spoken to: a sound server, a window without a screen, the built-in model.

A question goes into the microphone; what comes out of the speaker is recorded, and recognised by
an ear that shares nothing with the model. Left out: how often the model is right.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from app.kept_turn import KeptTurn
from app.settings import ModelSettings, PrivacySettings, Settings, TalkMode, TurnSettings
from app.turn_record import Outcome
from engine.evaluation.recogniser import Recogniser, answer_grammar
from engine.training.nano import subjects_en
from tests.app.audio import sound_server
from tests.app.audio.sound_server import RATE, SoundServer
from tests.end_to_end.running_program import ROOT, RunningProgram

if TYPE_CHECKING:
    from tests.app.audio.sound_server import Recording

NANO = ROOT / "assets" / "models" / "nano"
QUESTION = ROOT / "assets" / "samples" / "question_en.wav"
AUDIBLE = 0.003

pytestmark = [
    pytest.mark.audio,
    pytest.mark.skipif(not sound_server.is_available(), reason="PulseAudio is not installed"),
    pytest.mark.skipif(
        not (NANO / "model.safetensors").is_file(),
        reason="the built-in model is not in this checkout",
    ),
]

HANDS_FREE = Settings(
    turns=TurnSettings(talk_mode=TalkMode.HANDS_FREE),
    model=ModelSettings(greedy=True),
    privacy=PrivacySettings(keep_history=True),
)
BY_KEY = dataclasses.replace(HANDS_FREE, turns=TurnSettings(talk_mode=TalkMode.TAP))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    with SoundServer(tmp_path_factory.mktemp("sound")) as server:
        yield server


@pytest.fixture
def start(server: SoundServer, tmp_path: Path) -> Callable[..., RunningProgram]:
    def make(chosen: Settings) -> RunningProgram:
        return RunningProgram(tmp_path / "home", chosen, server.environment)

    return make


@pytest.fixture(scope="module")
def ear() -> Recogniser:
    pytest.importorskip("pocketsphinx")
    return Recogniser(answer_grammar(subjects_en.topics()))


def question() -> NDArray[np.float32]:
    samples, rate = soundfile.read(QUESTION, dtype="float32")
    return np.asarray(soxr.resample(samples, rate, RATE), dtype=np.float32)


def heard(recording: "Recording") -> NDArray[np.float32]:
    """What came out of the speaker, from its first sound to its last."""
    samples = recording.samples()
    loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
    assert len(loud), "nothing was heard"
    return samples[loud[0] : loud[-1] + 1]


def starts_before_it_is_made(turn: KeptTurn) -> bool:
    """Whether the first sample sounded before the last token was generated."""
    stamps, stats = turn.record.stamps, turn.record.stats
    assert stats is not None and stats.timings_ms.total is not None
    assert stamps.first_sample_heard is not None and stamps.requested is not None
    return stamps.first_sample_heard < stamps.requested + stats.timings_ms.total / 1000


def test_a_question_spoken_hands_free_is_answered_aloud_while_the_answer_is_made(
    server: SoundServer, start: Callable[..., RunningProgram], ear: Recogniser
) -> None:
    with start(HANDS_FREE) as program, server.record() as recording:
        time.sleep(1.0)  # the room, before anybody speaks
        server.say(question()).wait()
        (turn,) = program.wait_for_turns(1)
        time.sleep(0.5)
        sound = heard(recording)
    assert "twelve" in turn.record.answer_text
    assert turn.record.outcome is Outcome.COMPLETE
    assert "twelve" in ear.recognise(sound, RATE)
    assert starts_before_it_is_made(turn)
    assert turn.record.underruns == 0


def test_a_question_between_two_keys_is_heard_and_written_down(
    server: SoundServer, start: Callable[..., RunningProgram], ear: Recogniser
) -> None:
    with start(BY_KEY) as program, server.record() as recording:
        program.tell("toggle")
        time.sleep(0.3)
        server.say(question()).wait()
        program.tell("toggle")
        (turn,) = program.wait_for_turns(1)
        program.wait(lambda: program.turns()[0].record.user_text != "", "the transcript")
        sound = heard(recording)
        (turn,) = program.turns()
    assert "seven plus five" in turn.record.user_text.lower()
    assert "twelve" in turn.record.answer_text
    assert "twelve" in ear.recognise(sound, RATE)
    assert starts_before_it_is_made(turn)


def test_an_interruption_silences_the_answer_at_once(
    server: SoundServer, start: Callable[..., RunningProgram]
) -> None:
    """From the first sample of the interruption at the microphone to silence at the speaker."""
    with (
        start(HANDS_FREE) as program,
        server.record() as recording,
        server.record("micfeed") as microphone,
    ):
        time.sleep(1.0)
        server.say(question()).wait()
        quiet_until = len(recording.samples())
        program.wait(
            lambda: bool((np.abs(recording.samples()[quiet_until:]) > AUDIBLE).any()),
            "the answer's first sound",
        )
        n_before = len(microphone.samples())
        server.say(question()).wait()
        program.wait_for_turns(2)
        spoken = np.flatnonzero(np.abs(microphone.samples()[n_before:]) > AUDIBLE)[0] + n_before
        interrupted_at = microphone.began_at + spoken / RATE
        played = recording.samples()
    first, second = program.turns()[:2]
    began = round((interrupted_at - recording.began_at) * RATE)
    quiet = np.convolve(np.abs(played[began:]) > AUDIBLE, np.ones(RATE // 5), "valid") < 1
    silent_after_s = np.flatnonzero(quiet)[0] / RATE
    assert first.record.outcome is Outcome.INTERRUPTED
    assert silent_after_s <= 0.3
    assert "twelve" in second.record.answer_text


def test_closing_while_speaking_is_quick_and_keeps_what_was_heard(
    server: SoundServer, start: Callable[..., RunningProgram]
) -> None:
    program = start(HANDS_FREE)
    with program, server.record() as recording:
        time.sleep(1.0)
        server.say(question()).wait()
        program.wait(
            lambda: bool((np.abs(recording.samples()) > AUDIBLE).any()), "the answer's first sound"
        )
        closed_s = program.close()
    assert closed_s <= 1.0
    (turn,) = program.turns()
    assert turn.record.outcome is Outcome.INTERRUPTED


def test_killed_in_the_middle_of_a_turn_it_still_has_every_finished_one(
    server: SoundServer, start: Callable[..., RunningProgram]
) -> None:
    program = start(HANDS_FREE)
    with program, server.record() as recording:
        time.sleep(1.0)
        server.say(question()).wait()
        program.wait_for_turns(1)
        time.sleep(0.5)
        n_before = len(recording.samples())
        server.say(question()).wait()
        program.wait(
            lambda: bool((np.abs(recording.samples()[n_before:]) > AUDIBLE).any()),
            "the second answer's first sound",
        )
        program.kill()
    with start(HANDS_FREE) as again:
        assert [turn.record.outcome for turn in again.turns()] == [Outcome.COMPLETE]


def test_listening_hands_free_costs_next_to_nothing(start: Callable[..., RunningProgram]) -> None:
    with start(HANDS_FREE) as program:
        time.sleep(5.0)
        used_s, since = program.cpu_s(), time.monotonic()
        time.sleep(20.0)
        share = (program.cpu_s() - used_s) / (time.monotonic() - since)
    assert share <= 0.03


@pytest.mark.slow
def test_open_speakers_never_interrupt_the_answer(
    server: SoundServer, start: Callable[..., RunningProgram]
) -> None:
    """Five minutes of answers, each heard by the microphone at -12 dB; then a real interruption."""
    with start(HANDS_FREE) as program, server.loop_back(-12.0):
        time.sleep(1.0)
        answered_s, n = 0.0, 0
        while answered_s < 300:
            server.say(question()).wait()
            n += 1
            turn = program.wait_for_turns(n)[-1]
            assert turn.record.stats is not None, f"turn {n}: {turn.record.outcome}"
            answered_s += turn.record.stats.audio_seconds
            time.sleep(0.5)
        turns = program.turns()
        assert [turn.record.outcome for turn in turns] == [Outcome.COMPLETE] * n
        server.say(question()).wait()
        time.sleep(1.2)
        server.say(question()).wait()
        assert program.wait_for_turns(n + 2)[n].record.outcome is Outcome.INTERRUPTED


@pytest.mark.slow
def test_two_hundred_turns_leave_no_gap_in_the_sound_and_take_no_more_memory(
    server: SoundServer, start: Callable[..., RunningProgram]
) -> None:
    """Ten minutes of answers and two hundred turns, whichever is later."""
    with start(HANDS_FREE) as program:
        time.sleep(1.0)
        answered_s, n, after_20 = 0.0, 0, 0
        while answered_s < 600 or n < 200:
            server.say(question()).wait()
            n += 1
            record = program.wait_for_turns(n)[-1].record
            assert record.underruns == 0, f"turn {n}"
            assert record.stats is not None, f"turn {n}: {record.outcome}"
            answered_s += record.stats.audio_seconds
            if n == 20:
                after_20 = program.memory_bytes()
            time.sleep(0.3)
        assert program.memory_bytes() <= 1.05 * after_20
