"""A Plus model as a whole: it hears embeddings, answers in audio tokens, writes down what it heard,
and is never mixed up with a discrete one."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from engine.cancel import CancelToken
from engine.config import ModelConfig
from engine.conversation import Conversation, Role, SpeechEmbeddings, Turn
from engine.engine import SpeechEngine
from engine.errors import CheckpointError, RequestError
from engine.events import AudioChunk, ReplyEnded, TextDelta
from engine.models.sensevoice import SenseVoiceConfig
from engine.modes import InferenceMode
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams
from engine.speech.encoder import CTC_VOCABULARY, read_config
from engine.utterance import Utterance
from tests.fakes import write_plus_model

GREEDY = SamplingParams(max_new_tokens=40)


def utterance(pitch: float, n_samples: int = 16000) -> Utterance:
    """Every pitch is another question of the same length."""
    times = np.arange(n_samples, dtype=np.float32)
    return Utterance.checked(np.sin(times * pitch) * np.sin(times / 900) / 2, 16000)


QUESTION, OTHER_QUESTION = utterance(0.11), utterance(0.37)


@pytest.fixture(scope="module")
def engine(tiny_plus_model: Path) -> SpeechEngine:
    engine = SpeechEngine.load(tiny_plus_model, device="cpu")
    engine.warmup()
    return engine


@pytest.fixture
def model_copy(tiny_plus_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_plus_model, tmp_path / "model"))


def ask(engine: SpeechEngine, request: ReplyRequest) -> ReplyEnded:
    *_, ended = engine.respond(request)
    assert isinstance(ended, ReplyEnded)
    return ended


def request(question: Utterance | str = QUESTION, **changes: object) -> ReplyRequest:
    asked = ReplyRequest(7, Conversation(), question, params=GREEDY)
    return replace(asked, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", InferenceMode)
def test_a_question_is_answered_aloud_in_every_mode(
    engine: SpeechEngine, mode: InferenceMode
) -> None:
    events = list(engine.respond(request(mode=mode, params=engine.default_params)))
    ended = events[-1]
    assert isinstance(ended, ReplyEnded)
    stats = ended.stats
    assert stats.audio_codes and stats.question_codes == ()
    assert isinstance(ended.question_speech, SpeechEmbeddings)
    assert len(ended.question_speech) == 17 + 4
    stream = engine.speech_decoder.stream()
    expected = np.concatenate([stream.push(stats.audio_codes), stream.finish()])
    sound = np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])
    np.testing.assert_allclose(sound, expected, atol=1e-5)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == stats.text


@pytest.mark.parametrize("mode", InferenceMode)
def test_the_answer_depends_on_the_sound_of_the_question(
    engine: SpeechEngine, mode: InferenceMode
) -> None:
    stats = [
        ask(engine, request(question, mode=mode)).stats for question in (QUESTION, OTHER_QUESTION)
    ]
    assert stats[0].audio_codes != stats[1].audio_codes


@pytest.mark.parametrize("mode", InferenceMode)
def test_questions_of_equal_ids_share_no_cache(engine: SpeechEngine, mode: InferenceMode) -> None:
    """The ids of both prompts are the same; only what stands in the places differs."""
    engine.forget()
    alone = ask(engine, request(OTHER_QUESTION, mode=mode)).stats
    engine.forget()
    ask(engine, request(QUESTION, mode=mode))
    after = ask(engine, request(OTHER_QUESTION, mode=mode)).stats
    assert (after.audio_codes, after.text) == (alone.audio_codes, alone.text)


@pytest.mark.parametrize("mode", InferenceMode)
def test_a_second_turn_computes_only_what_is_new_and_answers_as_if_anew(
    engine: SpeechEngine, mode: InferenceMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed = feeding(engine, monkeypatch)
    engine.forget()
    first = request(mode=mode)
    conversation = first.continued(ask(engine, first))
    assert [turn.role for turn in conversation.turns] == [Role.USER, Role.ASSISTANT]
    second = request(OTHER_QUESTION, mode=mode, conversation=conversation)
    fed.clear()
    continued = ask(engine, second).stats
    with_memory = fed[0]
    engine.forget()
    fed.clear()
    anew = ask(engine, second).stats
    assert (continued.audio_codes, continued.text) == (anew.audio_codes, anew.text)
    assert with_memory <= fed[0] - len(engine.encode(QUESTION))  # the first one is remembered


def feeding(engine: SpeechEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each backbone forward is fed from now on."""
    fed: list[int] = []
    main_step = engine.lm.main_step

    def count(ids: Tensor, *rest: object) -> Tensor:
        fed.append(len(ids))
        return main_step(ids, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.lm, "main_step", count)
    return fed


def test_a_question_encoded_ahead_is_not_encoded_again(
    engine: SpeechEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ask(engine, request()).stats
    speech = engine.encode(QUESTION)
    monkeypatch.setattr(engine, "encode", None)
    ended = ask(engine, request(question_codes=speech))
    assert ended.question_speech is speech
    assert ended.stats.audio_codes == expected.audio_codes


def test_a_typed_question_is_answered_too(engine: SpeechEngine) -> None:
    ended = ask(engine, request("Hello?"))
    assert ended.question_speech == ()
    assert ended.stats.n_tokens > 0


@pytest.mark.parametrize("n_samples", [1, 399, 1281])
def test_a_very_short_question_is_heard_with_silence_after_it(
    engine: SpeechEngine, n_samples: int
) -> None:
    short = Utterance(QUESTION.samples[1 : n_samples + 1], 16000)
    assert len(engine.encode(short)) == 4 + 1
    engine.transcribe(QUESTION.samples[1000 : 1000 + max(2, n_samples)], 16000)


def test_speech_is_written_down_by_the_ctc_head_without_the_language_model(
    engine: SpeechEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.engine.generate", None)
    text = engine.transcribe(QUESTION.samples, 16000, codes=engine.encode(QUESTION))
    heard = engine.speech_tokenizer.transcribe(QUESTION.samples, 16000)  # type: ignore[union-attr]
    assert text == heard != ""
    assert text != engine.transcribe(OTHER_QUESTION.samples, 16000)


def test_a_transcription_between_turns_leaves_what_is_remembered(engine: SpeechEngine) -> None:
    ask(engine, request())
    remembered = engine._state.ids.tolist()
    engine.transcribe(OTHER_QUESTION.samples, 16000)
    assert engine._state.ids.tolist() == remembered


def test_a_transcript_that_was_cancelled_is_not_begun(
    engine: SpeechEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.speech_tokenizer, "transcribe", None)
    cancel = CancelToken()
    cancel.cancel()
    assert engine.transcribe(QUESTION.samples, 16000, cancel=cancel) == ""


def test_without_a_ctc_head_the_language_model_writes_down_what_was_said(tmp_path: Path) -> None:
    engine = SpeechEngine.load(write_plus_model(tmp_path / "model", has_ctc=False), device="cpu")
    asked: list[int] = []
    main_step = engine.lm.main_step
    engine.lm.main_step = lambda *fed: asked.append(len(fed[0])) or main_step(*fed)  # type: ignore
    engine.transcribe(QUESTION.samples, 16000)
    assert asked[0] > 21


def test_without_the_words_of_the_ctc_head_the_model_loads_as_well(model_copy: Path) -> None:
    (model_copy / "speech_encoder" / CTC_VOCABULARY).unlink()
    engine = SpeechEngine.load(model_copy, device="cpu")
    assert not engine.speech_tokenizer.can_transcribe  # type: ignore[union-attr]


def test_speech_in_audio_tokens_is_refused(engine: SpeechEngine) -> None:
    with pytest.raises(RequestError, match="as embeddings"):
        ask(engine, request(question_codes=(1, 2, 3)))


def test_embeddings_of_another_model_are_refused(engine: SpeechEngine) -> None:
    strange = Turn.spoken(SpeechEmbeddings(np.zeros((6, 7), dtype=np.float32)))
    with pytest.raises(RequestError, match="another model"):
        ask(engine, request(conversation=Conversation((strange,))))


def test_a_question_too_long_for_the_model_is_refused(model_copy: Path) -> None:
    config = ModelConfig.from_json(model_copy / "config.json")
    short = replace(config, max_position_embeddings=64)
    (model_copy / "config.json").write_text(short.to_json())
    engine = SpeechEngine.load(model_copy, device="cpu")
    with pytest.raises(RequestError, match=r"16\.7 for each second"):
        ask(engine, request(utterance(0.1, 80000)))


def _swap_tokenizer(plus: Path, discrete: Path) -> Path:
    shutil.copy(discrete / "tokenizer.json", plus / "tokenizer.json")
    return plus


def _swap_weights(plus: Path, discrete: Path) -> Path:
    shutil.copy(discrete / "model.safetensors", plus / "model.safetensors")
    return plus


@pytest.mark.parametrize(
    ("swap", "told"),
    [
        (_swap_tokenizer, "tokenizer is that of a model without.*those of a Plus model"),
        (_swap_weights, "tokenizer is that of a Plus model.*those of a model without"),
    ],
)
def test_a_tokenizer_of_the_other_variant_is_one_clear_error(
    model_copy: Path, tiny_model: Path, swap: Callable[[Path, Path], Path], told: str
) -> None:
    with pytest.raises(CheckpointError, match=told):
        SpeechEngine.load(swap(model_copy, tiny_model), device="cpu")


def test_a_plus_tokenizer_in_the_folder_of_a_discrete_model_is_one_clear_error(
    tiny_model: Path, tiny_plus_model: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    shutil.copy(tiny_plus_model / "tokenizer.json", folder / "tokenizer.json")
    with pytest.raises(CheckpointError, match=r"of a Plus model.*of a model without"):
        SpeechEngine.load(folder, device="cpu")


def test_what_the_folder_of_the_encoder_lacks_is_named(model_copy: Path) -> None:
    (model_copy / "speech_encoder" / "am.mvn").unlink()
    with pytest.raises(CheckpointError, match=r"lacks speech_encoder/am\.mvn"):
        SpeechEngine.load(model_copy, device="cpu")


def test_an_encoder_without_a_config_has_the_released_sizes(model_copy: Path) -> None:
    (model_copy / "speech_encoder" / "config.json").unlink()
    assert read_config(model_copy / "speech_encoder") == SenseVoiceConfig.small()


def test_a_plus_model_without_the_folder_of_its_encoder_is_told_so(
    model_copy: Path, tiny_model: Path
) -> None:
    shutil.rmtree(model_copy / "speech_encoder")
    shutil.copytree(tiny_model / "speech_tokenizer", model_copy / "speech_tokenizer")
    with pytest.raises(CheckpointError, match="speech_encoder"):
        SpeechEngine.load(model_copy, device="cpu")
