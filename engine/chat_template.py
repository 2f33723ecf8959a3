"""Conversations as ids, in ChatML: prompts for decoding, ids and labels for training.

Pure. Every message is ``<|im_start|>role\\ncontent<|im_end|>\\n``, each piece encoded on its own;
there is no default system message. Content is a turn's text, then its speech between the audio
tags; an answer that has both is interleaved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.conversation import Conversation, Role, Speech, SpeechEmbeddings, Turn
from engine.errors import RequestError, TrainingDataError
from engine.interleave import DEFAULT_RATIO, interleave
from engine.text_tokenizer import TextTokenizer
from engine.vocab import Vocabulary

ASR_INSTRUCTION = "Convert the speech to text."
TTS_INSTRUCTION = "Convert the text to speech."
SPOKEN_CHAT_SYSTEM = (
    "Your Name: Luke\nYour Gender: male\n\nRespond in a text-audio interleaved manner."
)
"""The system text that the released checkpoints expect in spoken chat."""

TEXT_ONLY_SYSTEM = "Respond in text."
"""The system text under which nano is trained to answer without speech."""

IGNORED_LABEL = -100
"""The label of an id that no loss is taken on."""


@dataclass(frozen=True, slots=True)
class PlacedSpeech:
    """Embeddings that take the place of a prompt's ids from ``start`` on (Plus)."""

    start: int
    embeddings: SpeechEmbeddings


def asr_turn(speech: Speech) -> Turn:
    """A user's turn that asks for the text of a recording."""
    return Turn.spoken(speech, f"{ASR_INSTRUCTION}\n")


def tts_turn(text: str) -> Turn:
    """A user's turn that asks for a text to be spoken."""
    return Turn(Role.USER, f"{TTS_INSTRUCTION}\n{text}")


def prompt_ids(
    conversation: Conversation, tokenizer: TextTokenizer, ratio: Sequence[int] = DEFAULT_RATIO
) -> list[int]:
    """The prompt that asks for the answer to the last turn.

    Earlier answers stand in it as far as they were heard, one that was not heard at all is left
    out.
    """
    if not conversation.turns or conversation.turns[-1].role is not Role.USER:
        raise RequestError("A conversation must end with something for the model to answer.")
    ids = [id_ for turn in conversation.turns for id_ in turn_ids(turn, tokenizer, ratio)]
    return ids + _header_ids(Role.ASSISTANT, tokenizer)


def turn_ids(
    turn: Turn, tokenizer: TextTokenizer, ratio: Sequence[int] = DEFAULT_RATIO
) -> list[int]:
    """What one turn adds to a prompt: nothing where it is an answer that was not heard."""
    heard = turn.as_heard()
    if heard.is_empty and heard.role is Role.ASSISTANT:
        return []
    if heard.is_empty:
        raise RequestError(f"The {heard.role.value} turn is empty: it needs text or speech.")
    return [
        *_header_ids(heard.role, tokenizer),
        *_content_ids(heard, tokenizer, ratio),
        *_closing_ids(tokenizer),
    ]


def placed_speech(
    ids: Sequence[int], conversation: Conversation, vocab: Vocabulary
) -> tuple[PlacedSpeech, ...]:
    """Where the users' speech of a conversation belongs in ``ids``, which were made from it."""
    placed: list[PlacedSpeech] = []
    stop = 0
    for embeddings in (turn.embeddings for turn in conversation.turns):
        if embeddings is None:
            continue
        assert vocab.context_of_audio is not None, "these ids are not of the Plus variant"
        start = ids.index(vocab.context_of_audio, stop)
        stop = start + len(embeddings)
        assert ids[stop] == vocab.end_of_audio, "the ids have other places than the speech"
        placed.append(PlacedSpeech(start, embeddings))
    return tuple(placed)


def training_ids(
    conversation: Conversation, tokenizer: TextTokenizer, ratio: Sequence[int] = DEFAULT_RATIO
) -> tuple[list[int], list[int]]:
    """The ids and labels of one training sample.

    The loss is taken on the content of answers, on their ``<|im_end|>`` and the newline after it.
    The text that a user asks to have spoken is put in front of every answer after it, so speaking
    a text is trained as text and audio too; such an answer comes with its speech only.
    """
    ids: list[int] = []
    labels: list[int] = []
    spoken_text = ""
    for turn in conversation.turns:
        is_answer = turn.role is Role.ASSISTANT
        if turn.role is Role.USER and TTS_INSTRUCTION in turn.text:
            spoken_text = turn.text.replace(TTS_INSTRUCTION, "").strip()
        if is_answer and spoken_text:
            turn = _speaking(turn, spoken_text)
        if turn.is_empty:
            raise TrainingDataError(f"A sample's {turn.role.value} turn has no text and no speech.")
        header = _header_ids(turn.role, tokenizer)
        body = _content_ids(turn, tokenizer, ratio) + _closing_ids(tokenizer)
        ids += header + body
        labels += [IGNORED_LABEL] * len(header)
        labels += body if is_answer else [IGNORED_LABEL] * len(body)
    return ids, labels


def _speaking(answer: Turn, text: str) -> Turn:
    """An answer that speaks ``text``, which then comes first in it."""
    if not answer.audio_codes:
        raise TrainingDataError("A sample asks for speech, but its answer has no audio tokens.")
    return Turn(answer.role, text + answer.text, answer.audio_codes)


def _header_ids(role: Role, tokenizer: TextTokenizer) -> list[int]:
    opening = [tokenizer.vocabulary.im_start]
    return opening + tokenizer.encode(role.value) + tokenizer.encode("\n")


def _closing_ids(tokenizer: TextTokenizer) -> list[int]:
    return [tokenizer.vocabulary.im_end, *tokenizer.encode("\n")]


def _content_ids(turn: Turn, tokenizer: TextTokenizer, ratio: Sequence[int]) -> list[int]:
    ids = tokenizer.encode(turn.text) + _speech_ids(turn, tokenizer)
    return interleave(ids, tokenizer.vocabulary, ratio) if turn.role is Role.ASSISTANT else ids


def _speech_ids(turn: Turn, tokenizer: TextTokenizer) -> list[int]:
    """The audio span of a turn: audio tokens, or placeholders for a user's embeddings (Plus)."""
    vocab = tokenizer.vocabulary
    if turn.embeddings:
        if vocab.context_of_audio is None or turn.role is Role.ASSISTANT:
            raise RequestError("Speech embeddings stand only in users' turns of the Plus variant.")
        inside = [vocab.context_of_audio] * len(turn.embeddings)
    elif turn.audio_codes:
        if vocab.plus and turn.role is Role.USER:
            raise RequestError("The Plus variant takes a user's speech as embeddings, not tokens.")
        inside = [vocab.audio_id(code) for code in turn.audio_codes]
    else:
        return []
    return [vocab.begin_of_audio, *inside, vocab.end_of_audio]
