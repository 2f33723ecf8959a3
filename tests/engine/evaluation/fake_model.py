"""A model that knows its lines: audio tokens are characters, and sound is their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.chat_template import ASR_INSTRUCTION, TTS_INSTRUCTION
from engine.conversation import Turn
from engine.evaluation.model import Reply
from engine.modes import InferenceMode


@dataclass
class FakeModel:
    """Hears perfectly, answers from ``answers`` and speaks what it says, unless it is mute."""

    answers: dict[str, str] = field(default_factory=dict)
    mute: bool = False
    sample_rate: int = 100

    def encode(self, samples: np.ndarray, sample_rate: int) -> tuple[int, ...]:
        """One token for each sample."""
        return tuple(int(sample) for sample in samples)

    def reply(self, turn: Turn, mode: InferenceMode) -> Reply:
        """The line that belongs to the turn."""
        said = "".join(map(chr, turn.audio_codes))
        if turn.text.startswith(ASR_INSTRUCTION):
            return Reply(said)
        text = turn.text.removeprefix(TTS_INSTRUCTION).strip() or self.answers.get(said, "What?")
        return Reply(text, () if self.mute else tuple(map(ord, text)))

    def speak(self, codes: Sequence[int]) -> np.ndarray:
        """One sample for each token."""
        return np.asarray(codes, dtype=np.float32)


def spoken(text: str) -> np.ndarray:
    """The sound of a text in this model's world."""
    return np.asarray([ord(c) for c in text], dtype=np.float32)


def ear(samples: np.ndarray, sample_rate: int) -> str:
    """Hears that sound perfectly."""
    return "".join(chr(int(sample)) for sample in samples)
