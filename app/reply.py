"""``Reply``: an answer in progress, and how much of it was heard.

Pure and immutable: everything that comes gives a new one. Sound is counted in samples at the
reply's own rate. A piece of text belongs to the first chunk of sound that comes after it, and is
shown when that chunk begins to be heard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

import numpy as np
import numpy.typing as npt

from app.turn_record import Origin, Outcome, Stamps, TurnRecord
from app.worker_messages import QuestionEncoded, Span
from engine.conversation import Conversation, Role, Speech, Turn
from engine.events import AudioChunk, EndReason, ReplyEnded, TimingsMs
from engine.modes import InferenceMode
from engine.utterance import Utterance

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Question:
    """What the user asked, spoken or typed."""

    content: Utterance | str
    asked_at: datetime
    stamps: Stamps
    span: Span | None = None

    @property
    def origin(self) -> Origin:
        """How it was asked."""
        return Origin.TYPED if isinstance(self.content, str) else Origin.SPOKEN


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Where a chunk of sound lies, and what has come with it and before it."""

    start: int
    end: int
    token_end: int
    text_end: int  # in characters


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """One answer from its question to its end; it waits to be started until a model is there.

    ``ended`` tells that all of it was generated; much of it may still have to be heard.
    """

    turn_id: int
    question: Question
    mode: InferenceMode
    stamps: Stamps
    is_started: bool = False
    seed: int | None = None
    question_codes: Speech | None = None
    text: str = ""
    n_shown: int = 0  # characters
    audio_codes: tuple[int, ...] = ()
    samples: tuple[Samples, ...] = ()
    sample_rate: int = 0
    n_heard: int = 0
    underruns: int = 0
    waited_ms: float = 0.0
    ended: ReplyEnded | None = None
    _chunks: tuple[_Chunk, ...] = ()
    _generating_at: float = 0.0

    @property
    def is_heard(self) -> bool:
        """Whether any of it has been heard."""
        return self.n_heard > 0

    @property
    def n_samples(self) -> int:
        """How much sound there is of it so far."""
        return self._chunks[-1].end if self._chunks else 0

    def with_encoded(self, event: QuestionEncoded) -> Reply:
        """The question is understood as far as the engine's tokens go."""
        stamps = replace(self.stamps, requested=event.requested_at, encoded=event.encoded_at)
        return replace(
            self, stamps=stamps, question_codes=event.codes, _generating_at=event.generating_at
        )

    def with_text(self, text: str) -> Reply:
        """More text has come."""
        return replace(self, text=self.text + text)

    def with_chunk(self, chunk: AudioChunk) -> Reply:
        """More sound has come."""
        start = self.n_samples
        end = start + len(chunk.samples)
        placed = _Chunk(start, end, chunk.token_end, len(self.text))
        stamps = self.stamps
        if chunk.timings_ms is not None:
            stamps = self._stamped(chunk.timings_ms)
        return replace(
            self,
            stamps=stamps,
            audio_codes=self.audio_codes + chunk.audio_codes,
            samples=(*self.samples, chunk.samples),
            sample_rate=chunk.sample_rate,
            _chunks=(*self._chunks, placed),
        )

    def with_heard(self, n_samples: int, first_sample_at: float | None, underruns: int) -> Reply:
        """More of it has been heard; less than before is a rounding of the device's clock."""
        stamps = self.stamps
        if stamps.first_sample_heard is None:
            stamps = replace(stamps, first_sample_heard=first_sample_at)
        n_heard = max(self.n_heard, min(n_samples, self.n_samples))
        return replace(self, stamps=stamps, n_heard=n_heard, underruns=underruns)

    def with_end(self, ended: ReplyEnded) -> Reply:
        """All of it has been generated."""
        return replace(self, ended=ended, stamps=self._stamped(ended.stats.timings_ms))

    def with_all_heard(self) -> Reply:
        """All of it has been heard."""
        return replace(self, n_heard=self.n_samples)

    def shown(self) -> tuple[Reply, str]:
        """The reply with all text shown that is due, and that text."""
        due = self.n_shown
        for chunk in self._chunks:
            if chunk.start < self.n_heard:
                due = max(due, chunk.text_end)
        if self.ended is not None and self.n_heard == self.n_samples:
            due = len(self.text)
        return replace(self, n_shown=due), self.text[self.n_shown : due]

    @property
    def outcome(self) -> Outcome:
        """How a reply that was generated to its end came to it."""
        assert self.ended is not None, "the reply has not ended"
        match self.ended.reason:
            case EndReason.STOP:
                return Outcome.COMPLETE
            case EndReason.LENGTH:
                return Outcome.LENGTH
            case EndReason.CANCELLED:
                return Outcome.INTERRUPTED
            case _:
                assert_never(self.ended.reason)

    @property
    def turn(self) -> Turn:
        """The answer as the conversation keeps it: with how much of it was heard."""
        codes = self.audio_codes if self.ended is None else self.ended.stats.audio_codes
        if not codes:
            return Turn(Role.ASSISTANT, self.text[: self.n_shown])
        is_whole = self.ended is not None and self.n_heard == self.n_samples
        heard = None if is_whole else min(self._n_heard_tokens(), len(codes))
        return Turn(Role.ASSISTANT, self.text, codes, heard_tokens=heard)

    def continued(self, conversation: Conversation) -> Conversation:
        """The conversation with this question and what was heard of the answer.

        A spoken question that was not encoded when it was interrupted leaves no trace.
        """
        content = self.question.content
        if isinstance(content, str):
            question = Turn(Role.USER, content)
        elif self.question_codes:
            question = Turn.spoken(self.question_codes)
        else:
            return conversation
        conversation = conversation.with_turn(question)
        answer = self.turn
        return conversation if answer.as_heard().is_empty else conversation.with_turn(answer)

    def record(self, model: str, outcome: Outcome, now: float) -> TurnRecord:
        """What is left of the turn, which is over now."""
        content = self.question.content
        is_cut = outcome in (Outcome.INTERRUPTED, Outcome.FAILED)
        sound = np.concatenate(self.samples) if self.samples else None
        if sound is not None and is_cut:
            sound = sound[: self.n_heard].copy() if self.n_heard else None
        return TurnRecord(
            turn_id=self.turn_id,
            started_at=self.question.asked_at,
            origin=self.question.origin,
            mode=self.mode,
            model=model,
            seed=self.seed,
            user_text=content if isinstance(content, str) else "",
            answer_text=self.turn.as_heard().text if is_cut else self.text,
            outcome=outcome,
            stamps=replace(self.stamps, ended=now),
            stats=self.ended.stats if self.ended is not None else None,
            underruns=self.underruns,
            waited_ms=self.waited_ms,
            user_samples=None if isinstance(content, str) else content.samples,
            answer_samples=sound,
            answer_sample_rate=self.sample_rate,
        )

    def _n_heard_tokens(self) -> int:
        """How many audio tokens have sounded; of a chunk that sounds just now, its share."""
        before = 0
        for chunk in self._chunks:
            if self.n_heard < chunk.end:
                share = max(0, self.n_heard - chunk.start) / (chunk.end - chunk.start)
                return before + int(share * (chunk.token_end - before))
            before = chunk.token_end
        return before

    def _stamped(self, timings_ms: TimingsMs) -> Stamps:
        """The stamps with the engine's stages, which it counts from its own start."""

        def at(ms: float | None) -> float | None:
            return None if ms is None else self._generating_at + ms / 1000

        return replace(
            self.stamps,
            prefilled=at(timings_ms.prefill),
            first_token=at(timings_ms.first_token),
            first_audio_tokens=at(timings_ms.first_audio_tokens),
            first_chunk=at(timings_ms.first_audio),
        )
