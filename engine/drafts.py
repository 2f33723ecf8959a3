"""Drafts of the MCTP modules, and what the main LLM makes of them: speculative sampling.

A draft that a module drew from its distribution q is accepted with probability min(1, p / q), where
p is the main LLM's distribution; a token in place of a rejected one is drawn from what p exceeds q
by. The token that stays then follows p whatever q is (Leviathan et al. 2023, algorithm 1). Both are
the distributions that are really drawn from: after repetition penalty, temperature, top-k and
top-p. In greedy decoding a draft is accepted where the main LLM would have taken the same token.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.sampling import distribution, draw, penalise, sample
from engine.sampling_params import SamplingParams

# The most by which logits of several rows at once may differ from those of one row, as a share of
# the largest logit. Measured in single precision: 2e-6 (8 layers, 256 wide, 700 tokens).
_ROUNDING = 2.0**-16


@dataclass(frozen=True, slots=True)
class Draft:
    """A token of a module that nobody has checked, and what it was drawn from; None for greedy."""

    token_id: int
    probabilities: Tensor | None  # (V,)


def draft(
    logits: Tensor, params: SamplingParams, generator: torch.Generator | None, history: Tensor
) -> Draft:
    """Draws a draft from a module's logits (V,); ``history`` (T,) holds the drafts before it."""
    if params.is_greedy:
        return Draft(sample(logits, params, generator, history), None)
    probabilities = distribution(logits, params, history)
    return Draft(draw(probabilities, generator), probabilities)


def check(
    drafted: Draft,
    logits: Tensor,
    params: SamplingParams,
    generator: torch.Generator | None,
    history: Tensor,
) -> int:
    """The token that stays, by the main LLM's logits (V,): the draft, or one in its place.

    ``history`` (T,) holds every token before the draft.
    """
    if drafted.probabilities is None:
        return sample(logits, params, generator, history)
    p, q = distribution(logits, params, history), drafted.probabilities
    chance = torch.rand((), generator=generator, device=q.device)
    if chance * q[drafted.token_id] < p[drafted.token_id]:
        return drafted.token_id
    excess = (p - q).clamp_min(0)
    # Where p exceeds q nowhere, both are the same but for rounding.
    return draw(excess if excess.any() else p, generator)


def is_near_tie(logits: Tensor, params: SamplingParams, history: Tensor) -> bool:
    """Whether rounding may decide a greedy draw from logits (V,) that were computed in a batch."""
    penalty = params.repetition_penalty
    first, second = penalise(logits, history, penalty).topk(2).values
    largest = logits.abs().max() * max(1.0, penalty, 1 / penalty)
    return bool(first - second <= _ROUNDING * largest)
