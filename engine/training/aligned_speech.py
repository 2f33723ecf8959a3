"""Fresh speech whose every 20 ms is labelled: how the tokenizer learns its first sounds.

espeak tells at which sample each sound begins. Cross-entropy on these labels teaches in a few
hundred steps what CTC alone needs thousands for; CTC on the whole corpus takes over from there.
"""
# ruff: noqa: RUF001 - phonetic signs are meant

import random
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from engine.speech.frontend import SAMPLE_RATE
from engine.training.nano.augment import (
    add_noise,
    add_room,
    change_speed,
    equalise,
    telephone,
)
from engine.training.nano.corpus import draw_exchange, draw_sentence
from engine.training.nano.espeak import espeak
from engine.training.nano.phonemes import phonemes
from engine.training.nano.synthesis import level, mandarin_reading
from engine.training.nano.voices import SpeechEngineName, Split, Voice, training_voices

FRAME_S = 0.02
UNLABELLED = -100  # what cross-entropy passes over

_ENGLISH = """a a: aa aɪ aɪə aʊ aː b d dʒ e ei eə eɪ eː f h i iə iː j k l m n oə oʊ oː p r s t tʃ uː
    v w z æ æʊ ð ŋ ɐ ɑə ɑː ɑːɹ ɒ ɔ ɔə ɔɪ ɔː ə əl əu əɪ əʊ ɚ ɛ ɛə ɜ ɜː ɡ ɪ ɪɹ ɹ ɾ ʃ ʉ ʉː ʊ ʌ ʌʉ ʌʊ
    ʒ ʲ θ ᵻ"""
_MANDARIN = """a ai ei f i i. iou iɑ iɛ i̪ j k kh l m n o o- onɡ ou p ph s s. t th ts ts. ts.h tsh tɕ
    tɕh u ua uai uei uo uə w y yæ yɛ ŋ ɑ ɑu ɕ ə ər ʐ ʲ χ"""
SOUNDS: tuple[str, ...] = (
    "",
    *(f"en:{symbol}" for symbol in _ENGLISH.split()),
    *(f"zh:{symbol}" for symbol in _MANDARIN.split()),
)
_NUMBER_OF = {sound: number for number, sound in enumerate(SOUNDS)}


@dataclass(frozen=True, slots=True)
class AlignedClip:
    """Samples at 16 kHz, the phonemes in them, and the number of the sound in every 20 ms."""

    samples: NDArray[np.float32]
    phonemes: tuple[str, ...]
    frames: NDArray[np.int64]


def draw_aligned(rng: np.random.Generator) -> AlignedClip:
    """Something new from the training corpus in a random training voice of espeak, augmented."""
    chance = random.Random(int(rng.integers(2**62)))
    lang = "zh" if chance.random() < 0.4 else "en"
    if chance.random() < 0.5:
        text = draw_sentence(lang, Split.TRAIN, chance)
    else:
        text = draw_exchange(lang, Split.TRAIN, chance).question
    voices = [v for v in training_voices(lang) if v.engine is SpeechEngineName.ESPEAK]
    return _speak(text, chance.choice(voices), rng)


def _speak(text: str, voice: Voice, rng: np.random.Generator) -> AlignedClip:
    spoken = mandarin_reading(text) if voice.language == "zh" else text
    pitch, spread = int(rng.integers(25, 75)), int(rng.integers(25, 75))
    source = espeak().speak(spoken, voice.code, rng.uniform(0.8, 1.25), pitch, spread)
    speed = rng.uniform(0.85, 1.2) if rng.random() < 0.7 else 1.0
    labels = _frames(voice.language, len(source), speed)
    samples = level(source.astype(np.float32) / 32768.0)
    samples = soxr.resample(samples, espeak().sample_rate, SAMPLE_RATE, quality="MQ")
    if speed != 1.0:
        samples = change_speed(samples, speed)
    if rng.random() < 0.5:
        samples = equalise(samples, rng)
    if rng.random() < 0.25:
        samples = add_room(samples, rng)
    if rng.random() < 0.5:
        samples = add_noise(samples, rng.uniform(12.0, 40.0), rng)
    if rng.random() < 0.05:
        samples = telephone(samples, rng)
    samples = np.clip(samples * 10.0 ** rng.uniform(-0.7, 0.3), -1.0, 1.0).astype(np.float32)
    return AlignedClip(samples, tuple(phonemes(text, voice.language)), labels)


def _frames(lang: str, n_samples: int, speed: float) -> NDArray[np.int64]:
    """The sound at the middle of every frame of what was spoken last, played at this speed."""
    sounds = espeak().sounds
    starts = np.array([sound.start for sound in sounds])
    names = ["" if not sound.symbol else f"{lang}:{sound.symbol}" for sound in sounds]
    numbers = np.array([_NUMBER_OF.get(name, UNLABELLED) for name in names])
    step = FRAME_S * speed * espeak().sample_rate
    middles = (np.arange(int(n_samples / step)) + 0.5) * step
    current = np.searchsorted(starts, middles, side="right") - 1
    return np.where(current < 0, _NUMBER_OF[""], numbers[np.maximum(current, 0)])
