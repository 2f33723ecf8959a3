"""No sequence of events leaves the dialogue stuck: a thousand random ones, and what they leave."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from app.dialogue import DialogueState, EngineStatus
from app.dialogue_events import (
    Action,
    AskWorker,
    ConversationChosen,
    DialogueEvent,
    Drained,
    Faulted,
    Heard,
    MicrophoneSilent,
    ModeChosen,
    ModelChosen,
    Publish,
    QuestionPaused,
    QuestionSpoken,
    QuestionTyped,
    ReplayAsked,
    StartReplay,
    StartReply,
    Stopped,
)
from app.settings import ModelSettings
from app.turns.turn_events import SpeechDropped, SpeechStarted
from app.ui_events import (
    Phase,
    TurnFinished,
    TurnWithdrawn,
    UserSpoke,
)
from app.worker_messages import (
    EngineWaited,
    LoadModel,
    ModelFailed,
    ModelLoading,
    ModelReady,
    QuestionEncoded,
    Transcribe,
    Transcribed,
)
from engine.conversation import Conversation
from engine.events import EngineFailed, TextDelta
from engine.modes import InferenceMode
from engine.sampling_params import SamplingParams
from tests.app.fakes import NOON, chunk, ended, spoken

READY = ModelReady("nano", 2.0, SamplingParams(temperature=0.7, max_new_tokens=99))
TYPED = QuestionTyped("Hello?", NOON)
REPLAY = ReplayAsked(np.ones(10, dtype=np.float32), 24000)
LOADING = DialogueState(ModelSettings())


@dataclass
class World:
    """The engine thread and the speaker as the dialogue sees them: late, but in order."""

    draw: random.Random
    coming: list[DialogueEvent] = field(default_factory=list)
    turn_id: int | None = None
    begun: set[int] = field(default_factory=set)
    over: set[int] = field(default_factory=set)

    def carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case StartReply(request):
                    self.turn_id = turn_id = request.turn_id
                    self.coming += self.reply(turn_id)
                case StartReplay(turn_id):
                    self.turn_id = turn_id
                    self.coming += [Heard(turn_id, 5, 1.0, 0), Drained(turn_id)]
                case AskWorker(LoadModel(model)):
                    loaded = replace(READY, model=model)
                    failed = ModelFailed(model, "gone")
                    self.coming += [ModelLoading("", None), self.draw.choice((loaded, failed))]
                case AskWorker(Transcribe(turn_id)):
                    self.coming.append(Transcribed(turn_id, "words"))
                case Publish(UserSpoke(turn_id)):
                    assert turn_id not in self.begun
                    self.begun.add(turn_id)
                case Publish(TurnFinished(finished)):
                    assert finished.turn_id in self.begun - self.over
                    self.over.add(finished.turn_id)
                case Publish(TurnWithdrawn(turn_id)):
                    assert turn_id in self.begun - self.over
                    self.over.add(turn_id)

    def reply(self, turn_id: int) -> list[DialogueEvent]:
        n_chunks = self.draw.randrange(4)
        events: list[DialogueEvent] = [QuestionEncoded(turn_id, (1,), 1.0, 1.0, 1.0)]
        for n in range(n_chunks):
            events += [TextDelta(turn_id, "a"), chunk(turn_id, n), Heard(turn_id, n, 1.0, 0)]
        if self.draw.random() < 0.1:
            return [*events, EngineFailed(turn_id, "oh")]
        return [
            *events,
            EngineWaited(turn_id, 0.0),
            ended(turn_id, "a" * n_chunks, n_chunks),
            Drained(turn_id),
        ]


def user_events(draw: random.Random) -> list[Callable[[], DialogueEvent]]:
    def question() -> DialogueEvent:
        start = draw.randrange(10**6)
        return QuestionSpoken(spoken(), (start, start + 16000), 1.0, NOON)

    return [
        lambda: SpeechStarted(draw.randrange(10**6), draw.random() < 0.5),
        lambda: SpeechDropped(draw.random() < 0.5),
        lambda: QuestionPaused(spoken(), (0, 16000)),
        *(question, question),
        *(lambda: TYPED, lambda: Stopped(), MicrophoneSilent, lambda: REPLAY),
        lambda: ModeChosen(draw.choice(list(InferenceMode))),
        lambda: ModelChosen(draw.choice(("nano", "other"))),
        lambda: ConversationChosen(Conversation()),
        lambda: Faulted("oh"),
    ]


def test_no_sequence_of_events_leaves_the_dialogue_stuck_or_a_turn_open() -> None:
    draw = random.Random(0)
    users = user_events(draw)
    for _ in range(1000):
        world = World(draw)
        state = LOADING
        world.coming += [READY]
        for _ in range(40):
            if world.coming and draw.random() < 0.6:
                event = world.coming.pop(0)
            else:
                event = draw.choice(users)()
            state, actions = state.step(event, 1.0)
            assert state.reply is None or state.replay is None
            world.carry_out(actions)
        if state.is_listening:  # every turn of the detector ends
            state, actions = state.step(SpeechDropped(was_wanted=False), 1.0)
            world.carry_out(actions)
        while world.coming:
            state, actions = state.step(world.coming.pop(0), 1.0)
            world.carry_out(actions)
        resting = {EngineStatus.READY: Phase.IDLE, EngineStatus.FAILED: Phase.FAILED}
        assert state.phase is resting[state.engine]
        assert world.begun == world.over
        conversation = state.conversation
        assert all(not turn.as_heard().is_empty for turn in conversation.turns)
