"""The dialogue thread: listens, decides through ``DialogueState``, and has it carried out.

It waits on one queue, for commands of the user and messages of the engine thread, and never longer
than about a block of the microphone lasts; then it looks what the microphone has captured and how
much of the answer was heard. The sound card's callbacks may not lock, so they cannot wake it; the
wait bounds how late it notices, and no sleep is needed. It never waits for the engine or the
speaker.
"""

import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias, assert_never

from app.dialogue import DialogueState
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
    QuestionTyped,
    ReplayAsked,
    SamplingChosen,
    StartReplay,
    StartReply,
    Stopped,
)
from app.log import logger
from app.settings import AudioSettings, Settings, TalkMode, TurnSettings
from app.turns.listener import Listener
from app.turns.turn_events import EndedByHand, Forget, KeyDown, KeyUp, Playback, Tapped
from app.turns.vad import SpeechProbability
from app.ui_commands import (
    Command,
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
    Shutdown,
    Stop,
    TalkKey,
    Tap,
)
from app.ui_events import LevelChanged, Phase, UiEvent
from app.worker_messages import LoadModel, Play, Respond, WorkerRequest
from engine.cancel import CancelToken
from engine.conversation import Conversation

if TYPE_CHECKING:
    from app.audio.capture import AudioInput
    from app.audio.echo import EchoCanceller
    from app.audio.playback import AudioOutput
    from app.turns.turn_events import DetectorInput
    from app.worker_messages import EngineMessage

_log = logger("assistant")
# How long a round may wait; a block of the microphone lasts 20 ms. While an answer sounds, each is
# to be noticed at once; while all is quiet, taking in a few together halves what listening costs.
_SOUNDING_S = 0.01
_LISTENING_S = 0.02
_QUIET_S = 0.06
# A turn without any sound from the microphone is given up after this time.
_NO_SOUND_S = 1.0
_LEVEL_INTERVAL_S = 0.05
_LEVEL_STEP = 0.02

# A fault that comes again within this time is not told again.
_FAULT_INTERVAL_S = 5.0

MakeEchoCanceller: TypeAlias = Callable[[bool, bool, bool], "EchoCanceller"]
Message: TypeAlias = "Command | EngineMessage | Faulted | OpenEars"


class OpenEars:
    """The first message: the voice detection is loaded on this thread, not on its starter's."""


class Worker(Protocol):
    """The engine thread, as far as the dialogue knows it."""

    def post(self, request: WorkerRequest) -> None:
        """Asks for something, without waiting."""


class Assistant:
    """``start``, ``post`` and ``shut_down`` may be called by any thread; the rest is its own.

    ``publish`` takes the events for the window, on the dialogue thread, and must not block.
    ``choose_devices`` hands the user's choice of devices on to whoever opens them.
    """

    def __init__(
        self,
        microphone: "AudioInput",
        speaker: "AudioOutput",
        worker: Worker,
        publish: Callable[[UiEvent], None],
        settings: Settings,
        choose_devices: Callable[[AudioSettings], None],
        make_vad: Callable[[], SpeechProbability] = SpeechProbability,
        make_echo_canceller: MakeEchoCanceller | None = None,
        clock: Callable[[], float] = time.monotonic,
        first_seed: int | None = None,
    ) -> None:
        self._microphone = microphone
        self._speaker = speaker
        self._worker = worker
        self._publish = publish
        self._choose_devices = choose_devices
        self._make_vad = make_vad
        self._make_echo_canceller = make_echo_canceller or _webrtc_echo_canceller
        self._clock = clock
        self._audio, self._turns = settings.audio, settings.turns
        seed = secrets.randbelow(2**31) if first_seed is None else first_seed
        self._state = DialogueState(settings.model, first_seed=seed)
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="dialogue", daemon=True)
        self._cancel = CancelToken()
        self._underruns_before = 0
        self._listener: Listener | None = None
        self._treatment = (False, False, False)
        self._last_sound_at = self._on_since = float("-inf")
        self._is_sounding = False
        self._shown_level = 0.0
        self._level_due_at = self._fault_due_at = float("-inf")

    @property
    def is_quiet(self) -> bool:
        """Whether nobody is speaking; any thread may ask."""
        state = self._state
        return state.sounding is None and not state.is_listening

    def start(self) -> None:
        """Begins to listen, and has the model loaded."""
        self._thread.start()

    def post(self, message: "Command | EngineMessage") -> None:
        """Takes a command of the user or a message of the engine thread."""
        self._messages.put(message)

    def shut_down(self, timeout_s: float) -> bool:
        """Ends the thread, keeping what was heard; says whether it ended in time."""
        self._messages.put(Shutdown())
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # The dialogue thread.

    def _run(self) -> None:
        self._worker.post(LoadModel(self._state.settings.model))
        message: Message | None = OpenEars()
        while not isinstance(message, Shutdown):
            self.do_round(message)
            message = self._next_message()
        self.do_round(message)

    def do_round(self, message: "Message | None") -> None:
        """One round of the thread: what came in, what is heard of the answer, what was said."""
        try:
            self._follow_playback()
            if message is not None:
                self._take(message)
            self._listen()
            self._tell_detector_of_playback()
        except Exception as error:
            self._recover(error, message)

    def _next_message(self) -> "Message | None":
        state = self._state
        wait_s = _LISTENING_S if state.is_listening else _QUIET_S
        try:
            return self._messages.get(timeout=wait_s if state.sounding is None else _SOUNDING_S)
        except queue.Empty:
            return None

    def _recover(self, error: Exception, message: "Message | None") -> None:
        """Gives up what was being done, and says so, unless that was said just now or failed."""
        _log.error("the dialogue met an error", exc_info=error)
        now = self._clock()
        if not isinstance(message, Faulted) and now >= self._fault_due_at:
            self._fault_due_at = now + _FAULT_INTERVAL_S
            self._messages.put(Faulted(f"{type(error).__name__}; the log has more"))
            return
        self._cancel.cancel()
        self._speaker.flush()
        self._state = replace(self._state, is_listening=False, reply=None, replay=None)

    def _take(self, message: "Message") -> None:
        """Carries out a command, or passes on what happened elsewhere."""
        match message:
            case TalkKey(is_down):
                self._tell_listener(KeyDown() if is_down else KeyUp())
            case Tap():
                self._tell_listener(Tapped())
            case EndTurn():
                self._tell_listener(EndedByHand())
            case Stop():
                self._tell_listener(Forget())
                self._happen(Stopped())
            case Send(text):
                self._tell_listener(Forget())
                if text.strip():
                    self._happen(QuestionTyped(text.strip(), _utc_now()))
            case SetMode(mode):
                self._happen(ModeChosen(mode))
            case SetModel(model):
                self._happen(ModelChosen(model))
            case SetSampling(settings):
                self._happen(SamplingChosen(settings))
            case SetTurns(settings):
                self._set_turns(settings)
            case SetAudio(settings):
                self._set_audio(settings)
            case NewConversation():
                self._happen(ConversationChosen(Conversation()))
            case OpenConversation(conversation, turn_ids):
                self._happen(ConversationChosen(conversation, turn_ids))
            case Replay(samples, sample_rate):
                self._happen(ReplayAsked(samples, sample_rate))
            case OpenEars():
                self._open_ears()
            case Shutdown():
                self._tell_listener(Forget())
                self._happen(Stopped())
            case _:
                self._happen(message)

    def _happen(self, event: DialogueEvent) -> None:
        self._state, actions = self._state.step(event, self._clock())
        for action in actions:
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        match action:
            case FlushPlayback():
                self._speaker.flush()
            case CancelReply():
                self._cancel.cancel()
            case PrepareOutput():
                self._speaker.prepare()
            case StartReply(request, span):
                self._begin_sound(request.turn_id)
                self._worker.post(Respond(request, self._cancel, span))
            case StartReplay(turn_id, samples, sample_rate):
                self._begin_sound(turn_id)
                self._worker.post(Play(turn_id, samples, sample_rate, self._cancel))
            case AskWorker(request):
                self._worker.post(request)
            case GoOnFrom(start_sample):
                if self._listener is not None:
                    self._listener.go_on_from(start_sample)
            case Publish(event):
                self._publish(event)
            case _:
                assert_never(action)

    def _begin_sound(self, turn_id: int) -> None:
        self._cancel = CancelToken()
        self._underruns_before = self._speaker.underruns
        self._speaker.begin(turn_id)

    # What is heard by the user.

    def _follow_playback(self) -> None:
        """Tells the dialogue how much of the answer was heard, and when all of it was."""
        turn_id = self._state.sounding
        if turn_id is None:
            return
        mark = self._speaker.heard(turn_id)
        underruns = self._speaker.underruns - self._underruns_before
        self._happen(Heard(turn_id, mark.n_samples, mark.first_sample_at, underruns))
        if self._state.has_all_sound and self._speaker.is_drained(turn_id):
            self._happen(Drained(turn_id))

    def _tell_detector_of_playback(self) -> None:
        is_sounding = self._state.phase is Phase.SPEAKING
        if is_sounding is not self._is_sounding:
            self._is_sounding = is_sounding
            self._tell_listener(Playback(is_sounding))

    # What is heard by us.

    def _open_ears(self) -> None:
        self._listener = Listener(self._turns, self._make_vad(), _utc_now)
        self._set_up_echo_canceller()

    def _set_turns(self, settings: TurnSettings) -> None:
        self._turns = settings
        if self._listener is not None:
            for event in self._listener.configure(settings):
                self._happen(event)
            self._set_up_echo_canceller()

    def _set_audio(self, settings: AudioSettings) -> None:
        self._audio = settings
        self._choose_devices(settings)
        self._speaker.volume = settings.volume
        self._set_up_echo_canceller()

    def _set_up_echo_canceller(self) -> None:
        """An open microphone needs one; where keys open it, the speaker is silent by then."""
        if self._listener is None:
            return
        audio = self._audio
        cancels_echo = audio.echo_cancellation and self._turns.talk_mode is TalkMode.HANDS_FREE
        wanted = (audio.noise_suppression, audio.gain_control, cancels_echo)
        if wanted != self._treatment:
            canceller = self._make_echo_canceller(*wanted) if any(wanted) else None
            self._listener.echo_canceller = canceller
            self._treatment = wanted

    def _listen(self) -> None:
        """Takes in what the microphone has captured since the last time."""
        blocks = self._microphone.read_block()
        now = self._clock()
        if blocks:
            self._last_sound_at = now
            self._show_level(now)
        listener = self._listener
        if listener is None:
            return
        for block in blocks:
            far = self._speaker.far_end.read(len(block.samples), block.stamp)
            for event in listener.hear(block.samples, block.stamp, far):
                self._happen(event)
        if listener.is_on and now - max(self._last_sound_at, self._on_since) > _NO_SOUND_S:
            listener.told(Forget())
            self._happen(MicrophoneSilent())

    def _tell_listener(self, happening: "DetectorInput") -> None:
        listener = self._listener
        if listener is None:
            return
        was_on = listener.is_on
        for event in listener.told(happening):
            self._happen(event)
        if listener.is_on and not was_on:
            self._on_since = self._clock()

    def _show_level(self, now: float) -> None:
        level = self._microphone.level
        if now >= self._level_due_at and abs(level - self._shown_level) >= _LEVEL_STEP:
            self._shown_level = level
            self._level_due_at = now + _LEVEL_INTERVAL_S
            self._publish(LevelChanged(level))


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _webrtc_echo_canceller(
    noise_suppression: bool, gain_control: bool, echo_cancellation: bool
) -> "EchoCanceller":
    from app.audio.echo import EchoCanceller

    return EchoCanceller(noise_suppression, gain_control, echo_cancellation)
