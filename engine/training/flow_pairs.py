"""What the flow decoder learns from: clips as audio tokens beside their mel frames, on disk.

`write_pairs` turns the clips of the answer voices into pairs once; `PairStore` reads them through a
memory map. Frames and tokens of a pair always fit: the sound is padded with silence to the tokens.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from engine.errors import TrainingDataError
from engine.speech.flow import mel_frames
from engine.speech.mel import HOP, N_MELS, SAMPLE_RATE, mel_spectrogram
from engine.speech.tokenizer import SpeechTokenizer
from engine.training.nano.clips import ClipStore

_TOKENS, _MELS, _INDEX = "tokens.i16", "mels.f16", "index.jsonl"


@dataclass(frozen=True, slots=True)
class Pair:
    """One clip: its audio tokens and the log-mel frames they stand for."""

    tokens: NDArray[np.int16]  # (n,)
    mel: NDArray[np.float16]  # (mel_frames(n), 80)
    split: str  # "train" or "test"


class PairStore:
    """Pairs by number, read from the folder that `write_pairs` filled."""

    def __init__(self, folder: Path) -> None:
        if not (folder / _INDEX).is_file():
            raise TrainingDataError(f"no token and mel pairs in {folder}: prepare them first")
        lines = (folder / _INDEX).read_text(encoding="utf-8").splitlines()
        self._entries = [(line["n_tokens"], line["split"]) for line in map(json.loads, lines)]
        self._tokens = np.memmap(folder / _TOKENS, dtype=np.int16, mode="r")
        self._mels = np.memmap(folder / _MELS, dtype=np.float16, mode="r").reshape(-1, N_MELS)

    def pairs(self, split: str) -> list[Pair]:
        """All pairs of one split, in order."""
        found = []
        token, frame = 0, 0
        for n_tokens, its_split in self._entries:
            n_frames = mel_frames(n_tokens)
            if its_split == split:
                tokens = self._tokens[token : token + n_tokens]
                found.append(Pair(tokens, self._mels[frame : frame + n_frames], split))
            token, frame = token + n_tokens, frame + n_frames
        return found


def write_pairs(pairs: Iterable[Pair], folder: Path) -> int:
    """Writes pairs to a folder, replacing what was there; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _INDEX).unlink(missing_ok=True)  # last to come back: a half-written folder has none
    lines = []
    with (folder / _TOKENS).open("wb") as tokens, (folder / _MELS).open("wb") as mels:
        for pair in pairs:
            assert pair.mel.shape == (mel_frames(len(pair.tokens)), N_MELS), pair.mel.shape
            tokens.write(pair.tokens.astype(np.int16).tobytes())
            mels.write(pair.mel.astype(np.float16).tobytes())
            lines.append(json.dumps({"n_tokens": len(pair.tokens), "split": pair.split}))
    (folder / _INDEX).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def clip_pairs(store: ClipStore, tokenizer: SpeechTokenizer, voices: set[str]) -> Iterator[Pair]:
    """The pair of every clip that one of these voices speaks."""
    for index, clip in enumerate(store.clips()):
        if clip.voice not in voices:
            continue
        samples, sample_rate = store.samples(index), store.sample_rate(index)
        tokens = np.asarray(tokenizer.encode(samples, sample_rate), dtype=np.int16)
        yield Pair(tokens, token_mel(samples, sample_rate, len(tokens)), clip.split)


def token_mel(samples: NDArray[np.float32], sample_rate: int, n_tokens: int) -> NDArray[np.float16]:
    """The log-mel (frames, 80) of a sound, as many frames as its audio tokens stand for."""
    at_rate = np.asarray(soxr.resample(samples, sample_rate, SAMPLE_RATE), dtype=np.float32)
    n_samples = mel_frames(n_tokens) * HOP
    fitted = np.zeros(n_samples, dtype=np.float32)
    fitted[: len(at_rate)] = at_rate[:n_samples]
    mel = mel_spectrogram(torch.from_numpy(fitted)[None])[0]
    return mel.T.numpy().astype(np.float16)
