"""Batches for the speech tokenizer: clips augmented afresh, gathered by length, as masked log-mels.

Where a run is in its epoch is all the state there is: every draw is seeded by its place, so a
resumed run sees the same clips as one that was never stopped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import TrainingDataError
from engine.models.whisper_vq import FRAMES_PER_TOKEN
from engine.speech.frontend import HOP, SAMPLE_RATE, whisper_log_mel
from engine.training.nano.clips import ClipStore
from engine.training.nano.voices import ANSWER_VOICE

Samples = NDArray[np.float32]
Augment = Callable[[Samples, np.random.Generator], Samples]

_SAMPLES_PER_TOKEN = HOP * FRAMES_PER_TOKEN
_AUGMENTATION, _FEATURES = 1, 2  # the uses of randomness in one place of an epoch


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One clip to learn from; ``load`` gives samples at 16 kHz, ``group`` is for the figures."""

    load: Callable[[], Samples]
    duration_s: float
    phonemes: tuple[str, ...]
    group: str
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How clips become batches; masks are those of SpecAugment, milder."""

    batch_s: float = 24.0
    pool_s: float = 900.0  # augmented together, then cut into batches of like length
    max_clip_s: float = 12.0
    clean_share: float = 0.25  # of clips: not augmented
    clean_answer_share: float = 0.7  # of answer clips: not augmented, and rebuilt
    time_masks: int = 2
    time_mask_frames: int = 16
    band_masks: int = 2
    band_mask_width: int = 10
    seed: int = 42


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded clips: log-mel to read, log-mel to rebuild, phonemes one clip after another."""

    mel: Tensor  # (B, n_mels, T), masked
    target_mel: Tensor  # (B, n_mels, T)
    n_frames: Tensor  # (B,)
    n_tokens: Tensor  # (B,)
    rebuild: Tensor  # (B,) true where target_mel counts
    phonemes: Tensor  # (sum of n_phonemes,)
    n_phonemes: Tensor  # (B,)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(**{each.name: getattr(self, each.name).to(device) for each in fields(self)})


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


class ClipBatches:
    """An endless row of batches; read and moved by the training loop only."""

    def __init__(
        self,
        clips: Sequence[LabelledClip],
        inventory: Sequence[str],
        augment: Augment,
        n_mels: int,
        settings: BatchSettings,
    ) -> None:
        self._clips = [clip for clip in clips if clip.duration_s <= settings.max_clip_s]
        if not self._clips:
            raise TrainingDataError("there are no clips to train the speech tokenizer on")
        self._id_of = {phoneme: number for number, phoneme in enumerate(inventory, start=1)}
        self._augment = augment
        self._n_mels = n_mels
        self._settings = settings
        self._epoch, self._pool_number, self._batch_number = 0, 0, 0  # of the next batch
        self._batches: list[list[_Take]] = []  # the current pool

    @property
    def place(self) -> tuple[int, int, int]:
        """Epoch, pool and batch that come next."""
        return self._epoch, self._pool_number, self._batch_number

    def move_to(self, place: tuple[int, int, int]) -> None:
        """Goes on from a place noted earlier."""
        self._epoch, self._pool_number, self._batch_number = place
        self._batches = self._draw_pool() if self._batch_number else []

    def draw(self) -> Batch:
        """The next clips of like length; every epoch has its own order and augmentation."""
        if not self._batches:
            self._batches = self._draw_pool()
        rng = np.random.default_rng((self._settings.seed, *self.place, _FEATURES))
        batch = self._collate(self._batches[self._batch_number], rng)
        self._batch_number += 1
        if self._batch_number == len(self._batches):
            self._batches, self._batch_number = [], 0
            self._pool_number += 1
        return batch

    def plain(self, clips: Sequence[LabelledClip]) -> Batch:
        """These clips as they are, to measure on."""
        return self._collate([_Take(clip.load(), clip.phonemes, False) for clip in clips], None)

    def _draw_pool(self) -> list[list["_Take"]]:
        """Augments the clips of the next pool and cuts them into batches by length."""
        settings = self._settings
        pools = self._pools(self._epoch)
        if self._pool_number >= len(pools):
            self._epoch, self._pool_number = self._epoch + 1, 0
            pools = self._pools(self._epoch)
        place = (settings.seed, self._epoch, self._pool_number, _AUGMENTATION)
        rng = np.random.default_rng(place)
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
        order = np.random.default_rng((self._settings.seed, epoch)).permutation(len(self._clips))
        pools: list[list[int]] = []
        left_s = 0.0
        for index in order.tolist():
            if left_s <= 0:
                pools.append([])
                left_s = self._settings.pool_s
            pools[-1].append(index)
            left_s -= self._clips[index].duration_s
        return pools

    def _take(self, clip: LabelledClip, rng: np.random.Generator) -> "_Take":
        samples = clip.load()
        if clip.is_answer and rng.random() < self._settings.clean_answer_share:
            return _Take(samples, clip.phonemes, rebuild=True)
        if rng.random() >= self._settings.clean_share:
            samples = self._augment(samples, rng)
        return _Take(samples, clip.phonemes, rebuild=False)

    def _collate(self, takes: Sequence["_Take"], rng: np.random.Generator | None) -> Batch:
        n_samples = torch.tensor([len(take.samples) for take in takes])
        n_tokens = _divide_up(n_samples, _SAMPLES_PER_TOKEN)
        n_frames = _divide_up(n_samples, HOP)
        padded = torch.zeros(len(takes), int(n_tokens.max()) * _SAMPLES_PER_TOKEN)
        for row, take in zip(padded, takes, strict=True):
            row[: len(take.samples)] = torch.as_tensor(take.samples)
        target_mel = whisper_log_mel(padded, self._n_mels)
        numbers = [self._id_of[phoneme] for take in takes for phoneme in take.phonemes]
        return Batch(
            mel=target_mel if rng is None else self._mask_some(target_mel, n_frames, rng),
            target_mel=target_mel,
            n_frames=n_frames,
            n_tokens=n_tokens,
            rebuild=torch.tensor([take.rebuild for take in takes]),
            phonemes=torch.tensor(numbers, dtype=torch.long),
            n_phonemes=torch.tensor([len(take.phonemes) for take in takes]),
        )

    def _mask_some(self, mel: Tensor, n_frames: Tensor, rng: np.random.Generator) -> Tensor:
        """A few spans of time and a few bands set to the clip's mean."""
        settings = self._settings
        masked = mel.clone()
        for row, n in zip(masked, n_frames.tolist(), strict=True):
            mean = row[:, :n].mean()
            for _ in range(settings.time_masks):
                width = int(rng.integers(0, settings.time_mask_frames + 1))
                start = int(rng.integers(0, max(1, n - width)))
                row[:, start : start + width] = mean
            for _ in range(settings.band_masks):
                width = int(rng.integers(0, settings.band_mask_width + 1))
                start = int(rng.integers(0, max(1, len(row) - width)))
                row[start : start + width] = mean
        return masked


@dataclass(frozen=True, slots=True)
class _Take:
    """A clip as it is heard this time."""

    samples: Samples
    phonemes: tuple[str, ...]
    rebuild: bool


def _divide_up(n: Tensor, step: int) -> Tensor:
    return torch.div(n + step - 1, step, rounding_mode="floor")
