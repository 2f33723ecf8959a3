"""What a reply is asked for with: a conversation so far, a question, and how to answer it."""

from dataclasses import dataclass, field
from enum import Enum

from engine.chat_template import asr_turn, tts_turn
from engine.conversation import Conversation, Role, Turn
from engine.errors import RequestError
from engine.events import ReplyStats
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

    ``question_codes`` are the audio tokens of a spoken question that was encoded before; they must
    be the model's own.
    """

    turn_id: int
    conversation: Conversation
    question: Utterance | str
    mode: InferenceMode = InferenceMode.BOOST
    params: SamplingParams = field(default_factory=SamplingParams)
    task: Task = Task.ANSWER
    question_codes: tuple[int, ...] | None = None

    def question_turn(self, codes: tuple[int, ...]) -> Turn:
        """The user's turn; ``codes`` are the audio tokens of a spoken question."""
        if isinstance(self.question, Utterance):
            assert self.task is not Task.SAY, "only a text can be read aloud"
            if self.task is Task.TRANSCRIBE:
                return asr_turn(codes)
            return Turn(Role.USER, audio_codes=codes)
        assert self.task is not Task.TRANSCRIBE, "only a recording can be written down"
        text = self.question.strip()
        if not text:
            raise RequestError("the text is empty")
        if not text.isascii() and text.encode("utf-8", errors="ignore").decode() != text:
            raise RequestError("the text is not valid UTF-8")
        return tts_turn(text) if self.task is Task.SAY else Turn(Role.USER, text)

    def continued(self, stats: ReplyStats) -> Conversation:
        """The conversation with this question and the reply it got."""
        return self.conversation.with_turn(self.question_turn(stats.question_codes)).with_turn(
            Turn(Role.ASSISTANT, stats.text, stats.audio_codes)
        )
