"""Sampling parameters refuse values that mean nothing."""

import math
from typing import Any

import pytest

from engine.errors import RequestError
from engine.sampling_params import SamplingParams


def test_defaults_decode_greedily() -> None:
    assert SamplingParams().is_greedy
    assert not SamplingParams(temperature=0.7, top_k=20, top_p=0.8).is_greedy


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": math.nan},
        {"repetition_penalty": 0.0},
        {"repetition_penalty": math.nan},
        {"seed": -1},
        {"max_new_tokens": 0},
    ],
)
def test_meaningless_value_is_named_in_the_error(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(RequestError, match=f"^{name} must be "):
        SamplingParams(**wrong)
