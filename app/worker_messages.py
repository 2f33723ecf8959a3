"""What the engine thread is asked for, and what it tells besides the engine's own events.

Pure; messages are immutable. All times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from engine.cancel import CancelToken
    from engine.conversation import Speech
    from engine.engine import SpeechEngine
    from engine.events import EngineEvent
    from engine.requests import ReplyRequest
    from engine.sampling_params import SamplingParams
    from engine.utterance import Utterance

Span: TypeAlias = tuple[int, int]
"""The first sample of an utterance and the one after its last: what tells utterances apart."""


@dataclass(frozen=True, slots=True)
class Respond:
    """Make a reply and play it; ``span`` is that of a spoken question."""

    request: ReplyRequest
    cancel: CancelToken
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Encode:
    """Encode what may turn out to be the next question; a later one takes its place."""

    span: Span
    utterance: Utterance


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Write down what was said when there is nothing else to do."""

    turn_id: int
    utterance: Utterance


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """Play samples that were made before."""

    turn_id: int
    samples: NDArray[np.float32]  # (N,)
    sample_rate: int
    cancel: CancelToken


@dataclass(frozen=True, slots=True)
class LoadModel:
    """Answer with this model from now on; the one before is let go of first."""

    model: str


@dataclass(frozen=True, slots=True)
class Job:
    """Other work for the engine, between replies: ``run`` is called on the engine thread.

    Where it cannot be done, ``fail`` is called instead or after it, with a message for the user.
    """

    run: Callable[[SpeechEngine, CancelToken], None]
    fail: Callable[[str], None]
    cancel: CancelToken


WorkerRequest: TypeAlias = Respond | Encode | Transcribe | Play | LoadModel | Job


@dataclass(frozen=True, slots=True)
class QuestionEncoded:
    """The reply begins: ``codes`` is a spoken question as the model takes it, () a typed one.

    ``encoded_at`` lies before ``requested_at`` where the question was encoded ahead.
    ``generating_at`` is the moment that the reply's ``TimingsMs`` count from.
    """

    turn_id: int
    codes: Speech
    requested_at: float
    encoded_at: float
    generating_at: float


@dataclass(frozen=True, slots=True)
class EngineWaited:
    """How long the engine stood still during a reply because enough sound was waiting."""

    turn_id: int
    waited_ms: float


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What the user said in a turn, which may be over by now."""

    turn_id: int
    text: str


@dataclass(frozen=True, slots=True)
class ModelLoading:
    """A model is being loaded; ``fraction`` is None where it cannot be told."""

    message: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class ModelReady:
    """The model answers from now on; ``context_limit`` is its engine's, None if not known."""

    model: str
    seconds: float
    default_params: SamplingParams
    context_limit: int | None = None


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """The model cannot be used; the message is for the user."""

    model: str
    message: str


WorkerEvent: TypeAlias = (
    QuestionEncoded | EngineWaited | Transcribed | ModelLoading | ModelReady | ModelFailed
)

if TYPE_CHECKING:
    EngineMessage: TypeAlias = EngineEvent | WorkerEvent
