"""What the user asks of the dialogue: every ``Command`` that the window or a hotkey may post.

Pure. Commands are immutable; ``Assistant.post`` takes them from any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.settings import AudioSettings, ModelSettings, TurnSettings
    from engine.conversation import Conversation
    from engine.modes import InferenceMode


@dataclass(frozen=True, slots=True)
class TalkKey:
    """The key or button of hold-to-talk went down or up."""

    is_down: bool


@dataclass(frozen=True, slots=True)
class Tap:
    """The key or button of tap-to-talk was struck: a turn begins, or the one that is on ends."""


@dataclass(frozen=True, slots=True)
class EndTurn:
    """The user is done speaking and will not wait for the end of the turn to be noticed."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Silences the answer or the replay, or forgets what is just being said."""


@dataclass(frozen=True, slots=True)
class Send:
    """A typed question."""

    text: str


@dataclass(frozen=True, slots=True)
class SetMode:
    """The next answer is generated in this mode."""

    mode: InferenceMode


@dataclass(frozen=True, slots=True)
class SetModel:
    """The next answer comes from this model, which is loaded first; also tries a failed one again.

    The models' audio tokens differ, so the conversation starts anew with another model.
    """

    model: str


@dataclass(frozen=True, slots=True)
class SetSampling:
    """The next answer is drawn with these settings; the model and mode in them do not matter."""

    settings: ModelSettings


@dataclass(frozen=True, slots=True)
class SetTurns:
    """Turns are taken this way from now on; what is just being said is forgotten."""

    settings: TurnSettings


@dataclass(frozen=True, slots=True)
class SetAudio:
    """These devices are used, with this treatment of the sound and this volume."""

    settings: AudioSettings


@dataclass(frozen=True, slots=True)
class NewConversation:
    """Nothing said so far is remembered."""


@dataclass(frozen=True, slots=True)
class OpenConversation:
    """The talk goes on where this conversation stopped; ``turn_ids`` are those of its exchanges."""

    conversation: Conversation
    turn_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Plays the sound of an earlier turn; an answer that is on is interrupted."""

    samples: NDArray[np.float32]  # (N,)
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The dialogue ends; nothing that is posted later is carried out."""


Command: TypeAlias = (
    TalkKey
    | Tap
    | EndTurn
    | Stop
    | Send
    | SetMode
    | SetModel
    | SetSampling
    | SetTurns
    | SetAudio
    | NewConversation
    | OpenConversation
    | Replay
    | Shutdown
)
