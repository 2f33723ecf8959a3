"""Voices speak at one loudness, without long silent ends; a varied take changes no later one."""

import ctypes.util
import random
import shutil

import numpy as np
import pytest

from engine.training.nano import voices
from engine.training.nano.synthesis import level, synthesise, trim
from engine.training.nano.voices import ANSWER_VOICE, SpeechEngineName, Voice, training_voices

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("espeak-ng") is None
    or ctypes.util.find_library("flite") is None
    or shutil.which("festival") is None,
    reason="the speech programs are not installed",
)

TEXT = {"en": "What is seven plus five?", "zh": "七加五等于几？"}  # noqa: RUF001
ROBOTS = [v for v in training_voices("en") if v.engine is SpeechEngineName.ESPEAK]
RECORDED = [v for v in training_voices("en") if v.engine is not SpeechEngineName.ESPEAK]
SPOKEN = [
    *ROBOTS[::67],
    *RECORDED,
    *voices.test_voices("en"),
    *training_voices("zh")[::11],
    *voices.test_voices("zh")[:2],
]


@pytest.mark.parametrize("voice", SPOKEN, ids=lambda voice: voice.name)
def test_a_voice_says_a_sentence_at_the_common_loudness(voice: Voice) -> None:
    samples, sample_rate = synthesise(TEXT[voice.language], voice, random.Random(1))
    assert samples.dtype == np.float32
    assert 0.5 < len(samples) / sample_rate < 5.0
    assert np.abs(samples).max() <= 0.951
    assert 0.02 < np.sqrt((samples**2).mean()) < 0.12


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_varied_take_leaves_the_answer_voice_as_it_was(lang: str) -> None:
    """Only the breath noise differs: the programs draw it from their own random numbers."""
    first, rate = synthesise(TEXT[lang], ANSWER_VOICE[lang])
    varied, _ = synthesise(TEXT[lang], ANSWER_VOICE[lang], random.Random(5))
    second, _ = synthesise(TEXT[lang], ANSWER_VOICE[lang])
    assert abs(len(first) - len(second)) < 0.05 * rate
    assert abs(len(first) - len(varied)) > 0
    assert np.median(_pitch(first, rate)) == pytest.approx(
        np.median(_pitch(second, rate)), rel=0.03
    )


def _pitch(samples: np.ndarray, rate: int) -> list[float]:
    """Pitch in Hz of the periodic frames, by autocorrelation."""
    found = []
    for start in range(0, len(samples) - rate // 20, rate // 50):
        frame = samples[start : start + rate // 20]
        match = np.correlate(frame, frame, "full")[len(frame) - 1 :]
        lags = slice(rate // 400, rate // 80)
        lag = lags.start + int(match[lags].argmax())
        if match[lag] > 0.6 * match[0] > 0.05:
            found.append(rate / lag)
    return found


def test_a_longer_mandarin_text_takes_longer() -> None:
    short, rate = synthesise("你好。", ANSWER_VOICE["zh"])
    long, _ = synthesise("我和妈妈一起去公园看小鸟。", ANSWER_VOICE["zh"])
    assert 0.25 < len(short) / rate < 1.2
    assert 12 * 0.12 < len(long) / rate < 12 * 0.4


def test_silent_ends_are_trimmed_to_a_margin() -> None:
    sound = np.full(8000, 0.5, np.float32)
    padded = np.concatenate([np.zeros(16000, np.float32), sound, np.zeros(16000, np.float32)])
    assert len(trim(padded, 16000)) == pytest.approx(8000 + 2 * 640, abs=320)


def test_levelling_never_clips_and_leaves_silence_alone() -> None:
    click = np.zeros(1000, np.float32)
    click[500] = 0.001
    assert np.abs(level(click)).max() <= 0.951
    assert not level(np.zeros(100, np.float32)).any()
