"""The engine thread: replies in order, back-pressure, background work that gives way, errors."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from app.engine_worker import EngineWorker
from app.errors import AppError
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
    Transcribe,
    Transcribed,
)
from engine.cancel import CancelToken
from engine.conversation import Conversation, Speech, SpeechEmbeddings
from engine.engine import SpeechEngine
from engine.errors import RequestError
from engine.events import AudioChunk, EndReason, EngineFailed, ReplyEnded, TextDelta
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams
from tests.app.fakes import CHUNK, FakeEngine, FakeSpeaker, spoken, voice

PATIENCE_S = 20  # the machine may be busy


class Harness:
    """A running worker, its engine and speaker, and what it tells."""

    def __init__(self, load: Callable | None = None, room: int = 4000) -> None:
        self.engine = FakeEngine()
        self.speaker = FakeSpeaker(time.monotonic, room)
        self.told: queue.SimpleQueue = queue.SimpleQueue()
        self.worker = EngineWorker(
            load or (lambda model, report: self.engine), self.told.put, self.speaker
        )
        self.worker.start()

    def until(self, kind: type) -> list:
        """What is told up to the next message of this kind."""
        messages = []
        while not messages or not isinstance(messages[-1], kind):
            messages.append(self.told.get(timeout=PATIENCE_S))
        return messages

    def load(self, model: str = "nano") -> None:
        self.worker.post(LoadModel(model))
        self.until(ModelReady)

    def ask(self, turn_id: int, question: object = "Hi", span: tuple | None = None) -> CancelToken:
        cancel = CancelToken()
        self.speaker.begin(turn_id)
        params = SamplingParams(max_new_tokens=40)
        request = ReplyRequest(turn_id, Conversation(), question, params=params)  # type: ignore
        self.worker.post(Respond(request, cancel, span))
        return cancel


@contextmanager
def running(**options: object) -> Iterator[Harness]:
    harness = Harness(**options)  # type: ignore[arg-type]
    try:
        yield harness
    finally:
        assert harness.worker.shut_down(PATIENCE_S)


@pytest.fixture
def ready() -> Iterator[Harness]:
    with running() as harness:
        harness.load()
        yield harness


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        threading.Event().wait(0.001)


def test_a_reply_is_told_and_played_in_order_and_ends_once(ready: Harness) -> None:
    ready.ask(1)
    told = ready.until(ReplyEnded)
    assert [type(message) for message in told] == [
        QuestionEncoded,
        *[TextDelta, AudioChunk] * 4,
        EngineWaited,
        ReplyEnded,
    ]
    ready.speaker.plays(10**6)
    assert ready.speaker.played == [1.0] * 4 * CHUNK
    assert ready.speaker.is_drained(1)
    assert ready.engine.threads == {"engine"}


def test_a_model_is_loaded_on_the_thread_with_its_progress(ready: Harness) -> None:
    names = []

    def load(model: str, report: Callable) -> FakeEngine:
        names.append(threading.current_thread().name)
        report("weights", 0.5)
        return FakeEngine(default_params=SamplingParams(temperature=0.5))

    with running(load=load) as harness:
        harness.worker.post(LoadModel("nano"))
        loading, done = harness.until(ModelReady)
    assert loading == ModelLoading("weights", 0.5)
    assert (done.model, done.default_params.temperature) == ("nano", 0.5)
    assert names == ["engine"]


def test_a_spoken_question_is_encoded_once_and_its_tokens_are_told(ready: Harness) -> None:
    question = spoken()
    ready.ask(1, question, (0, 8000))
    told = ready.until(ReplyEnded)
    assert told[0].codes == ready.engine.requests[0].question_codes
    assert told[0].requested_at <= told[0].encoded_at <= told[0].generating_at
    assert ready.engine.encoded == [question]


def test_a_question_encoded_on_a_pause_is_ready_when_it_is_asked(ready: Harness) -> None:
    question = spoken()
    ready.worker.post(Encode((0, 8000), question))
    eventually(lambda: len(ready.engine.encoded) == 1)
    ready.ask(1, question, (0, 8000))
    told = ready.until(ReplyEnded)
    assert ready.engine.encoded == [question]
    assert told[0].encoded_at <= told[0].requested_at


def test_what_was_encoded_on_a_pause_is_discarded_when_the_user_went_on(ready: Harness) -> None:
    part, whole = spoken(1), spoken(2)
    ready.worker.post(Encode((0, 8000), part))
    eventually(lambda: len(ready.engine.encoded) == 1)
    ready.ask(1, whole, (0, 16000))
    told = ready.until(ReplyEnded)
    assert ready.engine.encoded == [part, whole]
    assert told[0].codes == ready.engine.encode(whole)
    ready.ask(2, part, (0, 8000))  # nor is it used for a later one
    ready.until(ReplyEnded)
    assert ready.engine.encoded[2:] == [whole, part]


def test_a_full_speaker_makes_the_engine_wait_and_the_wait_is_told() -> None:
    with running(room=CHUNK) as harness:
        harness.load()
        harness.ask(1)
        eventually(lambda: harness.speaker.heard(1).n_samples == 0 and harness.told.qsize() >= 4)
        assert harness.speaker.plays(10**6) <= 2 * CHUNK
        while harness.told.qsize() < 11:
            harness.speaker.plays(CHUNK)
        told = harness.until(ReplyEnded)
        assert told[-2].waited_ms > 0


def test_a_cancelled_reply_ends_at_once_though_the_speaker_is_full() -> None:
    with running(room=1) as harness:
        harness.load()
        cancel = harness.ask(1)
        harness.until(AudioChunk)
        harness.speaker.flush()
        cancel.cancel()
        assert harness.until(ReplyEnded)[-1].reason is EndReason.CANCELLED
        assert harness.speaker.plays(100) == 0


def test_transcription_waits_for_replies_and_uses_the_tokens_that_are_known(
    ready: Harness,
) -> None:
    question = spoken()
    ready.ask(1, question, (0, 8000))
    ready.worker.post(Transcribe(1, question))
    ready.ask(2)
    told = ready.until(Transcribed)
    assert sum(isinstance(message, ReplyEnded) for message in told) == 2
    assert told[-1] == Transcribed(1, "8000 samples")
    ready.ask(3, question, (0, 8000))
    ready.worker.post(Transcribe(3, question))
    ready.until(Transcribed)
    assert ready.engine.transcribed[-1] == ready.engine.requests[-1].question_codes


def test_a_reply_interrupts_a_transcription_which_is_done_afterwards(ready: Harness) -> None:
    ready.engine.transcribe_gate = threading.Event()
    ready.worker.post(Transcribe(1, spoken()))
    assert ready.engine.transcribing.wait(PATIENCE_S)
    ready.ask(2)
    ready.until(ReplyEnded)
    ready.engine.transcribe_gate.set()
    assert ready.until(Transcribed)[-1].turn_id == 1


def test_no_reply_is_delayed_by_transcriptions_however_they_meet() -> None:
    with running() as harness:
        harness.load()
        harness.engine.transcribe_gate = threading.Event()  # they last until they are interrupted
        for turn_id in range(1, 200):
            harness.worker.post(Transcribe(turn_id, spoken()))
            harness.ask(turn_id)
            assert harness.until(ReplyEnded)[-1].turn_id == turn_id
        harness.engine.transcribe_gate.set()


@pytest.mark.parametrize(
    ("error", "told"),
    [(RequestError("too long"), "too long"), (ValueError("bug"), "inside the program")],
)
def test_an_error_ends_its_reply_with_one_event_and_the_next_one_works(
    ready: Harness, error: Exception, told: str
) -> None:
    def fail(number: int) -> None:
        if number == 1:
            raise error

    ready.engine.before_chunk = fail
    ready.ask(1)
    failed = ready.until(EngineFailed)[-1]
    assert failed.turn_id == 1
    assert told in failed.message
    ready.engine.before_chunk = lambda number: None
    ready.ask(2)
    assert ready.until(ReplyEnded)[-1].turn_id == 2


def test_without_a_model_a_question_fails_and_nothing_else_happens() -> None:
    with running() as harness:
        harness.worker.post(Transcribe(1, spoken()))
        harness.worker.post(Encode((0, 1), spoken()))
        harness.ask(1)
        assert "no model" in harness.until(EngineFailed)[-1].message
        harness.load()
        harness.until(Transcribed)


def test_a_model_that_does_not_load_is_told_and_the_one_before_comes_back() -> None:
    loaded = []

    def load(model: str, report: Callable) -> FakeEngine:
        loaded.append(model)
        if model == "broken":
            raise AppError("a file is missing")
        return FakeEngine(name=model)

    with running(load=load) as harness:
        harness.load()
        harness.worker.post(LoadModel("broken"))
        failed, back = harness.until(ModelReady)
        assert failed == ModelFailed("broken", "a file is missing")
        assert back.model == "nano"
        harness.ask(1)
        harness.until(ReplyEnded)
    assert loaded == ["nano", "broken", "nano"]


def test_a_first_model_that_does_not_load_leaves_the_thread_waiting_for_another() -> None:
    def load(model: str, report: Callable) -> FakeEngine:
        if model == "broken":
            raise OSError("disk")
        return FakeEngine()

    with running(load=load) as harness:
        harness.worker.post(LoadModel("broken"))
        assert isinstance(harness.told.get(timeout=PATIENCE_S), ModelFailed)
        harness.load()


def test_a_replay_is_played_like_a_reply(ready: Harness) -> None:
    ready.speaker.begin(5)
    ready.worker.post(Play(5, voice(0.01), 24000, CancelToken()))
    eventually(lambda: ready.speaker.plays(10**6) > 0)
    eventually(lambda: ready.speaker.is_drained(5))


def test_a_job_runs_on_the_thread_with_the_engine_and_its_failure_is_told(
    ready: Harness,
) -> None:
    ran: queue.SimpleQueue = queue.SimpleQueue()

    def work(engine: FakeEngine, cancel: CancelToken) -> None:
        ran.put((engine, threading.current_thread().name))

    def fail(engine: FakeEngine, cancel: CancelToken) -> None:
        raise AppError("no room")

    ready.worker.post(Job(work, ran.put, CancelToken()))  # type: ignore[arg-type]
    assert ran.get(timeout=PATIENCE_S) == (ready.engine, "engine")
    ready.worker.post(Job(fail, ran.put, CancelToken()))  # type: ignore[arg-type]
    assert ran.get(timeout=PATIENCE_S) == "no room"


def told_of(speech: Speech) -> object:
    """A question's audio tokens, or the numbers of its embeddings."""
    return speech.rows.tolist() if isinstance(speech, SpeechEmbeddings) else speech


@pytest.mark.parametrize("variant", ["tiny_model", "tiny_plus_model"])
def test_a_real_engine_answers_a_question_encoded_ahead_as_it_would_have_otherwise(
    variant: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(variant)

    def load(model: str, report: Callable) -> object:
        from engine.engine import SpeechEngine

        return SpeechEngine.load(folder, device="cpu")

    question = spoken(seconds=1.0)
    with running(load=load, room=10**6) as harness:
        harness.load()
        harness.ask(1, question, (0, 16000))
        plain = harness.until(ReplyEnded)
        harness.worker.post(Encode((16000, 32000), question))
        harness.worker.post(Transcribe(1, question))
        harness.until(Transcribed)
        harness.ask(2, question, (16000, 32000))
        ahead = harness.until(ReplyEnded)
    assert ahead[0].encoded_at <= ahead[0].requested_at
    assert ahead[0].codes is ahead[-1].question_speech
    assert told_of(ahead[0].codes) == told_of(plain[0].codes)
    assert ahead[-1].stats.audio_codes == plain[-1].stats.audio_codes
    chunks = [message for message in ahead if isinstance(message, AudioChunk)]
    codes = tuple(code for chunk in chunks for code in chunk.audio_codes)
    assert codes == ahead[-1].stats.audio_codes


def test_shutting_down_in_the_middle_of_a_reply_takes_no_time() -> None:
    harness = Harness(room=1)
    harness.load()
    harness.ask(1)
    harness.until(AudioChunk)
    harness.worker.post(LoadModel("other"))
    began = time.monotonic()
    assert harness.worker.shut_down(PATIENCE_S)
    assert time.monotonic() - began < 1.0
    assert harness.told.get(timeout=0) is not None
    assert not any(
        isinstance(harness.told.get_nowait(), ModelReady) for _ in range(harness.told.qsize())
    )


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_full_memory_in_the_middle_of_an_answer_is_told_with_advice_and_the_next_is_given(
    tiny_model: Path, error: Exception
) -> None:
    """With the real engine: what it computed may not be used again."""
    engine = SpeechEngine.load(tiny_model, device="cpu")
    mctp_step, n_calls = engine.lm.mctp_step, 0

    def fail_once(*inputs: object) -> torch.Tensor:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 12:
            raise error
        return mctp_step(*inputs)  # type: ignore[arg-type]

    engine.lm.mctp_step = fail_once  # type: ignore[method-assign]
    with running(load=lambda model, report: engine, room=10**7) as harness:
        harness.load()
        harness.ask(1)
        failed = harness.until(EngineFailed)[-1]
        assert failed.message.startswith("the memory is full: close other programs")
        assert "\n" not in failed.message
        harness.ask(2)
        assert harness.until(ReplyEnded)[-1].stats.n_tokens > 12


def test_a_model_that_does_not_fit_is_told_with_advice_and_the_one_before_comes_back(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(model: str, report: Callable) -> object:
        return FakeEngine() if model == "nano" else SpeechEngine.load(tiny_model, "cpu")

    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("engine.loading.opened_weights", fail)
    with running(load=load) as harness:
        harness.load()
        harness.worker.post(LoadModel("large"))
        failed, back = harness.until(ModelReady)
        assert "does not fit" in failed.message
        assert "smaller model" in failed.message
        assert back.model == "nano"
