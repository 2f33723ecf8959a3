"""Measures a model on the held-out test set in every mode whose greedy replies are its own.

Run it as ``python main.py evaluate nano``. Without prepared data the test set is synthesised first,
into a cache folder, so the figures can be repeated from nothing. Greedy decoding throughout. Noise,
follow-up questions and prosody are left out.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from engine import catalogue
from engine.conversation import Turn
from engine.evaluation.asr import listen, transcribe
from engine.evaluation.copy_synthesis import copy_synthesis
from engine.evaluation.model import EngineModel, Model
from engine.evaluation.recogniser import Recogniser, answer_grammar
from engine.evaluation.report import (
    TRUE_VOICE,
    CopiedSentence,
    HeardSentence,
    Measured,
    ReadSentence,
    Report,
    SpokenReply,
    markdown,
    to_json,
)
from engine.evaluation.spoken_qa import AnswerJudge
from engine.evaluation.test_set import (
    SpokenQuestion,
    answer_voice_sentences,
    spoken_questions,
    spoken_sentences,
)
from engine.evaluation.tts import Ear, hear, read_aloud
from engine.modes import InferenceMode
from engine.training.nano import subjects_en
from engine.training.nano.corpus import exchanges
from engine.training.nano.prepare import ClipCounts, prepare_test_clips
from engine.training.nano.voices import LANGUAGES, Split


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """How much is measured; the limits count items of one language."""

    # A verified greedy reply is Vanilla's, so measuring it again would tell nothing.
    modes: tuple[InferenceMode, ...] = tuple(m for m in InferenceMode if not m.is_verified)
    questions: int = 300
    spoken: int = 150  # of the questions, those whose replies are decoded and listened to
    sentences: int = 60
    readings: int = 20
    copies: int = 20
    seed: int = 42
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Ears:
    """The recognisers of one language's sound: of answers, and of any sentence."""

    answers: Ear
    sentences: Ear


def evaluate(
    model_folder: Path,
    data_folder: Path,
    config: EvaluationConfig | None = None,
    command: str = "",
) -> Report:
    """All figures of a model on the clips of a prepared ``data_folder``."""
    config = config or EvaluationConfig()
    started = time.monotonic()
    jobs = [
        _Job(model_folder, data_folder, config, mode, lang, part)
        for mode in config.modes
        for lang in LANGUAGES
        for part in range(config.workers)
    ]
    jobs.append(_Job(model_folder, data_folder, config, None, "", 0))
    items: list[Measured] = []
    for number, measured in enumerate(_carried_out(jobs, config.workers), start=1):
        items += measured
        job = jobs[number - 1]
        what = f"{job.mode.value} {job.lang}" if job.mode else "copy-synthesis"
        _say(f"{number}/{len(jobs)} {what} ({time.monotonic() - started:.0f} s)")
    return Report(model_folder.name, command, config.seed, time.monotonic() - started, tuple(items))


def synthesised_test_set(cache_folder: Path, config: EvaluationConfig) -> Path:
    """A data folder that holds the test clips of this config; what it lacks is made first."""
    folder = cache_folder / f"test-{config.seed}-{config.questions}-{config.sentences}"
    counts = ClipCounts(test_questions=config.questions, test_sentences=config.sentences)
    prepare_test_clips(folder, counts, config.workers, config.seed)
    return folder


def answer_questions(
    model: Model,
    questions: Iterable[SpokenQuestion],
    judge: AnswerJudge,
    mode: InferenceMode,
    ear: Ear | None,
) -> Iterator[SpokenReply]:
    """Each question transcribed and answered; with an ear, the answer's sound is judged too."""
    for question in questions:
        exchange = question.exchange
        codes = model.encode(question.samples, question.sample_rate)
        transcript = listen(model, codes, exchange.question, exchange.lang, mode)
        reply = model.reply(Turn.spoken(codes), mode)
        heard = None
        if ear is not None:
            samples = model.speak(reply.audio_codes)
            heard = ear(samples, model.sample_rate) if len(samples) else ""
        yield SpokenReply(
            mode=mode.value,
            lang=exchange.lang,
            subject=exchange.subject,
            voice=question.voice,
            transcript=transcript,
            expected=exchange.answer,
            text=reply.text,
            heard=heard,
            text_right=judge.is_right(reply.text, exchange),
            spoken_right=None if heard is None else judge.is_right(heard, exchange),
            refused=judge.refuses(reply.text),
            is_complete=reply.is_complete,
        )


def ears(model: Model, lang: str) -> Ears:
    """English: pocketsphinx, independent of the model. Mandarin: the model's own Vanilla ASR."""
    if lang == "en":
        return Ears(_answer_ear().recognise, _sentence_ear().recognise)

    def own(samples: Any, sample_rate: int) -> str:
        return transcribe(model, model.encode(samples, sample_rate), InferenceMode.VANILLA)

    return Ears(own, own)


def main(arguments: Sequence[str], model_roots: Sequence[Path], cache_folder: Path) -> int:
    """The command line of ``evaluate``."""
    parser = argparse.ArgumentParser(prog="parley evaluate", description=__doc__)
    add = parser.add_argument
    add("model", help="a model's name or folder")
    add("--data", type=Path, metavar="DIR", help="a folder with a prepared `test` clip store")
    defaults = EvaluationConfig()
    add("--modes", default=",".join(m.value for m in defaults.modes), help="comma-separated")
    for name in ("questions", "spoken", "sentences", "readings", "copies", "seed", "workers"):
        add(f"--{name}", type=int, default=getattr(defaults, name), metavar="N")
    add("--out", type=Path, metavar="DIR", help="write report.md and report.json there")
    parsed = parser.parse_args(arguments)
    try:
        modes = tuple(InferenceMode(mode) for mode in parsed.modes.split(","))
    except ValueError as error:
        parser.error(str(error))
    config = EvaluationConfig(
        modes,
        parsed.questions,
        parsed.spoken,
        parsed.sentences,
        parsed.readings,
        parsed.copies,
        parsed.seed,
        parsed.workers,
    )
    model_folder = catalogue.find(parsed.model, model_roots).folder
    if parsed.data is None:
        _say("making the test clips, once")
    report = evaluate(
        model_folder,
        parsed.data or synthesised_test_set(cache_folder, config),
        config,
        " ".join(("python main.py evaluate", *arguments)),
    )
    print(markdown(report))
    if parsed.out is not None:
        parsed.out.mkdir(parents=True, exist_ok=True)
        (parsed.out / "report.md").write_text(markdown(report), encoding="utf-8")
        (parsed.out / "report.json").write_text(
            json.dumps(to_json(report), ensure_ascii=False, indent=1), encoding="utf-8"
        )
    return 0


@dataclass(frozen=True, slots=True)
class _Job:
    """One worker's share: every n-th item of a mode and language, or the copy-synthesis."""

    model_folder: Path
    data_folder: Path
    config: EvaluationConfig
    mode: InferenceMode | None
    lang: str
    part: int


def _carried_out(jobs: Sequence[_Job], workers: int) -> Iterator[list[Measured]]:
    if workers <= 1:
        yield from map(_carry_out, jobs)
        return
    # Not forked: torch's threads and the synthesisers do not survive it.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_carry_out, jobs)


def _carry_out(job: _Job) -> list[Measured]:
    model = _loaded(job.model_folder)
    if job.mode is None:
        return list(_voice(model, job.config))
    config, lang = job.config, job.lang
    judge = AnswerJudge.of(exchanges(lang, Split.TRAIN) + exchanges(lang, Split.TEST), lang)
    both = ears(model, lang)
    turn = slice(job.part, None, config.workers)
    questions = spoken_questions(job.data_folder, lang, config.questions, config.seed)
    listened, silent = questions[: config.spoken][turn], questions[config.spoken :][turn]
    measured: list[Measured] = []
    measured += answer_questions(model, listened, judge, job.mode, both.answers)
    measured += answer_questions(model, silent, judge, job.mode, None)
    sentences = spoken_sentences(job.data_folder, lang, config.sentences, config.seed)
    for sentence in sentences[turn]:
        codes = model.encode(sentence.samples, sentence.sample_rate)
        transcript = listen(model, codes, sentence.text, lang, job.mode)
        measured.append(HeardSentence(job.mode.value, lang, transcript))
    for true in answer_voice_sentences(lang, config.readings)[turn]:
        reading = read_aloud(model, true.text, lang, job.mode, both.sentences)
        measured.append(ReadSentence(job.mode.value, lang, reading))
    return measured


def _voice(model: EngineModel, config: EvaluationConfig) -> Iterator[Measured]:
    """What no mode changes: the copies of the answer voice, and the true voice as heard."""
    for lang in LANGUAGES:
        ear = ears(model, lang).sentences
        clips = answer_voice_sentences(lang, max(config.copies, config.readings))
        for clip in clips[: config.copies]:
            score = copy_synthesis(model, clip.samples, clip.sample_rate)
            yield CopiedSentence(lang, score)
        for clip in clips[: config.readings]:
            reading = hear(clip.samples, clip.sample_rate, clip.text, lang, ear)
            yield ReadSentence(TRUE_VOICE, lang, reading)


@cache
def _answer_ear() -> Recogniser:
    return Recogniser(answer_grammar(subjects_en.topics()))


@cache
def _sentence_ear() -> Recogniser:
    return Recogniser()


@cache
def _loaded(folder: Path) -> EngineModel:
    import torch

    from engine.engine import SpeechEngine

    torch.set_num_threads(1)  # one-token steps gain nothing from more, and workers share the cores
    return EngineModel(SpeechEngine.load(folder, device="cpu"))


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
