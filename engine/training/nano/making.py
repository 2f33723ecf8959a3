"""Makes nano from nothing, part by part: clips, speech tokenizer, tokens, decoder, LM, export.

Every part leaves its product in the work folder, is skipped when that is there, and goes on where
it was interrupted. Left out: measuring the result (``engine.evaluation``) and the model card.
"""

import json
import logging
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path

import torch

from engine.checkpoint import load_weights, save_weights, without_weights
from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM
from engine.models.whisper_vq import WhisperVQConfig
from engine.speech.flow import FlowConfig
from engine.speech.tokenizer import SpeechTokenizer
from engine.text_tokenizer import TextTokenizer
from engine.training import vocoder
from engine.training.data import DataOptions, SpeechData
from engine.training.flow import FlowTask, measure_scale
from engine.training.flow_pairs import PairStore, clip_pairs, write_pairs
from engine.training.nano.augment import augment
from engine.training.nano.clips import ClipStore
from engine.training.nano.corpus import subjects
from engine.training.nano.exercises import draw_exercise
from engine.training.nano.phonemes import PHONEMES
from engine.training.nano.prepare import prepare_clips
from engine.training.nano.recipe import Recipe
from engine.training.nano.text_tokenizer import write_tokenizer
from engine.training.nano.tokenise import tokenise
from engine.training.nano.voices import ANSWER_VOICE, LANGUAGES, Split
from engine.training.nano.wordings import reworded
from engine.training.speech_tokenizer import TokenizerTask
from engine.training.start import sounding_alike
from engine.training.token_store import TokenRow, TokenStore
from engine.training.tokenizer_batches import ClipBatches, labelled_clips
from engine.training.train import WEIGHTS, train_stage
from engine.training.trainer import run

logger = logging.getLogger("engine.training")

STORES = ("questions", "variations", "strangers", "men", "answers", "test")
_COPIES = {"strangers": 4, "men": 2}
"""Stores that count as if they held so many copies of every clip; recorded speakers are few."""

_TOKENIZER_HELD_OUT = 160  # clips
_FLOW_HELD_OUT = 24
_VOCODER_HELD_OUT = 8
_VOCODER_CLIPS = 2000


class Part(Enum):
    """The parts in the order in which they need each other."""

    CLIPS = "clips"
    SPEECH_TOKENIZER = "speech_tokenizer"
    TOKENS = "tokens"
    FLOW = "flow"
    VOCODER = "vocoder"
    TEXT_TOKENIZER = "text_tokenizer"
    STAGE_0 = "stage0"
    STAGE_1 = "stage1"
    STAGE_2 = "stage2"
    STAGE_3 = "stage3"
    STAGE_4 = "stage4"
    EXPORT = "export"


def make(
    recipe: Recipe,
    work: Path,
    model: Path,
    parts: Sequence[Part] = tuple(Part),
    device: str = "cpu",
    progress_bar: bool = True,
) -> None:
    """Makes the parts asked for; ``work`` keeps what is needed on the way, ``model`` the result."""
    making = _Making(recipe, work, model, device, progress_bar)
    for part in Part:
        if part in parts:
            logger.info("nano: %s", part.value)
            making.carry_out(part)


class _Making:
    """One recipe in one work folder; each method makes one part and returns when it is there."""

    def __init__(
        self, recipe: Recipe, work: Path, model: Path, device: str, progress_bar: bool
    ) -> None:
        self._recipe = recipe
        self._work = work
        self._model = model
        self._device = device
        self._bar = progress_bar

    def carry_out(self, part: Part) -> None:
        steps: dict[Part, Callable[[], None]] = {
            Part.CLIPS: self._clips,
            Part.SPEECH_TOKENIZER: self._speech_tokenizer,
            Part.TOKENS: self._tokens,
            Part.FLOW: self._flow,
            Part.VOCODER: self._vocoder,
            Part.TEXT_TOKENIZER: self._text_tokenizer,
            Part.STAGE_0: lambda: self._stage(0),
            Part.STAGE_1: lambda: self._stage(1),
            Part.STAGE_2: lambda: self._stage(2),
            Part.STAGE_3: lambda: self._stage(3),
            Part.STAGE_4: lambda: self._stage(4),
            Part.EXPORT: self._export,
        }
        steps[part]()

    @property
    def _speech_tokenizer_folder(self) -> Path:
        return self._model / "speech_tokenizer"

    @property
    def _decoder_folder(self) -> Path:
        return self._model / "speech_decoder"

    @property
    def _tokenizer_file(self) -> Path:
        return self._work / "tokenizer.json"

    def _stage_folder(self, number: int) -> Path:
        return self._work / f"stage{number}"

    def _clips(self) -> None:
        if self._recipe.clips is not None:
            prepare_clips(self._work, self._recipe.clips, self._recipe.workers)

    def _speech_tokenizer(self) -> None:
        if (self._speech_tokenizer_folder / WEIGHTS).is_file():
            return
        config, settings = WhisperVQConfig.nano(), self._recipe.tokenizer_batches
        stores = [ClipStore(self._work / name) for name in STORES]
        clips = [
            clip
            for name, store in zip(STORES, stores, strict=True)
            for clip in labelled_clips(store, Split.TRAIN) * _COPIES.get(name, 1)
        ]
        held_out = labelled_clips(stores[-1], Split.TEST)
        chosen = held_out[:: max(1, len(held_out) // _TOKENIZER_HELD_OUT)]
        batches = ClipBatches(clips, PHONEMES, augment, config.num_mel_bins, settings)
        torch.manual_seed(self._recipe.speech_tokenizer.seed)
        task = TokenizerTask(config, batches, chosen, PHONEMES)
        plan = replace(self._recipe.speech_tokenizer, device=self._device)
        run(task, plan, self._work / "speech_tokenizer_run", self._bar)
        task.export(self._speech_tokenizer_folder)

    def _tokens(self) -> None:
        tokenizer = SpeechTokenizer.load(self._speech_tokenizer_folder)
        for name in STORES:
            store = TokenStore(self._work / f"{name}_tokens.jsonl")
            n_takes = self._recipe.n_takes * _COPIES.get(name, 1)
            tokenise(ClipStore(self._work / name), store, tokenizer, n_takes)

    def _flow(self) -> None:
        if (self._decoder_folder / "flow.safetensors").is_file():
            return
        folder = self._work / "flow_pairs"
        if not (folder / "index.jsonl").is_file():
            voices = {voice.name for voice in ANSWER_VOICE.values()}
            tokenizer = SpeechTokenizer.load(self._speech_tokenizer_folder)
            write_pairs(clip_pairs(ClipStore(self._work / "answers"), tokenizer, voices), folder)
        pairs = PairStore(folder)
        train, held_out = pairs.pairs(Split.TRAIN), pairs.pairs(Split.TEST)[:_FLOW_HELD_OUT]
        torch.manual_seed(self._recipe.flow.seed)
        task = FlowTask(train, held_out, replace(FlowConfig.nano(), mel_scale=measure_scale(train)))
        plan = replace(self._recipe.flow, device=self._device)
        run(task, plan, self._work / "flow_run", self._bar)
        task.export(self._decoder_folder)

    def _vocoder(self) -> None:
        if (self._decoder_folder / "hift.safetensors").is_file():
            return
        store = ClipStore(self._work / "answers")
        numbers = {
            split: [n for n, clip in enumerate(store.clips()) if clip.split == split]
            for split in Split
        }
        network = vocoder.nano_vocoder()
        task = vocoder.VocoderTraining(
            network,
            vocoder.StoredClips(store, numbers[Split.TRAIN][:_VOCODER_CLIPS]),
            vocoder.StoredClips(store, numbers[Split.TEST][:_VOCODER_HELD_OUT]),
        )
        plan = replace(self._recipe.vocoder, device=self._device)
        run(task, plan, self._work / "vocoder_run", self._bar)
        vocoder.export(network, self._decoder_folder)

    def _text_tokenizer(self) -> None:
        if not self._tokenizer_file.is_file():
            write_tokenizer(self._tokenizer_file, self._recipe.n_text)

    def _stage(self, number: int) -> None:
        tokenizer = TextTokenizer.load(self._tokenizer_file)
        codebook = SpeechTokenizer.load(self._speech_tokenizer_folder).codebook
        rows = self._rows()
        options = DataOptions(
            answer_voices={lang: voice.name for lang, voice in ANSWER_VOICE.items()},
            subject_weights={
                (lang, subject): weight * self._recipe.emphasis.get(subject, 1.0)
                for lang in LANGUAGES
                for subject, weight in subjects(lang).items()
            },
            language_weights=self._recipe.language_weights,
            alike=sounding_alike(codebook),
            reword=reworded,
            exercise=self._exercise,
        )
        plan = self._recipe.stages[number]
        train_stage(
            plan.stage,
            self._config(tokenizer),
            SpeechData(rows, tokenizer, options, Split.TRAIN),
            SpeechData(
                rows,
                tokenizer,
                replace(
                    options,
                    replace_chance=0.0,
                    drop_chance=0.0,
                    blur_chance=0.0,
                    reword=None,
                    exercise=None,
                ),
                Split.TEST,
            ),
            replace(plan.run, device=self._device, bf16=self._device != "cpu"),
            self._stage_folder(number),
            self._stage_folder(number - 1) / WEIGHTS if number else None,
            plan.tokens_per_batch,
            self._bar,
            codebook=codebook,
        )

    def _export(self) -> None:
        """Writes the LM and its tokenizer beside the speech parts; the weights come last."""
        tokenizer = TextTokenizer.load(self._tokenizer_file)
        config = self._config(tokenizer)
        with without_weights():
            lm = SpeechLM(config)
        load_weights(lm, self._stage_folder(len(self._recipe.stages) - 1) / WEIGHTS)
        self._model.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._tokenizer_file, self._model / "tokenizer.json")
        (self._model / "config.json").write_text(config.to_json(), encoding="utf-8")
        generation = {
            "do_sample": False,
            "repetition_penalty": 1.0,
            "max_new_tokens": 512,
            "eos_token_id": list(tokenizer.vocabulary.eos_ids),
            "pad_token_id": tokenizer.vocabulary.endoftext,
        }
        (self._model / "generation_config.json").write_text(
            json.dumps(generation, indent=1) + "\n", encoding="utf-8"
        )
        save_weights(lm, self._model / WEIGHTS, torch.float16)

    def _exercise(self, rng: random.Random) -> tuple[str, str, str]:
        weights = [self._recipe.language_weights.get(lang, 1.0) for lang in LANGUAGES]
        exchange = draw_exercise(rng.choices(LANGUAGES, weights)[0], rng)
        return exchange.question, exchange.answer, exchange.lang

    def _rows(self) -> list[TokenRow]:
        return [
            row
            for name in STORES
            for row in TokenStore(self._work / f"{name}_tokens.jsonl").rows() * _COPIES.get(name, 1)
        ]

    def _config(self, tokenizer: TextTokenizer) -> ModelConfig:
        vocab = tokenizer.vocabulary
        return self._recipe.sizes.config(vocab.size, vocab.endoftext, vocab.im_end)
