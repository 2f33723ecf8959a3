"""``SpeechEngine``: a question in, the events of a spoken reply out.

``respond`` is a lazy generator: encode the question, prefill the prompt, draw tokens one by one,
and give out text and sound the moment they are complete. In Boost mode the first sound is therefore
decoded before the second backbone forward starts. It leaves out microphones, threads and windows.
"""

import dataclasses
import math
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from engine.cancel import CancelToken
from engine.chat_template import PlacedSpeech, placed_speech, prompt_ids, turn_ids
from engine.conversation import Conversation, Speech, SpeechEmbeddings, Turn
from engine.errors import EngineError, OutOfMemory, RequestError
from engine.events import (
    AudioChunk,
    EndReason,
    EngineEvent,
    ReplyEnded,
    ReplyStats,
    TextDelta,
    TimingsMs,
)
from engine.fit import context_limit, shorter_context
from engine.generate import DecodeState, generate
from engine.interleave import AudioGroup, Deinterleaver, Text
from engine.machine import memory_of
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

# A prompt may fill the context but for this share of it, which the reply needs.
_REPLY_SHARE = 4
# One audio token; a shorter question is padded with silence to one.
_SHORTEST_QUESTION_S = 0.08
# The longest transcript in tokens: so many, and so many more for each second. Nobody speaks faster,
# even where every token is one byte of a Chinese character.
_TRANSCRIPT_BASE_TOKENS = 32
_TRANSCRIPT_TOKENS_PER_S = 32
# How torch and CUDA's libraries say, beside ``torch.OutOfMemoryError``, that memory is full.
_FULL_MEMORY_SIGNS = ("can't allocate memory", "out of memory", "ALLOC_FAILED")


class SpeechEngine:
    """Answers requests one at a time; belongs to one thread, the one that calls it.

    What a reply needs of the past stands in its request; the engine only remembers what its
    networks computed for the last answer, and uses it again as far as the next prompt begins alike.
    Prompt and reply together never hold more than ``context_limit`` tokens: where a conversation is
    longer, its oldest exchanges are left out. Where memory runs out, what was computed is forgotten
    and the limit becomes lower, so that the next question can be answered.
    """

    def __init__(
        self,
        lm: Decoder,
        text_tokenizer: TextTokenizer,
        speech_tokenizer: SpeechTokenizer | SpeechEncoder,
        speech_decoder: SpeechDecoder,
        default_params: SamplingParams | None = None,
        clock: Callable[[], float] = time.monotonic,
        context_limit: int | None = None,
    ) -> None:
        self.lm = lm
        self.text_tokenizer = text_tokenizer
        self.speech_tokenizer = speech_tokenizer
        self.speech_decoder = speech_decoder
        self.default_params = default_params or SamplingParams()
        self._clock = clock
        positions = lm.config.max_position_embeddings
        self.context_limit = positions if context_limit is None else min(context_limit, positions)
        self._state = self._new_state()

    @classmethod
    def load(
        cls,
        folder: Path | str,
        device: str = "auto",
        precision: Precision | None = None,
        threads: int | None = None,
    ) -> "SpeechEngine":
        """The engine of a model folder, in the most exact precision that fits unless one is named.

        A fault in the folder is a ``CheckpointError``, a device without room ``OutOfMemory``. The
        context is bounded by the memory that is free once the model is loaded.
        """
        from engine.loading import load_components

        if threads is not None:
            torch.set_num_threads(threads)
        with _full_memory_told("the model does not fit into the memory that is free here"):
            components = load_components(Path(folder), device, precision)
        lm = components[0]
        computed_in = Precision.FP32 if lm.dtype == torch.float32 else Precision.BF16
        _, free = memory_of(lm.device)
        return cls(*components, context_limit=context_limit(lm.config, computed_in, free))

    def forget(self) -> None:
        """Drops what was computed for the last prompt, and frees its memory."""
        self._state = self._new_state()

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
        with self._recovers():
            yield from self._respond(request, cancel or CancelToken())

    @torch.inference_mode()
    def encode(self, question: Utterance) -> Speech:
        """A spoken question as the model takes it, for ``ReplyRequest.question_codes``."""
        with self._recovers():
            return self._encode(question)

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
            with self._recovers():
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
        conversation, ids, params = self._prompt(request, reply.question)
        reply.context_limit, reply.n_prompt_tokens = self.context_limit, len(ids)
        reply.n_forgotten = conversation.n_forgotten
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
            speech=self._placed_speech(ids, conversation),
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
        return self._encode(request.question)

    def _encode(self, question: Utterance) -> Speech:
        heard = self.speech_tokenizer.encode(_padded(question), question.sample_rate)
        return heard if isinstance(heard, SpeechEmbeddings) else tuple(heard)

    def _state_for(self, request: ReplyRequest) -> DecodeState:
        """What is remembered of the conversation, which other tasks leave as it is."""
        return self._state if request.task is Task.ANSWER else self._new_state()

    def _new_state(self) -> DecodeState:
        return DecodeState(self.lm, limit=self.context_limit)

    def _prompt(
        self, request: ReplyRequest, question: Speech
    ) -> tuple[Conversation, list[int], SamplingParams]:
        """What is asked, without the oldest exchanges where there is no room for them.

        Also its ids, and how the reply may be drawn.
        """
        limit = self.context_limit
        room = limit - min(request.params.max_new_tokens, limit // _REPLY_SHARE)
        asked = request.question_turn(question)
        conversation = request.conversation
        ids = prompt_ids(conversation.with_turn(asked), self.text_tokenizer)
        if len(ids) > room:
            n_before = sum(map(self._n_ids, conversation.turns))
            conversation = conversation.recent(room - len(ids) + n_before, self._n_ids)
            ids = prompt_ids(conversation.with_turn(asked), self.text_tokenizer)
        if len(ids) > room:
            conversation = conversation.forgetting(conversation.n_exchanges)
            ids = prompt_ids(conversation.with_turn(asked), self.text_tokenizer)
        if len(ids) > room:
            rate = "16.7" if self.text_tokenizer.vocabulary.plus else "12.5"
            raise RequestError(
                f"the question is too long for this model: it takes {len(ids)} tokens "
                f"of {room} ({rate} for each second of speech)"
            )
        n_new = min(request.params.max_new_tokens, limit - len(ids))
        params = dataclasses.replace(request.params, max_new_tokens=n_new)
        return conversation.with_turn(asked), ids, params

    def _n_ids(self, turn: Turn) -> int:
        return len(turn_ids(turn, self.text_tokenizer))

    def _placed_speech(
        self, ids: list[int], conversation: Conversation
    ) -> tuple[PlacedSpeech, ...]:
        """Where embeddings take the place of ids (Plus)."""
        speech = placed_speech(ids, conversation, self.text_tokenizer.vocabulary)
        width = self.lm.config.hidden_size
        if any(placed.embeddings.rows.shape[1] != width for placed in speech):
            raise RequestError("the conversation's speech was encoded by another model")
        return speech

    @contextmanager
    def _recovers(self) -> Iterator[None]:
        """Leaves the engine fit for the next question, whatever happens inside.

        A forward that broke off has written to some layers only, so nothing that was computed can
        be used again.
        """
        try:
            with _full_memory_told("the memory is full"):
                yield
        except OutOfMemory:
            self.context_limit = shorter_context(self.context_limit, self._state.cache.capacity)
            self.forget()
            torch.cuda.empty_cache()
            raise
        except EngineError:
            raise
        except Exception:
            self.forget()
            raise


class _Reply:
    """One reply in progress: what has come so far, and when."""

    def __init__(self, engine: SpeechEngine, turn_id: int) -> None:
        self.n_tokens = 0
        self.question: Speech = ()
        self.context_limit = self.n_prompt_tokens = self.n_forgotten = 0
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
                n_context_tokens=self.n_prompt_tokens + self.n_tokens,
                context_limit=self.context_limit,
                n_forgotten=self.n_forgotten,
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


@contextmanager
def _full_memory_told(what: str) -> Iterator[None]:
    """Turns the ways in which memory runs out into ``OutOfMemory`` with advice after ``what``."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_gpu = isinstance(error, torch.OutOfMemoryError) or "CU" in str(error)
        is_full = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not is_full and not any(sign in str(error) for sign in _FULL_MEMORY_SIGNS):
            raise
        advice = "close other programs, or choose a smaller model"
        if is_gpu:
            advice = (
                "close other programs that use the GPU, choose a smaller model or precision, "
                "or use the cpu"
            )
        traceback.clear_frames(error.__traceback__)  # they hold on to what was computed
        raise OutOfMemory(f"{what}: {advice}") from error
