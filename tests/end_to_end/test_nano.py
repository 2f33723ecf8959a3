"""The built-in model as it ships: what it hears, what it answers, and how its sound holds together.

Left out: how often it is right, which ``python main.py evaluate nano`` measures.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from engine.conversation import Conversation
from engine.engine import SpeechEngine
from engine.events import AudioChunk, EngineEvent, ReplyEnded, TextDelta
from engine.modes import InferenceMode
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams
from engine.utterance import Utterance

ROOT = Path(__file__).resolve().parents[2]
NANO = ROOT / "assets" / "models" / "nano"
SAMPLES = ROOT / "assets" / "samples"
GREEDY = SamplingParams(temperature=0.0, max_new_tokens=400)

pytestmark = pytest.mark.skipif(
    not (NANO / "model.safetensors").is_file(), reason="the built-in model is not in this checkout"
)


@pytest.fixture(scope="module")
def nano() -> SpeechEngine:
    return SpeechEngine.load(NANO, device="cpu", threads=1)


def question(name: str = "question_en.wav") -> Utterance:
    samples, sample_rate = soundfile.read(SAMPLES / name, dtype="float32")
    return Utterance.checked(samples, sample_rate)


def reply(
    nano: SpeechEngine, asked: Utterance | str, mode: InferenceMode = InferenceMode.BOOST
) -> list[EngineEvent]:
    return list(nano.respond(ReplyRequest(0, Conversation(), asked, mode, GREEDY)))


def text_of(events: list[EngineEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta)).strip()


def chunks_of(events: list[EngineEvent]) -> list[NDArray[np.float32]]:
    return [event.samples for event in events if isinstance(event, AudioChunk)]


@pytest.fixture(scope="module")
def spoken(nano: SpeechEngine) -> list[list[NDArray[np.float32]]]:
    """Replies in pieces as they were given out, of different lengths and in both languages."""
    asked = ("Tell me a joke.", "Count from one to ten.", "讲个笑话", "你是谁")
    replies = [chunks_of(reply(nano, text)) for text in asked]
    return [chunks_of(reply(nano, question())), *replies]


@pytest.mark.parametrize("mode", InferenceMode, ids=lambda mode: mode.value)
def test_every_mode_answers_the_bundled_question(nano: SpeechEngine, mode: InferenceMode) -> None:
    events = reply(nano, question(), mode)
    assert isinstance(events[-1], ReplyEnded)
    assert "twelve" in text_of(events).lower()
    assert events[-1].stats.audio_seconds > 0.3


def test_a_question_in_mandarin_is_answered_in_mandarin(nano: SpeechEngine) -> None:
    assert "十二" in text_of(reply(nano, question("question_zh.wav")))


def test_a_question_is_heard_alike_at_any_rate_and_level(nano: SpeechEngine) -> None:
    asked = question()
    for rate in (8000, 22050, 48000):
        samples = soxr.resample(asked.samples, asked.sample_rate, rate)
        assert "twelve" in text_of(reply(nano, Utterance.checked(samples * 0.3, rate))).lower()


def test_the_shortest_clip_gets_a_reply_that_ends(nano: SpeechEngine) -> None:
    asked = question()
    short = Utterance.checked(asked.samples[: asked.sample_rate // 10], asked.sample_rate)
    assert isinstance(reply(nano, short)[-1], ReplyEnded)


@pytest.mark.slow
def test_ten_minutes_of_speech_get_a_reply_that_ends(nano: SpeechEngine) -> None:
    asked = question()
    long = np.tile(asked.samples, int(600 * asked.sample_rate / len(asked.samples)))
    events = reply(nano, Utterance.checked(long, asked.sample_rate))
    assert isinstance(events[-1], ReplyEnded)


def _changes(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Spectral flux: how much the magnitudes change from one 2.9 ms frame to the next, in dB."""
    hop, window = 64, 256
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop] * np.hanning(window)
    levels = 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)) + 1e-3)
    flux = np.abs(np.diff(levels, axis=0)).mean(axis=1)
    return np.asarray(np.concatenate(([0.0], flux)))


def _joins(chunks: list[NDArray[np.float32]]) -> Iterator[int]:
    """Where one piece of a reply ends and the next begins, in samples."""
    yield from np.cumsum([len(chunk) for chunk in chunks])[:-1]


def test_joins_are_not_heard(spoken: list[list[NDArray[np.float32]]]) -> None:
    """At joins the spectrum changes no more than elsewhere in the same replies."""
    ranks: list[float] = []
    for chunks in spoken:
        changes = _changes(np.concatenate(chunks))
        order = changes.argsort().argsort() / len(changes)
        for join in _joins(chunks):
            near = slice(max(0, join // 64 - 4), join // 64 + 1)
            ranks.append(float(order[near].mean()))
    assert len(ranks) >= 15
    standard_error = 0.29 / len(ranks) ** 0.5  # of a mean of uniform ranks
    assert np.mean(ranks) < 0.5 + 4 * standard_error


def test_there_are_no_clicks_and_nothing_clips(spoken: list[list[NDArray[np.float32]]]) -> None:
    """No step from one sample to the next is larger than those of the sound around it."""
    for chunks in spoken:
        samples = np.concatenate(chunks)
        assert np.abs(samples).max() <= 1.0
        assert (np.abs(samples) > 0.99).mean() < 1e-3
        steps = np.abs(np.diff(samples))
        for join in _joins(chunks):
            around = np.concatenate(
                (steps[max(0, join - 700) : join - 1], steps[join : join + 700])
            )
            assert steps[join - 1] <= max(0.02, 1.01 * around.max())


def test_the_level_is_that_of_speech_and_stays(spoken: list[list[NDArray[np.float32]]]) -> None:
    levels = []
    for chunks in spoken:
        samples = np.concatenate(chunks)
        loud = samples[np.abs(samples) > 0.01]
        levels.append(20 * np.log10(np.sqrt(np.mean(loud**2))))
    assert min(levels) > -35
    assert max(levels) < -8
    assert max(levels) - min(levels) < 12
