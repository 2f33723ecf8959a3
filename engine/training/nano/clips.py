"""A store of clips on disk: one flat file of int16 samples beside one line of JSON per clip.

Clips are only ever appended. Samples are written first and the line after them, so a store whose
writer was killed holds whole clips only: opening it for writing cuts off what has no complete line.
One process writes; any number may read, and see what was there when they opened or last refreshed.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import TrainingDataError


@dataclass(frozen=True, slots=True)
class Clip:
    """What is said in a clip, by whom, and what belongs to it."""

    text: str
    lang: str
    voice: str
    phonemes: tuple[str, ...]
    kind: str  # "question", "answer", "sentence" or "shuffled"
    split: str  # "train" or "test"
    subject: str = ""
    answer: str = ""  # to a question: what nano should say


@dataclass(frozen=True, slots=True)
class _Entry:
    clip: Clip
    sample_rate: int
    offset: int  # in samples
    n_samples: int


class ClipStore:
    """Clips by number, read through a memory map; ``writable`` opens it for appending."""

    def __init__(self, path: Path | str, writable: bool = False) -> None:
        self._samples_path = Path(path).with_suffix(".i16")
        self._index_path = Path(path).with_suffix(".jsonl")
        self._entries: list[_Entry] = []
        self._index_bytes = 0
        self._writable = writable
        self._map: np.ndarray = np.zeros(0, np.int16)
        if writable:
            self._samples_path.parent.mkdir(parents=True, exist_ok=True)
            self._samples_path.touch()
            self._index_path.touch()
        elif not self._index_path.exists():
            raise TrainingDataError(f"no clips at {self._index_path}: prepare them first")
        self.refresh()
        if writable:
            self._cut_off_incomplete()

    def __len__(self) -> int:
        return len(self._entries)

    def clip(self, index: int) -> Clip:
        """What is said in this clip."""
        return self._entries[index].clip

    def clips(self) -> list[Clip]:
        """Every clip's description, in order."""
        return [entry.clip for entry in self._entries]

    def sample_rate(self, index: int) -> int:
        """Samples per second of this clip."""
        return self._entries[index].sample_rate

    def n_samples(self, index: int) -> int:
        """The length of this clip."""
        return self._entries[index].n_samples

    def duration_s(self, index: int) -> float:
        """The length of this clip in seconds."""
        entry = self._entries[index]
        return entry.n_samples / entry.sample_rate

    def samples(self, index: int) -> np.ndarray:
        """The clip as a fresh float32 array."""
        entry = self._entries[index]
        end = entry.offset + entry.n_samples
        if end > len(self._map):
            self._map = np.memmap(self._samples_path, dtype=np.int16, mode="r")
        return self._map[entry.offset : end].astype(np.float32) / 32768.0

    def append(self, samples: np.ndarray, sample_rate: int, clip: Clip) -> None:
        """Adds one clip and writes it out."""
        assert self._writable, "this store was opened for reading"
        assert samples.ndim == 1 and len(samples), f"one channel of samples, not {samples.shape}"
        offset = self._end()
        entry = _Entry(clip, sample_rate, offset, len(samples))
        scaled = np.clip(np.round(samples * 32768.0), -32768, 32767).astype(np.int16)
        with self._samples_path.open("ab") as file:
            file.write(scaled.tobytes())
        line = json.dumps(asdict(entry), ensure_ascii=False) + "\n"
        with self._index_path.open("ab") as file:
            file.write(line.encode())
        self._index_bytes += len(line.encode())
        self._entries.append(entry)

    def refresh(self) -> int:
        """Takes in what a writer has added since; returns how many clips there are now."""
        available = self._samples_path.stat().st_size // 2
        with self._index_path.open("rb") as file:
            file.seek(self._index_bytes)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                entry = _parse(line)
                if entry.offset + entry.n_samples > available:
                    break
                self._entries.append(entry)
                self._index_bytes += len(line)
        return len(self._entries)

    def _end(self) -> int:
        if not self._entries:
            return 0
        return self._entries[-1].offset + self._entries[-1].n_samples

    def _cut_off_incomplete(self) -> None:
        with self._samples_path.open("r+b") as file:
            file.truncate(2 * self._end())
        with self._index_path.open("r+b") as file:
            file.truncate(self._index_bytes)


def _parse(line: bytes) -> _Entry:
    try:
        fields: dict[str, Any] = json.loads(line)
        description = fields.pop("clip")
        clip = Clip(**{**description, "phonemes": tuple(description["phonemes"])})
        return _Entry(clip, **fields)
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingDataError(f"a clip index has a line that is not a clip: {error}") from error
