"""Draws the next token: repetition penalty, temperature, top-k and top-p, in that order."""

import torch
from torch import Tensor

from engine.sampling_params import SamplingParams


def sample(
    logits: Tensor, params: SamplingParams, generator: torch.Generator | None, history: Tensor
) -> int:
    """The next token id for logits (V,); ``history`` (T,) are the ids of prompt and output so far.

    A greedy draw needs no generator.
    """
    logits = penalise(logits, history, params.repetition_penalty)
    if params.is_greedy:
        return int(logits.argmax())
    scores, ids = _candidates(logits / params.temperature, params)
    return int(ids[draw(torch.softmax(scores.float(), dim=0), generator)])


def distribution(logits: Tensor, params: SamplingParams, history: Tensor) -> Tensor:
    """The probabilities (V,) with which ``sample`` draws each token where it is not greedy."""
    assert not params.is_greedy, "a greedy draw has no distribution"
    logits = penalise(logits, history, params.repetition_penalty)
    scores, ids = _candidates(logits / params.temperature, params)
    probabilities = torch.softmax(scores.float(), dim=0)
    return probabilities.new_zeros(logits.shape).scatter_(0, ids, probabilities)


def draw(probabilities: Tensor, generator: torch.Generator | None) -> int:
    """A token id drawn from ``probabilities`` (V,), which need not add up to 1."""
    assert generator is not None, "a sampled draw needs a generator"
    return int(torch.multinomial(probabilities, 1, generator=generator))


def penalise(logits: Tensor, history: Tensor, penalty: float) -> Tensor:
    """Logits (V,) with every token of ``history`` made less likely (CTRL, section 4.1)."""
    if penalty == 1.0:
        return logits
    seen = logits[history]
    return logits.index_put((history,), torch.where(seen < 0, seen * penalty, seen / penalty))


def _candidates(scores: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor]:
    """The scores that may be drawn and their token ids, the most likely first."""
    limit = params.top_k if 0 < params.top_k < scores.shape[0] else scores.shape[0]
    scores, ids = scores.topk(limit)
    if params.top_p < 1.0:
        probabilities = torch.softmax(scores.float(), dim=0)
        before = probabilities.cumsum(0) - probabilities  # probability of all likelier tokens
        scores = scores.masked_fill(before >= params.top_p, -torch.inf)
    return scores, ids
