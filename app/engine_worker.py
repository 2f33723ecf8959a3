"""The engine thread: owns the one ``SpeechEngine``, does one thing at a time, and never ends early.

It alone writes to the speaker, which makes it wait when enough sound is queued. Requests are done
in order; between them, with what no one waits for last:

1. the question that is probably coming is encoded, so that the reply can begin sooner;
2. what was said earlier is written down. Any new request interrupts that, and it is begun again
   later.

An error ends what was asked, with one event that says so, and the thread goes on. Torch is imported
by ``load``, which runs here.
"""

import gc
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from app.errors import AppError
from app.log import logger
from app.worker_messages import (
    Encode,
    EngineWaited,
    Job,
    LoadModel,
    ModelFailed,
    ModelLoading,
    ModelReady,
    Play,
    QuestionEncoded,
    Respond,
    Span,
    Transcribe,
    Transcribed,
    WorkerRequest,
)
from engine.cancel import CancelToken
from engine.conversation import Speech
from engine.errors import EngineError
from engine.events import AudioChunk, EngineFailed, ReplyEnded
from engine.utterance import Utterance

if TYPE_CHECKING:
    from app.audio.playback import AudioOutput
    from app.worker_messages import EngineMessage
    from engine.engine import SpeechEngine

Report = Callable[[str, float | None], None]
_log = logger("engine_worker")
# Older ones are of no interest by the time that they could be written down.
_LONGEST_BACKLOG = 20


class EngineWorker:
    """``start``, ``post`` and ``shut_down`` may be called by any thread; the rest is its own.

    ``load`` gives the engine of a model, warmed up, and reports how far it is. ``post`` takes the
    messages of this thread and must not block. Each ``Respond`` is answered by exactly one
    ``ReplyEnded`` or ``EngineFailed``, each ``LoadModel`` by ``ModelReady`` or ``ModelFailed``.
    """

    def __init__(
        self,
        load: "Callable[[str, Report], SpeechEngine]",
        post: "Callable[[EngineMessage], None]",
        output: "AudioOutput",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load_engine = load
        self._tell = post
        self._output = output
        self._clock = clock
        self._requests: queue.SimpleQueue[WorkerRequest | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._is_stopping = threading.Event()
        self._running = CancelToken()
        self._in_background = CancelToken()
        self._engine: SpeechEngine | None = None
        self._model = ""
        self._fallback: str | None = None
        self._to_encode: Encode | None = None
        self._encoded: tuple[Span, Speech, float] | None = None
        self._backlog: deque[Transcribe] = deque(maxlen=_LONGEST_BACKLOG)
        self._last_codes: tuple[int, Speech] | None = None

    def start(self) -> None:
        """Begins to take requests."""
        self._thread.start()

    def post(self, request: WorkerRequest) -> None:
        """Asks for something; what nobody waits for gives way to it."""
        self._requests.put(request)
        if not isinstance(request, Transcribe):
            self._in_background.cancel()

    def shut_down(self, timeout_s: float) -> bool:
        """Stops what is being done and ends the thread; says whether it ended in time."""
        self._is_stopping.set()
        self._requests.put(None)
        self._in_background.cancel()
        self._running.cancel()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # The engine thread.

    def _run(self) -> None:
        while (request := self._next()) is not None:
            try:
                self._carry_out(request)
            except Exception as error:
                self._give_up(request, error)
        self._engine = None

    def _next(self) -> WorkerRequest | None:
        """The next request; None at the end. Takes background work when nothing else is there."""
        while not self._is_stopping.is_set():
            # First the token, then the look at the queue: whoever posts does it the other way
            # round, so a request is either seen here or cancels what is begun here.
            self._in_background = CancelToken()
            has_work = self._engine is not None and (self._to_encode or self._backlog)
            if has_work and self._requests.empty():
                return self._to_encode or self._backlog.popleft()
            match self._requests.get():
                case Encode() as request:
                    self._to_encode = request
                case Transcribe() as request:
                    self._backlog.append(request)
                case request:
                    return request
        return None

    def _carry_out(self, request: WorkerRequest) -> None:
        match request:
            case Respond():
                self._be_stoppable_by(request.cancel)
                self._respond(request)
            case Play():
                self._be_stoppable_by(request.cancel)
                self._play(request)
            case LoadModel():
                self._load(request)
            case Encode():
                self._encode_ahead(request)
            case Transcribe():
                self._transcribe(request)
            case Job():
                self._be_stoppable_by(request.cancel)
                request.run(self._loaded_engine(), request.cancel)
            case _:
                assert_never(request)

    def _be_stoppable_by(self, cancel: CancelToken) -> None:
        """Lets ``shut_down`` end what runs, even where it was called just now."""
        self._running = cancel
        if self._is_stopping.is_set():
            cancel.cancel()

    def _give_up(self, request: WorkerRequest, error: Exception) -> None:
        """Tells that a request failed, in words for the user."""
        if isinstance(error, AppError | EngineError):
            message = str(error)
            _log.info("%s: %s", type(request).__name__, message)
        else:
            message = f"an error inside the program ({type(error).__name__}); the log has more"
            _log.error("%s failed", type(request).__name__, exc_info=error)
        match request:
            case Respond():
                self._tell(EngineFailed(request.request.turn_id, message))
            case Play():
                self._tell(EngineFailed(request.turn_id, message))
            case LoadModel():
                self._tell(ModelFailed(request.model, message))
                if self._fallback not in (None, request.model):
                    self._requests.put(LoadModel(self._fallback or ""))
                self._fallback = None
            case Job():
                request.fail(message)
            case Encode() | Transcribe():
                pass  # nobody waits for it; a fault in the question shows when it is answered
            case _:
                assert_never(request)

    def _loaded_engine(self) -> "SpeechEngine":
        if self._engine is None:
            raise AppError("no model is loaded: choose one in the settings")
        return self._engine

    def _respond(self, respond: Respond) -> None:
        requested_at = self._clock()
        engine = self._loaded_engine()
        request, cancel = respond.request, respond.cancel
        turn_id = request.turn_id
        encoded_at = requested_at
        if isinstance(request.question, Utterance):
            codes, encoded_at = self._codes_of(request.question, respond.span, engine)
            self._last_codes = turn_id, codes
            request = replace(request, question_codes=codes)
        generating_at = self._clock()
        self._tell(
            QuestionEncoded(
                turn_id, request.question_codes or (), requested_at, encoded_at, generating_at
            )
        )
        waited_s = 0.0
        with closing(engine.respond(request, cancel)) as events:
            for event in events:
                if isinstance(event, ReplyEnded):
                    self._output.end(turn_id)
                    self._tell(EngineWaited(turn_id, 1000 * waited_s))
                # The dialogue must know of a chunk before it may be heard.
                self._tell(event)
                if isinstance(event, AudioChunk):
                    began_at = self._clock()
                    self._output.write(turn_id, event.samples, event.sample_rate, cancel)
                    waited_s += self._clock() - began_at

    def _codes_of(
        self, question: Utterance, span: Span | None, engine: "SpeechEngine"
    ) -> tuple[Speech, float]:
        """A question as the model takes it and since when that is known."""
        ahead, self._encoded, self._to_encode = self._encoded, None, None
        if ahead is not None and ahead[0] == span:
            return ahead[1:]
        codes = engine.encode(question)
        return codes, self._clock()

    def _encode_ahead(self, request: Encode) -> None:
        self._to_encode = None
        codes = self._loaded_engine().encode(request.utterance)
        self._encoded = request.span, codes, self._clock()

    def _transcribe(self, request: Transcribe) -> None:
        codes = None
        if self._last_codes is not None and self._last_codes[0] == request.turn_id:
            codes = self._last_codes[1]
        question, cancel = request.utterance, self._in_background
        text = self._loaded_engine().transcribe(
            question.samples, question.sample_rate, cancel=cancel, codes=codes
        )
        if cancel.is_cancelled:
            self._backlog.appendleft(request)
        else:
            self._tell(Transcribed(request.turn_id, text))

    def _play(self, play: Play) -> None:
        if self._output.write(play.turn_id, play.samples, play.sample_rate, play.cancel):
            self._output.end(play.turn_id)

    def _load(self, request: LoadModel) -> None:
        started_at = self._clock()
        if self._engine is not None:
            # Two large models would not fit side by side; this one is loaded again if need be.
            self._fallback = self._model
            self._engine = self._encoded = self._last_codes = None
            gc.collect()
        engine = self._load_engine(request.model, self._report)
        self._engine, self._model, self._fallback = engine, request.model, None
        seconds = self._clock() - started_at
        ready = ModelReady(request.model, seconds, engine.default_params, engine.context_limit)
        self._tell(ready)

    def _report(self, message: str, fraction: float | None) -> None:
        self._tell(ModelLoading(message, fraction))
