"""Which id means what: text tokens, special tokens and audio tokens of one vocabulary.

Pure. The layout is that of the releases: text ids, 22 special ids of the base tokenizer, 20 added
special ids (21 in the Plus variant), then the audio tokens. The two variants have vocabularies of
the same padded size but shifted by one id, so they can never be mixed.
"""

from dataclasses import dataclass

from engine.errors import CheckpointError

ENDOFTEXT = "<|endoftext|>"
IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
BEGIN_OF_AUDIO = "<|begin_of_audio|>"
END_OF_AUDIO = "<|end_of_audio|>"
CONTEXT_OF_AUDIO = "<|context_of_audio|>"
AUDIO_TAG = "<|audio|>"

BASE_SPECIALS = (
    ENDOFTEXT,
    IM_START,
    IM_END,
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
"""The special tokens of the base tokenizer, in the order of their ids."""

ADDED_SPECIALS = (
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|context_of_image|>",
    "<|begin_of_video|>",
    "<|end_of_video|>",
    "<|context_of_video|>",
    "<|begin_of_patch|>",
    "<|end_of_patch|>",
    "<|context_of_patch|>",
    BEGIN_OF_AUDIO,
    END_OF_AUDIO,
    "<|begin_of_quad|>",
    "<|end_of_quad|>",
    "<|begin_of_ref|>",
    "<|end_of_ref|>",
    "<|begin_of_box|>",
    "<|end_of_box|>",
    "<|image|>",
    "<|video|>",
    AUDIO_TAG,
)
"""The special tokens that VITA-Audio adds, in the order of their ids."""

_SIZE_MULTIPLE = 8


def added_specials(plus: bool) -> tuple[str, ...]:
    """The added special tokens of a variant: Plus has one more, right after the end of audio."""
    if not plus:
        return ADDED_SPECIALS
    after_end = ADDED_SPECIALS.index(END_OF_AUDIO) + 1
    return (*ADDED_SPECIALS[:after_end], CONTEXT_OF_AUDIO, *ADDED_SPECIALS[after_end:])


def audio_token(code: int) -> str:
    """The written form of audio token number ``code``."""
    return f"<|audio_{code}|>"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The id ranges of one tokenizer, all derived from three facts about it.

    ``base_size`` counts text ids and base specials together (151665 in the releases), ``n_audio``
    the audio tokens (16384 in the releases), and ``plus`` marks the variant whose users' speech
    enters as continuous features.
    """

    base_size: int
    n_audio: int
    plus: bool = False

    def __post_init__(self) -> None:
        if self.base_size <= len(BASE_SPECIALS) or self.n_audio < 1:
            raise CheckpointError(
                f"A vocabulary of {self.base_size} base ids and {self.n_audio} audio tokens "
                "has no room for text and speech."
            )

    @property
    def endoftext(self) -> int:
        """The padding id; it also ends a reply."""
        return self.base_size - len(BASE_SPECIALS) + BASE_SPECIALS.index(ENDOFTEXT)

    @property
    def im_start(self) -> int:
        """The id that opens a message."""
        return self.base_size - len(BASE_SPECIALS) + BASE_SPECIALS.index(IM_START)

    @property
    def im_end(self) -> int:
        """The id that closes a message."""
        return self.base_size - len(BASE_SPECIALS) + BASE_SPECIALS.index(IM_END)

    @property
    def begin_of_audio(self) -> int:
        """The id that opens an audio span."""
        return self._added(BEGIN_OF_AUDIO)

    @property
    def end_of_audio(self) -> int:
        """The id that closes an audio span."""
        return self._added(END_OF_AUDIO)

    @property
    def context_of_audio(self) -> int | None:
        """The placeholder that continuous speech features take the place of; Plus only."""
        return self._added(CONTEXT_OF_AUDIO) if self.plus else None

    @property
    def audio_tag(self) -> int:
        """The id of the tag that stands for a whole recording in written samples."""
        return self._added(AUDIO_TAG)

    @property
    def audio_0(self) -> int:
        """The id of the first audio token."""
        return self.base_size + len(added_specials(self.plus))

    @property
    def n_ids(self) -> int:
        """How many ids have a meaning."""
        return self.audio_0 + self.n_audio

    @property
    def size(self) -> int:
        """Rows of the embedding: all ids, padded to a multiple of 8."""
        return -(-self.n_ids // _SIZE_MULTIPLE) * _SIZE_MULTIPLE

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """The ids that end a reply."""
        return (self.im_end, self.endoftext)

    def is_text(self, token_id: int) -> bool:
        """Whether an id is ordinary text, neither special nor audio."""
        return 0 <= token_id < self.base_size - len(BASE_SPECIALS)

    def is_audio(self, token_id: int) -> bool:
        """Whether an id is an audio token; the tags around a span are not."""
        return self.audio_0 <= token_id < self.n_ids

    def audio_id(self, code: int) -> int:
        """The id of audio token number ``code``."""
        assert 0 <= code < self.n_audio, f"audio code {code} outside 0..{self.n_audio - 1}"
        return self.audio_0 + code

    def audio_code(self, token_id: int) -> int:
        """The number of the audio token that an id stands for."""
        assert self.is_audio(token_id), f"id {token_id} is not an audio token"
        return token_id - self.audio_0

    def _added(self, token: str) -> int:
        return self.base_size + added_specials(self.plus).index(token)
