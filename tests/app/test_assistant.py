"""The dialogue thread: from sound and keys to requests, barge-in, devices that are not there."""

from dataclasses import replace

import numpy as np
import pytest

from app.assistant import Assistant, OpenEars
from app.settings import AudioSettings, Settings, TalkMode, TurnSettings
from app.turn_record import Outcome
from app.ui_commands import (
    EndTurn,
    NewConversation,
    OpenConversation,
    Replay,
    Send,
    SetAudio,
    SetMode,
    SetModel,
    SetSampling,
    SetTurns,
    Stop,
    TalkKey,
    Tap,
)
from app.ui_events import (
    AnswerText,
    EngineReady,
    LevelChanged,
    Notice,
    NoticeKind,
    Phase,
    PhaseChanged,
    TurnFinished,
    TurnWithdrawn,
    UiEvent,
    UserSpoke,
    UserText,
)
from app.worker_messages import (
    Encode,
    LoadModel,
    ModelReady,
    Play,
    QuestionEncoded,
    Respond,
    Transcribe,
    Transcribed,
    WorkerRequest,
)
from engine.conversation import Conversation, Role, Turn
from engine.events import TextDelta
from engine.modes import InferenceMode
from engine.sampling_params import SamplingParams
from tests.app.fakes import (
    CHUNK,
    FakeClock,
    FakeMicrophone,
    FakeSpeaker,
    LoudIsVoice,
    NotingCanceller,
    chunk,
    ended,
    silence,
    voice,
)

PATIENCE_S = 20  # the machine may be busy
HANDS_FREE = TurnSettings(TalkMode.HANDS_FREE)


class Stage:
    """An assistant without its thread: the test does its rounds, on a clock of its own."""

    def __init__(
        self, turns: TurnSettings = HANDS_FREE, audio: AudioSettings | None = None
    ) -> None:
        self.clock = FakeClock()
        self.microphone = FakeMicrophone(self.clock)
        self.speaker = FakeSpeaker(self.clock)
        self.requests: list[WorkerRequest] = []
        self.events: list[UiEvent] = []
        self.devices: list[AudioSettings] = []
        self.cancellers: list[NotingCanceller] = []
        self.publish = self.events.append
        self.assistant = Assistant(
            self.microphone,  # type: ignore[arg-type]
            self.speaker,  # type: ignore[arg-type]
            self,
            lambda event: self.publish(event),
            Settings(turns=turns, audio=audio or AudioSettings()),
            self.devices.append,
            make_vad=LoudIsVoice,  # type: ignore[arg-type]
            make_echo_canceller=self.make_canceller,  # type: ignore[arg-type]
            clock=self.clock,
            first_seed=0,
        )

    def post(self, request: WorkerRequest) -> None:
        self.requests.append(request)

    def make_canceller(self, *treatment: bool) -> NotingCanceller:
        self.cancellers.append(NotingCanceller(treatment))  # type: ignore[arg-type]
        return self.cancellers[-1]

    def does(self, *messages: object) -> None:
        for message in messages:
            self.assistant.do_round(message)  # type: ignore[arg-type]

    def hears(self, *sounds: np.ndarray) -> None:
        """The microphone captures this, 20 ms at a time."""
        for sound in sounds:
            for start in range(0, len(sound), 320):
                self.clock.now += 0.02
                self.microphone.hears(sound[start : start + 320])
                self.assistant.do_round(None)

    def passes(self, seconds: float) -> None:
        """Time passes without any sound from the microphone."""
        for _ in range(round(seconds / 0.02)):
            self.clock.now += 0.02
            self.assistant.do_round(None)

    def asked(self) -> list[Respond]:
        return [request for request in self.requests if isinstance(request, Respond)]

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def phases(self) -> list[Phase]:
        return [event.phase for event in self.of(PhaseChanged)]

    def answers(self, turn_id: int, *words: str) -> None:
        """The engine makes these words, with a chunk of sound for each."""
        self.does(QuestionEncoded(turn_id, (7,), *[self.clock()] * 3))
        for number, word in enumerate(words):
            self.does(TextDelta(turn_id, word), chunk(turn_id, number))
            self.speaker.write(
                turn_id, chunk(turn_id, number).samples, 1000, self.asked()[-1].cancel
            )


@pytest.fixture
def stage() -> Stage:
    return ready(Stage())


def ready(stage: Stage) -> Stage:
    stage.does(OpenEars(), ModelReady("nano", 1.0, SamplingParams()))
    return stage


def question_of(respond: Respond) -> np.ndarray:
    return respond.request.question.samples  # type: ignore[union-attr]


KEYS: dict[TalkMode, tuple[list[object], list[object]]] = {
    TalkMode.HOLD: ([TalkKey(True)], [TalkKey(False)]),
    TalkMode.TAP: ([Tap()], [Tap()]),
    TalkMode.HANDS_FREE: ([], []),
}


@pytest.mark.parametrize("way", list(TalkMode))
def test_a_spoken_question_reaches_the_engine_whole_whatever_the_way_of_talking(
    way: TalkMode,
) -> None:
    stage = ready(Stage(TurnSettings(way)))
    before, after = KEYS[way]
    words = voice(0.3)
    stage.hears(silence(1))
    stage.does(*before)
    stage.hears(words)
    stage.does(*after)
    stage.hears(silence(2))
    (respond,) = stage.asked()
    question = question_of(respond)
    found = np.flatnonzero(np.abs(question) > 0.01)
    np.testing.assert_array_equal(question[found[0] : found[-1] + 1], words)
    assert found[0] >= 0.3 * 16000
    assert stage.phases() == [Phase.IDLE, Phase.LISTENING, Phase.THINKING]
    assert [type(event) for event in stage.events if not isinstance(event, LevelChanged)] == [
        *(EngineReady, PhaseChanged, PhaseChanged, UserSpoke, PhaseChanged),
    ]


def test_an_answer_is_shown_as_it_is_heard_and_kept_when_it_was(stage: Stage) -> None:
    stage.does(Send(" Hello? "))
    turn_id = stage.asked()[0].request.turn_id
    assert stage.of(UserText) == [UserText(turn_id, "Hello?")]
    stage.answers(turn_id, "One", " two")
    assert stage.of(AnswerText) == []
    stage.speaker.plays(CHUNK)
    stage.does(None)
    assert [event.text for event in stage.of(AnswerText)] == ["One"]
    stage.does(ended(turn_id, "One two", 2))
    stage.speaker.end(turn_id)
    stage.speaker.plays(CHUNK)
    stage.does(None)
    assert [event.text for event in stage.of(AnswerText)] == ["One", " two"]
    (finished,) = stage.of(TurnFinished)
    assert finished.record.outcome is Outcome.COMPLETE
    assert finished.record.stamps.first_sample_heard == stage.clock.now
    assert stage.phases()[-2:] == [Phase.SPEAKING, Phase.IDLE]


def test_speech_during_an_answer_flushes_cancels_and_listens_on_with_its_first_sound(
    stage: Stage,
) -> None:
    stage.hears(silence(1), voice(0.5), silence(2))
    (first,) = stage.asked()
    stage.answers(first.request.turn_id, "One", " two", " three")
    stage.speaker.plays(CHUNK + 10)
    stage.hears(silence(1))
    interruption = voice(0.5, seed=1)
    began = stage.clock.now
    for start in range(0, len(interruption), 320):
        stage.hears(interruption[start : start + 320])
        if stage.speaker.flushed:
            break
    assert stage.clock.now - began <= 0.15  # noticed from the first sample on
    assert first.cancel.is_cancelled
    assert stage.phases()[-1] is Phase.LISTENING
    assert stage.of(TurnFinished)[0].record.answer_text == "One"
    stage.hears(interruption[start + 320 :], silence(2))
    second = stage.asked()[1]
    assert second.request.turn_id > first.request.turn_id
    question = question_of(second)
    found = np.flatnonzero(np.abs(question) > 0.01)
    np.testing.assert_array_equal(question[found[0] : found[-1] + 1], interruption)
    assert [turn.as_heard().text for turn in second.request.conversation.turns] == ["", "One"]
    assert stage.speaker.log[-3:] == ["flush", "prepare", f"begin {second.request.turn_id}"]


@pytest.mark.parametrize("command", [Stop(), TalkKey(True), Tap(), Send("No"), NewConversation()])
def test_keys_stop_and_new_questions_silence_the_answer_at_once(
    stage: Stage, command: object
) -> None:
    stage.does(Send("Hello?"))
    (first,) = stage.asked()
    stage.answers(first.request.turn_id, "One", " two")
    stage.speaker.plays(CHUNK)
    stage.does(command)
    assert stage.speaker.flushed == [CHUNK]
    assert first.cancel.is_cancelled
    assert stage.of(TurnFinished)[0].record.outcome is Outcome.INTERRUPTED


def test_stop_forgets_what_is_being_said(stage: Stage) -> None:
    stage.hears(silence(1), voice(0.5))
    stage.does(Stop())
    assert stage.phases()[-1] is Phase.IDLE
    stage.hears(silence(2))
    assert stage.asked() == []


def test_the_question_encoded_on_a_pause_is_the_one_that_is_asked(stage: Stage) -> None:
    stage.hears(silence(1), voice(0.8), silence(2))
    (encode,) = [request for request in stage.requests if isinstance(request, Encode)]
    (respond,) = stage.asked()
    assert stage.requests.index(encode) < stage.requests.index(respond)
    assert encode.span == respond.span
    np.testing.assert_array_equal(encode.utterance.samples, question_of(respond))


def test_who_goes_on_after_the_end_was_taken_for_granted_asks_one_question(stage: Stage) -> None:
    stage.hears(silence(1), voice(1.0), silence(1.3))
    (first,) = stage.asked()
    stage.hears(voice(0.7, seed=1), silence(2))
    second = stage.asked()[1]
    assert stage.of(TurnWithdrawn) == [TurnWithdrawn(first.request.turn_id)]
    assert first.cancel.is_cancelled
    assert len(question_of(second)) >= (1.0 + 1.3 + 0.7) * 16000
    assert second.span is not None
    assert first.span is not None
    assert second.span[0] == first.span[0]


def test_a_turn_ended_by_hand_does_not_wait_for_the_silence(stage: Stage) -> None:
    stage.hears(silence(1), voice(0.5), silence(0.1))
    stage.does(EndTurn())
    stage.hears(silence(0.35))
    assert len(stage.asked()) == 1


def test_the_words_of_the_user_come_later_and_belong_to_their_turn(stage: Stage) -> None:
    stage.hears(silence(1), voice(0.5), silence(2))
    (respond,) = stage.asked()
    turn_id = respond.request.turn_id
    assert not any(isinstance(request, Transcribe) for request in stage.requests)
    stage.answers(turn_id, "One")
    stage.does(ended(turn_id, "One", 1))
    assert isinstance(stage.requests[-1], Transcribe)
    stage.does(Stop(), Transcribed(turn_id, "what is it"))
    assert stage.events[-1] == UserText(turn_id, "what is it")


def test_the_moment_of_the_last_voiced_sample_is_told_by_the_microphones_clock() -> None:
    stage = ready(Stage(TurnSettings(TalkMode.HOLD)))
    stage.hears(silence(1.024))
    stage.does(TalkKey(True))
    stage.hears(voice(0.512))
    fell_silent_at = stage.clock.now
    stage.hears(silence(0.3))
    stage.does(TalkKey(False))
    stage.hears(silence(0.5))
    stage.does(Stop())
    stamps = stage.of(TurnFinished)[0].record.stamps
    assert stamps.last_voiced == pytest.approx(fell_silent_at, abs=0.033)
    assert 0.35 <= stamps.end_decided - stamps.last_voiced <= 0.45


def test_a_key_held_without_any_microphone_is_told_and_typing_still_works() -> None:
    stage = ready(Stage(TurnSettings(TalkMode.HOLD)))
    stage.does(TalkKey(True))
    assert stage.phases()[-1] is Phase.LISTENING
    stage.passes(0.9)
    assert stage.of(Notice) == []
    stage.passes(0.3)
    assert [notice.kind for notice in stage.of(Notice)] == [NoticeKind.NO_MICROPHONE]
    assert stage.phases()[-1] is Phase.IDLE
    stage.does(TalkKey(False), Send("Hello?"))
    assert len(stage.asked()) == 1


def test_a_microphone_lost_in_the_middle_of_a_word_ends_the_listening(stage: Stage) -> None:
    stage.hears(silence(1), voice(0.5))
    stage.passes(1.2)
    assert [notice.kind for notice in stage.of(Notice)] == [NoticeKind.NO_MICROPHONE]
    stage.hears(silence(0.5), voice(0.5), silence(2))  # another one is there
    assert len(stage.asked()) == 1


def test_a_key_without_a_word_says_that_nothing_was_heard() -> None:
    stage = ready(Stage(TurnSettings(TalkMode.HOLD)))
    stage.hears(silence(1))
    stage.does(TalkKey(True))
    stage.hears(silence(1))
    stage.does(TalkKey(False))
    stage.hears(silence(1))
    assert [notice.kind for notice in stage.of(Notice)] == [NoticeKind.NOTHING_HEARD]
    assert stage.asked() == []


def test_hands_free_talk_has_its_echo_cancelled_and_keys_need_no_canceller() -> None:
    stage = ready(Stage(TurnSettings(TalkMode.HOLD), AudioSettings(noise_suppression=False)))
    assert stage.cancellers == []
    stage.does(SetTurns(HANDS_FREE))
    (canceller,) = stage.cancellers
    assert canceller.treatment == (False, False, True)
    stage.hears(silence(0.1))
    assert (canceller.heard_far, canceller.n_near) == ([], 0)  # nothing is heard or played
    stage.speaker.far = np.ones(320, dtype=np.float32)
    stage.hears(silence(0.04))
    assert len(canceller.heard_far) == 2
    assert canceller.n_near == 7 * 320  # with what came before
    stage.speaker.far = None
    stage.hears(silence(0.1))
    assert canceller.n_near == 7 * 320


def test_settings_reach_the_speaker_the_devices_and_the_canceller(stage: Stage) -> None:
    audio = AudioSettings(volume=0.25, noise_suppression=False, echo_cancellation=False)
    stage.does(SetAudio(audio))
    assert stage.speaker.volume == 0.25
    assert stage.devices == [audio]
    assert len(stage.cancellers) == 1  # the one before; now none is wanted
    stage.hears(voice(0.1))
    assert stage.cancellers[0].n_near == 0
    stage.does(SetAudio(replace(audio, gain_control=True)))
    assert stage.cancellers[1].treatment == (False, True, False)


def test_the_choices_of_the_user_reach_the_next_request(stage: Stage) -> None:
    opened = Conversation((Turn(Role.USER, "Hi"), Turn(Role.ASSISTANT, "Hello")))
    chosen = replace(Settings().model, temperature=0.2)
    stage.does(SetMode(InferenceMode.TURBO), SetSampling(chosen), OpenConversation(opened, (-1,)))
    stage.does(Send("And?"))
    request = stage.asked()[0].request
    assert request.mode is InferenceMode.TURBO
    assert request.params.temperature == 0.2
    assert request.conversation == opened
    stage.does(Stop(), SetModel("other"))
    assert stage.requests[-1] == LoadModel("other")


def test_a_replay_is_played_and_stopped(stage: Stage) -> None:
    sound = np.ones(100, dtype=np.float32)
    stage.does(Replay(sound, 24000))
    play = stage.requests[-1]
    assert isinstance(play, Play)
    assert play.samples is sound
    stage.does(Stop())
    assert play.cancel.is_cancelled
    assert stage.phases()[-1] is Phase.IDLE


def test_a_blank_line_asks_nothing(stage: Stage) -> None:
    stage.does(Send("  \n"))
    assert stage.asked() == []


def test_the_level_of_the_microphone_is_told_when_it_changes_and_not_too_often(
    stage: Stage,
) -> None:
    for level in (0.0, 0.0, 0.5, 0.5, 0.9, 0.1, 0.7, 0.3, 0.3):
        stage.microphone.level = level
        stage.hears(silence(0.02))
    told = [event.level for event in stage.of(LevelChanged)]
    assert told == [0.5, 0.1, 0.3]


def test_an_error_in_the_dialogue_is_told_and_the_dialogue_goes_on(stage: Stage) -> None:
    def fail(event: UiEvent) -> None:
        stage.publish = stage.events.append
        raise ValueError("bug")

    stage.publish = fail
    stage.does(Send("Hello?"))
    stage.does(stage.assistant._next_message())
    assert [notice.kind for notice in stage.of(Notice)] == [NoticeKind.INTERNAL_ERROR]
    assert stage.phases()[-1] is Phase.IDLE
    stage.does(Send("Hello?"))
    assert len(stage.asked()) == 1


def test_an_error_that_comes_again_and_again_is_told_once(stage: Stage) -> None:
    def fail() -> list:
        raise OSError("gone")

    stage.microphone.read_block = fail  # type: ignore[method-assign]
    for _ in range(20):
        stage.clock.now += 0.1
        stage.does(stage.assistant._next_message())
    assert len(stage.of(Notice)) == 1


def test_without_voice_detection_typing_still_works() -> None:
    stage = Stage()
    stage.assistant._make_vad = fail_to_load
    ready(stage)
    stage.does(stage.assistant._next_message(), Tap(), Send("Hello?"))
    assert [notice.kind for notice in stage.of(Notice)] == [NoticeKind.INTERNAL_ERROR]
    assert len(stage.asked()) == 1


def fail_to_load() -> LoudIsVoice:
    raise OSError("the file is missing")
