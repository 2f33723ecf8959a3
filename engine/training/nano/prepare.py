"""Makes the clip stores that nano is trained and tested on, from nothing, resumable at every clip.

Six stores in one folder: ``questions`` (questions and general sentences in many training voices,
16 kHz), ``variations`` (reworded questions and shuffled phrases, the same), ``strangers`` (the like
of these in English, in voices that networks speak), ``men`` (the same in voices turned into those
of men), ``answers`` (every answer, and general sentences, in the answer voices, 22.05 kHz) and
``test`` (unseen questions and sentences in voices never trained on, 16 kHz). Text, voice, pitch and
speed of clip n follow from the seed and n alone, so an interrupted run goes on as if nothing had
happened; only the breath noise of a voice is its program's own.
"""

import logging
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soxr

from engine.training.nano.clips import Clip, ClipStore
from engine.training.nano.corpus import (
    answer_alternatives,
    draw_exchange,
    draw_sentence,
    exchanges,
    sentences,
)
from engine.training.nano.phonemes import phonemes
from engine.training.nano.synthesis import synthesise
from engine.training.nano.topics import Exchange
from engine.training.nano.voices import (
    ANSWER_VOICE,
    LANGUAGES,
    Split,
    Voice,
    draw_man,
    draw_network_voice,
    draw_test_voice,
    draw_training_voice,
)
from engine.training.nano.wordings import reworded, shuffled

_LOG = logging.getLogger("engine.training")

QUESTION_RATE = 16000
ANSWER_RATE = 22050
_ENGLISH_SHARE = 0.6
_SENTENCE_SHARE = 0.35
_SHUFFLED_SHARE = 0.5
_FIRST_QUESTIONS = 3000
ANSWER_LEAD_S = 0.32
"""Silence before every spoken answer, four audio tokens.

In Boost's order eight audio tokens follow the first text token, as many as speak almost three;
after the pause they speak one, and from then on text is ahead. Otherwise a small model would have
to know its answer as sound before it knows it as text. The engine leaves the pause out, so nobody
waits for it. (Moshi's inner monologue, Défossez et al., 2024, puts text before speech likewise.)
"""


@dataclass(frozen=True, slots=True)
class ClipCounts:
    """How many clips of each kind to make."""

    questions: int = 25000
    variations: int = 16000
    strangers: int = 2000
    men: int = 4000
    answer_sentences: int = 1500  # a language, beside every answer
    test_questions: int = 300  # a language
    test_sentences: int = 100  # a language


@dataclass(frozen=True, slots=True)
class _Order:
    """One clip to be made."""

    text: str
    lang: str
    voice: Voice
    kind: str
    split: Split
    sample_rate: int
    seed: str | None  # of the voice's pitch and speed; None keeps them fixed
    subject: str = ""
    answer: str = ""
    lead_s: float = 0.0  # silence before it


def prepare_clips(folder: Path, counts: ClipCounts, workers: int = 1, seed: int = 42) -> None:
    """Fills the stores up to these counts; the first questions come before all else."""
    answers = list(_answer_orders(counts))
    question = partial(_question_order, seed)
    _fill(folder / "questions", min(_FIRST_QUESTIONS, counts.questions), question, workers)
    prepare_test_clips(folder, counts, workers, seed)
    _fill(folder / "answers", len(answers), answers.__getitem__, workers)
    _fill(folder / "questions", counts.questions, question, workers)
    _fill(folder / "variations", counts.variations, partial(_variation_order, seed), workers)
    _fill(folder / "strangers", counts.strangers, partial(_stranger_order, seed), workers)
    _fill(folder / "men", counts.men, partial(_man_order, seed), workers)


def prepare_test_clips(folder: Path, counts: ClipCounts, workers: int = 1, seed: int = 42) -> None:
    """Fills the store ``test`` alone, which is all that an evaluation needs."""
    test = list(_test_orders(counts, seed))
    _fill(folder / "test", len(test), test.__getitem__, workers)


def _fill(path: Path, count: int, order: Callable[[int], _Order], workers: int) -> None:
    store = ClipStore(path, writable=True)
    remaining = (order(index) for index in range(len(store), count))
    for samples, sample_rate, clip in _make_all(remaining, workers):
        store.append(samples, sample_rate, clip)
        if len(store) % 500 == 0:
            _LOG.info("%s: %d of %d clips", path.name, len(store), count)


def _make_all(orders: Iterator[_Order], workers: int) -> Iterator[tuple[np.ndarray, int, Clip]]:
    if workers <= 1:
        yield from map(_make, orders)
        return
    # Not forked: espeak and flite live in each worker from the start.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        while batch := list(islice(orders, 64 * workers)):
            yield from pool.map(_make, batch, chunksize=8)


def _make(order: _Order) -> tuple[np.ndarray, int, Clip]:
    rng = None if order.seed is None else random.Random(order.seed)
    samples, sample_rate = synthesise(order.text, order.voice, rng)
    samples = np.pad(samples, (round(order.lead_s * sample_rate), 0))
    if sample_rate != order.sample_rate:
        samples = np.clip(soxr.resample(samples, sample_rate, order.sample_rate), -1.0, 1.0)
    clip = Clip(
        text=order.text,
        lang=order.lang,
        voice=order.voice.name,
        phonemes=tuple(phonemes(order.text, order.lang)),
        kind=order.kind,
        split=order.split.value,
        subject=order.subject,
        answer=order.answer,
    )
    return samples, order.sample_rate, clip


def _question_order(seed: int, index: int) -> _Order:
    rng, lang, voice = _speaker(f"{seed} question {index}")
    spoken = f"{seed} voice {index}"
    if rng.random() < _SENTENCE_SHARE:
        text = draw_sentence(lang, Split.TRAIN, rng)
        return _Order(text, lang, voice, "sentence", Split.TRAIN, QUESTION_RATE, spoken)
    exchange = draw_exchange(lang, Split.TRAIN, rng)
    return _asked(exchange, voice, Split.TRAIN, spoken)


def _variation_order(seed: int, index: int) -> _Order:
    rng, lang, voice = _speaker(f"{seed} variation {index}")
    return _varied(lang, voice, f"{seed} variation voice {index}", rng)


def _stranger_order(seed: int, index: int) -> _Order:
    rng = random.Random(f"{seed} stranger {index}")
    voice = draw_network_voice(rng)
    return _varied("en", voice, f"{seed} stranger voice {index}", rng)


def _man_order(seed: int, index: int) -> _Order:
    rng = random.Random(f"{seed} man {index}")
    voice = draw_man(rng)
    return _varied("en", voice, f"{seed} man voice {index}", rng)


def _varied(lang: str, voice: Voice, spoken: str, rng: random.Random) -> _Order:
    if rng.random() < _SHUFFLED_SHARE:
        text = shuffled(lang, rng)
        return _Order(text, lang, voice, "shuffled", Split.TRAIN, QUESTION_RATE, spoken)
    exchange = draw_exchange(lang, Split.TRAIN, rng)
    exchange = replace(exchange, question=reworded(exchange.question, lang, rng))
    return _asked(exchange, voice, Split.TRAIN, spoken)


def _speaker(seed: str) -> tuple[random.Random, str, Voice]:
    """Who speaks which language, and the randomness that decides what."""
    rng = random.Random(seed)
    lang = "en" if rng.random() < _ENGLISH_SHARE else "zh"
    return rng, lang, draw_training_voice(lang, rng)


def _asked(exchange: Exchange, voice: Voice, split: Split, seed: str) -> _Order:
    return _Order(
        exchange.question,
        exchange.lang,
        voice,
        "question",
        split,
        QUESTION_RATE,
        seed,
        exchange.subject,
        exchange.answer,
    )


def _answer_orders(counts: ClipCounts) -> Iterator[_Order]:
    texts = [(text, lang, "answer") for lang in LANGUAGES for text in answer_alternatives(lang)]
    # What only a held-out question asks for is no training text: it would give the result away.
    taught = {e.answer for lang in LANGUAGES for e in exchanges(lang, Split.TRAIN)}
    texts += [
        (text, lang, "sentence")
        for lang in LANGUAGES
        for text in sentences(lang, Split.TRAIN, counts.answer_sentences)
    ]
    # Shuffled, so that a store still being filled already holds both languages and kinds.
    random.Random(0).shuffle(texts)
    for text, lang, kind in texts:
        split = Split.TEST if kind == "answer" and text not in taught else Split.TRAIN
        voice = ANSWER_VOICE[lang]
        yield _Order(text, lang, voice, kind, split, ANSWER_RATE, None, lead_s=ANSWER_LEAD_S)


def _test_orders(counts: ClipCounts, seed: int) -> Iterator[_Order]:
    rng = random.Random(f"{seed} test")
    orders = []
    for lang in LANGUAGES:
        asked: dict[str, Exchange] = {}
        wanted = min(counts.test_questions, len(exchanges(lang, Split.TEST)))
        while len(asked) < wanted:
            exchange = draw_exchange(lang, Split.TEST, rng)
            asked.setdefault(exchange.question, exchange)
        for number, exchange in enumerate(asked.values()):
            spoken = f"{seed} test voice {lang} {number}"
            orders.append(_asked(exchange, draw_test_voice(lang, rng), Split.TEST, spoken))
        for number, text in enumerate(sentences(lang, Split.TEST, counts.test_sentences)):
            voice = draw_test_voice(lang, rng)
            spoken = f"{seed} test sentence voice {lang} {number}"
            orders.append(_Order(text, lang, voice, "sentence", Split.TEST, QUESTION_RATE, spoken))
    rng.shuffle(orders)
    yield from orders
