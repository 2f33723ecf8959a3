"""What a model is measured on: unseen questions and sentences in voices that training never used.

The clips come from the ``test`` store of a folder that ``engine.training.nano.prepare`` filled: the
same texts, voices and speeds for the same seed.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.errors import TrainingDataError
from engine.training.nano.clips import ClipStore
from engine.training.nano.corpus import exchanges, sentences
from engine.training.nano.synthesis import synthesise
from engine.training.nano.topics import Exchange
from engine.training.nano.voices import ANSWER_VOICE, Split

_STORE = "test"


@dataclass(frozen=True, slots=True, eq=False)
class SpokenQuestion:
    """An exchange whose question is spoken by a stranger."""

    exchange: Exchange
    voice: str
    samples: npt.NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True, slots=True, eq=False)
class SpokenSentence:
    """A general sentence, spoken."""

    text: str
    lang: str
    voice: str
    samples: npt.NDArray[np.float32]
    sample_rate: int


def spoken_questions(folder: Path, lang: str, limit: int, seed: int) -> tuple[SpokenQuestion, ...]:
    """Up to ``limit`` questions of a language, the same ones for the same seed."""
    store = ClipStore(folder / _STORE)
    known = {e.question: e for e in exchanges(lang, Split.TEST)}
    chosen = []
    for index in _indices(store, lang, "question", limit, seed):
        clip = store.clip(index)
        if clip.text not in known:
            raise TrainingDataError(
                f"{folder}: the test clip {clip.text!r} is no question of this version's corpus:"
                " prepare the test clips again"
            )
        chosen.append(
            SpokenQuestion(
                known[clip.text], clip.voice, store.samples(index), store.sample_rate(index)
            )
        )
    return tuple(chosen)


def spoken_sentences(folder: Path, lang: str, limit: int, seed: int) -> tuple[SpokenSentence, ...]:
    """Up to ``limit`` general sentences in test voices."""
    store = ClipStore(folder / _STORE)
    return tuple(
        SpokenSentence(
            store.clip(index).text,
            lang,
            store.clip(index).voice,
            store.samples(index),
            store.sample_rate(index),
        )
        for index in _indices(store, lang, "sentence", limit, seed)
    )


def answer_voice_sentences(lang: str, limit: int) -> tuple[SpokenSentence, ...]:
    """Held-out general sentences, truly spoken by the answer voice."""
    voice = ANSWER_VOICE[lang]
    texts = sentences(lang, Split.TEST, limit)
    return tuple(SpokenSentence(text, lang, voice.name, *synthesise(text, voice)) for text in texts)


def _indices(store: ClipStore, lang: str, kind: str, limit: int, seed: int) -> list[int]:
    found = [
        index
        for index, clip in enumerate(store.clips())
        if clip.lang == lang and clip.kind == kind and clip.split == Split.TEST.value
    ]
    random.Random(f"{seed} {lang} {kind}").shuffle(found)
    return found[:limit]
