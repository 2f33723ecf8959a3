"""Prompts are ChatML; a training sample begins with the prompt that asks for its answer."""

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from engine.chat_template import (
    ASR_INSTRUCTION,
    IGNORED_LABEL,
    asr_turn,
    placed_speech,
    prompt_ids,
    training_ids,
    tts_turn,
)
from engine.conversation import Conversation, Role, SpeechEmbeddings, Turn
from engine.errors import RequestError, TrainingDataError
from engine.text_tokenizer import TextTokenizer
from engine.vocab import Vocabulary

VOCAB = Vocabulary(256 + 22, 64)
PLUS = Vocabulary(256 + 22, 64, plus=True)


def byte_tokenizer(vocabulary: Vocabulary) -> TextTokenizer:
    letters = sorted(ByteLevel.alphabet())
    bpe = Tokenizer(BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    bpe.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return TextTokenizer(bpe, vocabulary)


TOKENIZER = byte_tokenizer(VOCAB)
PLUS_TOKENIZER = byte_tokenizer(PLUS)


def written(ids: list[int], vocabulary: Vocabulary = VOCAB) -> str:
    """Ids as readable text: < and > around messages, [ and ] around audio, # audio, . context."""
    marks = {
        vocabulary.im_start: "<",
        vocabulary.im_end: ">",
        vocabulary.begin_of_audio: "[",
        vocabulary.end_of_audio: "]",
        vocabulary.context_of_audio: ".",
    }
    return "".join(
        "#" if vocabulary.is_audio(i) else marks.get(i) or TOKENIZER.decode([i]) for i in ids
    )


QUESTION = Turn(Role.USER, audio_codes=(1, 2, 3))


def test_spoken_question_is_an_audio_span_and_nothing_else() -> None:
    ids = prompt_ids(Conversation((QUESTION,)), TOKENIZER)
    assert written(ids) == "<user\n[###]>\n<assistant\n"


def test_instructions_stand_on_a_line_of_their_own() -> None:
    asr = prompt_ids(Conversation((asr_turn((1, 2)),)), TOKENIZER)
    tts = prompt_ids(Conversation((tts_turn("Hello"),)), TOKENIZER)
    assert written(asr) == f"<user\n{ASR_INSTRUCTION}\n[##]>\n<assistant\n"
    assert written(tts) == "<user\nConvert the text to speech.\nHello>\n<assistant\n"


def test_system_turn_comes_only_where_given_and_answers_are_interleaved() -> None:
    answer = Turn(Role.ASSISTANT, "Hello", tuple(range(12)))
    turns = (Turn(Role.SYSTEM, "Be brief."), QUESTION, answer, Turn(Role.USER, "Why?"))
    assert written(prompt_ids(Conversation(turns), TOKENIZER)) == (
        "<system\nBe brief.>\n<user\n[###]>\n<assistant\nH[########]ello[####]>\n"
        "<user\nWhy?>\n<assistant\n"
    )


def test_prompt_holds_only_what_was_heard_of_earlier_answers() -> None:
    said = Conversation((QUESTION, Turn(Role.ASSISTANT, "Hi you", (1, 2, 3, 4))))
    half = prompt_ids(said.with_last_heard(2).with_turn(QUESTION), TOKENIZER)
    assert written(half) == "<user\n[###]>\n<assistant\nHi[##]>\n<user\n[###]>\n<assistant\n"
    none = prompt_ids(said.with_last_heard(0).with_turn(QUESTION), TOKENIZER)
    assert written(none) == "<user\n[###]>\n<user\n[###]>\n<assistant\n"


@pytest.mark.parametrize(
    "turns",
    [(), (Turn(Role.USER),), (QUESTION, Turn(Role.ASSISTANT, "Hi")), (Turn(Role.SYSTEM, "Hi"),)],
)
def test_conversation_without_a_question_is_refused(turns: tuple[Turn, ...]) -> None:
    with pytest.raises(RequestError):
        prompt_ids(Conversation(turns), TOKENIZER)


@pytest.mark.parametrize(
    "turns",
    [
        (QUESTION, Turn(Role.ASSISTANT, "Hello", tuple(range(30)))),
        (asr_turn((4, 5)), Turn(Role.ASSISTANT, "Hello")),
        (QUESTION, Turn(Role.ASSISTANT, "Hi", (1,)), QUESTION, Turn(Role.ASSISTANT, "Yes", (2,))),
    ],
)
def test_training_sample_begins_with_the_prompt_that_asks_for_its_answer(
    turns: tuple[Turn, ...],
) -> None:
    prompt = prompt_ids(Conversation(turns[:-1]), TOKENIZER)
    ids, labels = training_ids(Conversation(turns), TOKENIZER)
    assert ids[: len(prompt)] == prompt
    assert labels[len(prompt) :] == ids[len(prompt) :]
    assert labels[0] == IGNORED_LABEL


def test_only_answers_and_what_closes_them_are_supervised() -> None:
    turns = (Turn(Role.SYSTEM, "Be brief."), QUESTION, Turn(Role.ASSISTANT, "Hi", (1, 2)))
    _, labels = training_ids(Conversation(turns), TOKENIZER)
    assert written([i for i in labels if i != IGNORED_LABEL]) == "Hi[##]>\n"


def test_text_to_be_spoken_comes_first_in_the_answer() -> None:
    turns = (tts_turn(" Hello "), Turn(Role.ASSISTANT, audio_codes=tuple(range(12))))
    ids, _ = training_ids(Conversation(turns), TOKENIZER)
    assert written(ids).endswith("<assistant\nH[########]ello[####]>\n")


@pytest.mark.parametrize(
    "turns",
    [
        (QUESTION, Turn(Role.ASSISTANT)),
        (Turn(Role.USER), Turn(Role.ASSISTANT, "Hi")),
        (tts_turn("Hello"), Turn(Role.ASSISTANT)),
        (tts_turn("Hello"), Turn(Role.ASSISTANT, "Hello")),
    ],
)
def test_sample_that_lacks_its_speech_is_refused(turns: tuple[Turn, ...]) -> None:
    with pytest.raises(TrainingDataError):
        training_ids(Conversation(turns), TOKENIZER)


def embeddings(n_rows: int) -> SpeechEmbeddings:
    return SpeechEmbeddings(np.zeros((n_rows, 2), dtype=np.float32))


def test_plus_keeps_a_place_for_every_embedding() -> None:
    turn = Turn.spoken(embeddings(7), "Hi")
    ids = prompt_ids(Conversation((turn,)), PLUS_TOKENIZER)
    assert written(ids, PLUS) == "<user\nHi[.......]>\n<assistant\n"


def test_plus_finds_the_places_of_all_speech_in_order() -> None:
    first, second = embeddings(3), embeddings(2)
    conversation = Conversation(
        (
            Turn.spoken(first, "Hi"),
            Turn(Role.ASSISTANT, "Yes?", (1, 2)),
            Turn(Role.USER, "Wait"),
            Turn.spoken(second),
        )
    )
    ids = prompt_ids(conversation, PLUS_TOKENIZER)
    placed = placed_speech(ids, conversation, PLUS)
    assert [speech.embeddings for speech in placed] == [first, second]
    places = [
        place
        for speech in placed
        for place in range(speech.start, speech.start + len(speech.embeddings))
    ]
    assert places == [n for n, i in enumerate(ids) if i == PLUS.context_of_audio]
    assert placed_speech(ids[:3], Conversation((Turn(Role.USER, "Hi"),)), PLUS) == ()


def test_speech_of_the_wrong_variant_is_refused() -> None:
    with pytest.raises(RequestError, match="as embeddings"):
        prompt_ids(Conversation((QUESTION,)), PLUS_TOKENIZER)
    with pytest.raises(RequestError, match="Plus"):
        prompt_ids(Conversation((Turn.spoken(embeddings(3)),)), TOKENIZER)
