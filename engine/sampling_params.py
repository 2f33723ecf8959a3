"""How the next token is drawn from the logits, and how many may be drawn.

Pure. ``sampling.py`` carries it out.
"""

import math
from dataclasses import dataclass

from engine.errors import RequestError


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """The sampling settings of one reply; the defaults decode greedily.

    ``temperature`` 0 takes the most likely token; ``top_k`` 0, ``top_p`` 1 and
    ``repetition_penalty`` 1 switch those steps off. The same ``seed`` repeats a reply.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    max_new_tokens: int = 2048

    def __post_init__(self) -> None:
        _require(_is_at_least(self.temperature, 0), "temperature", self.temperature, "0 or more")
        _require(self.top_k >= 0, "top_k", self.top_k, "0 (off) or more")
        _require(0 < self.top_p <= 1, "top_p", self.top_p, "above 0 and at most 1")
        _require(
            _is_at_least(self.repetition_penalty, 0) and self.repetition_penalty > 0,
            "repetition_penalty",
            self.repetition_penalty,
            "above 0",
        )
        _require(0 <= self.seed < 2**63, "seed", self.seed, "between 0 and 2**63 - 1")
        _require(self.max_new_tokens >= 1, "max_new_tokens", self.max_new_tokens, "1 or more")

    @property
    def is_greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.temperature == 0


def _is_at_least(value: float, minimum: float) -> bool:
    return math.isfinite(value) and value >= minimum


def _require(holds: bool, name: str, value: float, allowed: str) -> None:
    if not holds:
        raise RequestError(f"{name} must be {allowed}, not {value}.")
