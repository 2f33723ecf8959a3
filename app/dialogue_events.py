"""What can happen in a dialogue, and what may have to be done about it.

Pure. ``DialogueState.step`` turns each ``DialogueEvent`` into ``Action``s. What the user does is an
event here once the sound was cut out of the microphone's; what the engine thread says is one as it
is. All moments are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from app.turns.turn_events import SpeechDropped, SpeechStarted

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from app.settings import ModelSettings
    from app.ui_events import UiEvent
    from app.worker_messages import EngineMessage, Span, WorkerRequest
    from engine.conversation import Conversation
    from engine.modes import InferenceMode
    from engine.requests import ReplyRequest
    from engine.utterance import Utterance


@dataclass(frozen=True, slots=True)
class QuestionPaused:
    """The speaker pauses: this is the question if it ends here."""

    utterance: Utterance
    span: Span


@dataclass(frozen=True, slots=True)
class QuestionSpoken:
    """A spoken question is complete."""

    utterance: Utterance
    span: Span
    last_voiced_at: float
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class QuestionTyped:
    """A question was typed; the text is not blank."""

    text: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class MicrophoneSilent:
    """A turn began, but no sound comes from any microphone."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The user wants silence."""


@dataclass(frozen=True, slots=True)
class Heard:
    """How many samples of an answer have been heard, and since when."""

    turn_id: int
    n_samples: int
    first_sample_at: float | None
    underruns: int


@dataclass(frozen=True, slots=True)
class Drained:
    """All sound of an answer or a replay has been heard."""

    turn_id: int


@dataclass(frozen=True, slots=True)
class ModeChosen:
    """The mode of the answers to come."""

    mode: InferenceMode


@dataclass(frozen=True, slots=True)
class ModelChosen:
    """The model of the answers to come."""

    model: str


@dataclass(frozen=True, slots=True)
class SamplingChosen:
    """How the answers to come are drawn; model and mode in the settings do not matter."""

    settings: ModelSettings


@dataclass(frozen=True, slots=True)
class ConversationChosen:
    """What was said before the next question; empty for a new conversation.

    ``turn_ids`` are those of its exchanges.
    """

    conversation: Conversation
    turn_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ReplayAsked:
    """The user wants to hear an earlier turn."""

    samples: NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Faulted:
    """The dialogue thread met an error of its own; what it was doing is given up."""

    message: str


DialogueEvent: TypeAlias = (
    "SpeechStarted | SpeechDropped | QuestionPaused | QuestionSpoken | QuestionTyped"
    " | MicrophoneSilent | Stopped | Heard | Drained | ModeChosen | ModelChosen | SamplingChosen"
    " | ConversationChosen | ReplayAsked | Faulted | EngineMessage"
)


@dataclass(frozen=True, slots=True)
class FlushPlayback:
    """Silence the speaker; what is written for the present turn is dropped from now on."""


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Set the cancel token of the reply or replay that runs."""


@dataclass(frozen=True, slots=True)
class PrepareOutput:
    """Sound is coming soon: have the speaker ready."""


@dataclass(frozen=True, slots=True)
class StartReply:
    """Let this turn's sound play, and have the engine make it."""

    request: ReplyRequest
    span: Span | None


@dataclass(frozen=True, slots=True, eq=False)
class StartReplay:
    """Let this turn's sound play, which was made before."""

    turn_id: int
    samples: NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True, slots=True)
class AskWorker:
    """Post a request that nobody waits for, or that starts no sound."""

    request: WorkerRequest


@dataclass(frozen=True, slots=True)
class GoOnFrom:
    """The utterance that has just begun is the rest of an earlier one that began here."""

    start_sample: int


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell the window."""

    event: UiEvent


Action: TypeAlias = (
    FlushPlayback
    | CancelReply
    | PrepareOutput
    | StartReply
    | StartReplay
    | AskWorker
    | GoOnFrom
    | Publish
)
