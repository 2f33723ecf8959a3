"""Leaves out the silence that a reply begins with, so that it is heard the sooner. Pure state.

A model whose text runs ahead of its speech begins with silent audio tokens: while they are made,
the first words of the text are there to be spoken. Nobody has to listen to them.
"""

import numpy as np
from numpy.typing import NDArray

_SILENT = 0.004  # -48 dB of full scale
_ONSET_S = 0.02  # kept before the first sample that is not silent
_MOST_S = 0.6


class LeadingSilence:
    """Takes the samples of one reply, in pieces, and gives them from their onset on."""

    def __init__(self, sample_rate: int) -> None:
        self._onset = round(_ONSET_S * sample_rate)
        self._most = round(_MOST_S * sample_rate)
        self._held = np.zeros(0, dtype=np.float32)
        self._begun = False
        self.n_left_out = 0
        """Samples that will not be given."""

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The samples to be heard, none before the onset; more silence than 0.6 s is kept."""
        if self._begun:
            return samples
        waiting = np.concatenate([self._held, samples])
        sounding = np.flatnonzero(np.abs(waiting) > _SILENT)
        self._begun = bool(len(sounding))
        first = int(sounding[0]) if self._begun else len(waiting)
        cut = min(max(0, first - self._onset), self._most - self.n_left_out)
        self._begun |= self.n_left_out + cut == self._most
        self.n_left_out += cut
        self._held = waiting[cut:]
        return self._held if self._begun else waiting[:0]

    def finish(self) -> NDArray[np.float32]:
        """What is left of a reply that never sounded."""
        return self._held[:0] if self._begun else self._held
