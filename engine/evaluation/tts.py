"""Speaking: general sentences read aloud, recognised again, beside the true voice's own score.

English is heard by pocketsphinx without a grammar, Mandarin by the model's own ASR. The true voice
is heard by the same ear, so that what the ear gets wrong is not held against the model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.chat_template import tts_turn
from engine.evaluation.error_rates import Edits, word_edits
from engine.evaluation.model import Model
from engine.modes import InferenceMode

Ear = Callable[[npt.NDArray[np.float32], int], str]
"""Samples and their rate to text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One sentence read aloud: word errors in English, character errors in Mandarin."""

    text: str
    heard: str
    edits: Edits


def read_aloud(model: Model, text: str, lang: str, mode: InferenceMode, ear: Ear) -> Reading:
    """Has the model say a text and the ear write it down; silence loses every word."""
    samples = model.speak(model.reply(tts_turn(text), mode).audio_codes)
    return hear(samples, model.sample_rate, text, lang, ear)


def hear(
    samples: npt.NDArray[np.float32], sample_rate: int, text: str, lang: str, ear: Ear
) -> Reading:
    """What the ear understands of a spoken text."""
    heard = ear(samples, sample_rate) if len(samples) else ""
    return Reading(text, heard, word_edits(text, heard, lang))
