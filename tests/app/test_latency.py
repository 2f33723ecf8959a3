"""Latency: the stages are the whole wait, counted from the mouth, and speeds are the engine's."""

from dataclasses import dataclass, replace

import pytest

from app.latency import (
    Stage,
    StageTime,
    Summary,
    model_only_ms,
    mouth_to_ear_ms,
    real_time_factor,
    stages,
    summaries,
    summary,
    tokens_per_s,
)
from app.turn_record import Stamps
from engine.events import ReplyStats, TimingsMs
from engine.modes import InferenceMode

SPOKEN = Stamps(
    last_voiced=100.0,
    end_decided=100.5,
    requested=100.51,
    encoded=100.53,
    prefilled=100.56,
    first_token=100.56,
    first_audio_tokens=100.60,
    first_chunk=100.70,
    first_sample_heard=100.80,
    ended=102.0,
)
TYPED = replace(SPOKEN, last_voiced=None, end_decided=None)


@dataclass(frozen=True, slots=True)
class Turn:
    """As much of a turn's record as latency is computed from."""

    stamps: Stamps = SPOKEN
    mode: InferenceMode = InferenceMode.BOOST
    stats: ReplyStats | None = None
    waited_ms: float = 0.0


def stats(total_ms: float | None, n_tokens: int = 50, audio_seconds: float = 2.0) -> ReplyStats:
    return ReplyStats(
        TimingsMs(encode=100.0, total=total_ms), n_tokens, 10, 40, audio_seconds, "Hi", ()
    )


def sum_ms(times: tuple[StageTime, ...]) -> float:
    return sum(time.ms for time in times)


def test_the_stages_come_in_order_and_are_the_gaps_between_stamps() -> None:
    times = stages(SPOKEN)
    assert [time.name for time in times] == list(Stage)
    assert [time.ms for time in times] == pytest.approx([510, 20, 30, 40, 100, 100])


def test_the_stages_add_up_to_mouth_to_ear() -> None:
    assert mouth_to_ear_ms(SPOKEN) == pytest.approx(800)
    assert sum_ms(stages(SPOKEN)) == pytest.approx(800)


def test_the_clock_starts_at_the_last_voiced_sample_and_stops_at_the_ear() -> None:
    """The published figure leaves the wait for the end of the turn and the device out."""
    assert model_only_ms(SPOKEN) == pytest.approx(190)
    waited_longer = replace(SPOKEN, last_voiced=99.0)
    assert mouth_to_ear_ms(waited_longer) == pytest.approx(1800)
    assert stages(waited_longer)[0] == StageTime(Stage.END_OF_TURN, pytest.approx(1510))


def test_what_was_encoded_before_the_request_keeps_nobody_waiting() -> None:
    speculative = replace(SPOKEN, encoded=100.3, prefilled=100.4)
    times = {time.name: time.ms for time in stages(speculative)}
    assert times[Stage.ENCODE] == times[Stage.PREFILL] == 0
    assert times[Stage.FIRST_AUDIO_TOKENS] == pytest.approx(90)
    assert sum_ms(stages(speculative)) == pytest.approx(800)


def test_a_typed_question_has_no_mouth() -> None:
    assert [time.name for time in stages(TYPED)] == list(Stage)[1:]
    assert mouth_to_ear_ms(TYPED) is None
    assert sum_ms(stages(TYPED)) == pytest.approx(290)


def test_the_time_of_a_stage_without_a_stamp_counts_to_the_next() -> None:
    times = stages(replace(SPOKEN, encoded=None))
    assert Stage.ENCODE not in [time.name for time in times]
    assert sum_ms(times) == pytest.approx(800)


def test_a_reply_that_failed_has_the_stages_it_reached() -> None:
    cut_short = replace(SPOKEN, first_audio_tokens=None, first_chunk=None, first_sample_heard=None)
    assert [time.name for time in stages(cut_short)] == list(Stage)[:3]
    assert mouth_to_ear_ms(cut_short) is None
    assert model_only_ms(cut_short) is None
    assert stages(replace(TYPED, requested=None)) == ()


def test_every_stamp_but_three_ends_a_stage() -> None:
    """``first_token`` costs nothing, ``ended`` is past the wait; ``end_decided`` is within one."""
    named = {stage.value for stage in Stage} | {"last_voiced", "end_decided"}
    assert set(Stamps.__slots__) - named == {"first_token", "ended"}


def test_percentiles_are_waits_that_happened() -> None:
    assert summary([30.0, 10.0, 20.0]) == Summary(20.0, 30.0, 3)
    assert summary([7.0]) == Summary(7.0, 7.0, 1)
    hundred = [float(n) for n in range(100, 0, -1)]
    assert summary(hundred) == Summary(50.0, 95.0, 100)
    assert summary(hundred[:20]) == Summary(90.0, 99.0, 20)


@pytest.mark.parametrize("n", range(1, 60))
def test_the_95th_percentile_covers_19_of_20_and_not_less_than_the_median(n: int) -> None:
    waits = [float(value) for value in range(n)]
    found = summary(waits)
    assert sum(wait <= found.p95_ms for wait in waits) >= 0.95 * n
    assert sum(wait < found.p95_ms for wait in waits) < 0.95 * n
    assert found.p50_ms <= found.p95_ms


def test_each_mode_is_summed_up_for_itself_without_turns_that_nobody_heard() -> None:
    turns = [
        Turn(SPOKEN, InferenceMode.BOOST),
        Turn(replace(SPOKEN, first_sample_heard=101.2), InferenceMode.BOOST),
        Turn(replace(SPOKEN, first_sample_heard=None), InferenceMode.BOOST),
        Turn(TYPED, InferenceMode.TURBO),
        Turn(SPOKEN, InferenceMode.VANILLA),
    ]
    found = summaries(turns)
    assert list(found) == [InferenceMode.BOOST, InferenceMode.VANILLA]
    assert found[InferenceMode.BOOST].p50_ms == pytest.approx(800)
    assert found[InferenceMode.BOOST].p95_ms == pytest.approx(1200)
    assert found[InferenceMode.BOOST].n == 2


def test_speed_counts_from_the_encoded_question() -> None:
    turn = Turn(stats=stats(total_ms=1100.0))
    assert tokens_per_s(turn) == pytest.approx(50)
    assert real_time_factor(turn) == pytest.approx(0.5)


def test_waiting_for_the_listener_is_not_generating() -> None:
    """An answer longer than the play ring used to seem as slow as its own playback."""
    turn = Turn(stats=stats(total_ms=5100.0), waited_ms=4000.0)
    assert tokens_per_s(turn) == pytest.approx(50)
    assert real_time_factor(turn) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "turn",
    [
        Turn(),
        Turn(stats=stats(total_ms=None)),
        Turn(stats=stats(total_ms=100.0)),
        Turn(stats=stats(total_ms=1100.0, n_tokens=0, audio_seconds=0.0)),
    ],
)
def test_no_speed_is_told_where_nothing_was_generated(turn: Turn) -> None:
    assert tokens_per_s(turn) is None
    assert real_time_factor(turn) is None
