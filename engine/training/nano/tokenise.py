"""Listens to every clip once, so that the LM can be trained on audio tokens alone.

Row n belongs to clip n: the clip as it is, then augmented takes drawn from the seed and n, so an
interrupted run goes on where it stopped.
"""

import logging
from collections.abc import Iterator

import numpy as np
import soxr

from engine.speech.tokenizer import SpeechTokenizer
from engine.training.nano.augment import SAMPLE_RATE, augment
from engine.training.nano.clips import ClipStore
from engine.training.nano.voices import Split
from engine.training.token_store import TokenRow, TokenStore

logger = logging.getLogger("engine.training")

_ROWS_AT_ONCE = 50


def tokenise(
    clips: ClipStore, tokens: TokenStore, tokenizer: SpeechTokenizer, n_takes: int, seed: int = 42
) -> None:
    """Brings a token store up to its clips; clips of the test split are heard as they are."""
    rows = _rows(clips, tokens.count(), tokenizer, n_takes, seed)
    waiting: list[TokenRow] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == _ROWS_AT_ONCE:
            tokens.append(waiting)
            waiting = []
    tokens.append(waiting)
    logger.info("%d clips as tokens", tokens.count())


def _rows(
    clips: ClipStore, first: int, tokenizer: SpeechTokenizer, n_takes: int, seed: int
) -> Iterator[TokenRow]:
    for index in range(first, len(clips)):
        clip, samples = clips.clip(index), clips.samples(index)
        samples = np.asarray(soxr.resample(samples, clips.sample_rate(index), SAMPLE_RATE))
        rng = np.random.default_rng([seed, index])
        n_augmented = n_takes - 1 if clip.split == Split.TRAIN else 0
        takes = [samples, *(augment(samples, rng) for _ in range(n_augmented))]
        yield TokenRow(
            text=clip.text,
            lang=clip.lang,
            voice=clip.voice,
            kind=clip.kind,
            split=clip.split,
            takes=tuple(tokenizer.encode(take, SAMPLE_RATE) for take in takes),
            subject=clip.subject,
            answer=clip.answer,
        )
