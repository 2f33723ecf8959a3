"""A conversation never changes, and remembers only what was heard."""

import numpy as np
import pytest

from engine.conversation import Conversation, Role, SpeechEmbeddings, Turn

QUESTION = Turn(Role.USER, audio_codes=(1, 2, 3))
ANSWER = Turn(Role.ASSISTANT, "The sky is blue today.", tuple(range(20)))
EMBEDDINGS = SpeechEmbeddings(np.zeros((7, 2), dtype=np.float32))


def test_adding_a_turn_leaves_the_old_conversation_alone() -> None:
    empty = Conversation()
    assert empty.with_turn(QUESTION).with_turn(ANSWER).turns == (QUESTION, ANSWER)
    assert empty.turns == ()


def test_turn_heard_in_full_stays_whole() -> None:
    assert ANSWER.as_heard() == ANSWER
    heard = Conversation((QUESTION, ANSWER)).with_last_heard(20).turns[-1]
    assert heard.as_heard() == ANSWER


def test_interrupted_turn_is_cut_to_whole_words_that_were_heard() -> None:
    heard = Conversation((QUESTION, ANSWER)).with_last_heard(10).turns[-1]
    assert heard.text == ANSWER.text
    assert heard.as_heard() == Turn(Role.ASSISTANT, "The sky is", tuple(range(10)))
    assert Turn(Role.ASSISTANT, "The sky", (1, 2), heard_tokens=1).as_heard().text == "The"


def test_chinese_is_cut_between_characters() -> None:
    turn = Turn(Role.ASSISTANT, "今天天气很好", (1, 2, 3, 4), heard_tokens=2)
    assert turn.as_heard().text == "今天天"


def test_turn_of_which_nothing_was_heard_is_empty() -> None:
    assert Turn(Role.ASSISTANT, "Hello", (1, 2), heard_tokens=0).as_heard().is_empty
    assert not ANSWER.is_empty


def test_more_cannot_be_heard_than_was_said() -> None:
    with pytest.raises(AssertionError):
        Conversation((QUESTION, ANSWER)).with_last_heard(21)
    with pytest.raises(AssertionError):
        Conversation((QUESTION,)).with_last_heard(1)


def test_speech_is_codes_or_embeddings_but_not_both() -> None:
    with pytest.raises(AssertionError):
        Turn(Role.USER, audio_codes=(1,), embeddings=EMBEDDINGS)


def test_a_spoken_turn_holds_its_speech_in_either_form() -> None:
    assert Turn.spoken((1, 2), "Hi") == Turn(Role.USER, "Hi", (1, 2))
    turn = Turn.spoken(EMBEDDINGS)
    assert turn == Turn(Role.USER, embeddings=EMBEDDINGS)
    assert not turn.is_empty
    assert turn.n_tokens == Turn.spoken((1,) * 7).n_tokens


def test_system_turn_comes_first_or_not_at_all() -> None:
    with pytest.raises(AssertionError):
        Conversation((QUESTION, Turn(Role.SYSTEM, "Be brief.")))


def exchanges(n: int) -> Conversation:
    """Each takes 11 + 39 tokens."""
    conversation = Conversation((Turn(Role.SYSTEM, "Be brief."),))
    for _ in range(n):
        conversation = conversation.with_turn(QUESTION).with_turn(ANSWER)
    return conversation


def test_a_conversation_that_grows_too_long_keeps_its_newer_half_and_the_system_turn() -> None:
    assert exchanges(9).recent(500) == exchanges(9)
    assert exchanges(10).recent(500).turns == exchanges(5).turns
    assert exchanges(10).recent(499).turns[0].role is Role.SYSTEM


def test_what_is_kept_begins_with_a_question_and_is_at_least_the_last_exchange() -> None:
    assert exchanges(10).recent(10).turns == exchanges(1).turns
    conversation = exchanges(10).with_turn(QUESTION)
    assert conversation.recent(500).turns[1] == QUESTION
    assert conversation.recent(500).turns[-1] == QUESTION


def test_the_beginning_stays_the_same_for_many_turns_once_it_was_cut() -> None:
    conversation = exchanges(0)
    beginnings = []
    for _ in range(100):
        grown = conversation.with_turn(QUESTION).with_turn(ANSWER)
        conversation = grown.recent(500)
        beginnings.append(conversation.turns[: len(grown.turns)] == grown.turns)
    assert beginnings.count(False) <= 20


def test_what_is_let_go_of_is_counted() -> None:
    assert exchanges(10).recent(500).n_forgotten == 5
    again = exchanges(10).recent(500)
    for _ in range(5):
        again = again.with_turn(QUESTION).with_turn(ANSWER)
    assert again.n_exchanges == 10
    assert again.recent(500).n_forgotten == 10


def test_the_oldest_exchanges_are_forgotten_whole_and_the_system_turn_stays() -> None:
    later = exchanges(3).with_turn(QUESTION)
    assert later.forgetting(0) is later
    assert later.forgetting(2).turns == (later.turns[0], QUESTION, ANSWER, QUESTION)
    assert later.forgetting(4) == Conversation(later.turns[:1], n_forgotten=4)
    assert later.forgetting(4).with_turn(QUESTION).n_forgotten == 4
    with pytest.raises(AssertionError, match="5 exchanges of 4"):
        later.forgetting(5)


def test_a_size_of_ones_own_decides_what_is_recent() -> None:
    conversation = exchanges(4)
    assert conversation.recent(9, lambda turn: 1) is conversation
    assert conversation.recent(8, lambda turn: 1) == conversation.forgetting(2)
