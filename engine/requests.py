"""What a reply is asked for with: a conversation so far, a question, and how to answer it."""

from dataclasses import dataclass, field
from enum import Enum

from engine.chat_template import asr_turn, tts_turn
from engine.conversation import Conversation, Role, Speech, Turn
from engine.errors import RequestError
from engine.events import ReplyEnded
from engine.modes import InferenceMode
from engine.sampling_params import SamplingParams
from engine.utterance import Utterance


class Task(Enum):
    """What to do with the question: answer it, write it down, or read it aloud."""

    ANSWER = "answer"
    TRANSCRIBE = "transcribe"
    SAY = "say"


@dataclass(frozen=True, slots=True)
class ReplyRequest:
    """One reply to make; ``question`` is spoken or typed and stands after the conversation.

    ``question_codes`` are the audio tokens, or the embeddings, of a spoken question that was
    encoded before; they must be the model's own.
    """

    turn_id: int
    conversation: Conversation
    question: Utterance | str
    mode: InferenceMode = InferenceMode.BOOST
    params: SamplingParams = field(default_factory=SamplingParams)
    task: Task = Task.ANSWER
    question_codes: Speech | None = None

    def question_turn(self, speech: Speech) -> Turn:
        """The user's turn; ``speech`` is a spoken question as the model takes it."""
        if isinstance(self.question, Utterance):
            assert self.task is not Task.SAY, "only a text can be read aloud"
            if self.task is Task.TRANSCRIBE:
                return asr_turn(speech)
            return Turn.spoken(speech)
        assert self.task is not Task.TRANSCRIBE, "only a recording can be written down"
        text = self.question.strip()
        if not text:
            raise RequestError("the text is empty")
        if not text.isascii() and text.encode("utf-8", errors="ignore").decode() != text:
            raise RequestError("the text is not valid UTF-8")
        return tts_turn(text) if self.task is Task.SAY else Turn(Role.USER, text)

    def continued(self, ended: ReplyEnded) -> Conversation:
        """The conversation with this question and the reply it got, without what had no room."""
        question = self.question_turn(ended.question_speech)
        answer = Turn(Role.ASSISTANT, ended.stats.text, ended.stats.audio_codes)
        n_newly_forgotten = ended.stats.n_forgotten - self.conversation.n_forgotten
        remembered = self.conversation.forgetting(n_newly_forgotten)
        return remembered.with_turn(question).with_turn(answer)
