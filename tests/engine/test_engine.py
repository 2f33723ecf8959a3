"""The engine: its events, their order, and what it does with a question it cannot take."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.cancel import CancelToken
from engine.chat_template import prompt_ids
from engine.config import ModelConfig
from engine.conversation import Conversation, Role, Turn
from engine.engine import SpeechEngine
from engine.errors import OutOfMemory, RequestError
from engine.events import AudioChunk, EndReason, EngineEvent, ReplyEnded, TextDelta
from engine.models.decoder import Decoder
from engine.models.kv_cache import KVCache
from engine.models.speech_lm import SpeechLM, initialise
from engine.modes import InferenceMode
from engine.requests import ReplyRequest, Task
from engine.sampling_params import SamplingParams
from engine.text_tokenizer import TextTokenizer
from engine.utterance import Utterance
from engine.vocab import Vocabulary
from tests.fakes import SILENT_CODE, FakeSpeechDecoder, FakeSpeechTokenizer, write_text_tokenizer

DEPTH = 10
SPEECH = Utterance.checked(np.sin(np.arange(16000, dtype=np.float32) / 9), 16000)


class ScriptedLM(Decoder):
    """A tiny model that runs every layer and then says what it is told to, whatever they find."""

    def __init__(self, config: ModelConfig, script: list[int], log: list[str]) -> None:
        super().__init__(initialise(SpeechLM(config), torch.Generator().manual_seed(0)))
        self.script = iter(script)
        self.log = log

    def main_step(
        self, ids: Tensor, cache: KVCache, inserted: Sequence[tuple[int, Tensor]] = ()
    ) -> Tensor:
        """A backbone forward, noted."""
        self.log.append("backbone")
        return super().main_step(ids, cache, inserted)

    def mctp_step(self, k: int, ids: Tensor, hidden: Tensor, cache: KVCache) -> Tensor:
        """A forward of module k, noted."""
        self.log.append(f"mctp{k}")
        return super().mctp_step(k, ids, hidden, cache)

    def logits(self, hidden: Tensor) -> Tensor:
        """All weight on the next token of the script."""
        scores = torch.zeros(*hidden.shape[:-1], self.config.vocab_size)
        scores[..., next(self.script)] = 100.0
        return scores


@pytest.fixture(scope="module")
def text_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    return write_text_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


@pytest.fixture
def vocab(text_tokenizer: TextTokenizer) -> Vocabulary:
    return text_tokenizer.vocabulary


def make_engine(
    text_tokenizer: TextTokenizer, script: list[int], log: list[str] | None = None, **sizes: int
) -> SpeechEngine:
    log = [] if log is None else log
    config = replace(
        ModelConfig.tiny(),
        vocab_size=text_tokenizer.vocabulary.size,
        num_hidden_layers=2 + DEPTH,
        num_nextn_predict_layers=DEPTH,
        **sizes,
    )
    ticks = itertools.count()
    return SpeechEngine(
        ScriptedLM(config, script, log),
        text_tokenizer,
        FakeSpeechTokenizer(),
        FakeSpeechDecoder(log),
        clock=lambda: next(ticks) / 1000,
    )


def audio_run(vocab: Vocabulary, first: int, count: int) -> list[int]:
    codes = range(first, first + count)
    return [vocab.begin_of_audio, *map(vocab.audio_id, codes), vocab.end_of_audio]


def boost_script(tokenizer: TextTokenizer) -> list[int]:
    """``Hello`` with 21 audio tokens, interleaved as Boost is: 1, 8, 4, 13."""
    vocab = tokenizer.vocabulary
    hello = tokenizer.encode("Hello")
    return [
        *hello[:1],
        *audio_run(vocab, 0, 8),
        *hello[1:],
        *audio_run(vocab, 8, 13),
        vocab.im_end,
    ]


def ask(engine: SpeechEngine, **changes: object) -> Iterator[EngineEvent]:
    request = ReplyRequest(7, Conversation(), SPEECH)
    return engine.respond(replace(request, **changes))  # type: ignore[arg-type]


def ended(events: list[EngineEvent]) -> ReplyEnded:
    assert isinstance(events[-1], ReplyEnded)
    assert not any(isinstance(event, ReplyEnded) for event in events[:-1])
    return events[-1]


def test_in_boost_the_first_sound_is_out_before_the_second_backbone_forward(
    text_tokenizer: TextTokenizer,
) -> None:
    log: list[str] = []
    events = ask(make_engine(text_tokenizer, boost_script(text_tokenizer), log))
    for event in events:
        if isinstance(event, AudioChunk):
            log.append("sound")
    first_group = log[: log.index("sound")]
    assert first_group.count("backbone") == 1
    assert first_group[-1] == "decode"
    makers = [f"mctp{k}" for k in range(1, DEPTH)]
    assert first_group == ["backbone", *makers, "decode"]
    assert log[log.index("sound") :][:3] == ["sound", "mctp10", "backbone"]


def test_a_reply_gives_its_text_and_all_its_sound_and_then_ends(
    text_tokenizer: TextTokenizer,
) -> None:
    script = boost_script(text_tokenizer)
    events = list(ask(make_engine(text_tokenizer, script)))
    end = ended(events)
    assert {event.turn_id for event in events} == {7}
    assert end.reason is EndReason.STOP
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello"
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    assert [len(chunk.samples) for chunk in chunks] == [80, 80, 50, 10]
    assert [chunk.token_end for chunk in chunks] == [8, 16, 21, 21]
    assert end.stats.text == "Hello"
    assert end.stats.audio_codes == tuple(range(21))
    assert end.stats.question_codes == tuple(range(13))
    assert (end.stats.n_tokens, end.stats.n_text_tokens) == (len(script), 5)
    assert end.stats.n_audio_tokens == 21
    assert end.stats.audio_seconds == pytest.approx(220 / 125)


def test_the_silence_a_reply_begins_with_is_not_played_and_counts_as_heard(
    text_tokenizer: TextTokenizer, vocab: Vocabulary
) -> None:
    silent = [vocab.audio_id(SILENT_CODE)] * 3
    script = [vocab.begin_of_audio, *silent, *audio_run(vocab, 0, 12)[1:], vocab.im_end]
    events = list(ask(make_engine(text_tokenizer, script)))
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    onset = 2  # samples kept before the first that sounds: 20 ms
    assert [len(chunk.samples) for chunk in chunks] == [50 + onset, 70, 10]
    assert np.abs(chunks[0].samples[:onset]).max() == 0
    assert np.abs(chunks[0].samples[onset:]).min() > 0
    assert [chunk.token_end for chunk in chunks] == [8, 15, 15]
    stats = ended(events).stats
    assert stats.audio_codes == (SILENT_CODE,) * 3 + tuple(range(12))
    assert stats.audio_seconds == pytest.approx((130 + onset) / 125)


def test_chunks_carry_the_audio_tokens_that_sound_in_them_and_in_those_before(
    text_tokenizer: TextTokenizer,
) -> None:
    events = list(ask(make_engine(text_tokenizer, boost_script(text_tokenizer))))
    codes: tuple[int, ...] = ()
    for chunk in (event for event in events if isinstance(event, AudioChunk)):
        codes += chunk.audio_codes
        assert len(codes) >= chunk.token_end
    assert codes == ended(events).stats.audio_codes


def test_the_first_chunk_tells_the_timings_up_to_it(text_tokenizer: TextTokenizer) -> None:
    events = list(ask(make_engine(text_tokenizer, boost_script(text_tokenizer))))
    first, *others = [event for event in events if isinstance(event, AudioChunk)]
    final = ended(events).stats.timings_ms
    assert first.timings_ms == replace(final, total=None)
    assert [chunk.timings_ms for chunk in others] == [None] * len(others)


def test_a_question_encoded_ahead_is_not_encoded_again(
    text_tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(text_tokenizer, boost_script(text_tokenizer))
    codes = engine.encode(SPEECH)
    monkeypatch.setattr(engine, "encode", None)
    stats = ended(list(ask(engine, question_codes=codes))).stats
    assert stats.question_codes == codes == tuple(range(13))


def test_timings_grow_from_stage_to_stage(text_tokenizer: TextTokenizer) -> None:
    events = list(ask(make_engine(text_tokenizer, boost_script(text_tokenizer))))
    timings = ended(events).stats.timings_ms
    stages = (timings.encode, timings.prefill, timings.first_token, timings.first_audio_tokens)
    stages += (timings.first_audio, timings.total)
    times = [at for at in stages if at is not None]
    assert len(times) == 6
    assert times == sorted(times)


def test_a_reply_without_sound_has_no_sound_timings(text_tokenizer: TextTokenizer) -> None:
    script = [*text_tokenizer.encode("No."), text_tokenizer.vocabulary.im_end]
    events = list(ask(make_engine(text_tokenizer, script), question="Hello?"))
    stats = ended(events).stats
    assert [type(event) for event in events] == [TextDelta] * 3 + [ReplyEnded]
    assert stats.timings_ms.first_audio is None
    assert stats.audio_seconds == 0
    assert stats.question_codes == ()


def test_the_longest_reply_ends_by_length_with_all_its_sound(
    text_tokenizer: TextTokenizer, vocab: Vocabulary
) -> None:
    engine = make_engine(text_tokenizer, audio_run(vocab, 0, 100))
    events = list(ask(engine, params=SamplingParams(max_new_tokens=12)))
    end = ended(events)
    assert end.reason is EndReason.LENGTH
    assert end.stats.n_tokens == 12
    assert end.stats.audio_codes == tuple(range(11))
    assert end.stats.audio_seconds == pytest.approx(120 / 125)


def test_cancelling_ends_the_reply_before_another_token(text_tokenizer: TextTokenizer) -> None:
    log: list[str] = []
    engine = make_engine(text_tokenizer, boost_script(text_tokenizer), log)
    cancel = CancelToken()
    events = []
    for event in engine.respond(ReplyRequest(7, Conversation(), SPEECH), cancel):
        events.append(event)
        if isinstance(event, AudioChunk):
            seen = len(log)
            cancel.cancel()
    end = ended(events)
    assert end.reason is EndReason.CANCELLED
    assert end.stats.audio_codes == tuple(range(8))
    assert log[seen:] == []


def test_a_reply_cancelled_before_it_starts_generates_nothing(
    text_tokenizer: TextTokenizer,
) -> None:
    cancel = CancelToken()
    cancel.cancel()
    engine = make_engine(text_tokenizer, boost_script(text_tokenizer))
    events = list(engine.respond(ReplyRequest(7, Conversation(), SPEECH), cancel))
    assert [type(event) for event in events] == [ReplyEnded]
    assert ended(events).reason is EndReason.CANCELLED


def test_closing_the_generator_ends_the_reply_and_the_engine_answers_again(
    text_tokenizer: TextTokenizer,
) -> None:
    script = boost_script(text_tokenizer)
    engine = make_engine(text_tokenizer, [*script[:1], *script])
    events = ask(engine)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert ended(list(ask(engine))).stats.text == "Hello"


def test_a_suspended_reply_leaves_gradients_on_for_its_caller(
    text_tokenizer: TextTokenizer,
) -> None:
    for _ in ask(make_engine(text_tokenizer, boost_script(text_tokenizer))):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("n_samples", [1, 100, 1279, 1280, 1281])
def test_a_question_shorter_than_one_token_is_padded_to_one(
    text_tokenizer: TextTokenizer, n_samples: int
) -> None:
    engine = make_engine(text_tokenizer, boost_script(text_tokenizer))
    short = Utterance(SPEECH.samples[1 : n_samples + 1], 16000)
    stats = ended(list(ask(engine, question=short))).stats
    assert len(stats.question_codes) == (1 if n_samples <= 1280 else 2)


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (np.zeros(0), "empty"),
        (np.zeros(8000), "silent"),
        (np.full(8000, 0.3), "silent"),
        (np.full(8000, np.nan), "not numbers"),
        (np.array([0.1, np.inf]), "not numbers"),
        (np.array([-9e9, 9e9]), "expected -1 to 1"),
    ],
)
def test_a_recording_without_speech_is_refused(samples: np.ndarray, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        Utterance.checked(samples.astype(np.float32), 16000)


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_refused(text_tokenizer: TextTokenizer, text: str) -> None:
    engine = make_engine(text_tokenizer, [])
    with pytest.raises(RequestError, match="empty"):
        list(ask(engine, question=text))


def test_text_that_is_not_utf_8_is_refused(text_tokenizer: TextTokenizer) -> None:
    with pytest.raises(RequestError, match="UTF-8"):
        list(ask(make_engine(text_tokenizer, []), question="caf\udce9"))


class _Prompted(Exception):
    """Carries the prompt that reached the model."""


def prompt_of(
    engine: SpeechEngine, monkeypatch: pytest.MonkeyPatch, **changes: object
) -> tuple[list[int], SamplingParams]:
    def take(
        model: object, ids: list[int], schedule: object, params: object, *_: object, **__: object
    ) -> None:
        raise _Prompted(ids, params)

    monkeypatch.setattr("engine.engine.generate", take)
    with pytest.raises(_Prompted) as caught:
        list(ask(engine, **changes))
    ids, params = caught.value.args
    return ids, params


def test_the_prompt_is_the_conversation_and_the_question(
    text_tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(text_tokenizer, boost_script(text_tokenizer))
    first = ReplyRequest(7, Conversation(), SPEECH)
    conversation = first.continued(ended(list(engine.respond(first))))
    expected = conversation.with_turn(Turn(Role.USER, "And now?"))
    assert [turn.role for turn in expected.turns] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert expected.turns[0].audio_codes == tuple(range(13))
    assert expected.turns[1] == Turn(Role.ASSISTANT, "Hello", tuple(range(21)))
    ids, _ = prompt_of(engine, monkeypatch, conversation=conversation, question="And now?")
    assert ids == prompt_ids(expected, text_tokenizer)


def test_the_oldest_turns_are_left_out_where_the_prompt_would_be_too_long(
    text_tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = Conversation((Turn(Role.SYSTEM, "Be brief."),))
    for number in range(9):
        conversation = conversation.with_turn(Turn(Role.USER, f"Question {number}"))
        conversation = conversation.with_turn(Turn(Role.ASSISTANT, f"Answer {number}"))
    engine = make_engine(text_tokenizer, [], max_position_embeddings=256)
    ids, params = prompt_of(engine, monkeypatch, conversation=conversation, question="Last")
    system, *turns = conversation.turns
    candidates = [
        prompt_ids(Conversation((system, *turns[start:], Turn(Role.USER, "Last"))), text_tokenizer)
        for start in range(0, len(turns), 2)
    ]
    # A quarter of the positions is kept for the reply; of the rest, what was said before the
    # question gets half, so that the beginning stays the same for some turns.
    n_question = len(prompt_ids(Conversation((Turn(Role.USER, "Last"),)), text_tokenizer))
    longest = (192 - n_question) // 2 + n_question
    n_system = len(candidates[-1]) - len(
        prompt_ids(Conversation((*turns[-2:], Turn(Role.USER, "Last"))), text_tokenizer)
    )
    assert ids == next(
        candidate for candidate in candidates if len(candidate) - n_system <= longest
    )
    assert len(ids) + params.max_new_tokens <= 256


def test_a_question_too_long_for_the_model_is_refused(text_tokenizer: TextTokenizer) -> None:
    engine = make_engine(text_tokenizer, [], max_position_embeddings=256)
    with pytest.raises(RequestError, match="too long"):
        list(ask(engine, question="long " * 100))


def test_a_second_turn_computes_only_what_is_new(text_tokenizer: TextTokenizer) -> None:
    script = boost_script(text_tokenizer)
    engine = make_engine(text_tokenizer, script * 3)
    fed: list[int] = []
    main_step = engine.lm.main_step

    def count(ids: Tensor, cache: KVCache, inserted: object) -> Tensor:
        fed.append(len(ids))
        return main_step(ids, cache)

    engine.lm.main_step = count  # type: ignore[method-assign]
    request = ReplyRequest(7, Conversation(), SPEECH)
    first = ended(list(engine.respond(request)))
    fed.clear()
    second = replace(request, conversation=request.continued(first))
    list(engine.respond(second))
    with_memory = fed[0]
    fed.clear()
    engine.forget()
    list(engine.respond(second))
    assert with_memory < 40 < fed[0]


def test_a_transcription_between_turns_leaves_what_is_remembered_of_the_conversation(
    text_tokenizer: TextTokenizer,
) -> None:
    engine = make_engine(text_tokenizer, boost_script(text_tokenizer) * 2)
    request = ReplyRequest(7, Conversation(), SPEECH)
    list(engine.respond(request))
    remembered = engine._state.ids.tolist()
    engine.transcribe(SPEECH.samples, 16000)
    assert engine._state.ids.tolist() == remembered


def test_a_transcript_that_never_ends_is_cut_off(
    text_tokenizer: TextTokenizer, vocab: Vocabulary
) -> None:
    engine = make_engine(text_tokenizer, text_tokenizer.encode("la ") * 999)
    text = engine.transcribe(SPEECH.samples, 16000)
    assert 32 < len(text) <= 64


def test_transcribe_and_say_ask_with_their_instructions(
    text_tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(text_tokenizer, [])
    ids, _ = prompt_of(engine, monkeypatch, task=Task.TRANSCRIBE)
    assert text_tokenizer.decode(ids).startswith("user\nConvert the speech to text.\n")
    ids, _ = prompt_of(engine, monkeypatch, task=Task.SAY, question="Good day")
    assert "Convert the text to speech.\nGood day" in text_tokenizer.decode(ids)


def test_transcribe_gives_the_text_alone(text_tokenizer: TextTokenizer) -> None:
    script = [*text_tokenizer.encode(" good day"), text_tokenizer.vocabulary.im_end]
    engine = make_engine(text_tokenizer, script)
    assert engine.transcribe(SPEECH.samples, 16000) == "good day"


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), RuntimeError("can't allocate memory"), MemoryError()]
)
def test_full_memory_is_told_in_one_line(
    text_tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("engine.engine.generate", fail)
    with pytest.raises(OutOfMemory, match="memory"):
        list(ask(make_engine(text_tokenizer, [])))


@pytest.mark.parametrize("mode", list(InferenceMode))
def test_a_loaded_model_streams_the_sound_of_its_tokens(
    tiny_model: Path, mode: InferenceMode
) -> None:
    engine = SpeechEngine.load(tiny_model, device="cpu")
    engine.warmup()
    events = list(ask(engine, mode=mode, params=engine.default_params))
    stats = ended(events).stats
    stream = engine.speech_decoder.stream()
    expected = np.concatenate([stream.push(stats.audio_codes), stream.finish()])
    sound = np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])
    np.testing.assert_allclose(sound, expected, atol=1e-5)
    assert stats.audio_seconds == len(sound) / engine.speech_decoder.sample_rate
