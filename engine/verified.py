"""The verified token loop: the modules draft a run, one forward of the main LLM checks it.

A forward feeds the backbone the newest token and the drafts after it, and so gives the main LLM's
logits after every one of them. The drafts up to the first wrong one stay, the token in place of
that one (or after the last) is the main LLM's own, and the caches are set back to what stayed: the
next run continues from there, and nothing that stayed is computed twice.

**Rounding.** Rows computed together differ from rows computed alone in their last bits, and so do
the cache entries they leave. A sampled reply follows Vanilla's distribution up to that. A greedy
one is Vanilla's token for token: where the two best logits are so close that rounding may have
ordered them (``is_near_tie``; about one token in ten thousand), the entries since the last exact
one are computed again one token at a time, which are the very operations of Vanilla. That holds in
single precision; in half precision so many logits are equal or nearly so that it would cost more
than drafts save, and either of two tied tokens may come. What a reply finds in the caches from
earlier turns counts as exact: after a verified turn it is equal to Vanilla's up to rounding, just
as after a prefill.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.cancel import CancelToken
from engine.drafts import Draft, check, draft, is_near_tie
from engine.models.decoder import Decoder
from engine.modes import MAIN, ForwardSchedule, Step
from engine.sampling import sample
from engine.sampling_params import SamplingParams

if TYPE_CHECKING:
    from engine.generate import DecodeState

_EXACT_DTYPES = (torch.float32, torch.float64)


@dataclass(slots=True)
class VerifiedLoop:
    """One verified reply in progress; ``state`` holds the prompt.

    Once the steps have ended, in whatever way, the state holds the tokens given out and none that
    were not. It belongs to the thread that generates.
    """

    decoder: Decoder
    state: "DecodeState"
    schedule: ForwardSchedule
    params: SamplingParams
    generator: torch.Generator
    cancel: CancelToken
    eos_ids: Collection[int]
    _n_exact: int = 0  # entries of the backbone that are Vanilla's to the last bit

    def steps(self) -> Iterator[Step]:
        """Yields new tokens one by one, the end token included."""
        state = self.state
        n_given = self._n_exact = len(state.ids)
        limit = n_given + self.params.max_new_tokens
        drafts: list[Draft] = []
        try:
            while n_given < limit and not self.cancel.is_cancelled:
                run = self._checked(drafts)
                if run is None:
                    return
                for n, token_id in enumerate(run):
                    n_given += 1
                    if n < len(drafts) and drafts[n].token_id == token_id:
                        yield Step(token_id, n + 1, 0 if n else len(drafts), is_accepted=True)
                    else:
                        yield Step(token_id, MAIN, 0 if n else len(drafts))
                    if token_id in self.eos_ids or self.cancel.is_cancelled:
                        return
                drafts = self._drafts(limit - n_given - 1)
        finally:
            state.truncate(n_given)

    def _drafts(self, most: int) -> list[Draft]:
        """Drafts after the tokens of the state, which holds them too then; none after an end."""
        drafts: list[Draft] = []
        for k in range(1, min(self.schedule.n_drafts, most) + 1):
            if self.cancel.is_cancelled:
                break
            logits = self.state.next_logits(self.decoder, k)
            drafts.append(draft(logits, self.params, self.generator, self.state.ids))
            self.state.append((drafts[-1].token_id,))
            if drafts[-1].token_id in self.eos_ids:
                break
        return drafts

    def _checked(self, drafts: list[Draft]) -> list[int] | None:
        """The tokens that stay, which the state ends with then; None where cancelled.

        They are the drafts up to the first wrong one and one token of the main LLM's own, or the
        drafts up to an end token.
        """
        state, params = self.state, self.params
        rows = state.last_logits(self.decoder, len(drafts) + 1)
        n_known = len(state.ids) - len(drafts)
        if not drafts and self._n_exact >= n_known - 1:
            self._n_exact = n_known
        run: list[int] = []
        for n, logits in enumerate(rows):
            known = state.ids[: n_known + n]
            if self._may_be_rounding(logits, known):
                exact = self._computed_again(len(known))
                if exact is None:
                    return None
                run.append(sample(exact, params, self.generator, known))
                break
            if n == len(drafts):
                run.append(sample(logits, params, self.generator, known))
                break
            run.append(check(drafts[n], logits, params, self.generator, known))
            if run[-1] != drafts[n].token_id or run[-1] in self.eos_ids:
                break
        state.truncate(n_known + len(run) - 1)
        state.append(run[-1:])
        return run

    def _may_be_rounding(self, logits: Tensor, known: Tensor) -> bool:
        return (
            self.params.is_greedy
            and self.decoder.dtype in _EXACT_DTYPES
            and self._n_exact < len(known)
            and is_near_tie(logits, self.params, known)
        )

    def _computed_again(self, n_known: int) -> Tensor | None:
        """Logits (V,) after the first ``n_known`` tokens as Vanilla has them; None if cancelled."""
        assert self._n_exact < n_known, "nothing is to be computed again"
        self.state.cache.shorten(MAIN, self._n_exact)
        for n in range(self._n_exact, n_known):
            if self.cancel.is_cancelled:
                return None
            states = self.state.feed(self.decoder, MAIN, n + 1)
        self._n_exact = n_known
        return self.decoder.logits(states)[0]
