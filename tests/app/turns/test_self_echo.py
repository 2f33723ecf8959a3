"""An open microphone beside a loudspeaker: the answer is not heard as speech, the user still is."""

from pathlib import Path

import numpy as np

from app.audio.echo import EchoCanceller
from app.settings import TalkMode, TurnSettings
from app.turns.listener import Listener
from app.turns.turn_events import SAMPLE_RATE, Playback, SpeechStarted
from tests.app.fakes import NOON
from tests.app.turns.speech import BLOCK, detection, espeak, flite, needs_espeak, needs_flite

ANSWERS = (
    "The capital of France is Paris, and it lies on the river Seine.",
    "I am not sure, but I think that the weather will be fine tomorrow.",
    "Once upon a time there was a small house at the edge of the forest.",
)
ECHO_DB, ECHO_DELAY_MS = -12, 60


def answers(folder: Path, seconds: float) -> np.ndarray:
    """Many voices, one after another."""
    voices = [espeak(text) for text in ANSWERS]
    voices += [flite(text, folder, voice) for text in ANSWERS for voice in ("slt", "awb")]
    parts = [0.6 * voice / np.abs(voice).max() for voice in voices]
    sound = np.tile(np.concatenate(parts), 1 + int(seconds * SAMPLE_RATE / sum(map(len, parts))))
    return sound[: int(seconds * SAMPLE_RATE) // BLOCK * BLOCK].astype(np.float32)


def in_the_room(played: np.ndarray) -> np.ndarray:
    """What the microphone hears of it: late, softer, with reflections and noise."""
    rng = np.random.default_rng(0)
    response = np.zeros(1600, dtype=np.float32)
    response[0] = 1.0
    response[rng.integers(100, 1600, 12)] = rng.uniform(-0.2, 0.2, 12)
    late = np.pad(played, (ECHO_DELAY_MS * SAMPLE_RATE // 1000, 0))[: len(played)]
    echo = np.convolve(late, response)[: len(played)] * 10 ** (ECHO_DB / 20)
    noise = 0.0005 * rng.standard_normal(len(played))
    return (echo + noise).astype(np.float32)


def starts(near: np.ndarray, far: np.ndarray) -> list[int]:
    """After how many samples speech was noticed over a sounding answer."""
    listener = Listener(TurnSettings(TalkMode.HANDS_FREE), detection(), lambda: NOON)
    listener.echo_canceller = EchoCanceller(noise_suppression=True, gain_control=False)
    listener.told(Playback(True))
    noticed = []
    for start in range(0, len(far), BLOCK):
        block = slice(start, start + BLOCK)
        for event in listener.hear(near[block], 0.0, far[block]):
            if isinstance(event, SpeechStarted):
                noticed.append(start + BLOCK)
    return noticed


@needs_espeak
@needs_flite
def test_an_answer_does_not_interrupt_itself_and_the_user_interrupts_it_soon(
    tmp_path: Path,
) -> None:
    played = answers(tmp_path, seconds=12)
    near = in_the_room(played)
    assert starts(near, played) == []
    said = flite("Wait a moment", tmp_path, "rms")
    at = 9 * SAMPLE_RATE
    near[at : at + len(said)] += 0.08 * said / np.sqrt(np.mean(np.square(said)))
    (noticed,) = starts(near, played)
    assert 0 < noticed - at < 0.2 * SAMPLE_RATE
