"""Voice detection: a cheap gate before the network, and both of them on real sound."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.turns.vad import WINDOW, SpeechProbability
from tests.app.turns.speech import (
    BLOCK,
    detection,
    espeak,
    flite,
    in_room,
    needs_espeak,
    needs_flite,
)


class LoudnessGate:
    """Takes every loud frame for voice."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def is_speech(self, frame: bytes, sample_rate: int) -> bool:
        assert (len(frame), sample_rate) == (320, 16000)
        self.heard.append(frame)
        return bool(np.abs(np.frombuffer(frame, dtype=np.int16)).max() > 1000)


class NotingNetwork:
    """Sure of everything; notes what it is shown."""

    def __init__(self) -> None:
        self.heard: list[np.ndarray | None] = []

    def reset(self) -> None:
        self.heard.append(None)

    def probability(self, window: np.ndarray) -> float:
        assert window.shape == (576,)
        self.heard.append(window)
        return 0.9


def ramp(n_windows: int, level: float) -> np.ndarray:
    """Samples that can be told apart, about as loud as ``level``."""
    return np.linspace(level, level * 1.1, n_windows * WINDOW, dtype=np.float32)


def pieces(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def test_the_network_sleeps_while_the_gate_is_closed() -> None:
    gate, network = LoudnessGate(), NotingNetwork()
    frames = SpeechProbability(gate, network).push(ramp(100, 0.001))
    assert network.heard == []
    assert [frame.probability for frame in frames] == [0.0] * 100
    assert len(gate.heard) == 100 * WINDOW // 160


def test_when_the_gate_opens_the_network_has_heard_what_came_before() -> None:
    network = NotingNetwork()
    vad = SpeechProbability(LoudnessGate(), network)
    quiet, loud = ramp(20, 0.001), ramp(1, 0.5)
    vad.push(quiet)
    (frame,) = vad.push(loud)
    assert frame.probability == 0.9
    assert network.heard[0] is None
    windows = [window for window in network.heard[1:] if window is not None]
    heard = np.concatenate([windows[0][:64], *(window[64:] for window in windows)])
    sound = np.concatenate([quiet, loud])
    np.testing.assert_array_equal(heard, sound[-len(heard) :])
    assert len(heard) >= WINDOW * 9


def test_the_gate_stays_open_a_little_after_the_voice() -> None:
    network = NotingNetwork()
    vad = SpeechProbability(LoudnessGate(), network)
    vad.push(ramp(20, 0.001))
    vad.push(ramp(5, 0.5))
    assert vad.is_gate_open
    frames = vad.push(ramp(30, 0.001))
    n_open = sum(frame.probability > 0 for frame in frames)
    assert 5 < n_open < 15
    assert not vad.is_gate_open
    n_heard = len(network.heard)
    vad.push(ramp(30, 0.001))
    assert len(network.heard) == n_heard


def test_the_first_noise_after_the_start_is_no_voice() -> None:
    frames = SpeechProbability(LoudnessGate(), NotingNetwork()).push(ramp(20, 0.5))
    assert [frame.probability > 0 for frame in frames] == [False] * 8 + [True] * 12


@pytest.mark.parametrize("size", [1, 160, 441, 512, 5000])
def test_the_frames_do_not_depend_on_the_pieces(size: int) -> None:
    samples = np.concatenate([ramp(9, 0.001), ramp(3, 0.5), ramp(20, 0.001)])
    whole = SpeechProbability(LoudnessGate(), NotingNetwork()).push(samples)
    vad = SpeechProbability(LoudnessGate(), NotingNetwork())
    assert [frame for piece in pieces(samples, size) for frame in vad.push(piece)] == whole
    assert sum(frame.n_samples for frame in whole) == len(samples)


def test_frames_tell_how_loud_they_are() -> None:
    tone = np.sin(np.arange(WINDOW, dtype=np.float32) * np.pi / 8)
    loud, soft, silent = SpeechProbability(LoudnessGate(), NotingNetwork()).push(
        np.concatenate([tone, 0.1 * tone, np.zeros(WINDOW, dtype=np.float32)])
    )
    assert loud.level_db == pytest.approx(-3.01, abs=0.01)
    assert soft.level_db == pytest.approx(-23.01, abs=0.01)
    assert silent.level_db == -100


def share_of_voice(samples: np.ndarray) -> float:
    vad = detection()
    frames = [frame for piece in pieces(samples, BLOCK) for frame in vad.push(piece)]
    return sum(frame.probability > 0.5 for frame in frames) / len(frames)


@needs_espeak
@needs_flite
@pytest.mark.parametrize("snr_db", [40, 15])
def test_voices_are_voice_and_noises_are_not(snr_db: float, tmp_path: Path) -> None:
    text = "Please tell me what the weather will be tomorrow"
    for speech in (espeak(text), espeak(text, "-v", "en+f3"), flite(text, tmp_path)):
        spoken = in_room(speech, snr_db, before_s=0, after_s=0)
        assert share_of_voice(spoken) > 0.7
    rng = np.random.default_rng(0)
    hiss = 0.02 * rng.standard_normal(80000).astype(np.float32)
    hum = np.float32(0.1) * np.sin(np.arange(80000, dtype=np.float32) * (2 * np.pi * 50 / 16000))
    knocks = np.zeros(80000, dtype=np.float32)
    knocks[::8000] = 0.9
    for noise in (hiss, hum, knocks, np.zeros(80000, dtype=np.float32)):
        assert share_of_voice(noise) == 0


def test_listening_to_a_quiet_room_costs_less_than_one_percent_of_a_core() -> None:
    rng = np.random.default_rng(0)
    room = 0.001 * rng.standard_normal(16000 * 20).astype(np.float32)
    vad = detection()
    started = time.thread_time()
    for piece in pieces(room, BLOCK):
        vad.push(piece)
    assert time.thread_time() - started < 0.01 * 20


def test_the_network_comes_without_torch() -> None:
    program = (
        "import sys; from app.turns.vad import SpeechProbability; SpeechProbability();"
        "print([m for m in ('torch', 'silero_vad') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[3]
    ran = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stderr
