"""What the turn detector is told, and what it tells: sound and keys in, turns out.

Pure. Every position is a number of samples at 16 kHz since the program began to listen.
"""

from dataclasses import dataclass
from typing import TypeAlias

SAMPLE_RATE = 16000


@dataclass(frozen=True, slots=True)
class Frame:
    """A stretch of sound: how likely it is voice, and how loud."""

    probability: float
    n_samples: int
    level_db: float


@dataclass(frozen=True, slots=True)
class KeyDown:
    """The talk key is held from now on."""


@dataclass(frozen=True, slots=True)
class KeyUp:
    """The talk key is let go."""


@dataclass(frozen=True, slots=True)
class Tapped:
    """The talk key was struck: begins a turn, or ends it."""


@dataclass(frozen=True, slots=True)
class EndedByHand:
    """The user ends the turn that is on, whatever began it."""


@dataclass(frozen=True, slots=True)
class Forget:
    """The turn that is on is not wanted."""


@dataclass(frozen=True, slots=True)
class Playback:
    """An answer begins or ceases to sound."""

    is_on: bool


DetectorInput: TypeAlias = Frame | KeyDown | KeyUp | Tapped | EndedByHand | Forget | Playback


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """A turn begins, by a key or by the voice alone; ``start_sample`` lies a pre-roll back."""

    start_sample: int
    by_key: bool


@dataclass(frozen=True, slots=True)
class SoftPause:
    """The speaker pauses; if the turn ends here, this is its extent."""

    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """The speaker goes on after a ``SoftPause``."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The turn is over; ``last_voiced_sample`` is where the voice fell silent."""

    start_sample: int
    end_sample: int
    last_voiced_sample: int


@dataclass(frozen=True, slots=True)
class SpeechDropped:
    """The turn that began was forgotten, or nobody spoke in it."""

    was_wanted: bool  # False where the user gave it up


DetectorEvent: TypeAlias = SpeechStarted | SoftPause | SpeechResumed | SpeechEnded | SpeechDropped
