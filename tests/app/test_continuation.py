"""Going on with a kept conversation: the model gets what was asked and what was heard."""

import dataclasses

import numpy as np

from app.continuation import conversation_of
from app.kept_turn import KeptTurn
from app.turn_record import Outcome, TurnRecord
from engine.conversation import Conversation, Role, Turn
from engine.events import ReplyStats
from tests.app.turns_to_keep import turn, typed_turn


def turns_of(record: TurnRecord, model: str = "nano") -> tuple[Turn, ...]:
    return conversation_of([KeptTurn.of(record)], model)[0].turns


def stats() -> ReplyStats:
    """Ten audio tokens in a second."""
    found = turn(1).stats
    assert found is not None
    return dataclasses.replace(
        found, text="one two three four", audio_codes=tuple(range(10)), audio_seconds=1.0
    )


def test_a_spoken_turn_keeps_its_audio_tokens() -> None:
    assert turns_of(turn(1)) == (
        Turn(Role.USER, audio_codes=(3, 1)),
        Turn(Role.ASSISTANT, "answer 1 in full", (1, 1, 2)),
    )


def test_a_question_without_audio_tokens_of_its_own_stands_in_words() -> None:
    record = dataclasses.replace(turn(1), stats=dataclasses.replace(stats(), question_codes=()))
    question, answer = turns_of(record)
    assert question == Turn(Role.USER, "question 1?")
    assert answer.audio_codes == tuple(range(10))


def test_another_model_gets_the_words() -> None:
    assert turns_of(turn(1), model="other") == (
        Turn(Role.USER, "question 1?"),
        Turn(Role.ASSISTANT, "answer 1 in full"),
    )


def test_an_interrupted_answer_is_cut_to_what_was_heard() -> None:
    record = dataclasses.replace(
        turn(1),
        outcome=Outcome.INTERRUPTED,
        stats=stats(),
        answer_samples=0.1 * np.ones(11025, np.float32),
    )
    _, answer = turns_of(record)
    assert answer.heard_tokens == 5
    assert answer.as_heard() == Turn(Role.ASSISTANT, "one two", (0, 1, 2, 3, 4))


def test_an_answer_interrupted_before_its_end_was_made_keeps_the_words_heard() -> None:
    record = dataclasses.replace(
        turn(1), outcome=Outcome.INTERRUPTED, stats=None, answer_text="answer"
    )
    assert turns_of(record) == (
        Turn(Role.USER, "question 1?"),
        Turn(Role.ASSISTANT, "answer"),
    )


def test_an_answer_of_which_nothing_was_heard_is_left_out() -> None:
    for record in (
        dataclasses.replace(
            turn(1), outcome=Outcome.INTERRUPTED, stats=stats(), answer_samples=None
        ),
        dataclasses.replace(turn(1), outcome=Outcome.FAILED, stats=None, answer_text=""),
    ):
        (question,) = turns_of(record)
        assert question.role is Role.USER


def test_a_question_that_left_neither_words_nor_tokens_is_left_out_with_its_answer() -> None:
    record = dataclasses.replace(turn(1), user_text=" ", stats=None)
    assert turns_of(record) == ()
    assert conversation_of([], "nano") == (Conversation(), ())


def test_turns_stand_in_order() -> None:
    kept = [KeptTurn.of(record) for record in (turn(1), typed_turn(2), turn(3))]
    conversation, turn_ids = conversation_of(kept, "nano")
    roles = [found.role for found in conversation.turns]
    assert roles == [Role.USER, Role.ASSISTANT, Role.USER, Role.USER, Role.ASSISTANT]
    assert turn_ids == (1, 2, 3)


def test_a_turn_that_is_left_out_is_not_among_the_ids() -> None:
    silent = dataclasses.replace(turn(2), user_text=" ", stats=None)
    kept = [KeptTurn.of(record) for record in (turn(1), silent, turn(3))]
    assert conversation_of(kept, "nano")[1] == (1, 3)
