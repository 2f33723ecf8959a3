"""What the dialogue does about each thing that happens: a table, barge-in, and no dead ends."""

import tracemalloc
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from app.dialogue import DialogueState
from app.dialogue_events import (
    Action,
    AskWorker,
    ConversationChosen,
    DialogueEvent,
    Drained,
    Faulted,
    GoOnFrom,
    Heard,
    MicrophoneSilent,
    ModeChosen,
    ModelChosen,
    Publish,
    QuestionPaused,
    QuestionSpoken,
    QuestionTyped,
    ReplayAsked,
    SamplingChosen,
    StartReply,
    Stopped,
)
from app.settings import ModelSettings
from app.turn_record import Origin, Outcome, TurnRecord
from app.turns.turn_events import SpeechDropped, SpeechStarted
from app.ui_events import (
    AnswerText,
    ContextChanged,
    LatencyMeasured,
    Notice,
    NoticeKind,
    Phase,
    PhaseChanged,
    TurnFinished,
    TurnWithdrawn,
)
from app.worker_messages import (
    EngineWaited,
    LoadModel,
    ModelFailed,
    ModelLoading,
    ModelReady,
    QuestionEncoded,
    Transcribed,
)
from engine.conversation import Conversation, Role, Turn
from engine.events import EndReason, EngineFailed, TextDelta
from engine.modes import InferenceMode
from engine.sampling_params import SamplingParams
from tests.app.fakes import CHUNK, NOON, chunk, ended, spoken

SPAN = (16000, 32000)
READY = ModelReady("nano", 2.0, SamplingParams(temperature=0.7, max_new_tokens=99))
ASKED = QuestionSpoken(spoken(), SPAN, 99.5, NOON)
TYPED = QuestionTyped("Hello?", NOON)
BY_KEY = SpeechStarted(40000, by_key=True)
BY_EAR = SpeechStarted(320000, by_key=False)
GOES_ON = SpeechStarted(SPAN[1] + 8000, by_key=False)
REPLAY = ReplayAsked(np.ones(10, dtype=np.float32), 24000)


def run(
    state: DialogueState, *events: DialogueEvent, now: float = 100.0
) -> tuple[DialogueState, list[Action]]:
    actions: list[Action] = []
    for event in events:
        state, more = state.step(event, now)
        actions += more
    return state, actions


def names(actions: Iterable[Action]) -> list[str]:
    """Each action by its type; what is published or asked for by that type.

    What becomes of the context has tests of its own.
    """
    told = []
    for action in actions:
        match action:
            case Publish(ContextChanged()):
                pass
            case Publish(PhaseChanged(phase)):
                told.append(phase.name)
            case Publish(event):
                told.append(type(event).__name__)
            case AskWorker(request):
                told.append(type(request).__name__)
            case _:
                told.append(type(action).__name__)
    return told


def published(actions: Iterable[Action], kind: type) -> list:
    events = [action.event for action in actions if isinstance(action, Publish)]
    return [event for event in events if isinstance(event, kind)]


def record(actions: Iterable[Action]) -> TurnRecord:
    (finished,) = published(actions, TurnFinished)
    return finished.record


LOADING = DialogueState(ModelSettings())
IDLE = run(LOADING, READY)[0]
FAILED = run(LOADING, ModelFailed("nano", "gone"))[0]
LISTENING = run(IDLE, BY_EAR)[0]
THINKING = run(LISTENING, ASKED, QuestionEncoded(1, (7, 8), 100.1, 100.2, 100.2))[0]
# Three words and three chunks have come; one and a half chunks were heard.
SPEAKING = run(
    THINKING,
    *(
        event
        for n, word in enumerate(("One", " two", " three"))
        for event in (TextDelta(1, word), chunk(1, n))
    ),
    Heard(1, CHUNK + CHUNK // 2, 100.4, 0),
)[0]
ENDING = run(SPEAKING, ended(1, "One two three", 3))[0]
REPLAYING = run(IDLE, REPLAY)[0]
WAITING = run(LOADING, TYPED)[0]

SILENCED = ["FlushPlayback", "CancelReply"]
BEGUN = ["UserSpoke", "UserText", "StartReply", "THINKING"]

# state, event -> what is done, in order.
TABLE: list[tuple[str, DialogueState, DialogueEvent, list[str]]] = [
    ("loading", LOADING, ModelLoading("weights", 0.5), ["LoadingProgress"]),
    ("loading", LOADING, READY, ["EngineReady", "IDLE"]),
    ("loading", LOADING, ModelFailed("nano", "gone"), ["EngineUnavailable", "FAILED"]),
    ("loading", LOADING, TYPED, ["UserSpoke", "UserText", "PrepareOutput", "THINKING"]),
    ("loading", LOADING, BY_EAR, ["PrepareOutput", "LISTENING"]),
    ("loading", LOADING, QuestionPaused(spoken(), SPAN), ["LISTENING"]),
    ("waiting", WAITING, READY, ["EngineReady", "StartReply"]),
    (
        *("waiting", WAITING, ModelFailed("nano", "gone")),
        ["EngineUnavailable", *SILENCED, "TurnFinished", "FAILED"],
    ),
    ("failed", FAILED, TYPED, ["UserSpoke", "UserText", "TurnFinished", "Notice"]),
    ("failed", FAILED, ModelChosen("other"), ["LoadModel", "LOADING"]),
    ("idle", IDLE, BY_EAR, ["PrepareOutput", "LISTENING"]),
    ("idle", IDLE, TYPED, BEGUN),
    ("idle", IDLE, REPLAY, ["StartReplay", "ReplayChanged", "SPEAKING"]),
    ("idle", IDLE, Stopped(), []),
    ("idle", IDLE, ModeChosen(InferenceMode.TURBO), []),
    ("idle", IDLE, ModelChosen("other"), ["LoadModel", "LOADING"]),
    ("idle", IDLE, ConversationChosen(Conversation()), []),
    ("idle", IDLE, Faulted("oh"), ["Notice"]),
    ("idle", IDLE, chunk(1, 0), []),
    ("idle", IDLE, EngineFailed(1, "oh"), []),
    ("idle", IDLE, Heard(1, 10, 1.0, 0), []),
    ("idle", IDLE, Drained(1), []),
    ("listening", LISTENING, QuestionPaused(spoken(), SPAN), ["Encode"]),
    ("listening", LISTENING, ASKED, ["UserSpoke", "StartReply", "THINKING"]),
    ("listening", LISTENING, SpeechDropped(was_wanted=False), ["IDLE"]),
    ("listening", LISTENING, SpeechDropped(was_wanted=True), ["Notice", "IDLE"]),
    ("listening", LISTENING, MicrophoneSilent(), ["Notice", "IDLE"]),
    ("listening", LISTENING, Stopped(), ["IDLE"]),
    ("listening", LISTENING, REPLAY, []),
    ("listening", LISTENING, Faulted("oh"), ["Notice", "IDLE"]),
    ("thinking", THINKING, TextDelta(1, "Hi"), []),
    ("thinking", THINKING, chunk(1, 0), []),
    ("thinking", THINKING, Stopped(), [*SILENCED, "Transcribe", "TurnFinished", "IDLE"]),
    ("thinking", THINKING, EngineFailed(1, "oh"), [*SILENCED, "TurnFinished", "Notice", "IDLE"]),
    (
        *("thinking", THINKING, BY_EAR),
        [*SILENCED, "Transcribe", "TurnFinished", "PrepareOutput", "LISTENING"],
    ),
    (
        *("thinking", THINKING, GOES_ON),
        [*SILENCED, "GoOnFrom", "TurnWithdrawn", "PrepareOutput", "LISTENING"],
    ),
    (
        *("thinking", THINKING, replace(GOES_ON, by_key=True)),
        [*SILENCED, "Transcribe", "TurnFinished", "PrepareOutput", "LISTENING"],
    ),
    ("thinking", THINKING, ModelChosen("other"), []),
    ("speaking", SPEAKING, Heard(1, 2 * CHUNK + 1, 100.4, 0), ["AnswerText"]),
    ("speaking", SPEAKING, Heard(1, CHUNK + CHUNK // 2 + 1, 100.4, 0), []),
    ("speaking", SPEAKING, Drained(1), []),
    ("speaking", SPEAKING, ended(1, "One two three", 3), ["Transcribe"]),
    ("speaking", SPEAKING, ended(2, "stale", 3), []),
    (
        *("speaking", SPEAKING, ended(1, "One two three", 3, EndReason.CANCELLED)),
        ["Transcribe", *SILENCED, "TurnFinished", "IDLE"],
    ),
    ("speaking", SPEAKING, EngineWaited(1, 5.0), []),
    (
        *("speaking", SPEAKING, BY_EAR),
        [*SILENCED, "Transcribe", "TurnFinished", "PrepareOutput", "LISTENING"],
    ),
    (
        *("speaking", SPEAKING, GOES_ON),
        [*SILENCED, "Transcribe", "TurnFinished", "PrepareOutput", "LISTENING"],
    ),
    ("speaking", SPEAKING, Stopped(), [*SILENCED, "Transcribe", "TurnFinished", "IDLE"]),
    ("speaking", SPEAKING, TYPED, [*SILENCED, "Transcribe", "TurnFinished", *BEGUN]),
    (
        *("speaking", SPEAKING, ConversationChosen(Conversation())),
        [*SILENCED, "Transcribe", "TurnFinished", "IDLE"],
    ),
    (
        *("speaking", SPEAKING, REPLAY),
        [*SILENCED, "Transcribe", "TurnFinished", "StartReplay", "ReplayChanged"],
    ),
    ("speaking", SPEAKING, Faulted("oh"), [*SILENCED, "TurnFinished", "Notice", "IDLE"]),
    ("speaking", SPEAKING, Transcribed(0, "earlier"), ["UserText"]),
    ("ending", ENDING, Drained(1), ["AnswerText", "TurnFinished", "IDLE"]),
    ("ending", ENDING, Stopped(), [*SILENCED, "TurnFinished", "IDLE"]),
    ("replaying", REPLAYING, Drained(1), ["ReplayChanged", "IDLE"]),
    ("replaying", REPLAYING, Stopped(), [*SILENCED, "ReplayChanged", "IDLE"]),
    (
        *("replaying", REPLAYING, BY_KEY),
        [*SILENCED, "ReplayChanged", "PrepareOutput", "LISTENING"],
    ),
    ("replaying", REPLAYING, TYPED, [*SILENCED, "ReplayChanged", *BEGUN]),
    ("replaying", REPLAYING, REPLAY, [*SILENCED, "ReplayChanged", "StartReplay", "ReplayChanged"]),
    ("replaying", REPLAYING, EngineFailed(1, "oh"), [*SILENCED, "ReplayChanged", "Notice", "IDLE"]),
    ("replaying", REPLAYING, ModelChosen("other"), []),
]


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [row[1:] for row in TABLE],
    ids=[f"{name}-{type(event).__name__}" for name, _, event, _ in TABLE],
)
def test_each_event_leads_to_its_actions_in_order(
    state: DialogueState, event: DialogueEvent, expected: list[str]
) -> None:
    assert names(run(state, event)[1]) == expected


def test_a_barge_in_raises_the_turn_and_nothing_of_the_old_one_counts_any_more() -> None:
    state, _ = run(SPEAKING, BY_EAR)
    assert state.turn_id > SPEAKING.turn_id
    stale = (TextDelta(1, "!"), chunk(1, 3), ended(1, "", 4), Heard(1, 999, 1.0, 0), Drained(1))
    assert run(state, *stale, EngineWaited(1, 1.0), EngineFailed(1, "x")) == (state, [])
    state, actions = run(state, QuestionSpoken(spoken(1), (40000, 50000), 99.0, NOON))
    (started,) = [action for action in actions if isinstance(action, StartReply)]
    assert started.request.turn_id == state.turn_id > 2
    assert run(state, *stale)[1] == []


def test_the_conversation_keeps_what_was_heard_of_an_interrupted_answer() -> None:
    state, actions = run(SPEAKING, BY_EAR)
    question, answer = state.conversation.turns
    assert question == Turn(Role.USER, audio_codes=(7, 8))
    assert answer.heard_tokens == 1  # and half of the second, which does not count
    assert answer.as_heard() == Turn(Role.ASSISTANT, "One", (0,))
    kept = record(actions)
    assert (kept.outcome, kept.answer_text) == (Outcome.INTERRUPTED, "One")
    assert kept.answer_samples is not None
    assert len(kept.answer_samples) == CHUNK + CHUNK // 2
    assert kept.stats is None


def test_an_answer_interrupted_after_it_was_generated_is_cut_too() -> None:
    state, actions = run(ENDING, Stopped())
    answer = state.conversation.turns[-1]
    assert answer.audio_codes == (0, 1, 2)
    assert answer.heard_tokens == 1
    kept = record(actions)
    assert kept.outcome is Outcome.INTERRUPTED
    assert kept.stats is not None


def test_an_answer_heard_to_its_end_is_kept_whole() -> None:
    state, actions = run(ENDING, Drained(1), now=104.0)
    assert state.conversation.turns == (
        Turn(Role.USER, audio_codes=(7, 8)),
        Turn(Role.ASSISTANT, "One two three", (0, 1, 2)),
    )
    kept = record(actions)
    assert (kept.outcome, kept.answer_text) == (Outcome.COMPLETE, "One two three")
    assert (kept.origin, kept.started_at, kept.turn_id) == (Origin.SPOKEN, NOON, 1)
    assert (kept.mode, kept.model, kept.seed) == (InferenceMode.BOOST, "nano", 1)
    assert kept.user_samples is ASKED.utterance.samples
    assert (len(kept.answer_samples), kept.answer_sample_rate) == (3 * CHUNK, 1000)


def test_the_longest_answer_is_recorded_as_cut_by_length() -> None:
    state, actions = run(SPEAKING, ended(1, "One two three", 3, EndReason.LENGTH), Drained(1))
    assert record(actions).outcome is Outcome.LENGTH
    assert state.phase is Phase.IDLE


@pytest.mark.parametrize(("state", "n_turns"), [(THINKING, 1), (run(LISTENING, ASKED)[0], 0)])
def test_a_question_whose_answer_was_not_heard_is_kept_if_it_was_understood(
    state: DialogueState, n_turns: int
) -> None:
    after, actions = run(state, Stopped())
    assert [turn.role for turn in after.conversation.turns] == [Role.USER] * n_turns
    assert record(actions).answer_text == ""
    assert record(actions).answer_samples is None


def test_the_next_question_is_asked_with_what_was_heard_before_it() -> None:
    _, actions = run(SPEAKING, TYPED)
    (started,) = [action for action in actions if isinstance(action, StartReply)]
    assert [turn.as_heard().text for turn in started.request.conversation.turns] == ["", "One"]
    assert started.request.question == "Hello?"


def test_text_appears_when_its_sound_is_heard_and_each_piece_once() -> None:
    state = THINKING
    shown = []
    for n, word in enumerate(("One", " two", " three")):
        state, actions = run(state, TextDelta(1, word), chunk(1, n))
        assert published(actions, AnswerText) == []
    for n_heard in (0, 1, 1, CHUNK, CHUNK + 1, 3 * CHUNK):
        state, actions = run(state, Heard(1, n_heard, 100.5, 0))
        shown.append([event.text for event in published(actions, AnswerText)])
    assert shown == [[], ["One"], [], [], [" two"], [" three"]]


def test_text_without_sound_appears_at_the_end() -> None:
    state, actions = run(THINKING, TextDelta(1, "Only text"), ended(1, "Only text", 0))
    assert [event.text for event in published(actions, AnswerText)] == ["Only text"]
    state, actions = run(state, Drained(1))
    assert state.conversation.turns[-1] == Turn(Role.ASSISTANT, "Only text")
    assert record(actions).answer_text == "Only text"


def test_the_stamps_of_a_turn_follow_each_other() -> None:
    state, actions = run(SPEAKING, Heard(1, 200, 100.4, 2))
    (measured,) = published(
        run(THINKING, TextDelta(1, "a"), chunk(1, 0), Heard(1, 1, 100.4, 0))[1], LatencyMeasured
    )
    stamps = measured.stamps
    assert (stamps.last_voiced, stamps.end_decided) == (99.5, 100.0)
    assert (stamps.requested, stamps.encoded) == (100.1, 100.2)
    assert stamps.prefilled == stamps.first_token == pytest.approx(100.21)
    assert stamps.first_audio_tokens == pytest.approx(100.22)
    assert stamps.first_chunk == pytest.approx(100.23)
    assert stamps.first_sample_heard == 100.4
    assert published(actions, LatencyMeasured) == []  # it was told when the sound began
    _, actions = run(
        state, EngineWaited(1, 12.5), ended(1, "One two three", 3), Drained(1), now=105
    )
    kept = record(actions)
    assert kept.stamps == replace(stamps, ended=105)
    assert (kept.underruns, kept.waited_ms) == (2, 12.5)


def test_a_mode_chosen_during_an_answer_holds_from_the_next_one() -> None:
    state, actions = run(SPEAKING, ModeChosen(InferenceMode.VANILLA), TYPED)
    assert record(actions).mode is InferenceMode.BOOST
    assert state.reply is not None
    assert state.reply.mode is InferenceMode.VANILLA


def test_sampling_settings_change_the_next_answer_and_neither_model_nor_mode() -> None:
    chosen = ModelSettings(model="?", mode=InferenceMode.TURBO, temperature=0.1, seed=5)
    state, actions = run(IDLE, SamplingChosen(chosen), TYPED)
    (started,) = [action for action in actions if isinstance(action, StartReply)]
    assert started.request.mode is InferenceMode.BOOST
    assert started.request.params == SamplingParams(temperature=0.1, seed=5, max_new_tokens=99)
    assert state.settings.model == "nano"


def test_each_turn_has_a_seed_of_its_own_that_the_record_tells() -> None:
    state, first = run(IDLE, TYPED, Stopped())
    _, second = run(state, TYPED, Stopped())
    assert record(first).seed != record(second).seed
    greedy, _ = run(IDLE, SamplingChosen(ModelSettings(greedy=True)))
    assert record(run(greedy, TYPED, Stopped())[1]).seed is None


def test_a_model_chosen_during_an_answer_is_loaded_after_it() -> None:
    state, actions = run(SPEAKING, ModelChosen("other"), ended(1, "One two three", 3))
    assert "LoadModel" not in names(actions)
    state, actions = run(state, Drained(1))
    assert AskWorker(LoadModel("other")) in actions
    assert state.phase is Phase.LOADING


def test_a_question_asked_while_a_model_loads_is_answered_by_it() -> None:
    state, actions = run(IDLE, ModelChosen("other"), TYPED)
    assert "StartReply" not in names(actions)
    params = SamplingParams(temperature=0.3)
    state, actions = run(state, ModelReady("other", 1.0, params))
    (started,) = [action for action in actions if isinstance(action, StartReply)]
    assert started.request.params.temperature == 0.3
    assert state.model == "other"


def test_another_model_knows_nothing_of_the_conversation_and_says_so() -> None:
    state, _ = run(ENDING, Drained(1))
    again, actions = run(state, READY)
    assert again.conversation == state.conversation
    assert published(actions, Notice) == []
    other, actions = run(state, replace(READY, model="other"))
    assert other.conversation.turns == ()
    assert [notice.kind for notice in published(actions, Notice)] == [
        NoticeKind.CONVERSATION_RESTARTED
    ]


def test_speech_that_goes_on_takes_the_withdrawn_question_along() -> None:
    state, actions = run(THINKING, GOES_ON)
    assert GoOnFrom(SPAN[0]) in actions
    assert published(actions, TurnWithdrawn) == [TurnWithdrawn(1)]
    assert state.conversation == Conversation()
    assert published(actions, TurnFinished) == []


def test_words_and_answers_of_an_opened_conversation_come_before_the_next_question() -> None:
    opened = Conversation((Turn(Role.USER, "Hi"), Turn(Role.ASSISTANT, "Hello")))
    _, actions = run(IDLE, ConversationChosen(opened, (-1,)), TYPED)
    (started,) = [action for action in actions if isinstance(action, StartReply)]
    assert started.request.conversation == opened


def talk(state: DialogueState, n_turns: int) -> tuple[DialogueState, list[ContextChanged]]:
    """After so many turns of about 140 tokens, and what was told of the context."""
    told: list[ContextChanged] = []
    for _ in range(n_turns):
        state, _ = run(state, TYPED)
        turn_id = state.turn_id
        state, _ = run(state, TextDelta(turn_id, "word " * 50), chunk(turn_id, 0))
        state, actions = run(state, ended(turn_id, "word " * 50, 20), Drained(turn_id))
        told += published(actions, ContextChanged)
    return state, told


def test_what_is_remembered_of_a_long_talk_is_bounded() -> None:
    state, told = talk(IDLE, 200)
    sizes = [context.n_tokens for context in told]
    assert len(told) == 200
    assert 1000 < max(sizes) <= 2500
    assert max(sizes[:20]) == max(sizes)
    assert sizes[-1] == sum(turn.n_tokens for turn in state.conversation.turns)


def test_a_model_with_little_room_remembers_less() -> None:
    small = run(LOADING, replace(READY, context_limit=1600))[0]
    _, told = talk(small, 20)
    assert {context.limit for context in told} == {1000}
    assert 500 < max(context.n_tokens for context in told) <= 1000


def test_the_window_is_told_which_turns_the_next_answer_does_not_know() -> None:
    state, told = talk(IDLE, 40)
    assert [context.n_forgotten for context in told[:10]] == [0] * 10
    assert told[0].first_turn_id == 1
    last = told[-1]
    assert last.first_turn_id == last.n_forgotten + 1 == state.turn_ids[0]
    assert state.turn_ids == tuple(range(last.n_forgotten + 1, 41))
    assert state.conversation.n_exchanges == len(state.turn_ids)


def test_what_had_no_room_in_the_engine_is_forgotten_by_the_dialogue_too() -> None:
    state, _ = talk(IDLE, 5)
    state, _ = run(state, TYPED)
    end = ended(state.turn_id, "Hi", 0)
    end = replace(end, stats=replace(end.stats, n_forgotten=3))
    state, actions = run(state, end, Drained(state.turn_id))
    (context,) = published(actions, ContextChanged)
    assert (context.n_forgotten, context.first_turn_id) == (3, 4)
    assert state.turn_ids == (4, 5, 6)


def test_a_turn_that_left_no_trace_is_not_among_those_that_are_known() -> None:
    failed, _ = run(IDLE, TYPED)
    unheard, _ = run(LISTENING, ASKED, Stopped())  # stopped before it was understood
    assert unheard.turn_ids == ()
    after, actions = run(failed, EngineFailed(1, "the memory is full: close other programs"))
    assert after.turn_ids == (1,)
    (notice,) = published(actions, Notice)
    assert notice == Notice(NoticeKind.REPLY_FAILED, "the memory is full: close other programs")
    assert record(actions).outcome is Outcome.FAILED
    assert "StartReply" in names(run(after, TYPED)[1])


def test_another_model_has_forgotten_every_turn() -> None:
    state, _ = talk(IDLE, 3)
    _, actions = run(state, replace(READY, model="other"))
    (context,) = published(actions, ContextChanged)
    assert (context.n_tokens, context.n_forgotten, context.first_turn_id) == (0, 3, None)


def test_a_new_conversation_has_forgotten_nothing() -> None:
    state, _ = talk(IDLE, 30)
    state, actions = run(state, ConversationChosen(Conversation()))
    (context,) = published(actions, ContextChanged)
    assert (context.n_tokens, context.n_forgotten, context.first_turn_id) == (0, 0, None)


def test_an_opened_conversation_that_is_too_long_is_known_from_its_newer_half_on() -> None:
    turns = [Turn(Role.USER, "Hi"), Turn(Role.ASSISTANT, "word " * 50)] * 40
    opened = ConversationChosen(Conversation(tuple(turns)), tuple(range(-1, -41, -1)))
    state, actions = run(IDLE, opened)
    (context,) = published(actions, ContextChanged)
    assert context.first_turn_id == -context.n_forgotten - 1 == state.turn_ids[0]
    assert 0 < context.n_forgotten < 40


def test_two_hours_of_talk_hold_no_more_than_ten_minutes() -> None:
    """Turns of half a minute, with their sound."""

    def held(state: DialogueState) -> int:
        return tracemalloc.get_traced_memory()[0]

    def go_on(state: DialogueState, n_turns: int) -> DialogueState:
        for _ in range(n_turns):
            state, _ = run(state, replace(ASKED, utterance=spoken(state.turn_id, seconds=5)))
            turn_id = state.turn_id
            codes = tuple(range(300, 362))
            state, _ = run(state, QuestionEncoded(turn_id, codes, 1.0, 1.0, 1.0))
            for n in range(4):
                six_seconds = np.ones(144000, dtype=np.float32)
                piece = replace(chunk(turn_id, n), samples=six_seconds)
                state, _ = run(state, piece)
            state, _ = run(state, ended(turn_id, "word " * 30, 125), Drained(turn_id))
        return state

    tracemalloc.start()
    try:
        state = go_on(IDLE, 20)
        after_ten_minutes = held(state)
        state = go_on(state, 220)
        assert held(state) < after_ten_minutes + 100_000
    finally:
        tracemalloc.stop()
