"""Trains nano's speech tokenizer: audio tokens that keep what was said and drop who said it.

Log-mel -> encoder -> one vector per 80 ms -> quantised -> phonemes by CTC, the way GLM-4-Voice's
tokenizer was supervised by transcripts; the log-mel of clean answer clips is rebuilt with a small
weight, so that duration and melody survive. The heads are used in training only.

    python -m engine.training.speech_tokenizer --clips CLIPS --run RUN --export FOLDER

It leaves out making the clips and augmenting them (`engine.training.nano`).
"""

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.checkpoint import save_weights
from engine.models.whisper_vq import FRAMES_PER_TOKEN, WhisperVQConfig, WhisperVQEncoder
from engine.speech.frontend import HOP, SAMPLE_RATE, whisper_log_mel
from engine.training.nano.augment import augment
from engine.training.nano.clips import ClipStore
from engine.training.nano.phonemes import PHONEMES
from engine.training.nano.voices import ANSWER_VOICE
from engine.training.optim import ParameterGroup
from engine.training.trainer import RunConfig, run
from engine.training.vector_quantiser import EmaQuantiser

SAMPLES_PER_TOKEN = HOP * FRAMES_PER_TOKEN
LEARNING_RATE = 1e-3
SUB_FRAMES = 4  # CTC steps per audio token: 50 a second, enough for the fastest speech

Samples = NDArray[np.float32]
Augment = Callable[[Samples, np.random.Generator], Samples]


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One clip to learn from; ``load`` gives samples at 16 kHz, ``group`` is for the figures."""

    load: Callable[[], Samples]
    duration_s: float
    phonemes: tuple[str, ...]
    group: str
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class TokenizerTraining:
    """What the objective and the batches are made of."""

    batch_s: float = 80.0
    pool_batches: int = 12  # augmented together, then cut into batches of like length
    quantise_from_step: int = 200
    reseed_every: int = 20
    commitment_weight: float = 0.25
    mel_weight: float = 0.2
    clean_answer_share: float = 0.7  # of answer clips: not augmented, and rebuilt
    time_masks: int = 2
    time_mask_frames: int = 16
    band_masks: int = 2
    band_mask_width: int = 12
    max_clip_s: float = 12.0
    seed: int = 42


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded clips: masked log-mel to read, log-mel to rebuild, phonemes one clip after another."""

    mel: Tensor  # (B, n_mels, T)
    target_mel: Tensor  # (B, n_mels, T)
    n_frames: Tensor  # (B,)
    rebuild: Tensor  # (B,) true where target_mel counts
    phonemes: Tensor  # (sum of n_phonemes,)
    n_phonemes: Tensor  # (B,)


class TokenizerHeads(nn.Module):
    """What is predicted from the audio tokens: phonemes at 50 Hz and the log-mel at 100 Hz."""

    def __init__(self, width: int, n_phonemes: int, n_mels: int) -> None:
        super().__init__()
        self.n_mels = n_mels
        self.mix = nn.Conv1d(width, width, kernel_size=3, padding=1)
        self.expand = nn.Linear(width, SUB_FRAMES * width)
        self.refine = nn.Conv1d(width, width, kernel_size=3, padding=1)
        self.norm = nn.LayerNorm(width)
        self.phonemes = nn.Linear(width, 1 + n_phonemes)  # 0 is CTC's blank
        self.mel = nn.Linear(width, FRAMES_PER_TOKEN * n_mels)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) -> phoneme logits (B, 4 T, 1 + P), log-mel (B, n_mels, 8 T)."""
        mixed = tokens + F.gelu(self.mix(tokens.transpose(1, 2))).transpose(1, 2)
        frames = self.expand(mixed).unflatten(-1, (SUB_FRAMES, -1)).flatten(1, 2)
        frames = frames + F.gelu(self.refine(frames.transpose(1, 2))).transpose(1, 2)
        mel = self.mel(mixed).unflatten(-1, (FRAMES_PER_TOKEN, -1)).flatten(1, 2).transpose(1, 2)
        return self.phonemes(self.norm(frames)), mel


class TokenizerTask:
    """The `Trainable` of the speech tokenizer; used by the thread that runs the loop."""

    def __init__(
        self,
        clips: Sequence[LabelledClip],
        held_out: Sequence[LabelledClip],
        inventory: Sequence[str],
        augment: Augment,
        settings: TokenizerTraining | None = None,
        config: WhisperVQConfig | None = None,
    ) -> None:
        self.settings = settings or TokenizerTraining()
        self.config = config or WhisperVQConfig.nano()
        self.encoder = WhisperVQEncoder(self.config)
        _initialise(self.encoder)
        width = self.config.d_model
        self.heads = TokenizerHeads(width, len(inventory), self.config.num_mel_bins)
        self._quantiser = EmaQuantiser(self.encoder)
        self._clips = [clip for clip in clips if clip.duration_s <= self.settings.max_clip_s]
        self._held_out = held_out
        self._id_of = {phoneme: number for number, phoneme in enumerate(inventory, start=1)}
        self._inventory = tuple(inventory)
        self._augment = augment
        self._epoch, self._pool_number, self._batch_number = 0, 0, 0  # of the next batch
        self._batches: list[list[_Take]] = []  # the current pool
        self._seen: list[tuple[Tensor, Tensor | None]] = []  # this step's vectors and their codes
        self._vectors: list[Tensor] = []  # of the latest steps, for the first codebook

    def modules(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "heads": self.heads}

    def parameter_groups(self) -> list[ParameterGroup]:
        trained = [
            parameter
            for module in self.modules().values()
            for parameter in module.parameters()
            if parameter.requires_grad
        ]
        matrices = [parameter for parameter in trained if parameter.dim() > 1]
        vectors = [parameter for parameter in trained if parameter.dim() <= 1]
        return [ParameterGroup(matrices), ParameterGroup(vectors, weight_decay=0.0)]

    def next_batch(self) -> Batch:
        """The next clips of like length; every epoch has its own order and augmentation."""
        if not self._batches:
            self._batches = self._draw_pool()
        place = (self.settings.seed, self._epoch, self._pool_number, self._batch_number)
        batch = self._collate(
            self._batches[self._batch_number], np.random.default_rng((*place, _FEATURES))
        )
        self._batch_number += 1
        if self._batch_number == len(self._batches):
            self._batches, self._batch_number = [], 0
            self._pool_number += 1
        return batch

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """CTC over phonemes, plus small terms for commitment and for the rebuilt log-mel."""
        settings = self.settings
        hidden = self._encode(batch)  # (B, T, D)
        real = _mask(batch.n_frames // FRAMES_PER_TOKEN, hidden.shape[1])  # (B, T)
        vectors = hidden[real]
        figures: dict[str, float] = {}
        total = hidden.new_zeros(())
        if self._quantiser.started:
            codes, ids, commitment = self._quantiser.quantise(vectors)
            self._seen.append((vectors.detach(), ids))
            total = total + settings.commitment_weight * commitment
            figures["commitment"] = commitment.item()
        else:
            codes = vectors
            self._seen.append((vectors.detach(), None))
        logits, mel = self.heads(torch.zeros_like(hidden).masked_scatter(real[..., None], codes))
        ctc = _ctc(logits, batch)
        total = total + ctc
        figures["ctc"] = ctc.item()
        if settings.mel_weight and bool(batch.rebuild.any()):
            counted = _mask(batch.n_frames, mel.shape[2]) & batch.rebuild[:, None]  # (B, 8 T)
            error = (mel - batch.target_mel).abs().mean(1)[counted].mean()
            total = total + settings.mel_weight * error
            figures["mel"] = error.item()
        return total, figures

    def after_step(self, step: int) -> None:
        """Moves the codebook; makes the first one when the warm-up of the encoder is over."""
        seen, self._seen = self._seen, []
        if not seen:
            return
        vectors = torch.cat([each for each, _ in seen])
        if self._quantiser.started:
            ids = [each for _, each in seen if each is not None]
            self._quantiser.update(vectors[: sum(map(len, ids))], torch.cat(ids))
            if step % self.settings.reseed_every == 0:
                self._quantiser.reseed(vectors)
            return
        wanted = 10 * self.config.quantize_vocab_size
        self._vectors.append(vectors)
        while sum(map(len, self._vectors[1:])) >= wanted:
            del self._vectors[0]
        if step >= self.settings.quantise_from_step:
            self._quantiser.start(torch.cat(self._vectors))
            self._vectors.clear()

    def evaluate(self) -> dict[str, float]:
        """Held-out phoneme error rate by group, and how the codes are used."""
        errors: dict[str, list[int]] = {}
        used: list[Tensor] = []
        for start in range(0, len(self._held_out), 16):
            clips = self._held_out[start : start + 16]
            batch = self._collate(
                [_Take(clip.load(), clip.phonemes, False) for clip in clips], None
            )
            hidden = self._encode(batch)
            real = _mask(batch.n_frames // FRAMES_PER_TOKEN, hidden.shape[1])
            if self._quantiser.started:
                ids = self.encoder.quantise(hidden)
                used.append(ids[real])
                hidden = self.encoder.codebook(ids)
            logits, _ = self.heads(hidden * real[..., None])
            for clip, row, n_frames in zip(clips, logits, batch.n_frames.tolist(), strict=True):
                heard = greedy_phonemes(row[: _n_steps(n_frames)], self._inventory)
                counts = errors.setdefault(clip.group, [0, 0])
                counts[0] += edit_distance(heard, clip.phonemes)
                counts[1] += len(clip.phonemes)
        figures = {f"per_{group}": wrong / max(n, 1) for group, (wrong, n) in errors.items()}
        wrong, n = (sum(column) for column in zip(*errors.values(), strict=True))
        figures["per"] = wrong / max(n, 1)
        if used:
            counts_of = torch.bincount(torch.cat(used), minlength=self.config.quantize_vocab_size)
            share = counts_of[counts_of > 0] / counts_of.sum()
            figures["codes_used"] = (counts_of > 0).float().mean().item()
            figures["code_perplexity"] = (-(share * share.log()).sum()).exp().item()
        return figures

    def sampler_state(self) -> dict[str, Any]:
        place = (self._epoch, self._pool_number, self._batch_number)
        return {"place": place, "vectors": self._vectors}

    def load_sampler_state(self, state: dict[str, Any]) -> None:
        self._epoch, self._pool_number, self._batch_number = state["place"]
        self._vectors = list(state["vectors"])
        self._batches = self._draw_pool() if self._batch_number else []

    def export(self, folder: Path) -> None:
        """Writes the tokenizer alone, in the released layout and half precision."""
        folder.mkdir(parents=True, exist_ok=True)
        config = {**asdict(self.config), "pooling_position": self.config.quantize_position}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_weights(self.encoder, folder / "model.safetensors", torch.float16)

    def _encode(self, batch: Batch) -> Tensor:
        return self.encoder(batch.mel, _mask(batch.n_frames, batch.mel.shape[2]))

    def _draw_pool(self) -> list[list["_Take"]]:
        """Augments the clips of the next pool and cuts them into batches by length."""
        settings = self.settings
        pools = self._pools(self._epoch)
        if self._pool_number >= len(pools):
            self._epoch, self._pool_number = self._epoch + 1, 0
            pools = self._pools(self._epoch)
        place = (settings.seed, self._epoch, self._pool_number)
        rng = np.random.default_rng((*place, _AUGMENTATION))
        takes = [self._take(self._clips[index], rng) for index in pools[self._pool_number]]
        takes.sort(key=lambda take: len(take.samples))
        batches: list[list[_Take]] = [[]]
        for take in takes:
            padded_s = len(take.samples) / SAMPLE_RATE * (len(batches[-1]) + 1)
            if batches[-1] and padded_s > settings.batch_s:
                batches.append([])
            batches[-1].append(take)
        return [batches[i] for i in rng.permutation(len(batches))]

    def _pools(self, epoch: int) -> list[list[int]]:
        """The clips of one epoch in its own order, in pools of some minutes."""
        order = np.random.default_rng((self.settings.seed, epoch)).permutation(len(self._clips))
        pool_s = self.settings.pool_batches * self.settings.batch_s
        pools: list[list[int]] = []
        left_s = 0.0
        for index in order.tolist():
            if left_s <= 0:
                pools.append([])
                left_s = pool_s
            pools[-1].append(index)
            left_s -= self._clips[index].duration_s
        return pools

    def _take(self, clip: LabelledClip, rng: np.random.Generator) -> "_Take":
        samples = clip.load()
        if clip.is_answer and rng.random() < self.settings.clean_answer_share:
            return _Take(samples, clip.phonemes, rebuild=True)
        return _Take(self._augment(samples, rng), clip.phonemes, rebuild=False)

    def _collate(self, takes: Sequence["_Take"], rng: np.random.Generator | None) -> Batch:
        waves = [take.samples for take in takes]
        n_tokens = torch.tensor([-(-len(wave) // SAMPLES_PER_TOKEN) for wave in waves])
        padded = torch.zeros(len(waves), int(n_tokens.max()) * SAMPLES_PER_TOKEN)
        for row, wave in zip(padded, waves, strict=True):
            row[: len(wave)] = torch.as_tensor(wave)
        target_mel = whisper_log_mel(padded, self.config.num_mel_bins)
        n_frames = n_tokens * FRAMES_PER_TOKEN
        mel = target_mel if rng is None else self._mask_features(target_mel, n_frames, rng)
        phonemes = [self._id_of[phoneme] for take in takes for phoneme in take.phonemes]
        return Batch(
            mel=mel,
            target_mel=target_mel,
            n_frames=n_frames,
            rebuild=torch.tensor([take.rebuild for take in takes]),
            phonemes=torch.tensor(phonemes, dtype=torch.long),
            n_phonemes=torch.tensor([len(take.phonemes) for take in takes]),
        )

    def _mask_features(self, mel: Tensor, n_frames: Tensor, rng: np.random.Generator) -> Tensor:
        """Mild SpecAugment: a few spans of time and bands are set to the clip's mean."""
        settings = self.settings
        masked = mel.clone()
        for row, n in zip(masked, n_frames.tolist(), strict=True):
            mean = row[:, :n].mean()
            for _ in range(settings.time_masks):
                width = int(rng.integers(0, settings.time_mask_frames + 1))
                start = int(rng.integers(0, max(1, n - width)))
                row[:, start : start + width] = mean
            for _ in range(settings.band_masks):
                width = int(rng.integers(0, settings.band_mask_width + 1))
                start = int(rng.integers(0, max(1, row.shape[0] - width)))
                row[start : start + width] = mean
        return masked


def labelled_clips(store: ClipStore, split: str) -> list[LabelledClip]:
    """The clips of one split; groups tell languages, and recorded from robotic voices."""
    answer_voices = {voice.name for voice in ANSWER_VOICE.values()}

    def loader(index: int) -> Callable[[], Samples]:
        def load() -> Samples:
            samples, sample_rate = store.samples(index), store.sample_rate(index)
            if sample_rate == SAMPLE_RATE:
                return samples
            return np.asarray(soxr.resample(samples, sample_rate, SAMPLE_RATE, quality="MQ"))

        return load

    return [
        LabelledClip(
            load=loader(index),
            duration_s=store.duration_s(index),
            phonemes=clip.phonemes,
            group=f"{clip.lang}_{clip.voice.partition(':')[0]}",
            is_answer=clip.voice in answer_voices,
        )
        for index, clip in enumerate(store.clips())
        if clip.split == split and clip.phonemes
    ]


def greedy_phonemes(logits: Tensor, inventory: Sequence[str]) -> list[str]:
    """The best path of one clip, (steps, 1 + P), with repeats and blanks taken out."""
    best = logits.argmax(-1).unique_consecutive().tolist()
    return [inventory[number - 1] for number in best if number]


def edit_distance(heard: Sequence[str], meant: Sequence[str]) -> int:
    """How many insertions, deletions and substitutions lie between two sequences."""
    row = list(range(len(meant) + 1))
    for i, symbol in enumerate(heard, start=1):
        diagonal, row[0] = row[0], i
        for j, wanted in enumerate(meant, start=1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (symbol != wanted))
            diagonal, row[j] = row[j], best
    return row[-1]


def _ctc(logits: Tensor, batch: Batch) -> Tensor:
    """CTC loss per phoneme, so that its size does not depend on the clips' lengths."""
    total = F.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1),
        batch.phonemes,
        _n_steps(batch.n_frames),
        batch.n_phonemes,
        reduction="sum",
        zero_infinity=True,
    )
    return total / batch.n_phonemes.sum()


def _n_steps(n_frames: Any) -> Any:
    """CTC steps of this many mel frames."""
    return n_frames // FRAMES_PER_TOKEN * SUB_FRAMES


@dataclass(frozen=True, slots=True)
class _Take:
    """A clip as it is heard this time."""

    samples: Samples
    phonemes: tuple[str, ...]
    rebuild: bool


_AUGMENTATION, _FEATURES = 1, 2  # the uses of randomness in one place of an epoch


def _mask(lengths: Tensor, n: int) -> Tensor:
    """(B,) -> (B, n), true inside each length."""
    return torch.arange(n) < lengths[:, None]


def _initialise(encoder: WhisperVQEncoder) -> None:
    """Fixed sinusoids as positions, as Whisper has them."""
    for table in (encoder.embed_positions, encoder.embed_positions2):
        n, width = table.weight.shape
        rates = torch.exp(torch.arange(width // 2) * (-np.log(10_000.0) / (width // 2 - 1)))
        angles = torch.arange(n)[:, None] * rates[None, :]
        table.weight.data.copy_(torch.cat([angles.sin(), angles.cos()], dim=1))
        table.weight.requires_grad_(False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains from a store of clips, resumes where it was stopped, exports at the end."""
    parser = argparse.ArgumentParser(description="Trains nano's speech tokenizer.")
    parser.add_argument("--clips", type=Path, required=True, help="the store of clips")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--export", type=Path, required=True, help="folder to write the model to")
    parser.add_argument("--minutes", type=float, default=38.0)
    parser.add_argument("--batch-s", type=float, default=TokenizerTraining.batch_s)
    parser.add_argument("--held-out", type=int, default=160, help="clips to measure on")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    store = ClipStore(options.clips)
    held_out = labelled_clips(store, "test")
    task = TokenizerTask(
        labelled_clips(store, "train"),
        held_out[:: max(1, len(held_out) // options.held_out)],
        PHONEMES,
        augment,
        TokenizerTraining(batch_s=options.batch_s),
    )
    config = RunConfig(
        steps=1_000_000,
        lr=LEARNING_RATE,
        weight_decay=0.01,
        betas=(0.9, 0.98),
        warmup_fraction=0.05,
        floor_fraction=0.02,
        eval_every=200,
        max_minutes=options.minutes,
    )
    run(task, config, options.run)
    task.export(options.export)


if __name__ == "__main__":
    main()
