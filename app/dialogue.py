"""``DialogueState``: what the dialogue does about everything that happens.

Pure: ``step`` gives the next state and the actions that go with it, in order; ``assistant.py``
carries them out. Every turn has a ``turn_id``. Whatever ends a turn early raises the id, so that
everything that still comes for the old one, sound or text, is recognised as stale and dropped.

Barge-in (speech, a key, Stop, a new question) while an answer is on: flush playback, cancel the
reply, raise the ``turn_id``, keep of the answer what was heard. Nothing waits for the engine.

Who goes on speaking in hands-free talk before any of the answer was heard was cut off by mistake:
that turn is withdrawn, and its words become the beginning of the next.

What is remembered of a conversation is bounded: its oldest exchanges are forgotten, and the window
is told which turns the next answer does not know.

A model is loaded only while no answer is on, since loading makes sound stutter. A question that is
asked meanwhile waits for the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, assert_never

from app.dialogue_events import (
    Action,
    AskWorker,
    CancelReply,
    ConversationChosen,
    DialogueEvent,
    Drained,
    Faulted,
    FlushPlayback,
    GoOnFrom,
    Heard,
    MicrophoneSilent,
    ModeChosen,
    ModelChosen,
    PrepareOutput,
    Publish,
    QuestionPaused,
    QuestionSpoken,
    QuestionTyped,
    ReplayAsked,
    SamplingChosen,
    StartReplay,
    StartReply,
    Stopped,
)
from app.reply import Question, Reply
from app.turn_record import Outcome, Stamps
from app.turns.turn_events import SAMPLE_RATE, SpeechDropped, SpeechStarted
from app.ui_events import (
    AnswerText,
    ContextChanged,
    EngineReady,
    EngineUnavailable,
    LatencyMeasured,
    LoadingProgress,
    Notice,
    NoticeKind,
    Phase,
    PhaseChanged,
    ReplayChanged,
    TurnFinished,
    TurnWithdrawn,
    UserSpoke,
    UserText,
)
from app.worker_messages import (
    Encode,
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
from engine.events import AudioChunk, EngineFailed, Loading, ReplyEnded, TextDelta
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams
from engine.utterance import Utterance

if TYPE_CHECKING:
    from app.settings import ModelSettings
    from app.ui_events import UiEvent
    from app.worker_messages import Span

# In tokens, about three minutes of talk: longer memories cost time and memory with every turn, and
# small models lose the thread.
_LONGEST_MEMORY = 2500
# Of a model's context; the rest is for the next question and its answer.
_MEMORY_SHARE = 5 / 8
# Who speaks again within this time of a turn's end, its pre-roll included, had not finished.
_GOES_ON = SAMPLE_RATE


class EngineStatus(Enum):
    """Whether there is a model that answers."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DialogueState:
    """Everything the dialogue knows; immutable.

    At most one of ``reply`` and ``replay`` is there; ``turn_id`` is that of the newest turn.
    ``turn_ids`` are those of the conversation's exchanges; ``context_limit`` is the engine's.
    ``next_model`` waits for the end of the reply to be loaded.
    """

    settings: ModelSettings
    first_seed: int = 0
    engine: EngineStatus = EngineStatus.LOADING
    default_params: SamplingParams = field(default_factory=SamplingParams)
    model: str = ""
    next_model: str | None = None
    context_limit: int | None = None
    conversation: Conversation = field(default_factory=Conversation)
    turn_ids: tuple[int, ...] = ()
    turn_id: int = 0
    is_listening: bool = False
    reply: Reply | None = None
    replay: int | None = None

    @property
    def phase(self) -> Phase:
        """What the dialogue is doing, as the user sees it."""
        if self.is_listening:
            return Phase.LISTENING
        if self.replay is not None:
            return Phase.SPEAKING
        if self.reply is not None:
            return Phase.SPEAKING if self.reply.is_heard else Phase.THINKING
        match self.engine:
            case EngineStatus.LOADING:
                return Phase.LOADING
            case EngineStatus.READY:
                return Phase.IDLE
            case EngineStatus.FAILED:
                return Phase.FAILED
            case _:
                assert_never(self.engine)

    @property
    def sounding(self) -> int | None:
        """The turn whose sound plays or is expected."""
        return self.reply.turn_id if self.reply is not None else self.replay

    @property
    def has_all_sound(self) -> bool:
        """Whether no more sound will be made for the turn that sounds."""
        return self.replay is not None or (self.reply is not None and self.reply.ended is not None)

    @property
    def longest_memory(self) -> int:
        """How many tokens of conversation may stand before a question."""
        if self.context_limit is None:
            return _LONGEST_MEMORY
        return min(_LONGEST_MEMORY, int(_MEMORY_SHARE * self.context_limit))

    @property
    def context(self) -> ContextChanged:
        """What the next answer will know, as the user sees it."""
        talk = self.conversation
        first = self.turn_ids[0] if self.turn_ids else None
        return ContextChanged(talk.n_tokens, self.longest_memory, talk.n_forgotten, first)

    def step(self, event: DialogueEvent, now: float) -> tuple[DialogueState, tuple[Action, ...]]:
        """What follows from an event that happens now."""
        step = _Step(self, now)
        step.take(event)
        if step.state.phase is not self.phase:
            step.publish(PhaseChanged(step.state.phase))
        return step.state, tuple(step.actions)


class _Step:
    """One step in the making: the state so far, and the actions so far."""

    def __init__(self, state: DialogueState, now: float) -> None:
        self.state = state
        self.actions: list[Action] = []
        self._now = now

    def publish(self, *events: UiEvent) -> None:
        """Tells the window."""
        self.actions += [Publish(event) for event in events]

    def take(self, event: DialogueEvent) -> None:
        """Does what the event asks for."""
        match event:
            case SpeechStarted() | SpeechDropped() | MicrophoneSilent() | QuestionPaused():
                self._listen(event)
            case QuestionSpoken():
                stamps = Stamps(last_voiced=event.last_voiced_at, end_decided=self._now)
                self.state = replace(self.state, is_listening=False)
                self._ask(Question(event.utterance, event.asked_at, stamps, event.span))
            case QuestionTyped():
                self._ask(Question(event.text, event.asked_at, Stamps()))
            case Stopped():
                self.state = replace(self.state, is_listening=False)
                self._silence(Outcome.INTERRUPTED)
            case Faulted(message):
                self.state = replace(self.state, is_listening=False)
                self._silence(Outcome.FAILED)
                self.publish(Notice(NoticeKind.INTERNAL_ERROR, message))
            case ReplayAsked():
                self._replay(event)
            case Heard() | Drained():
                self._hear(event)
            case ModeChosen() | SamplingChosen() | ModelChosen() | ConversationChosen():
                self._choose(event)
            case ModelLoading() | ModelReady() | ModelFailed():
                self._follow_loading(event)
            case Transcribed(turn_id, text):
                self.publish(UserText(turn_id, text))
            case _:
                self._follow_engine(event)

    # The user.

    def _listen(
        self, event: SpeechStarted | SpeechDropped | MicrophoneSilent | QuestionPaused
    ) -> None:
        match event:
            case SpeechStarted():
                if (earlier := self._is_gone_on_with(event)) is not None:
                    self._withdraw(earlier)
                else:
                    self._silence(Outcome.INTERRUPTED)
                self.actions.append(PrepareOutput())
            case SpeechDropped(was_wanted):
                if was_wanted:
                    self.publish(Notice(NoticeKind.NOTHING_HEARD))
            case MicrophoneSilent():
                self.publish(Notice(NoticeKind.NO_MICROPHONE))
            case QuestionPaused():
                if self.state.engine is EngineStatus.READY:
                    self.actions.append(AskWorker(Encode(event.span, event.utterance)))
            case _:
                assert_never(event)
        goes_on = isinstance(event, SpeechStarted | QuestionPaused)
        self.state = replace(self.state, is_listening=goes_on)

    def _is_gone_on_with(self, event: SpeechStarted) -> Span | None:
        """The span of the question that this speech continues, if it does."""
        reply = self.state.reply
        if reply is None or reply.is_heard or reply.question.span is None or event.by_key:
            return None
        span = reply.question.span
        return span if event.start_sample - span[1] <= _GOES_ON else None

    def _withdraw(self, span: Span) -> None:
        turn_id = self.state.turn_id
        self.actions += [FlushPlayback(), CancelReply()]
        self.state = replace(self.state, turn_id=turn_id + 1, reply=None)
        self.actions.append(GoOnFrom(span[0]))
        self.publish(TurnWithdrawn(turn_id))
        self._load_if_quiet()

    def _ask(self, question: Question) -> None:
        self._silence(Outcome.INTERRUPTED)
        turn_id = self.state.turn_id + 1
        reply = Reply(turn_id, question, self.state.settings.mode, question.stamps)
        self.state = replace(self.state, turn_id=turn_id, reply=reply)
        self.publish(UserSpoke(turn_id, question.origin))
        if isinstance(question.content, str):
            self.publish(UserText(turn_id, question.content))
        match self.state.engine:
            case EngineStatus.READY:
                self._start(reply)
            case EngineStatus.LOADING:
                self.actions.append(PrepareOutput())
            case EngineStatus.FAILED:
                self._finish(Outcome.FAILED)
                self.publish(Notice(NoticeKind.REPLY_FAILED, "no model is loaded"))
            case _:
                assert_never(self.state.engine)

    def _start(self, reply: Reply) -> None:
        """Has the engine make the reply."""
        state = self.state
        seed = state.first_seed + reply.turn_id
        params = state.settings.sampling(state.default_params, seed)
        content = reply.question.content
        request = ReplyRequest(reply.turn_id, state.conversation, content, reply.mode, params)
        started = replace(reply, is_started=True, seed=None if params.is_greedy else params.seed)
        self.state = replace(state, reply=started)
        self.actions.append(StartReply(request, reply.question.span))

    def _replay(self, event: ReplayAsked) -> None:
        if self.state.is_listening:
            return
        self._silence(Outcome.INTERRUPTED)
        turn_id = self.state.turn_id + 1
        self.state = replace(self.state, turn_id=turn_id, replay=turn_id)
        self.actions.append(StartReplay(turn_id, event.samples, event.sample_rate))
        self.publish(ReplayChanged(True))

    def _choose(
        self, event: ModeChosen | SamplingChosen | ModelChosen | ConversationChosen
    ) -> None:
        settings = self.state.settings
        match event:
            case ModeChosen(mode):
                self.state = replace(self.state, settings=replace(settings, mode=mode))
            case SamplingChosen(chosen):
                chosen = replace(chosen, model=settings.model, mode=settings.mode)
                self.state = replace(self.state, settings=chosen)
            case ModelChosen(model):
                chosen = replace(settings, model=model)
                self.state = replace(self.state, settings=chosen, next_model=model)
                self._load_if_quiet()
            case ConversationChosen(conversation, turn_ids):
                self._silence(Outcome.INTERRUPTED)
                self._remember(conversation, turn_ids)
            case _:
                assert_never(event)

    # The end of a turn.

    def _silence(self, outcome: Outcome) -> None:
        """Ends the answer or replay that is on, before its time."""
        reply, replay = self.state.reply, self.state.replay
        if reply is None and replay is None:
            return
        self.actions += [FlushPlayback(), CancelReply()]
        self.state = replace(self.state, turn_id=self.state.turn_id + 1)
        if replay is not None:
            self._end_replay()
        else:
            self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        """Keeps what was heard of the answer, which is over."""
        reply = self.state.reply
        assert reply is not None, "there is no answer to finish"
        if reply.is_started and reply.ended is None and outcome is Outcome.INTERRUPTED:
            self._transcribe(reply)
        self.publish(TurnFinished(reply.record(self._model_name(), outcome, self._now)))
        before = self.state.conversation
        if reply.ended is not None:  # the engine may have had less room than we thought
            before = before.forgetting(reply.ended.stats.n_forgotten - before.n_forgotten)
        conversation = reply.continued(before)
        turn_ids = self.state.turn_ids[len(self.state.turn_ids) - before.n_exchanges :]
        if conversation.n_exchanges > before.n_exchanges:
            turn_ids = (*turn_ids, reply.turn_id)
        self.state = replace(self.state, reply=None)
        self._remember(conversation, turn_ids)
        self._load_if_quiet()

    def _remember(self, conversation: Conversation, turn_ids: tuple[int, ...]) -> None:
        """Goes on with this conversation, as far as there is room for it."""
        assert len(turn_ids) == conversation.n_exchanges, f"{turn_ids} for {conversation}"
        before = self.state.context
        remembered = conversation.recent(self.state.longest_memory)
        turn_ids = turn_ids[len(turn_ids) - remembered.n_exchanges :]
        self.state = replace(self.state, conversation=remembered, turn_ids=turn_ids)
        if self.state.context != before:
            self.publish(self.state.context)

    def _end_replay(self) -> None:
        self.state = replace(self.state, replay=None)
        self.publish(ReplayChanged(False))
        self._load_if_quiet()

    def _transcribe(self, reply: Reply) -> None:
        if isinstance(reply.question.content, Utterance):
            asked = Transcribe(reply.turn_id, reply.question.content)
            self.actions.append(AskWorker(asked))

    def _model_name(self) -> str:
        return self.state.model or self.state.settings.model

    # The speaker.

    def _hear(self, event: Heard | Drained) -> None:
        if isinstance(event, Drained) and event.turn_id == self.state.replay:
            self._end_replay()
            return
        before = self.state.reply
        if before is None or before.turn_id != event.turn_id:
            return
        match event:
            case Heard(_, n_samples, first_sample_at, underruns):
                self._show(before.with_heard(n_samples, first_sample_at, underruns))
                after = self.state.reply
                if after is not None and after.is_heard and not before.is_heard:
                    self.publish(LatencyMeasured(after.turn_id, after.stamps))
            case Drained():
                if before.ended is not None:
                    self._show(before.with_all_heard())
                    self._finish(before.outcome)
            case _:
                assert_never(event)

    def _show(self, reply: Reply) -> None:
        """Goes on with the reply, and shows the text that is due by now."""
        reply, text = reply.shown()
        self.state = replace(self.state, reply=reply)
        if text:
            self.publish(AnswerText(reply.turn_id, text))

    # The engine thread.

    def _follow_engine(
        self,
        event: QuestionEncoded
        | EngineWaited
        | Loading
        | TextDelta
        | AudioChunk
        | ReplyEnded
        | EngineFailed,
    ) -> None:
        if isinstance(event, EngineFailed) and event.turn_id == self.state.sounding:
            self._silence(Outcome.FAILED)
            self.publish(Notice(NoticeKind.REPLY_FAILED, event.message))
            return
        reply = self.state.reply
        if reply is None or event.turn_id != reply.turn_id:
            return  # of a turn that is over
        match event:
            case QuestionEncoded():
                reply = reply.with_encoded(event)
            case TextDelta(_, text):
                reply = reply.with_text(text)
            case AudioChunk():
                reply = reply.with_chunk(event)
            case EngineWaited(_, waited_ms):
                reply = replace(reply, waited_ms=waited_ms)
            case ReplyEnded():
                reply = reply.with_end(event)
                self._transcribe(reply)
            case Loading() | EngineFailed():
                pass
            case _:
                assert_never(event)
        self._show(reply)
        if reply.ended is not None and reply.outcome is Outcome.INTERRUPTED:
            self._silence(Outcome.INTERRUPTED)

    def _follow_loading(self, event: ModelLoading | ModelReady | ModelFailed) -> None:
        state = self.state
        match event:
            case ModelLoading(message, fraction):
                self.state = replace(state, engine=EngineStatus.LOADING)
                self.publish(LoadingProgress(message, fraction))
            case ModelReady(model, seconds, default_params, context_limit):
                self.publish(EngineReady(model, seconds))
                conversation, turn_ids = state.conversation, state.turn_ids
                if model != state.model and state.model and conversation.turns:
                    conversation, turn_ids = conversation.forgetting(len(turn_ids)), ()
                    self.publish(Notice(NoticeKind.CONVERSATION_RESTARTED, model))
                self.state = replace(
                    state,
                    engine=EngineStatus.READY,
                    model=model,
                    settings=replace(state.settings, model=model),
                    default_params=default_params,
                    context_limit=context_limit,
                )
                self._remember(conversation, turn_ids)
                state = self.state
                if state.reply is not None and not state.reply.is_started:
                    self._start(state.reply)
            case ModelFailed(model, message):
                self.state = replace(state, engine=EngineStatus.FAILED)
                self.publish(EngineUnavailable(model, message))
                if state.reply is not None and not state.reply.is_started:
                    self._silence(Outcome.FAILED)
            case _:
                assert_never(event)

    def _load_if_quiet(self) -> None:
        """Loads the model that was chosen, unless something sounds or is being made."""
        state = self.state
        if state.next_model is None or state.sounding is not None:
            return
        self.state = replace(state, next_model=None, engine=EngineStatus.LOADING)
        self.actions.append(AskWorker(LoadModel(state.next_model)))
