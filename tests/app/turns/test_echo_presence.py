"""Is the speaker heard by the microphone? Told apart from silence, noise and other voices."""

import numpy as np
import pytest

from app.turns.echo_presence import EchoPresence
from tests.app.turns.speech import BLOCK, espeak, flite, needs_espeak, needs_flite

SECOND = 16000


@pytest.fixture(scope="module")
def played() -> np.ndarray:
    speech = espeak("The capital of France is Paris, and it lies on the river Seine.")
    return np.tile(speech, 3)[: 5 * SECOND]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    speech = flite("Please tell me something else", tmp_path_factory.mktemp("voice"), "rms")
    return np.tile(speech, 6)[: 5 * SECOND]


def noise(n_samples: int) -> np.ndarray:
    return 0.0005 * np.random.default_rng(0).standard_normal(n_samples).astype(np.float32)


def echo(played: np.ndarray, level_db: float, delay_ms: float) -> np.ndarray:
    late = np.pad(played, (int(delay_ms * 16), 0))[: len(played)]
    return (10 ** (level_db / 20) * late).astype(np.float32)


def push(presence: EchoPresence, near: np.ndarray, far: np.ndarray) -> list[bool]:
    said = []
    for start in range(0, len(far) // BLOCK * BLOCK, BLOCK):
        presence.push(near[start : start + BLOCK], far[start : start + BLOCK])
        said.append(presence.is_heard)
    return said


pytestmark = [needs_espeak, needs_flite]


@pytest.mark.parametrize(("level_db", "delay_ms"), [(-3, 20), (-12, 120), (-30, 320)])
def test_an_echo_is_heard_whatever_its_level_and_delay(
    played: np.ndarray, other: np.ndarray, level_db: float, delay_ms: float
) -> None:
    near = echo(played, level_db, delay_ms) + noise(len(played))
    assert all(push(EchoPresence(), near, played))
    assert all(push(EchoPresence(), near + 0.2 * near.std() / other.std() * other, played))


def test_without_an_echo_that_is_known_after_a_second(
    played: np.ndarray, other: np.ndarray
) -> None:
    for near in (noise(len(played)), other + noise(len(other)), np.zeros_like(played)):
        said = push(EchoPresence(), near, played)
        assert said[0]
        assert not any(said[SECOND * 12 // 10 // BLOCK :])


def test_who_takes_the_headphones_off_is_noticed_soon(played: np.ndarray) -> None:
    presence = EchoPresence()
    push(presence, noise(len(played)), played)
    said = push(presence, echo(played, -12, 60) + noise(len(played)), played)
    assert all(said[SECOND * 4 // 10 // BLOCK :])


def test_while_nothing_is_played_nothing_is_concluded(other: np.ndarray) -> None:
    assert all(push(EchoPresence(), other, np.zeros_like(other)))


def test_what_was_played_before_a_silence_is_not_compared_with_what_is_heard_after(
    played: np.ndarray,
) -> None:
    presence = EchoPresence()
    push(presence, noise(SECOND), played[:SECOND])
    presence.restart()
    near = echo(played, -12, 60) + noise(len(played))
    assert all(push(presence, near, played)[SECOND // BLOCK :])
