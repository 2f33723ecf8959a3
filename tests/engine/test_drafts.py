"""Checking drafts: the token that stays follows the main LLM, and ties are seen."""

from collections import Counter

import pytest
import torch
from torch import Tensor

from engine.drafts import Draft, check, draft, is_near_tie
from engine.sampling import distribution
from engine.sampling_params import SamplingParams

NOTHING_SAID = torch.tensor([], dtype=torch.long)
GREEDY = SamplingParams()
MAIN_LOGITS = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
MODULE_LOGITS = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
N = 2000


def stays(params: SamplingParams, history: Tensor = NOTHING_SAID) -> tuple[Counter[int], int]:
    """How often each token stays, and how often that is the draft."""
    generator = torch.Generator().manual_seed(4)
    counts: Counter[int] = Counter()
    n_accepted = 0
    for _ in range(N):
        drafted = draft(MODULE_LOGITS, params, generator, history)
        token_id = check(drafted, MAIN_LOGITS, params, generator, history)
        counts[token_id] += 1
        n_accepted += token_id == drafted.token_id
    return counts, n_accepted


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=1.0),
        SamplingParams(temperature=0.6),
        SamplingParams(temperature=1.0, top_k=2),
        SamplingParams(temperature=1.0, top_p=0.7),
        SamplingParams(temperature=1.3, top_k=3, top_p=0.9, repetition_penalty=1.5),
    ],
)
def test_what_stays_follows_the_main_llm_and_not_the_module(params: SamplingParams) -> None:
    history = torch.tensor([0, 3])
    counts, n_accepted = stays(params, history)
    p, q = (distribution(logits, params, history) for logits in (MAIN_LOGITS, MODULE_LOGITS))
    for token_id, share in enumerate(p.tolist()):
        spread = (share * (1 - share) / N) ** 0.5
        assert abs(counts[token_id] / N - share) <= 4 * spread, token_id
    overlap = float(torch.minimum(p, q).sum())
    assert abs(n_accepted / N - overlap) <= 4 * (overlap * (1 - overlap) / N) ** 0.5


def test_a_module_that_agrees_is_always_accepted() -> None:
    params = SamplingParams(temperature=1.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        drafted = draft(MAIN_LOGITS, params, generator, NOTHING_SAID)
        assert check(drafted, MAIN_LOGITS, params, generator, NOTHING_SAID) == drafted.token_id


def test_a_draft_that_the_main_llm_never_draws_is_never_accepted() -> None:
    params = SamplingParams(temperature=1.0, top_k=1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        drafted = draft(MODULE_LOGITS, params, generator, NOTHING_SAID)
        assert drafted.token_id == 3
        assert check(drafted, MAIN_LOGITS, params, generator, NOTHING_SAID) == 0


def test_equal_distributions_that_rounding_rejects_still_give_a_token() -> None:
    """A draft of no probability is rejected for certain, and nothing is left over to draw from."""
    p = distribution(MAIN_LOGITS, SamplingParams(temperature=1.0, top_k=1), NOTHING_SAID)
    params = SamplingParams(temperature=1.0, top_k=1)
    generator = torch.Generator().manual_seed(0)
    assert check(Draft(2, p), MAIN_LOGITS, params, generator, NOTHING_SAID) == 0


def test_a_greedy_check_takes_what_the_main_llm_takes() -> None:
    drafted = draft(MODULE_LOGITS, GREEDY, None, NOTHING_SAID)
    assert drafted == Draft(3, None)
    assert check(drafted, MAIN_LOGITS, GREEDY, None, NOTHING_SAID) == 0


def test_the_penalty_counts_for_draft_and_check() -> None:
    params = SamplingParams(repetition_penalty=10.0)
    history = torch.tensor([0, 3])
    assert draft(MODULE_LOGITS.exp(), params, None, history).token_id == 2
    assert check(Draft(2, None), MAIN_LOGITS.exp(), params, None, history) == 1


def test_a_tie_is_near_where_rounding_could_have_made_the_order() -> None:
    def tie(*logits: float, penalty: float = 1.0, history: Tensor = NOTHING_SAID) -> bool:
        params = SamplingParams(repetition_penalty=penalty)
        return is_near_tie(torch.tensor(logits), params, history)

    assert tie(1.0, 1.0, 0.0)
    assert tie(1.0, 1.00001, 0.0)
    assert not tie(1.0, 1.001, 0.0)
    assert tie(1.0, 1.001, -100.0)  # the error grows with the largest logit
    assert tie(2.0, 1.0, 0.0, penalty=2.0, history=torch.tensor([0]))
    assert not tie(1.0, 1.0, 0.0, penalty=2.0, history=torch.tensor([0]))
