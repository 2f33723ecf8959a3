"""The distribution of sampled verified replies is Vanilla's, listed reply by reply.

Wrong rules of acceptance are tried as well: the test must see them.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import engine.verified as verified
from engine.drafts import Draft, check
from engine.generate import DecodeState, generate
from engine.models.decoder import Decoder
from engine.models.speech_lm import SpeechLM
from engine.modes import MAIN, InferenceMode
from engine.sampling import distribution, draw
from engine.sampling_params import SamplingParams
from tests.engine.agreeing import SMALL_VOCABULARY, agreeing_model
from tests.engine.uncached import uncached_logits

PROMPT = [2, 0, 3]
LENGTH = 4  # one token, two drafts and one more: a run of every length can come about
N_REPLIES = 1000
PARAMS = SamplingParams(
    temperature=1.2, top_k=4, top_p=0.97, repetition_penalty=1.3, max_new_tokens=LENGTH
)
PLAIN = SamplingParams(temperature=1.5, max_new_tokens=LENGTH)
Check = Callable[[Draft, Tensor, SamplingParams, torch.Generator | None, Tensor], int]


@pytest.fixture(scope="module")
def model() -> SpeechLM:
    """Its modules disagree with its backbone now and then, and both are unsure."""
    return agreeing_model(1, 0.4, SMALL_VOCABULARY)


def listed(model: SpeechLM, params: SamplingParams) -> dict[tuple[int, ...], float]:
    """The probability of every reply as Vanilla draws it, from uncached logits."""
    found = {(): 1.0}
    for _ in range(LENGTH):
        longer = {}
        for reply, chance in found.items():
            known = [*PROMPT, *reply]
            p = distribution(uncached_logits(model, known, MAIN), params, torch.tensor(known))
            for token_id, share in enumerate(p.tolist()):
                if share > 0:
                    longer[*reply, token_id] = chance * share
        found = longer
    return found


def drawn(model: SpeechLM, params: SamplingParams) -> tuple[Counter[tuple[int, ...]], float]:
    """How often each reply came, and the share of drafts that were accepted."""
    decoder = Decoder(model)
    schedule = InferenceMode.VERIFIED.schedule(decoder.config.depth)
    state = DecodeState(decoder, capacity=16)
    counts: Counter[tuple[int, ...]] = Counter()
    n_drafts = n_accepted = 0
    for seed in range(N_REPLIES):
        seeded = replace(params, seed=seed)
        steps = list(generate(decoder, PROMPT, schedule, seeded, state=state))
        counts[tuple(step.token_id for step in steps)] += 1
        n_drafts += sum(step.n_drafts for step in steps)
        n_accepted += sum(step.is_accepted for step in steps)
    return counts, n_accepted / n_drafts


def deviation(counts: Counter[tuple[int, ...]], expected: dict[tuple[int, ...], float]) -> float:
    """Pearson's chi-squared in standard deviations; rare replies are counted together."""
    assert abs(sum(expected.values()) - 1) < 1e-4
    assert not counts.keys() - expected.keys(), "a reply that Vanilla never draws"
    observed_rare = expected_rare = 0.0
    chi_squared, n_cells = 0.0, 0
    n_replies = counts.total()
    for reply, share in expected.items():
        if n_replies * share < 5:
            observed_rare += counts[reply]
            expected_rare += n_replies * share
            continue
        chi_squared += (counts[reply] - n_replies * share) ** 2 / (n_replies * share)
        n_cells += 1
    if expected_rare > 0:
        chi_squared += (observed_rare - expected_rare) ** 2 / expected_rare
        n_cells += 1
    degrees = n_cells - 1
    return (chi_squared - degrees) / (2 * degrees) ** 0.5


@pytest.mark.parametrize("params", [PLAIN, PARAMS], ids=["temperature alone", "every setting"])
def test_verified_replies_are_distributed_as_vanillas(
    model: SpeechLM, params: SamplingParams
) -> None:
    counts, acceptance_rate = drawn(model, params)
    assert 0.3 < acceptance_rate < 0.9  # both branches of the rule are at work
    assert deviation(counts, listed(model, params)) < 4


def _accepts_all(
    drafted: Draft,
    logits: Tensor,
    params: SamplingParams,
    generator: torch.Generator | None,
    history: Tensor,
) -> int:
    return drafted.token_id


def _draws_again_from_all(
    drafted: Draft,
    logits: Tensor,
    params: SamplingParams,
    generator: torch.Generator | None,
    history: Tensor,
) -> int:
    """The token in place of a rejected draft comes from p, not from what p exceeds q by."""
    token_id = check(drafted, logits, params, generator, history)
    if token_id == drafted.token_id:
        return token_id
    return draw(distribution(logits, params, history), generator)


def _accepts_by_p_alone(
    drafted: Draft,
    logits: Tensor,
    params: SamplingParams,
    generator: torch.Generator | None,
    history: Tensor,
) -> int:
    p = distribution(logits, params, history)
    assert drafted.probabilities is not None
    if torch.rand((), generator=generator) < p[drafted.token_id]:
        return drafted.token_id
    return draw((p - drafted.probabilities).clamp_min(0) + 1e-9, generator)


def _forgets_the_penalty(
    drafted: Draft,
    logits: Tensor,
    params: SamplingParams,
    generator: torch.Generator | None,
    history: Tensor,
) -> int:
    return check(drafted, logits, params, generator, history[:0])


@pytest.mark.parametrize(
    "wrong", [_accepts_all, _draws_again_from_all, _accepts_by_p_alone, _forgets_the_penalty]
)
def test_a_wrong_rule_of_acceptance_is_seen(
    model: SpeechLM, monkeypatch: pytest.MonkeyPatch, wrong: Check
) -> None:
    monkeypatch.setattr(verified, "check", wrong)
    counts, _ = drawn(model, PARAMS)
    expected = listed(model, PARAMS)
    never = counts.keys() - expected.keys()
    assert never or deviation(counts, expected) > 8


def test_the_same_seed_repeats_a_verified_reply_and_another_does_not(model: SpeechLM) -> None:
    decoder = Decoder(model)
    schedule = InferenceMode.VERIFIED.schedule(decoder.config.depth)
    replies = [
        [
            step.token_id
            for step in generate(
                decoder,
                PROMPT,
                schedule,
                SamplingParams(temperature=2.0, seed=seed, max_new_tokens=30),
            )
        ]
        for seed in (1, 1, 2)
    ]
    assert replies[0] == replies[1] != replies[2]


def test_the_listed_replies_are_all_there_are(model: SpeechLM) -> None:
    everything = set(itertools.product(range(SMALL_VOCABULARY.vocab_size), repeat=LENGTH))
    assert set(listed(model, PLAIN)) == everything
    assert len(listed(model, PARAMS)) < len(everything)
