"""What a reply looks like from outside: the events that ``SpeechEngine.respond`` yields, in order.

Pure. Every event carries the ``turn_id`` of its request, so that a listener can drop what belongs
to a cancelled turn. A reply ends with exactly one ``ReplyEnded`` or ``EngineFailed``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.conversation import Speech, SpeechEmbeddings


class EndReason(Enum):
    """Why a reply ended: the model was done, the length limit was met, or somebody cancelled."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class TimingsMs:
    """Milliseconds from the start of a request to each stage; None for a stage not reached.

    ``encode`` and ``prefill`` are the moments at which the question is encoded and the prompt is in
    the cache, ``first_audio_tokens`` the first complete audio group, ``first_audio`` the first
    samples ready to play.
    """

    encode: float | None = None
    prefill: float | None = None
    first_token: float | None = None
    first_audio_tokens: float | None = None
    first_audio: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class ReplyStats:
    """A finished reply in full: what was said, how much of it, and when.

    ``question_codes`` are the audio tokens of the question; it has none in the Plus variant.
    ``n_drafts`` counts the drafts that a verified reply had checked, and ``n_drafts_accepted``
    those among its tokens; in other modes there are none.

    ``n_context_tokens`` counts prompt and reply together, of the ``context_limit`` there is room
    for; zero where that is not known. ``n_forgotten`` counts the earlier exchanges that the reply
    was made without, because they had no room in the prompt or were left out before.
    """

    timings_ms: TimingsMs
    n_tokens: int
    n_text_tokens: int
    n_audio_tokens: int
    audio_seconds: float
    text: str
    audio_codes: tuple[int, ...]
    question_codes: tuple[int, ...] = ()
    n_drafts: int = 0
    n_drafts_accepted: int = 0
    n_context_tokens: int = 0
    context_limit: int = 0
    n_forgotten: int = 0


@dataclass(frozen=True, slots=True)
class Loading:
    """The engine is getting ready; ``message`` says with what."""

    turn_id: int
    message: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next printable piece of the reply's text."""

    turn_id: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """The next piece of the reply's sound, which nobody writes to any more.

    ``token_end`` counts the reply's audio tokens that sound in this chunk and those before it;
    ``audio_codes`` are the tokens generated since the chunk before, some of which may sound in the
    next one only. The first chunk tells when the stages up to it were reached.
    """

    turn_id: int
    samples: NDArray[np.float32]  # (T,) in [-1, 1]
    sample_rate: int
    token_end: int
    audio_codes: tuple[int, ...] = ()
    timings_ms: TimingsMs | None = None


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The reply is over, and nothing more comes for this turn.

    ``question_embeddings`` are those of a question spoken to the Plus variant.
    """

    turn_id: int
    reason: EndReason
    stats: ReplyStats
    question_embeddings: SpeechEmbeddings | None = None

    @property
    def question_speech(self) -> Speech:
        """The question as the model took it, for the conversation's next turn; () if typed."""
        return self.question_embeddings or self.stats.question_codes


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """The reply could not be made; ``message`` is for the user."""

    turn_id: int
    message: str


def acceptance_rate(replies: Iterable[ReplyStats]) -> float | None:
    """The share of these replies' drafts that were accepted; None where none were made."""
    n_drafts = n_accepted = 0
    for reply in replies:
        n_drafts += reply.n_drafts
        n_accepted += reply.n_drafts_accepted
    return n_accepted / n_drafts if n_drafts else None


EngineEvent: TypeAlias = Loading | TextDelta | AudioChunk | ReplyEnded | EngineFailed
