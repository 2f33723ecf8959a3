"""Hearing: what the model writes down of speech, against what was said."""

from dataclasses import dataclass

from engine.chat_template import asr_turn
from engine.conversation import Speech
from engine.evaluation.error_rates import Edits, character_edits, word_edits
from engine.evaluation.model import Model
from engine.modes import InferenceMode


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the model heard in one clip."""

    said: str
    heard: str
    characters: Edits
    words: Edits


def transcribe(model: Model, codes: Speech, mode: InferenceMode) -> str:
    """The text of encoded speech; no speech has no text."""
    return model.reply(asr_turn(codes), mode).text if codes else ""


def listen(model: Model, codes: Speech, said: str, lang: str, mode: InferenceMode) -> Transcript:
    """The model's transcript of encoded speech and how far it is from what was said."""
    heard = transcribe(model, codes, mode)
    return Transcript(
        said, heard, character_edits(said, heard, lang), word_edits(said, heard, lang)
    )
