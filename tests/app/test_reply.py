"""What a reply leaves in the conversation."""

from datetime import UTC, datetime

import numpy as np
import pytest

from app.reply import Question, Reply
from app.turn_record import Stamps
from app.worker_messages import QuestionEncoded
from engine.conversation import Conversation, Speech, SpeechEmbeddings, Turn
from engine.modes import InferenceMode
from tests.app.fakes import spoken


@pytest.mark.parametrize(
    "speech",
    [(7, 8), SpeechEmbeddings(np.zeros((5, 2), dtype=np.float32))],
    ids=lambda s: type(s).__name__,
)
def test_a_spoken_question_stays_in_the_conversation_in_either_form(speech: Speech) -> None:
    stamps = Stamps()
    question = Question(spoken(), datetime.now(UTC), stamps)
    reply = Reply(1, question, InferenceMode.BOOST, stamps)
    assert reply.continued(Conversation()) == Conversation()
    encoded = reply.with_encoded(QuestionEncoded(1, speech, 1.0, 1.0, 1.0))
    assert encoded.continued(Conversation()).turns == (Turn.spoken(speech),)
