"""ForwardSchedule follows the published pattern in the four published modes, and drafts in one."""

import pytest

from engine.modes import MAIN, ForwardSchedule, InferenceMode

PUBLISHED = [mode for mode in InferenceMode if not mode.is_verified]


def makers(mode: InferenceMode, n: int, depth: int = 10) -> list[int]:
    schedule = mode.schedule(depth)
    return [schedule.maker(index) for index in range(n)]


def run(main: int, mctp: int) -> list[int]:
    return [MAIN] * main + list(range(1, mctp + 1))


def test_modes_are_named_as_published() -> None:
    assert [mode.value for mode in PUBLISHED] == ["vanilla", "balance", "boost", "turbo"]
    assert list(InferenceMode)[: len(PUBLISHED)] == PUBLISHED


def test_vanilla_uses_only_the_main_llm_however_long_the_reply() -> None:
    schedule = InferenceMode.VANILLA.schedule(10)
    assert {schedule.maker(n) for n in (0, 1, 8191, 8192, 100_000)} == {MAIN}


def test_balance_ramps_up_and_then_repeats_its_last_pair() -> None:
    expected = run(1, 4) + run(3, 8) + run(4, 10) + run(4, 10)
    assert makers(InferenceMode.BALANCE, len(expected)) == expected


def test_boost_starts_with_one_main_step_and_then_takes_four() -> None:
    expected = run(1, 10) + run(4, 10) + run(4, 10) + run(4, 10)
    assert makers(InferenceMode.BOOST, len(expected)) == expected


def test_turbo_repeats_one_main_step_and_ten_modules() -> None:
    assert makers(InferenceMode.TURBO, 33) == run(1, 10) * 3


def test_run_longer_than_depth_falls_back_to_main_and_restarts_at_module_one() -> None:
    assert makers(InferenceMode.TURBO, 11, depth=3) == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]


@pytest.mark.parametrize("mode", PUBLISHED)
def test_model_without_modules_makes_every_token_itself(mode: InferenceMode) -> None:
    assert set(makers(mode, 60, depth=0)) == {MAIN}


@pytest.mark.parametrize("pairs", [(), (1,), (1, 10, 4), (0, 0), (1, -1), (1, 10, 0, 0)])
def test_pattern_that_makes_no_sense_is_refused(pairs: tuple[int, ...]) -> None:
    with pytest.raises(AssertionError):
        ForwardSchedule(pairs, 10)


@pytest.mark.parametrize("pairs", [(4, 10), (1, 4, 3, 8)])
def test_drafts_are_checked_by_the_forward_after_them(pairs: tuple[int, ...]) -> None:
    with pytest.raises(AssertionError, match="after every run of drafts"):
        ForwardSchedule(pairs, 10, is_verified=True)


def test_the_verified_mode_drafts_with_every_module() -> None:
    verified = [mode for mode in InferenceMode if mode.is_verified]
    assert verified == [InferenceMode.VERIFIED]
    assert [InferenceMode.VERIFIED.schedule(depth).n_drafts for depth in (0, 3, 10)] == [0, 3, 10]
    assert {mode.schedule(10).n_drafts for mode in PUBLISHED} == {0}


def test_who_makes_a_token_of_a_verified_reply_is_not_known_in_advance() -> None:
    with pytest.raises(AssertionError, match="when its drafts are checked"):
        InferenceMode.VERIFIED.schedule(10).maker(0)
