"""Drawing a token: each setting does what it says, in the agreed order."""

from collections import Counter

import torch

from engine.sampling import penalise, sample
from engine.sampling_params import SamplingParams

NOTHING_SAID = torch.tensor([], dtype=torch.long)


def draws(logits: list[float], params: SamplingParams, n: int = 400) -> Counter[int]:
    generator = torch.Generator().manual_seed(1)
    scores = torch.tensor(logits)
    return Counter(sample(scores, params, generator, NOTHING_SAID) for _ in range(n))


def test_temperature_zero_takes_the_most_likely_token() -> None:
    assert sample(torch.tensor([1.0, 3.0, 2.0]), SamplingParams(), None, NOTHING_SAID) == 1


def test_top_k_keeps_the_k_most_likely() -> None:
    assert set(draws([0.0, 0.3, 0.2, 0.1], SamplingParams(temperature=1.0, top_k=2))) == {1, 2}


def test_a_top_k_beyond_the_vocabulary_keeps_all() -> None:
    assert set(draws([0.0, 0.1], SamplingParams(temperature=1.0, top_k=9))) == {0, 1}


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().tolist()
    assert set(draws(logits, SamplingParams(temperature=1.0, top_p=0.79))) == {0, 1}
    assert set(draws(logits, SamplingParams(temperature=1.0, top_p=0.85))) == {0, 1, 2}
    assert set(draws(logits, SamplingParams(temperature=1.0, top_p=0.01))) == {0}


def test_temperature_is_applied_before_top_p() -> None:
    logits = torch.tensor([0.6, 0.3, 0.1]).log().tolist()
    assert set(draws(logits, SamplingParams(temperature=0.2, top_p=0.9))) == {0}
    assert set(draws(logits, SamplingParams(temperature=9.0, top_p=0.9))) == {0, 1, 2}


def test_draws_follow_the_probabilities() -> None:
    counts = draws(torch.tensor([0.7, 0.2, 0.1]).log().tolist(), SamplingParams(temperature=1.0))
    assert abs(counts[0] / 400 - 0.7) < 0.08
    assert abs(counts[1] / 400 - 0.2) < 0.08


def test_a_penalty_divides_positive_and_multiplies_negative_logits_once_each() -> None:
    logits = torch.tensor([2.0, -2.0, 1.0])
    history = torch.tensor([0, 1, 0, 0])
    torch.testing.assert_close(penalise(logits, history, 2.0), torch.tensor([1.0, -4.0, 1.0]))
    assert logits.tolist() == [2.0, -2.0, 1.0]


def test_the_penalty_applies_to_greedy_draws() -> None:
    params = SamplingParams(repetition_penalty=1.5)
    assert sample(torch.tensor([2.0, 1.9]), params, None, torch.tensor([0])) == 1
