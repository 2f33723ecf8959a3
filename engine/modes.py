"""Inference modes: which network makes which new token, the main LLM or an MCTP module.

Pure. A mode is data: a flat list of pairs (main LLM steps, MCTP steps) taken in order, the last one
repeated for ever, and whether the main LLM verifies what the modules make. Where it does not, the
schedule is counted from the first new token of a reply, never looks at what the tokens are, and
tokens made by a module are final.

Where it does, they are drafts: the next forward of the main LLM checks them all at once, those up
to the first wrong one stay, and the reply is that of Vanilla. What that costs is the first sound:
the first token of a reply is final as in every mode, but a draft is final only after the forward
that checks it. A first audio group therefore waits for the prefill, one run of the modules and one
more forward of the main LLM if all its drafts hold, for another run and forward with each that does
not. Boost gives it out without that extra forward, Vanilla after nine extra ones.
"""

from dataclasses import dataclass
from enum import Enum

MAIN = 0
"""The maker number of the main LLM; MCTP modules are numbered from 1."""


class InferenceMode(Enum):
    """The four published ways to trade main LLM steps for MCTP steps, and one that checks them."""

    VANILLA = "vanilla"
    BALANCE = "balance"
    BOOST = "boost"
    TURBO = "turbo"
    VERIFIED = "verified"

    @property
    def pairs(self) -> tuple[int, ...]:
        """Main LLM steps, MCTP steps, main LLM steps, MCTP steps, ..."""
        return _PAIRS[self]

    @property
    def is_verified(self) -> bool:
        """Whether the main LLM checks what the modules make."""
        return self in _VERIFIED

    def schedule(self, depth: int) -> "ForwardSchedule":
        """The mode's schedule for a model that has ``depth`` MCTP modules."""
        return ForwardSchedule(self.pairs, depth, self.is_verified)


_PAIRS = {
    InferenceMode.VANILLA: (8192, 0),
    InferenceMode.BALANCE: (1, 4, 3, 8, 4, 10),
    InferenceMode.BOOST: (1, 10, 4, 10),
    InferenceMode.TURBO: (1, 10),
    InferenceMode.VERIFIED: (1, 10),
}
_VERIFIED = frozenset({InferenceMode.VERIFIED})


@dataclass(frozen=True, slots=True)
class Step:
    """One new token and its maker: 0 for the main LLM, k for MCTP module k.

    In a verified schedule ``n_drafts`` counts the drafts that were checked since the step before,
    and ``is_accepted`` says that this token is one of those that were.
    """

    token_id: int
    maker: int
    n_drafts: int = 0
    is_accepted: bool = False


@dataclass(frozen=True, slots=True)
class ForwardSchedule:
    """The maker of every new token, for a model that has ``depth`` MCTP modules.

    A run of MCTP steps longer than ``depth`` falls back to one main LLM step and starts again
    with the first module, so a model without modules works in every mode.
    """

    pairs: tuple[int, ...]
    depth: int
    is_verified: bool = False

    def __post_init__(self) -> None:
        assert self.pairs and len(self.pairs) % 2 == 0, f"pairs must come in twos: {self.pairs}"
        assert min(self.pairs) >= 0, f"step counts cannot be negative: {self.pairs}"
        assert sum(self.pairs[-2:]) > 0, f"the pair that repeats makes no token: {self.pairs}"
        assert self.depth >= 0, f"depth cannot be negative: {self.depth}"
        assert not self.is_verified or (len(self.pairs) == 2 and self.pairs[0] == 1), (
            f"a forward that checks comes after every run of drafts: {self.pairs}"
        )

    @property
    def n_drafts(self) -> int:
        """How many drafts are made for one forward of the main LLM; 0 where none are."""
        return min(self.pairs[1], self.depth) if self.is_verified else 0

    def maker(self, n: int) -> int:
        """Who makes new token number ``n`` (from 0): ``MAIN``, or k for MCTP module k (from 1)."""
        assert n >= 0, f"new tokens are numbered from 0: {n}"
        assert not self.is_verified, "who makes a token is known when its drafts are checked"
        main_steps, mctp_steps = self.pairs[-2:]
        for pair_main, pair_mctp in zip(self.pairs[0:-2:2], self.pairs[1:-2:2], strict=True):
            if n < pair_main + pair_mctp:
                main_steps, mctp_steps = pair_main, pair_mctp
                break
            n -= pair_main + pair_mctp
        n %= main_steps + mctp_steps
        if n < main_steps:
            return MAIN
        step_in_run = (n - main_steps) % (self.depth + 1)
        return MAIN if step_in_run == self.depth else step_in_run + 1
