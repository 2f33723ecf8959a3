"""From samples to batches: one sample per padded row, or several packed into one row.

Both forms give the same losses. Padded rows of similar length are the faster form for the short
samples of nano (plain causal attention, no mask); packed rows are the form of the reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

IGNORED = -100
"""The label of a token that is not supervised."""


class Task(Enum):
    """What a training sample teaches."""

    ASR = "asr"  # speech -> text
    TTS = "tts"  # text -> the same text and speech
    SPOKEN_QA = "spoken_qa"  # spoken question -> text and speech
    SPOKEN_TEXT = "spoken_text"  # spoken question -> text alone, in half the tokens
    TEXT_QA = "text_qa"  # typed question -> text and speech
    TEXT = "text"  # text alone: read, or asked and answered


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sequence; ``labels`` has the length of ``ids``, ``IGNORED`` where not scored.

    ``said`` is the transcript of all speech heard in it, as text tokens.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    task: Task
    said: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.ids) == len(self.labels), (
            f"{len(self.ids)} ids but {len(self.labels)} labels"
        )

    @property
    def n_labels(self) -> int:
        """How many tokens are supervised."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of token ids, each (B, T).

    Padded: a row is one sample from column 0 on. Packed: one row (B = 1) of samples whose
    positions each restart at 0; the positions of its padding continue the last sample.
    """

    ids: Tensor
    labels: Tensor
    positions: Tensor
    packed: bool
    tasks: tuple[Task, ...]
    n_labels: float  # the denominator of the losses
    said: tuple[tuple[int, ...], ...] = ()  # per sample: the transcript of what is heard

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on a device."""
        return Batch(
            self.ids.to(device, non_blocking=True),
            self.labels.to(device, non_blocking=True),
            self.positions.to(device, non_blocking=True),
            self.packed,
            self.tasks,
            self.n_labels,
            self.said,
        )


def pad(samples: Sequence[Sample], padding_id: int, n_labels: float | None = None) -> Batch:
    """One row per sample, padded on the right; the denominator is the batch's own by default."""
    length = max(len(sample.ids) for sample in samples)
    ids = torch.full((len(samples), length), padding_id)
    labels = torch.full((len(samples), length), IGNORED)
    for row, sample in enumerate(samples):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        labels[row, : len(sample.ids)] = torch.tensor(sample.labels)
    positions = torch.arange(length).expand(len(samples), length)
    return Batch(
        ids,
        labels,
        positions,
        False,
        _tasks(samples),
        _denominator(samples, n_labels),
        tuple(sample.said for sample in samples),
    )


def pack(
    samples: Sequence[Sample], padding_id: int, length: int, n_labels: float | None = None
) -> Batch:
    """All samples in one row of ``length`` tokens."""
    used = sum(len(sample.ids) for sample in samples)
    assert used <= length, f"{used} tokens do not fit in a row of {length}"
    ids = [token for sample in samples for token in sample.ids]
    labels = [label for sample in samples for label in sample.labels]
    positions = [position for sample in samples for position in range(len(sample.ids))]
    last = len(samples[-1].ids)
    return Batch(
        torch.tensor([ids + [padding_id] * (length - used)]),
        torch.tensor([labels + [IGNORED] * (length - used)]),
        torch.tensor([positions + list(range(last, last + length - used))]),
        True,
        _tasks(samples),
        _denominator(samples, n_labels),
        tuple(sample.said for sample in samples),
    )


def rows_by_length(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Groups of sample numbers of similar length, each at most ``tokens`` when padded."""
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    groups: list[list[int]] = []
    for index in order:  # ascending: the newest sample is the longest of its group
        if groups and lengths[index] * (len(groups[-1]) + 1) <= tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _tasks(samples: Sequence[Sample]) -> tuple[Task, ...]:
    return tuple(sample.task for sample in samples)


def _denominator(samples: Sequence[Sample], n_labels: float | None) -> float:
    return float(sum(sample.n_labels for sample in samples)) if n_labels is None else n_labels
