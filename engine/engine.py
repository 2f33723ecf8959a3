"""``SpeechEngine``: a question in, the events of a spoken reply out.

``respond`` is a lazy generator: encode the question, prefill the prompt, draw tokens one by one,
and give out text and sound the moment they are complete. In Boost mode the first sound is therefore
decoded before the second backbone forward starts. It leaves out microphones, threads and windows.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from engine.cancel import CancelToken
from engine.chat_template import PlacedSpeech, placed_speech, prompt_ids
from engine.conversation import Conversation, Role, Speech, SpeechEmbeddings, Turn
from engine.errors import OutOfMemory, RequestError
from engine.events import (
    AudioChunk,
    EndReason,
    EngineEvent,
    ReplyEnded,
    ReplyStats,
    TextDelta,
    TimingsMs,
)
from engine.generate import DecodeState, generate
from engine.interleave import AudioGroup, Deinterleaver, Text
from engine.models.decoder import Decoder
from engine.modes import InferenceMode, Step
from engine.precision import Precision
from engine.requests import ReplyRequest, Task
from engine.sampling_params import SamplingParams
from engine.speech.decoder import SpeechDecoder
from engine.speech.encoder import SpeechEncoder
from engine.speech.leading_silence import LeadingSilence
from engine.speech.tokenizer import SpeechTokenizer
from engine.text_tokenizer import TextTokenizer
from engine.utterance import Utterance

# A prompt may fill the positions of the model up to this share of them; the reply needs the rest.
_REPLY_SHARE = 4
# One audio token; a shorter question is padded with silence to one.
_SHORTEST_QUESTION_S = 0.08
# The longest transcript in tokens: so many, and so many more for each second. Nobody speaks faster,
# even where every token is one byte of a Chinese character.
_TRANSCRIPT_BASE_TOKENS = 32
_TRANSCRIPT_TOKENS_PER_S = 32


class SpeechEngine:
    """Answers requests one at a time; belongs to one thread, the one that calls it.

    What a reply needs of the past stands in its request; the engine only remembers what its
    networks computed for the last answer, and uses it again as far as the next prompt begins alike.
    """

    def __init__(
        self,
        lm: Decoder,
        text_tokenizer: TextTokenizer,
        speech_tokenizer: SpeechTokenizer | SpeechEncoder,
        speech_decoder: SpeechDecoder,
        default_params: SamplingParams | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lm = lm
        self.text_tokenizer = text_tokenizer
        self.speech_tokenizer = speech_tokenizer
        self.speech_decoder = speech_decoder
        self.default_params = default_params or SamplingParams()
        self._clock = clock
        self._state = DecodeState(lm)

    @classmethod
    def load(
        cls,
        folder: Path | str,
        device: str = "auto",
        precision: Precision | None = None,
        threads: int | None = None,
    ) -> "SpeechEngine":
        """The engine of a model folder, in the most exact precision that fits unless one is named.

        A fault in the folder is a ``CheckpointError``, a device without room ``OutOfMemory``.
        """
        from engine.loading import load_components

        if threads is not None:
            torch.set_num_threads(threads)
        return cls(*load_components(Path(folder), device, precision))

    def forget(self) -> None:
        """Drops what was computed for the last prompt, and frees its memory."""
        self._state = DecodeState(self.lm)

    def warmup(self) -> None:
        """Runs every part once, so that the first reply is as fast as the next."""
        tone = np.sin(np.arange(16000, dtype=np.float32) * 0.05)
        request = ReplyRequest(
            turn_id=-1,
            conversation=Conversation(),
            question=Utterance.checked(tone, 16000),
            params=SamplingParams(max_new_tokens=self.lm.config.depth + 2),
        )
        for _ in self.respond(request):
            pass
        stream = self.speech_decoder.stream()
        stream.push((0,) * 8)
        stream.finish()
        self.forget()

    @torch.inference_mode()
    def respond(
        self, request: ReplyRequest, cancel: CancelToken | None = None
    ) -> Generator[EngineEvent, None, None]:
        """Yields the reply as it comes; the last event is ``ReplyEnded``.

        Raises ``RequestError`` for a question it cannot take and ``OutOfMemory`` where the device
        has no room. ``cancel`` is asked between tokens and between decoder blocks.
        """
        with _memory_errors():
            yield from self._respond(request, cancel or CancelToken())

    @torch.inference_mode()
    def encode(self, question: Utterance) -> Speech:
        """A spoken question as the model takes it, for ``ReplyRequest.question_codes``."""
        with _memory_errors():
            heard = self.speech_tokenizer.encode(_padded(question), question.sample_rate)
        return heard if isinstance(heard, SpeechEmbeddings) else tuple(heard)

    def transcribe(
        self,
        samples: npt.NDArray[np.float32],
        sample_rate: int,
        mode: InferenceMode = InferenceMode.VANILLA,
        cancel: CancelToken | None = None,
        codes: Speech | None = None,
    ) -> str:
        """What was said, as text; ``codes`` is it as the model takes it, where that is known.

        A Plus model with a CTC head does it at once, without the language model and its mode.
        """
        question = Utterance.checked(samples, sample_rate)
        encoder = self.speech_tokenizer
        if isinstance(encoder, SpeechEncoder) and encoder.can_transcribe:
            if cancel is not None and cancel.is_cancelled:
                return ""
            with _memory_errors():
                return encoder.transcribe(_padded(question), sample_rate)
        longest = _TRANSCRIPT_BASE_TOKENS + math.ceil(
            _TRANSCRIPT_TOKENS_PER_S * question.duration_s
        )
        limit = min(longest, self.default_params.max_new_tokens)
        request = ReplyRequest(
            turn_id=0,
            conversation=Conversation(),
            question=question,
            mode=mode,
            params=dataclasses.replace(self.default_params, max_new_tokens=limit),
            task=Task.TRANSCRIBE,
            question_codes=codes,
        )
        events = self.respond(request, cancel)
        return "".join(event.text for event in events if isinstance(event, TextDelta)).strip()

    def say(
        self,
        text: str,
        mode: InferenceMode = InferenceMode.BOOST,
        params: SamplingParams | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[EngineEvent]:
        """Reads a text aloud: the events of the reply that speaks it."""
        request = ReplyRequest(
            0, Conversation(), text, mode, params or self.default_params, Task.SAY
        )
        return self.respond(request, cancel)

    def _respond(
        self, request: ReplyRequest, cancel: CancelToken
    ) -> Generator[EngineEvent, None, None]:
        reply = _Reply(self, request.turn_id)
        reply.question = self._speech_of(request)
        reply.stamp("encode")
        ids, speech, params = self._prompt(request, reply.question)
        vocabulary = self.text_tokenizer.vocabulary
        schedule = request.mode.schedule(self.lm.config.depth)
        steps = generate(
            self.lm,
            ids,
            schedule,
            params,
            cancel,
            vocabulary.eos_ids,
            state=self._state_for(request),
            speech=speech,
        )
        stopped = False
        with closing(steps):
            for step in steps:
                reply.stamp("prefill")  # drawing the token from its logits takes no time
                reply.stamp("first_token")
                stopped = step.token_id in vocabulary.eos_ids
                yield from reply.push(step)
                if stopped or cancel.is_cancelled:
                    break
        if cancel.is_cancelled and not stopped:
            reason = EndReason.CANCELLED
        elif stopped or reply.n_tokens < params.max_new_tokens:
            reason = EndReason.STOP
        else:
            reason = EndReason.LENGTH
        yield from reply.finish(reason)

    def _speech_of(self, request: ReplyRequest) -> Speech:
        """A spoken question as the model takes it; () for a typed one."""
        if isinstance(request.question, str):
            return ()
        if request.question_codes is not None:
            return request.question_codes
        return self.encode(request.question)

    def _state_for(self, request: ReplyRequest) -> DecodeState:
        """What is remembered of the conversation, which other tasks leave as it is."""
        return self._state if request.task is Task.ANSWER else DecodeState(self.lm)

    def _prompt(
        self, request: ReplyRequest, question: Speech
    ) -> tuple[list[int], tuple[PlacedSpeech, ...], SamplingParams]:
        """The prompt, without the oldest turns where it would be too long, and what may follow."""
        positions = self.lm.config.max_position_embeddings
        room = positions - min(request.params.max_new_tokens, positions // _REPLY_SHARE)
        conversation = request.conversation.with_turn(request.question_turn(question))
        ids = prompt_ids(conversation, self.text_tokenizer)
        while len(ids) > room and (shorter := _without_oldest(conversation)) is not None:
            conversation = shorter
            ids = prompt_ids(conversation, self.text_tokenizer)
        if len(ids) > room:
            rate = "16.7" if self.text_tokenizer.vocabulary.plus else "12.5"
            raise RequestError(
                f"the question is too long for this model: it takes {len(ids)} tokens "
                f"of {room} ({rate} for each second of speech)"
            )
        speech = placed_speech(ids, conversation, self.text_tokenizer.vocabulary)
        width = self.lm.config.hidden_size
        if any(placed.embeddings.rows.shape[1] != width for placed in speech):
            raise RequestError("the conversation's speech was encoded by another model")
        limit = min(request.params.max_new_tokens, positions - len(ids))
        return ids, speech, dataclasses.replace(request.params, max_new_tokens=limit)


class _Reply:
    """One reply in progress: what has come so far, and when."""

    def __init__(self, engine: SpeechEngine, turn_id: int) -> None:
        self.n_tokens = 0
        self.question: Speech = ()
        self._turn_id = turn_id
        self._clock = engine._clock
        self._started = self._clock()
        self._timings = TimingsMs()
        self._deinterleaver = Deinterleaver(engine.text_tokenizer.vocabulary)
        self._text_stream = engine.text_tokenizer.stream()
        self._decoder = engine.speech_decoder
        self._audio_stream = engine.speech_decoder.stream()
        self._leading_silence = LeadingSilence(engine.speech_decoder.sample_rate)
        self._text: list[str] = []
        self._codes: list[int] = []
        self._n_text_tokens = 0
        self._n_decoded = 0  # samples, the silence left out at the beginning included
        self._n_drafts = 0
        self._n_drafts_accepted = 0
        self._n_samples = 0
        self._n_given = 0  # audio tokens that were given out with their chunks

    def stamp(self, stage: str) -> None:
        """Notes that a stage was reached now, unless it was before."""
        if getattr(self._timings, stage) is None:
            at = 1000 * (self._clock() - self._started)
            self._timings = dataclasses.replace(self._timings, **{stage: at})

    def push(self, step: Step) -> Iterator[EngineEvent]:
        """Takes the next token and gives out what it completes."""
        self.n_tokens += 1
        self._n_drafts += step.n_drafts
        self._n_drafts_accepted += step.is_accepted
        match self._deinterleaver.push(step.token_id):
            case Text(text_id):
                self._n_text_tokens += 1
                yield from self._give_text(self._text_stream.push(text_id))
            case AudioGroup(codes):
                yield from self._decode(codes)

    def finish(self, reason: EndReason) -> Iterator[EngineEvent]:
        """Gives out what is left, unless cancelled, and the end of the reply."""
        group = self._deinterleaver.finish()
        if reason is not EndReason.CANCELLED:
            if group is not None:
                yield from self._decode(group.codes)
            yield from self._give_text(self._text_stream.finish())
            if self._codes:
                last = self._leading_silence.push(self._audio_stream.finish())
                last = np.concatenate([last, self._leading_silence.finish()])
                yield from self._give_audio(last, len(self._codes))
        self.stamp("total")
        asked = self.question
        codes, embeddings = ((), asked) if isinstance(asked, SpeechEmbeddings) else (asked, None)
        yield ReplyEnded(
            self._turn_id,
            reason,
            ReplyStats(
                timings_ms=self._timings,
                n_tokens=self.n_tokens,
                n_text_tokens=self._n_text_tokens,
                n_audio_tokens=len(self._codes),
                n_drafts=self._n_drafts,
                n_drafts_accepted=self._n_drafts_accepted,
                audio_seconds=self._n_samples / self._decoder.sample_rate,
                text="".join(self._text),
                audio_codes=tuple(self._codes),
                question_codes=codes,
            ),
            embeddings,
        )

    def _decode(self, codes: tuple[int, ...]) -> Iterator[EngineEvent]:
        self.stamp("first_audio_tokens")
        self._codes += codes
        samples = self._audio_stream.push(codes)
        self._n_decoded += len(samples)
        # What the decoder holds back for its overlap does not sound in this chunk yet.
        sounding = round(self._n_decoded / self._decoder.sample_rate * self._decoder.token_rate)
        heard = self._leading_silence.push(samples)
        yield from self._give_audio(heard, min(sounding, len(self._codes)))

    def _give_text(self, text: str) -> Iterator[EngineEvent]:
        if text:
            self._text.append(text)
            yield TextDelta(self._turn_id, text)

    def _give_audio(
        self, samples: npt.NDArray[np.float32], token_end: int
    ) -> Iterator[EngineEvent]:
        if len(samples):
            timings = None
            if self._timings.first_audio is None:
                self.stamp("first_audio")
                timings = self._timings
            self._n_samples += len(samples)
            new_codes = tuple(self._codes[self._n_given :])
            self._n_given = len(self._codes)
            yield AudioChunk(
                self._turn_id, samples, self._decoder.sample_rate, token_end, new_codes, timings
            )


def _padded(question: Utterance) -> npt.NDArray[np.float32]:
    """The samples, with silence after them where they are too few to be encoded."""
    shortest = -(-int(_SHORTEST_QUESTION_S * 1000) * question.sample_rate // 1000)
    return np.pad(question.samples, (0, max(0, shortest - len(question.samples))))


def _without_oldest(conversation: Conversation) -> Conversation | None:
    """The conversation without its oldest question and answer; None where only the last is left."""
    system: tuple[Turn, ...] = conversation.turns[:1]
    rest = conversation.turns[1:]
    if system[0].role is not Role.SYSTEM:
        system, rest = (), conversation.turns
    if len(rest) <= 1:
        return None
    rest = rest[1:]
    while rest[0].role is Role.ASSISTANT:
        rest = rest[1:]
    return Conversation((*system, *rest))


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Turns torch's out-of-memory errors into ours."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            "the device has no memory left: ask less at once, or use the cpu"
        ) from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):
            raise
        raise OutOfMemory("this machine has no memory left for this request") from error
