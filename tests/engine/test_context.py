"""The context is bounded however long the talk, and full memory costs a turn and no more."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.conversation import Conversation, Role, Turn
from engine.engine import SpeechEngine
from engine.errors import OutOfMemory
from engine.events import ReplyEnded
from engine.models.kv_cache import LayerCache
from engine.modes import InferenceMode
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams

LIMIT = 512
SYSTEM = Conversation((Turn(Role.SYSTEM, "Be brief."),))
PARAMS = SamplingParams(max_new_tokens=16)


@pytest.fixture
def engine(tiny_model: Path) -> SpeechEngine:
    return bounded(tiny_model)


def bounded(folder: Path) -> SpeechEngine:
    made = SpeechEngine.load(folder, device="cpu")
    parts = (made.lm, made.text_tokenizer, made.speech_tokenizer, made.speech_decoder)
    return SpeechEngine(*parts, context_limit=LIMIT)


def ask(engine: SpeechEngine, conversation: Conversation, number: int) -> ReplyEnded:
    *_, last = engine.respond(request(conversation, number))
    assert isinstance(last, ReplyEnded)
    return last


def request(conversation: Conversation, number: int) -> ReplyRequest:
    return ReplyRequest(
        number, conversation, f"This is question {number}.", InferenceMode.BOOST, PARAMS
    )


def talk(
    engine: SpeechEngine, n_turns: int, look: Callable[[], None] = lambda: None
) -> tuple[Conversation, list[ReplyEnded]]:
    """The conversation after so many turns, and their ends."""
    conversation, ends = SYSTEM, []
    for number in range(n_turns):
        ends.append(ask(engine, conversation, number))
        conversation = request(conversation, number).continued(ends[-1])
        look()
    return conversation, ends


def test_a_long_talk_never_holds_more_than_the_limit_nor_moves_for_ever(
    engine: SpeechEngine,
) -> None:
    held: list[tuple[int, int]] = []

    def look() -> None:
        entries = engine._state.cache._entries
        held.append((entries.data_ptr(), entries.nbytes))

    conversation, ends = talk(engine, 32, look)
    assert 0.8 * LIMIT < max(end.stats.n_context_tokens for end in ends) <= LIMIT
    assert engine._state.cache.capacity == LIMIT
    assert {end.stats.context_limit for end in ends} == {LIMIT}
    assert len({pointer for pointer, _ in held}) <= 2  # 256 tokens, then 512
    assert len(set(held[10:])) == 1
    assert conversation.turns[0] == SYSTEM.turns[0]


def test_every_exchange_is_remembered_or_counted_as_forgotten(engine: SpeechEngine) -> None:
    conversation, ends = talk(engine, 32)
    assert conversation.n_exchanges + conversation.n_forgotten == 32
    counts = [end.stats.n_forgotten for end in ends]
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[-1] < 32
    # They are let go of some at a time, so that most prompts begin like the one before.
    assert len(set(counts)) < 10


def test_what_was_forgotten_before_counts_too(engine: SpeechEngine) -> None:
    before = replace(SYSTEM, n_forgotten=7)
    assert ask(engine, before, 1).stats.n_forgotten == 7


def test_a_long_talk_is_answered_as_by_an_engine_that_computes_all_of_it_anew(
    engine: SpeechEngine, tiny_model: Path
) -> None:
    conversation, _ = talk(engine, 25)
    assert conversation.n_forgotten > 0
    said = ask(engine, conversation, 25).stats
    anew = ask(bounded(tiny_model), conversation, 25).stats
    assert (said.text, said.audio_codes) == (anew.text, anew.audio_codes)


@pytest.mark.parametrize(
    ("free", "expected"), [(0, 8192), (1, 2048), (6_000_000, 2929), (1 << 40, 8192)]
)
def test_the_memory_that_is_free_after_loading_bounds_the_context(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, free: int, expected: int
) -> None:
    monkeypatch.setattr("engine.engine.memory_of", lambda device: (free, free))
    assert SpeechEngine.load(tiny_model, device="cpu").context_limit == expected


FULL = [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "use the cpu"),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), "use the cpu"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "smaller model"),
    (MemoryError(), "smaller model"),
]


def breaks(engine: SpeechEngine, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Lets the next forward fail in its second layer, which then holds no keys of it."""
    run_layer, n_layers = engine.lm._run_layer, 0

    def fail(layer: object, work: object, turns: object, cache: LayerCache, *rest: object) -> None:
        nonlocal n_layers
        n_layers += 1
        if n_layers == 2:
            cache.room.fill_(100.0)  # what happened to be in that memory
            raise error
        run_layer(layer, work, turns, cache, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.lm, "_run_layer", fail)


@pytest.mark.parametrize(("error", "advice"), FULL, ids=lambda value: type(value).__name__)
def test_full_memory_in_the_middle_of_a_turn_ends_it_with_advice_and_the_next_is_answered(
    engine: SpeechEngine,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    advice: str,
) -> None:
    conversation, _ = talk(engine, 8)
    with monkeypatch.context() as patch:
        breaks(engine, patch, error)
        with pytest.raises(OutOfMemory, match=advice) as caught:
            ask(engine, conversation, 8)
    assert "\n" not in str(caught.value)
    assert len(engine._state.ids) == 0
    said = ask(engine, conversation, 8).stats
    anew = ask(bounded(tiny_model), conversation, 8).stats
    assert (said.text, said.audio_codes) == (anew.text, anew.audio_codes)


def test_an_error_in_the_middle_of_a_forward_leaves_no_half_computed_prompt(
    engine: SpeechEngine, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation, _ = talk(engine, 8)
    with monkeypatch.context() as patch:
        breaks(engine, patch, RuntimeError("a bug"))
        with pytest.raises(RuntimeError, match="a bug"):
            ask(engine, conversation, 8)
    said = ask(engine, conversation, 8).stats
    anew = ask(bounded(tiny_model), conversation, 8).stats
    assert (said.text, said.audio_codes) == (anew.text, anew.audio_codes)


def test_after_full_memory_the_engine_holds_less_than_what_had_no_room(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = SpeechEngine.load(tiny_model, device="cpu")
    engine._state.reserve(6000)
    breaks(engine, monkeypatch, torch.OutOfMemoryError("full"))
    with pytest.raises(OutOfMemory):
        ask(engine, SYSTEM, 1)
    assert engine.context_limit == 3000
    assert engine._state.cache.capacity < 3000


def test_a_model_that_does_not_fit_says_so(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("engine.loading.opened_weights", lambda *_, **__: fail())
    with pytest.raises(OutOfMemory, match="does not fit"):
        SpeechEngine.load(tiny_model, device="cpu")
