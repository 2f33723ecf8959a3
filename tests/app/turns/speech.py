"""Speech made for tests: synthetic voices in a noisy room, and what a detector makes of them."""

import functools
import io
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from app.turns.turn_detector import TurnDetector
from app.turns.turn_events import (
    SAMPLE_RATE,
    DetectorEvent,
    DetectorInput,
    Frame,
)
from app.turns.vad import SileroNetwork, SpeechProbability

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng")
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="no flite")

BLOCK = 320  # 20 ms, as the microphone gives them


def espeak(text: str, *options: str) -> np.ndarray:
    """A text spoken by espeak-ng at 16 kHz, without the silence around it."""
    command = ["espeak-ng", "--stdout", *options, text]
    made = subprocess.run(command, capture_output=True, check=True)
    return _trimmed(io.BytesIO(made.stdout))


def flite(text: str, folder: Path, voice: str = "slt") -> np.ndarray:
    """A text spoken by flite at 16 kHz, without the silence around it."""
    path = folder / "flite.wav"
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
    return _trimmed(path)


def _trimmed(source: io.BytesIO | Path) -> np.ndarray:
    samples, rate = soundfile.read(source, dtype="float32")
    samples = soxr.resample(samples, rate, SAMPLE_RATE)
    audible = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[audible[0] : audible[-1] + 1].astype(np.float32)


def in_room(
    speech: np.ndarray, snr_db: float, before_s: float = 1.0, after_s: float = 2.5, seed: int = 0
) -> np.ndarray:
    """Speech with noise before, under and after it."""
    noise_level = np.sqrt(np.mean(np.square(speech))) / 10 ** (snr_db / 20)
    before, after = int(before_s * SAMPLE_RATE), int(after_s * SAMPLE_RATE)
    room = np.pad(speech, (before, after)).astype(np.float32)
    noise = np.random.default_rng(seed).standard_normal(len(room), dtype=np.float32)
    return room + np.float32(noise_level) * noise


@functools.cache
def _network() -> SileroNetwork:
    return SileroNetwork()


def detection() -> SpeechProbability:
    """The real voice detection; all share one network, which takes a while to load."""
    return SpeechProbability(network=_network())


def detect(
    samples: np.ndarray,
    detector: TurnDetector,
    inputs: Sequence[tuple[int, DetectorInput]] = (),
) -> list[DetectorEvent]:
    """What the detector says of a recording, with keys struck at these samples of it."""
    vad = detection()
    events: list[DetectorEvent] = []
    waiting = list(inputs)
    for start in range(0, len(samples), BLOCK):
        while waiting and waiting[0][0] <= start:
            events += detector.step(waiting.pop(0)[1])
        for frame in vad.push(samples[start : start + BLOCK]):
            events += detector.step(frame)
    return events


def frames(*runs: tuple[float, float] | tuple[float, float, float]) -> Iterable[Frame]:
    """Frames of 32 ms: runs of (seconds, probability, level in dB, by default -20 or -70)."""
    for seconds, probability, *level in runs:
        level_db = level[0] if level else (-20.0 if probability > 0 else -70.0)
        for _ in range(round(seconds / 0.032)):
            yield Frame(probability, 512, level_db)
