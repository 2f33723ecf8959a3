"""What has been said so far, by whom, and how much of it was heard.

Pure and immutable: a longer conversation is a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# English has about four characters to a token, Chinese fewer than two.
_CHARACTERS_PER_TOKEN = 2
_FRAMING_TOKENS = 8


class Role(Enum):
    """Who a turn belongs to, in the words of the chat format."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, eq=False)
class SpeechEmbeddings:
    """A user's speech as the Plus variant takes it: one embedding for each place in the prompt.

    They belong to the model that made them, and nobody writes to them. Equal is only the very same
    object; what has to know more compares the rows.
    """

    rows: NDArray[np.float32]  # (F + 4, D)

    def __post_init__(self) -> None:
        assert self.rows.ndim == 2 and len(self.rows), f"rows of embeddings: {self.rows.shape}"

    def __len__(self) -> int:
        """How many places it takes."""
        return len(self.rows)

    def first(self, n_places: int) -> SpeechEmbeddings:
        """What stands in the first ``n_places``."""
        return self if n_places >= len(self) else SpeechEmbeddings(self.rows[:n_places])


Speech: TypeAlias = tuple[int, ...] | SpeechEmbeddings
"""A user's speech as a model takes it: audio tokens, or the embeddings of the Plus variant."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: its text, and the speech that follows the text or stands for it.

    Speech is ``audio_codes``, or, for a user of the Plus variant, ``embeddings``. ``heard_tokens``
    counts the audio tokens of an interrupted answer that were played; None means all of them.
    """

    role: Role
    text: str = ""
    audio_codes: tuple[int, ...] = ()
    embeddings: SpeechEmbeddings | None = None
    heard_tokens: int | None = None

    def __post_init__(self) -> None:
        assert not (self.audio_codes and self.embeddings), "speech is either codes or embeddings"
        assert self.heard_tokens is None or 0 <= self.heard_tokens <= len(self.audio_codes), (
            f"{self.heard_tokens} of {len(self.audio_codes)} audio tokens cannot have been heard"
        )

    @classmethod
    def spoken(cls, speech: Speech, text: str = "") -> Turn:
        """A user's turn with speech, and text before it."""
        if isinstance(speech, SpeechEmbeddings):
            return cls(Role.USER, text, embeddings=speech)
        return cls(Role.USER, text, speech)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said in this turn."""
        return not (self.text or self.audio_codes or self.embeddings)

    @property
    def n_tokens(self) -> int:
        """About how many tokens it takes in a prompt; no tokenizer is asked."""
        n_text = len(self.text) // _CHARACTERS_PER_TOKEN
        n_speech = len(self.audio_codes) + len(self.embeddings or ())
        return n_text + n_speech + _FRAMING_TOKENS

    def as_heard(self) -> Turn:
        """The turn cut to what was heard, with the same share of its text, in whole words."""
        if self.heard_tokens is None or self.heard_tokens == len(self.audio_codes):
            return replace(self, heard_tokens=None)
        share = self.heard_tokens / len(self.audio_codes)
        return Turn(
            self.role,
            _whole_words(self.text, int(share * len(self.text))),
            self.audio_codes[: self.heard_tokens],
        )


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in order; a system turn, where there is one, comes first.

    A question and the answers to it are an exchange. ``n_forgotten`` counts those that came before
    these turns and are not part of the conversation any more.
    """

    turns: tuple[Turn, ...] = ()
    n_forgotten: int = 0

    def __post_init__(self) -> None:
        assert all(turn.role is not Role.SYSTEM for turn in self.turns[1:]), (
            "a system turn can only come first"
        )

    def with_turn(self, turn: Turn) -> Conversation:
        """This conversation with one more turn."""
        return replace(self, turns=(*self.turns, turn))

    def with_last_heard(self, heard_tokens: int) -> Conversation:
        """This conversation with its last turn, an answer, marked as heard only so far."""
        assert self.turns and self.turns[-1].role is Role.ASSISTANT, "the last turn is no answer"
        last = replace(self.turns[-1], heard_tokens=heard_tokens)
        return replace(self, turns=(*self.turns[:-1], last))

    @property
    def n_tokens(self) -> int:
        """About how many tokens it takes in a prompt; no tokenizer is asked."""
        return sum(turn.n_tokens for turn in self.turns)

    @property
    def n_exchanges(self) -> int:
        """How many exchanges there are."""
        return sum(turn.role is Role.USER for turn in self.turns)

    def recent(
        self, longest: int, size: Callable[[Turn], int] = lambda turn: turn.n_tokens
    ) -> Conversation:
        """This conversation, cut to its newest exchanges if it takes more than ``longest`` tokens.

        They take half of that, or are the last one. By half, not turn by turn: what was
        computed for the beginning of a prompt can be used again only as long as that stays the
        same. ``size`` tells the tokens of a turn.
        """
        sizes = [size(turn) for turn in self.turns]
        if sum(sizes) <= longest:
            return self
        n_kept = n_tokens = 0
        for turn, n_of_turn in zip(reversed(self.turns), reversed(sizes), strict=True):
            n_tokens += n_of_turn
            if n_kept and n_tokens > longest // 2:
                break
            n_kept += turn.role is Role.USER
        return self.forgetting(self.n_exchanges - n_kept)

    def forgetting(self, n_exchanges: int) -> Conversation:
        """This conversation without its oldest exchanges; the system turn stays."""
        if n_exchanges <= 0:
            return self
        begins = [n for n, turn in enumerate(self.turns) if turn.role is Role.USER]
        assert n_exchanges <= len(begins), f"{n_exchanges} exchanges of {len(begins)}"
        system = tuple(turn for turn in self.turns[:1] if turn.role is Role.SYSTEM)
        kept = self.turns[begins[n_exchanges] :] if n_exchanges < len(begins) else ()
        return Conversation((*system, *kept), self.n_forgotten + n_exchanges)


def _whole_words(text: str, length: int) -> str:
    """The first ``length`` characters, less a word of a spaced script that would be cut in two."""
    while 0 < length < len(text) and _is_letter(text[length - 1]) and _is_letter(text[length]):
        length -= 1
    return text[:length].rstrip()


def _is_letter(character: str) -> bool:
    """Whether a character belongs to a word written with spaces around it (not Chinese)."""
    return character.isalnum() and ord(character) < 0x2E80
