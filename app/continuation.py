"""A kept conversation as the engine takes it, so that the talk can go on where it stopped. Pure."""

from collections.abc import Sequence

from app.kept_turn import KeptTurn
from app.turn_record import Origin, Outcome, TurnRecord
from engine.conversation import Conversation, Role, Turn


def conversation_of(turns: Sequence[KeptTurn], model: str) -> tuple[Conversation, tuple[int, ...]]:
    """What was asked and what was heard, in order, and the ids of the turns that are part of it.

    Audio tokens mean something to the model that made them only; for another ``model`` the words
    stand alone, as they do for a question whose embeddings a Plus model took, which are not kept. A
    question that left neither words nor tokens is left out with its answer.
    """
    conversation = Conversation()
    turn_ids: list[int] = []
    for kept in turns:
        has_codes = kept.record.model == model and kept.record.stats is not None
        question = _question(kept.record, has_codes)
        if question.is_empty:
            continue
        conversation = conversation.with_turn(question)
        turn_ids.append(kept.record.turn_id)
        answer = _answer(kept, has_codes)
        if not answer.as_heard().is_empty:
            conversation = conversation.with_turn(answer)
    return conversation, tuple(turn_ids)


def _question(record: TurnRecord, has_codes: bool) -> Turn:
    if record.origin is Origin.SPOKEN and has_codes:
        assert record.stats is not None
        if record.stats.question_codes:
            return Turn(Role.USER, audio_codes=record.stats.question_codes)
    return Turn(Role.USER, record.user_text.strip())


def _answer(kept: KeptTurn, has_codes: bool) -> Turn:
    record = kept.record
    if not has_codes or record.outcome is Outcome.FAILED:
        return Turn(Role.ASSISTANT, record.answer_text.strip())
    assert record.stats is not None
    codes = record.stats.audio_codes
    if record.outcome is not Outcome.INTERRUPTED or not codes:
        return Turn(Role.ASSISTANT, record.answer_text, codes)
    share = (
        min(1.0, kept.answer_s / record.stats.audio_seconds) if record.stats.audio_seconds else 0.0
    )
    return Turn(Role.ASSISTANT, record.stats.text, codes, heard_tokens=int(share * len(codes)))
