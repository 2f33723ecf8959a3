"""The verified loop: Vanilla's reply token for token, its distribution, and caches without traces.

``test_verified_sampling.py`` has the distribution.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

import engine.verified as verified
from engine.cancel import CancelToken
from engine.generate import DecodeState, generate
from engine.models.decoder import Decoder
from engine.models.speech_lm import SpeechLM
from engine.modes import MAIN, InferenceMode, Step
from engine.sampling_params import SamplingParams
from tests.engine.agreeing import TINY, agreeing_model
from tests.engine.uncached import uncached_logits

NOISES = (0.1, 0.15, 0.18)
N_PROMPTS = 24  # for each model and setting
N_TOKENS = 16
TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=range(4))
def model(request: pytest.FixtureRequest) -> SpeechLM:
    """Four models, whose drafts are accepted nearly always, mostly, sometimes; one half-exact."""
    model = agreeing_model(request.param, NOISES[request.param % len(NOISES)])
    return model.half().float() if request.param == 3 else model


@pytest.fixture(scope="module")
def decoder(model: SpeechLM) -> Decoder:
    return Decoder(model)


def prompts(n: int, seed: int = 0) -> Iterator[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n):
        length = int(torch.randint(1, 24, (), generator=generator))
        yield torch.randint(TINY.vocab_size, (length,), generator=generator).tolist()


def run(
    decoder: Decoder,
    mode: InferenceMode,
    prompt: list[int],
    params: SamplingParams,
    eos_ids: tuple[int, ...] = (),
    state: DecodeState | None = None,
) -> list[Step]:
    schedule = mode.schedule(decoder.config.depth)
    return list(generate(decoder, prompt, schedule, params, eos_ids=eos_ids, state=state))


def ids(steps: list[Step]) -> list[int]:
    return [step.token_id for step in steps]


@pytest.mark.parametrize("penalty", [1.0, 1.05, 1.8])
def test_a_greedy_reply_is_vanillas(decoder: Decoder, penalty: float) -> None:
    """288 prompts in all; every reply is also cut at a token of its own and at another length."""
    params = SamplingParams(max_new_tokens=N_TOKENS, repetition_penalty=penalty)
    n_drafts = n_accepted = n_cut_in_a_run = 0
    for number, prompt in enumerate(prompts(N_PROMPTS, seed=int(100 * penalty))):
        expected = ids(run(decoder, InferenceMode.VANILLA, prompt, params))
        steps = run(decoder, InferenceMode.VERIFIED, prompt, params)
        assert ids(steps) == expected
        n_drafts += sum(step.n_drafts for step in steps)
        n_accepted += sum(step.is_accepted for step in steps)

        eos = expected[number % N_TOKENS]
        cut = run(decoder, InferenceMode.VERIFIED, prompt, params, (eos,))
        assert ids(cut) == expected[: expected.index(eos) + 1]
        n_cut_in_a_run += cut[-1].is_accepted

        limit = 1 + number % (2 * decoder.config.depth)
        short = replace(params, max_new_tokens=limit)
        assert ids(run(decoder, InferenceMode.VERIFIED, prompt, short)) == expected[:limit]
    assert 0.05 * n_drafts < n_accepted <= n_drafts
    assert n_cut_in_a_run > 0


def test_no_more_is_drafted_than_the_reply_may_hold(decoder: Decoder) -> None:
    prompt = [5, 17, 3]
    for limit in range(1, 9):
        params = SamplingParams(max_new_tokens=limit)
        state = DecodeState(decoder, capacity=4, limit=len(prompt) + limit)  # more is an error
        steps = run(decoder, InferenceMode.VERIFIED, prompt, params, state=state)
        assert len(steps) == limit


def test_a_reply_may_fill_the_last_position() -> None:
    model = agreeing_model(0, 0.1, replace(TINY, max_position_embeddings=12))
    steps = run(Decoder(model), InferenceMode.VERIFIED, [1, 2], SamplingParams(max_new_tokens=10))
    assert len(steps) == 10


def test_every_token_says_who_made_it_and_drafts_are_counted_once(decoder: Decoder) -> None:
    limit = 40
    params = SamplingParams(max_new_tokens=limit)
    depth = decoder.config.depth
    for prompt in prompts(6):
        steps = run(decoder, InferenceMode.VERIFIED, prompt, params)
        assert steps[0] == Step(steps[0].token_id, MAIN)
        assert [step.is_accepted for step in steps] == [step.maker != MAIN for step in steps]
        run_length = 0
        for n_given, (before, step) in enumerate(itertools.pairwise(steps), start=1):
            # After a token of the main LLM's own a new run begins, with module 1 if it is accepted.
            run_length = 0 if before.maker == MAIN else run_length + 1
            assert step.maker in (MAIN, run_length + 1)
            if run_length:
                assert step.n_drafts == 0
            else:
                assert step.n_drafts == min(depth, limit - n_given - 1)
        assert sum(step.is_accepted for step in steps) <= sum(step.n_drafts for step in steps)


def test_the_other_modes_make_no_drafts(decoder: Decoder) -> None:
    for mode in (InferenceMode.VANILLA, InferenceMode.TURBO):
        steps = run(decoder, mode, [1, 2, 3], SamplingParams(max_new_tokens=12))
        assert not any(step.n_drafts or step.is_accepted for step in steps)


@torch.inference_mode()
def assert_state_is_that_of_its_tokens(
    model: SpeechLM, decoder: Decoder, state: DecodeState
) -> None:
    """Every entry equals that of a fresh run over the same tokens, and all logits go on from it."""
    kept = state.ids.tolist()
    fresh = DecodeState(decoder)
    fresh.append(kept)
    for level in range(decoder.config.depth + 1):
        length = state.cache.length(level)
        assert length <= len(kept) - level, f"level {level} knows tokens that are not there"
        if length == 0:
            break
        fresh.feed(decoder, level)
        for mine, theirs in zip(
            state.cache.entries(level), fresh.cache.entries(level), strict=True
        ):
            torch.testing.assert_close(mine, theirs[:, :, :length], rtol=0, atol=TOLERANCE)
    state.append([7])  # the caller's, so that even a state that was cut has something to feed
    kept.append(7)
    for maker in range(decoder.config.depth + 1):
        logits = state.next_logits(decoder, maker)
        expected = uncached_logits(model, kept, maker)
        torch.testing.assert_close(logits, expected, rtol=0, atol=TOLERANCE)
        kept.append(int(expected.argmax()))
        state.append(kept[-1:])


def test_cached_equals_uncached_after_every_rollback(model: SpeechLM, decoder: Decoder) -> None:
    for prompt in prompts(2):
        for limit in range(1, 14):
            state = DecodeState(decoder, capacity=8)
            params = SamplingParams(max_new_tokens=limit)
            steps = run(decoder, InferenceMode.VERIFIED, prompt, params, state=state)
            assert state.ids.tolist() == prompt + ids(steps)
            assert state.cache.length(MAIN) == len(state.ids) - 1
            assert_state_is_that_of_its_tokens(model, decoder, state)


def test_a_rollback_forgets_no_more_than_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry i of level k stands for tokens up to i + k: exactly those of rejected drafts go."""
    decoder = Decoder(agreeing_model(2, max(NOISES)))
    check = verified.VerifiedLoop._checked
    n_rolled_back = 0

    def watched(loop: verified.VerifiedLoop, drafts: list[verified.Draft]) -> list[int] | None:
        nonlocal n_rolled_back
        levels = range(1, decoder.config.depth + 1)
        n_before = len(loop.state.ids) - len(drafts)
        before = [loop.state.cache.length(level) for level in levels]
        run = check(loop, drafts)
        assert run is not None
        n_fed = n_before + len(run) - 1
        after = [loop.state.cache.length(level) for level in levels]
        assert loop.state.cache.length(MAIN) == n_fed
        assert after == [
            min(length, max(0, n_fed - level)) for level, length in zip(levels, before, strict=True)
        ]
        n_rolled_back += after != before
        return run

    monkeypatch.setattr(verified.VerifiedLoop, "_checked", watched)
    for prompt in prompts(4):
        run(decoder, InferenceMode.VERIFIED, prompt, SamplingParams(max_new_tokens=30))
    assert n_rolled_back > 0


def test_a_conversation_goes_on_from_a_verified_turn_as_from_nothing(decoder: Decoder) -> None:
    """The next prompt departs from the reply early, late, in a run, or not at all."""
    params = SamplingParams(max_new_tokens=18)
    for n, prompt in enumerate(prompts(5)):
        state = DecodeState(decoder)
        reply = ids(run(decoder, InferenceMode.VERIFIED, prompt, params, state=state))
        longer = [*prompt, *reply[: (0, 5, 11, 17, 18)[n]], 1, 2, 3]
        for mode in (InferenceMode.VERIFIED, InferenceMode.VANILLA, InferenceMode.BOOST):
            continued = ids(run(decoder, mode, longer, params, state=state))
            assert continued == ids(run(decoder, mode, longer, params))
        assert state.ids.tolist() == longer + continued


def test_cancelling_stops_before_the_next_token_even_inside_a_run(
    model: SpeechLM, decoder: Decoder
) -> None:
    schedule = InferenceMode.VERIFIED.schedule(decoder.config.depth)
    stopped_in_a_run = 0
    for n_wanted in range(1, 12):
        cancel, state = CancelToken(), DecodeState(decoder)
        steps = generate(decoder, [4, 8, 15], schedule, SamplingParams(), cancel, state=state)
        taken = [next(steps) for _ in range(n_wanted)]
        cancel.cancel()
        assert list(steps) == []
        assert state.ids.tolist() == [4, 8, 15, *ids(taken)]
        stopped_in_a_run += state.cache.length(MAIN) == len(state.ids)
        assert_state_is_that_of_its_tokens(model, decoder, state)
    assert stopped_in_a_run > 0


def test_closing_leaves_the_tokens_that_were_given_out(model: SpeechLM, decoder: Decoder) -> None:
    schedule = InferenceMode.VERIFIED.schedule(decoder.config.depth)
    for n_wanted in (1, 2, 3, 6):
        state = DecodeState(decoder)
        steps = generate(decoder, [4, 8, 15], schedule, SamplingParams(), state=state)
        taken = [next(steps) for _ in range(n_wanted)]
        steps.close()
        assert state.ids.tolist() == [4, 8, 15, *ids(taken)]
        assert_state_is_that_of_its_tokens(model, decoder, state)


class CancelledSoon(CancelToken):
    """A token that is cancelled once it was asked so often."""

    def __init__(self, n_questions: int) -> None:
        super().__init__()
        self.left = n_questions

    @property
    def is_cancelled(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_cancelling_while_drafts_are_made_leaves_none_of_them(
    model: SpeechLM, decoder: Decoder
) -> None:
    schedule = InferenceMode.VERIFIED.schedule(decoder.config.depth)
    whole = ids(run(decoder, InferenceMode.VERIFIED, [9, 9], SamplingParams(max_new_tokens=30)))
    n_given = set()
    for n_questions in range(20):
        state, cancel = DecodeState(decoder), CancelledSoon(n_questions)
        params = SamplingParams(max_new_tokens=30)
        given = ids(list(generate(decoder, [9, 9], schedule, params, cancel, state=state)))
        assert given == whole[: len(given)]
        assert state.ids.tolist() == [9, 9, *given]
        if given:
            assert_state_is_that_of_its_tokens(model, decoder, state)
        n_given.add(len(given))
    assert min(n_given) == 0 and len(n_given) > 3


# Rounding


def twins(seed: int, difference: float) -> SpeechLM:
    """Every token of an agreeing model has a twin whose logit differs by about rounding."""
    model = agreeing_model(seed, 0.12, TINY)
    with torch.no_grad():
        assert model.lm_head is not None
        head, half = model.lm_head.weight, TINY.vocab_size // 2
        noise = torch.randn(half, TINY.hidden_size, generator=torch.Generator().manual_seed(seed))
        head[half:] = head[:half] + difference * noise
    return model


def mismatches(difference: float) -> int:
    params = SamplingParams(max_new_tokens=16)
    count = 0
    for seed in range(6):
        decoder = Decoder(twins(seed, difference))
        for prompt in prompts(4, seed):
            replies = [
                ids(run(decoder, mode, prompt, params))
                for mode in (InferenceMode.VANILLA, InferenceMode.VERIFIED)
            ]
            count += replies[0] != replies[1]
    return count


@pytest.mark.parametrize("difference", [0.0, 1e-7, 1e-6])
def test_rounding_never_decides_between_two_tokens(difference: float) -> None:
    assert mismatches(difference) == 0


def test_rounding_would_decide_if_ties_were_not_computed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verified, "is_near_tie", lambda *_: False)
    assert mismatches(1e-7) > 0


def test_a_tie_costs_only_the_steps_since_the_last_exact_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every token is a tie here: each step is computed again once, and none twice."""
    decoder = Decoder(twins(0, 0.0))
    n_rows: list[int] = []
    feed = DecodeState.feed

    def watched(state: DecodeState, of: Decoder, maker: int, n_tokens: int | None = None) -> object:
        if n_tokens is not None:
            n_rows.append(n_tokens)
        return feed(state, of, maker, n_tokens)

    monkeypatch.setattr(DecodeState, "feed", watched)
    run(decoder, InferenceMode.VERIFIED, [3, 1, 4], SamplingParams(max_new_tokens=16))
    assert n_rows == sorted(set(n_rows))
    assert n_rows[0] == 4


def test_a_tie_can_be_left_while_it_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = twins(0, 0.0)
    decoder = Decoder(model)
    monkeypatch.setattr(verified, "is_near_tie", lambda *_: False)
    schedule = InferenceMode.VERIFIED.schedule(decoder.config.depth)
    state, cancel = DecodeState(decoder), CancelToken()
    steps = generate(decoder, [3, 1, 4], schedule, SamplingParams(), cancel, state=state)
    taken = [next(steps) for _ in range(12)]

    def cancels(*_: object) -> bool:
        cancel.cancel()
        return True

    monkeypatch.setattr(verified, "is_near_tie", cancels)
    n_left = len(list(steps))  # the rest of a run that was checked before
    assert n_left <= decoder.config.depth
    assert len(state.ids) == 3 + len(taken) + n_left
    assert_state_is_that_of_its_tokens(model, decoder, state)


def test_half_precision_takes_either_of_two_tied_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tie is computed again there, and the reply is as long as it should be."""
    monkeypatch.setattr(verified, "is_near_tie", lambda *_: pytest.fail("a tie was looked for"))
    decoder = Decoder(twins(1, 0.0).to(torch.bfloat16))
    steps = run(decoder, InferenceMode.VERIFIED, [3, 1, 4], SamplingParams(max_new_tokens=16))
    assert len(steps) == 16
