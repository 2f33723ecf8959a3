"""Text and audio tokens in one stream: interleaved for training, taken apart again in decoding.

Pure. A ratio is a flat list of counts, text, audio, text, audio, ..., whose last pair repeats;
audio counts include the two tags around the audio. With the default ratio a reply is one text
token and eight audio tokens, then four and eight for as long as both last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import TypeAlias

from engine.errors import TrainingDataError
from engine.vocab import Vocabulary

DEFAULT_RATIO = (1, 10, 4, 10)
"""The ratio of the Boost checkpoints, and of data that names none."""

_N_TAGS = 2


@dataclass(frozen=True, slots=True)
class Text:
    """One text token of a reply."""

    token_id: int


@dataclass(frozen=True, slots=True)
class AudioGroup:
    """Audio codes that are decoded together; never empty."""

    codes: tuple[int, ...]


Piece: TypeAlias = Text | AudioGroup


def interleave(
    ids: Sequence[int], vocab: Vocabulary, ratio: Sequence[int] = DEFAULT_RATIO
) -> list[int]:
    """Interleave the text of a reply with its one audio span.

    Each chunk is text, begin, audio, end. There are as many chunks as the shorter of the two
    lasts for, and the last chunk takes all that is left of both. A reply of text alone or of audio
    alone stays as it is. More than one span is an error, and so is a span without audio: the rule
    would silently drop all text after the first chunk.
    """
    assert len(ratio) >= 2 and len(ratio) % 2 == 0, f"a ratio comes in pairs: {ratio}"
    assert min(ratio[::2]) > 0 and min(ratio[1::2]) > _N_TAGS, f"a chunk would be empty: {ratio}"
    if vocab.begin_of_audio not in ids and vocab.end_of_audio not in ids:
        return list(ids)
    text, codes = _split_span(ids, vocab)
    if not text:
        return list(ids)
    text_chunks = list(_chunks(text, ratio[::2]))
    audio_chunks = list(_chunks(codes, [size - _N_TAGS for size in ratio[1::2]]))
    n = min(len(text_chunks), len(audio_chunks))
    text_chunks[n - 1 :] = [list(chain.from_iterable(text_chunks[n - 1 :]))]
    audio_chunks[n - 1 :] = [list(chain.from_iterable(audio_chunks[n - 1 :]))]
    woven: list[int] = []
    for text_chunk, audio_chunk in zip(text_chunks, audio_chunks, strict=True):
        woven += [*text_chunk, vocab.begin_of_audio, *audio_chunk, vocab.end_of_audio]
    return woven


class Deinterleaver:
    """Takes the ids of one reply one by one and gives out text tokens and audio groups.

    A group is given out as soon as it holds ``group_size`` audio tokens, so a long span does not
    wait for its end; a tag or an end of the reply gives out what there is. What an id is decides
    its way, so a model that forgets a tag loses nothing. One reply, one owner.
    """

    def __init__(self, vocab: Vocabulary, group_size: int = 8) -> None:
        assert group_size >= 1, f"a group holds at least one audio token: {group_size}"
        self._vocab = vocab
        self._group_size = group_size
        self._codes: list[int] = []

    def push(self, token_id: int) -> Piece | None:
        """Take the next id; returns the piece that it completes, if any."""
        if self._vocab.is_text(token_id):
            return Text(token_id)
        if not self._vocab.is_audio(token_id):
            return self.finish()
        self._codes.append(self._vocab.audio_code(token_id))
        return self.finish() if len(self._codes) == self._group_size else None

    def finish(self) -> AudioGroup | None:
        """Give out the audio tokens that are still waiting for company."""
        if not self._codes:
            return None
        group = AudioGroup(tuple(self._codes))
        self._codes.clear()
        return group


def _split_span(ids: Sequence[int], vocab: Vocabulary) -> tuple[list[int], list[int]]:
    """The text around the one audio span of ``ids``, and the audio ids within it."""
    begins = [index for index, token_id in enumerate(ids) if token_id == vocab.begin_of_audio]
    ends = [index for index, token_id in enumerate(ids) if token_id == vocab.end_of_audio]
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        raise TrainingDataError(
            f"A reply holds one audio span, but here are {len(begins)} begin tags "
            f"and {len(ends)} end tags."
        )
    codes = list(ids[begins[0] + 1 : ends[0]])
    if not codes:
        raise TrainingDataError("The audio span of a reply is empty.")
    if not all(map(vocab.is_audio, codes)):
        raise TrainingDataError("The audio span of a reply holds ids that are not audio tokens.")
    return [*ids[: begins[0]], *ids[ends[0] + 1 :]], codes


def _chunks(ids: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Cut ``ids`` into pieces of the given sizes, the last size repeating."""
    remaining = iter(ids)
    for index in count():
        chunk = list(islice(remaining, sizes[min(index, len(sizes) - 1)]))
        if not chunk:
            return
        yield chunk
