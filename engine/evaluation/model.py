"""The model as an evaluation sees it: speech to audio tokens, turns to replies, tokens to sound.

It runs the engine's own parts and token loop. Only the decoding of sound is a step of its own, for
most figures need no sound.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from engine.cancel import CancelToken
from engine.chat_template import placed_speech, prompt_ids
from engine.conversation import Conversation, Speech, SpeechEmbeddings, Turn
from engine.interleave import AudioGroup, Deinterleaver, Text
from engine.modes import InferenceMode

if TYPE_CHECKING:
    from engine.engine import SpeechEngine

_LONGEST_REPLY = 400


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; ``is_complete`` is false where it did not end by itself."""

    text: str
    audio_codes: tuple[int, ...] = ()
    is_complete: bool = True


class Model(Protocol):
    """What is measured."""

    @property
    def sample_rate(self) -> int:
        """Samples per second of ``speak``."""
        ...

    def encode(self, samples: npt.NDArray[np.float32], sample_rate: int) -> Speech:
        """Speech as the model takes it."""
        ...

    def reply(self, turn: Turn, mode: InferenceMode) -> Reply:
        """The greedy reply to one user turn."""
        ...

    def speak(self, codes: Sequence[int]) -> npt.NDArray[np.float32]:
        """The sound of audio tokens, as a listener gets it."""
        ...


class EngineModel:
    """A loaded engine as a ``Model``; belongs to one thread."""

    def __init__(self, engine: "SpeechEngine") -> None:
        self.engine = engine
        self._params = replace(
            engine.default_params, temperature=0.0, max_new_tokens=_LONGEST_REPLY
        )

    @property
    def sample_rate(self) -> int:
        """Samples per second of ``speak``."""
        return self.engine.speech_decoder.sample_rate

    def encode(self, samples: npt.NDArray[np.float32], sample_rate: int) -> Speech:
        """Speech as the model takes it; () for nothing."""
        if not len(samples):
            return ()
        heard = self.engine.speech_tokenizer.encode(samples, sample_rate)
        return heard if isinstance(heard, SpeechEmbeddings) else tuple(heard)

    def reply(self, turn: Turn, mode: InferenceMode) -> Reply:
        """The greedy reply to one user turn, up to ``_LONGEST_REPLY`` tokens."""
        import torch

        from engine.generate import generate

        tokenizer, lm = self.engine.text_tokenizer, self.engine.lm
        vocabulary = tokenizer.vocabulary
        conversation = Conversation((turn,))
        ids = prompt_ids(conversation, tokenizer)
        speech = placed_speech(ids, conversation, vocabulary)
        room = lm.config.max_position_embeddings - len(ids)
        params = replace(self._params, max_new_tokens=min(_LONGEST_REPLY, room))
        schedule = mode.schedule(lm.config.depth)
        deinterleaver = Deinterleaver(vocabulary)
        text_ids: list[int] = []
        codes: list[int] = []
        is_complete = False
        with (
            torch.inference_mode(),
            closing(
                generate(
                    lm, ids, schedule, params, CancelToken(), vocabulary.eos_ids, speech=speech
                )
            ) as steps,
        ):
            for step in steps:
                match deinterleaver.push(step.token_id):
                    case Text(text_id):
                        text_ids.append(text_id)
                    case AudioGroup(group):
                        codes += group
                if step.token_id in vocabulary.eos_ids:
                    is_complete = True
                    break
        rest = deinterleaver.finish()
        if rest is not None:
            codes += rest.codes
        return Reply(tokenizer.decode(text_ids).strip(), tuple(codes), is_complete)

    def speak(self, codes: Sequence[int]) -> npt.NDArray[np.float32]:
        """The sound that the streaming decoder gives."""
        import torch

        if not codes:
            return np.zeros(0, dtype=np.float32)
        with torch.inference_mode():
            stream = self.engine.speech_decoder.stream()
            return np.concatenate([stream.push(tuple(codes)), stream.finish()])
