"""The reading side of the play ring: fills one block of sound after another without a click.

Pure: no device, no clock, no thread. Sound that starts after silence is faded in, and sound that
ends because it was thrown away or because no more was there in time is faded out, each over 5 ms.
"""

import math
from typing import NamedTuple

import numpy as np

from app.audio.ring import RingBuffer, Samples

FADE_S = 0.005


class Filled(NamedTuple):
    """What a block holds: where its last sample from the ring ends, and where a reply begins."""

    end: int
    first: int | None


class PlayHead:
    """Reads the ring for the sound card; every method belongs to the callback.

    It allocates nothing. ``volume`` may be assigned by anyone and is reached within 5 ms.
    ``underruns`` counts how often the ring was empty in the middle of a reply.
    """

    def __init__(self, ring: RingBuffer, sample_rate: int) -> None:
        self.volume = 1.0
        self.underruns = 0
        self._ring = ring
        self._n_fade = max(1, round(FADE_S * sample_rate))
        steps = np.arange(1, self._n_fade + 1, dtype=np.float32) / (self._n_fade + 1)
        self._rise: Samples = (0.5 - 0.5 * np.cos(math.pi * steps)).astype(np.float32)
        self._fall: Samples = self._rise[::-1].copy()
        self._gains = np.zeros(self._n_fade, dtype=np.float32)
        self._height = 0  # how far sound is faded in: 0 is silence, n_fade the full level
        self._last = 0.0  # the last sample, before its gain
        self._ran_dry = False
        self._reached_volume = 1.0

    def fill(self, out: Samples, reply_start: int) -> Filled:
        """Fills the block; ``reply_start`` is the ring's number of the reply's first sample."""
        at = end = 0
        first = None
        while at < len(out):
            rest = out[at:]
            if self._ring.discardable:
                n = self._fade_out(rest, self._ring.discardable)
                end = at + n
                if n == 0:
                    self._ring.discard()
                    self._ran_dry = False
            elif self._ring.readable:
                if self._ring.read == reply_start:
                    first = at
                    self._ran_dry = False
                n = self._play(rest)
                end = at + n
            else:
                self._ran_dry = True
                n = self._fade_out(rest, 0)
                if n == 0:
                    rest[:] = 0.0
                    break
            at += n
        self._apply_volume(out)
        return Filled(end, first)

    @property
    def n_fading(self) -> int:
        """How many samples a discard would still play: none while there is silence."""
        return self._height

    def restart(self) -> None:
        """The device starts from silence; called while no callback runs."""
        self._height = 0
        self._ran_dry = False

    def _play(self, out: Samples) -> int:
        """Takes samples at full level, or as long as they are faded in; says how many."""
        self.underruns += self._ran_dry
        self._ran_dry = False
        if self._height < self._n_fade:
            out = out[: self._n_fade - self._height]
        n = self._ring.take(out)
        self._last = float(out[n - 1])
        if self._height < self._n_fade:
            out[:n] *= self._rise[self._height : self._height + n]
            self._height += n
        return n

    def _fade_out(self, out: Samples, n_available: int) -> int:
        """Falls towards silence with what there is, then with the last sample; 0 at silence."""
        n = min(len(out), self._height)
        if n == 0:
            return 0
        n_taken = self._ring.take(out[: min(n, n_available)])
        if n_taken:
            self._last = float(out[n_taken - 1])
        out[n_taken:n] = self._last
        position = self._n_fade - self._height
        out[:n] *= self._fall[position : position + n]
        self._height -= n
        return n

    def _apply_volume(self, out: Samples) -> None:
        wanted = self.volume
        step = wanted - self._reached_volume
        n = 0
        if step:
            n = min(len(out), self._n_fade)
            gains = self._gains[:n]
            np.multiply(self._rise[:n], step, out=gains)
            gains += self._reached_volume
            out[:n] *= gains
            self._reached_volume = wanted if n == self._n_fade else float(gains[-1])
        if self._reached_volume != 1.0:
            out[n:] *= self._reached_volume
