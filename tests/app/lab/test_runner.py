"""The lab: fair order, true clocks, and nothing lost when a mode fails or somebody stops it."""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from app.lab.result import Spread
from app.lab.runner import Progress
from app.latency import Stage, stages
from engine.cancel import CancelToken
from engine.errors import OutOfMemory
from engine.events import (
    AudioChunk,
    EndReason,
    EngineEvent,
    EngineFailed,
    ReplyEnded,
    ReplyStats,
    TimingsMs,
)
from engine.modes import InferenceMode
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams
from tests.app.lab.fakes import (
    N_ACCEPTED,
    N_DRAFTS,
    N_TOKENS,
    FakeClock,
    FakeEngine,
    lab,
    samples_of,
)

MODES = [mode.value for mode in InferenceMode]
N_MODES = len(MODES)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(FakeClock())


def test_the_modes_take_turns_and_every_other_round_runs_backwards(engine: FakeEngine) -> None:
    lab(engine, repeats=3)
    order = [word for word in engine.log if word != "forget"]
    rounds = [order[n : n + N_MODES] for n in range(0, len(order), N_MODES)]
    assert rounds == [MODES[::-1], MODES, MODES[::-1], MODES]


def test_nothing_of_the_reply_before_is_reused(engine: FakeEngine) -> None:
    """A question asked again would otherwise find its prompt computed."""
    lab(engine, repeats=1)
    assert engine.log[::2] == ["forget"] * 2 * N_MODES
    assert all(not request.conversation.turns for request in engine.requests)


def test_every_reply_is_drawn_with_the_same_seed(engine: FakeEngine) -> None:
    params = SamplingParams(temperature=0.8, seed=7)
    lab(engine, params=params)
    assert {request.params for request in engine.requests} == {params}


def test_the_warm_up_is_not_measured(engine: FakeEngine) -> None:
    answer = engine.reply

    def slow_at_first(request: ReplyRequest) -> Iterator[EngineEvent] | None:
        if len(engine.requests) > N_MODES:
            return None
        engine.clock.now += 60
        return answer(request, CancelToken())

    engine.behave = slow_at_first
    result = lab(engine, repeats=2)
    assert all(len(mode.runs) == 2 for mode in result.modes)
    assert all(mode.first_sound_ms.highest < 1000 for mode in result.modes if mode.first_sound_ms)


def test_the_first_sound_is_timed_from_the_request_and_its_stages_add_up(
    engine: FakeEngine,
) -> None:
    vanilla = lab(engine).modes[0]
    assert vanilla.mode is InferenceMode.VANILLA
    assert vanilla.first_sound_ms == Spread(*[pytest.approx(300)] * 3)
    assert vanilla.typical is not None
    times = {time.name: time.ms for time in stages(vanilla.typical.stamps)}
    assert times == {
        Stage.ENCODE: pytest.approx(50),
        Stage.PREFILL: pytest.approx(30),
        Stage.FIRST_AUDIO_TOKENS: pytest.approx(200),
        Stage.FIRST_CHUNK: pytest.approx(20),
    }


def test_speed_is_compared_with_vanilla(engine: FakeEngine) -> None:
    result = lab(engine)
    vanilla, _, boost, turbo, verified = result.modes
    assert vanilla.tokens_per_s is not None
    assert vanilla.tokens_per_s.median == pytest.approx(N_TOKENS / 1.1)
    assert result.speed_up(vanilla) == 1
    assert result.speed_up(turbo) == pytest.approx(1100 / 350)
    assert result.speed_up(verified) == pytest.approx(2)
    assert result.sooner(boost) == pytest.approx(300 / 180)
    assert boost.real_time_factor == Spread(*[pytest.approx(1.0)] * 3)


def test_accepted_drafts_are_counted_over_all_replies(engine: FakeEngine) -> None:
    *others, verified = lab(engine).modes
    assert verified.mode is InferenceMode.VERIFIED
    assert verified.acceptance_rate == pytest.approx(N_ACCEPTED / N_DRAFTS)
    assert [mode.acceptance_rate for mode in others] == [None] * (N_MODES - 1)


def test_the_answers_are_kept_whole(engine: FakeEngine) -> None:
    for mode in lab(engine).modes:
        assert mode.answer is not None
        assert mode.answer.text == "Twelve."
        assert mode.answer.reason is EndReason.STOP
        np.testing.assert_array_equal(mode.answer.samples, samples_of(mode.mode))


def test_progress_counts_every_reply_once_and_ends_full(engine: FakeEngine) -> None:
    seen: list[Progress] = []
    lab(engine, repeats=2, progress=seen.append)
    assert [progress.n_done for progress in seen] == list(range(3 * N_MODES + 1))
    assert {progress.n_total for progress in seen} == {3 * N_MODES}
    assert seen[0].mode is list(InferenceMode)[-1]
    assert (seen[-1].fraction, seen[-1].mode) == (1.0, None)


@pytest.mark.parametrize("n_replies", [0, 3, N_MODES + 2, 3 * N_MODES - 1])
def test_a_lab_that_is_stopped_keeps_what_it_measured(engine: FakeEngine, n_replies: int) -> None:
    cancel = CancelToken()

    def stop_during(request: ReplyRequest) -> None:
        if len(engine.requests) > n_replies:
            cancel.cancel()

    engine.behave = stop_during
    result = lab(engine, repeats=2, cancel=cancel)
    assert len(engine.requests) == n_replies + 1
    counts = Counter({mode.mode.value: len(mode.runs) for mode in result.modes})
    finished = [word for word in engine.log if word != "forget"][N_MODES:-1]
    assert counts == Counter(finished)
    assert result.has_runs == (n_replies > N_MODES)
    assert result.was_stopped
    assert not result.is_complete
    assert all(mode.failure is None for mode in result.modes)


def failing(
    mode: InferenceMode, *, after: int, error: Exception | EngineFailed
) -> Callable[[ReplyRequest], Iterator[EngineEvent] | None]:
    """A behaviour: this mode fails from its reply number ``after`` on."""
    asked = Counter[InferenceMode]()

    def behave(request: ReplyRequest) -> Iterator[EngineEvent] | None:
        asked[request.mode] += 1
        if request.mode is not mode or asked[mode] <= after:
            return None
        if isinstance(error, Exception):
            raise error
        return iter([error])

    return behave


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OutOfMemory("no memory left"), "no memory left"),
        (EngineFailed(0, "no memory left"), "no memory left"),
        (RuntimeError("shape\nmismatch"), "RuntimeError: shape mismatch"),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
def test_a_mode_that_fails_does_not_lose_the_others(
    engine: FakeEngine, error: Exception | EngineFailed, told: str, after: int
) -> None:
    engine.behave = failing(InferenceMode.BALANCE, after=after, error=error)
    seen: list[Progress] = []
    result = lab(engine, repeats=3, progress=seen.append)
    vanilla, balance, boost, turbo, verified = result.modes
    assert balance.failure == told
    assert len(balance.runs) == max(0, after - 1)
    assert [len(mode.runs) for mode in (vanilla, boost, turbo, verified)] == [3] * 4
    assert result.speed_up(turbo) == pytest.approx(1100 / 350)
    assert not result.is_complete
    assert not result.was_stopped
    assert seen[-1].fraction == 1.0
    tries = [request for request in engine.requests if request.mode is InferenceMode.BALANCE]
    assert len(tries) == after + 1


def test_without_vanilla_there_is_nothing_to_compare_with(engine: FakeEngine) -> None:
    engine.behave = failing(InferenceMode.VANILLA, after=0, error=OutOfMemory("full"))
    result = lab(engine)
    assert [result.speed_up(mode) for mode in result.modes] == [None] * N_MODES
    assert [result.sooner(mode) for mode in result.modes] == [None] * N_MODES
    assert result.modes[1].tokens_per_s is not None


def test_a_reply_without_sound_has_no_first_sound(engine: FakeEngine) -> None:
    stats = ReplyStats(TimingsMs(encode=50, prefill=80, total=150), 5, 5, 0, 0.0, "Hm", ())
    engine.behave = lambda request: iter([ReplyEnded(request.turn_id, EndReason.STOP, stats)])
    result = lab(engine)
    for mode in result.modes:
        assert mode.first_sound_ms is mode.real_time_factor is mode.typical is None
        assert mode.tokens_per_s is not None
        assert mode.tokens_per_s.median == pytest.approx(50)
        assert mode.answer is not None
        assert mode.answer.samples is None


def test_the_median_is_a_value_that_was_measured(engine: FakeEngine) -> None:
    assert Spread.of([4.0, None, 1.0, 2.0, 9.0]) == Spread(2.0, 1.0, 9.0)
    assert Spread.of([None]) is None


def test_the_clock_stops_at_the_first_chunk_and_not_at_a_later_one(engine: FakeEngine) -> None:
    stats = ReplyStats(TimingsMs(encode=1, total=5000), 5, 5, 0, 1.0, "", ())

    def two_chunks(request: ReplyRequest) -> Iterator[EngineEvent]:
        for _ in range(2):
            engine.clock.now += 0.25
            yield AudioChunk(request.turn_id, np.zeros(10, np.float32), 8000, 8)
        yield ReplyEnded(request.turn_id, EndReason.STOP, stats)

    engine.behave = two_chunks
    assert lab(engine).modes[0].first_sound_ms == Spread(*[pytest.approx(250)] * 3)
