"""``Endpoint``: how long a silence ends a hands-free turn, by how the phrase before it sounded.

Pure. A finished phrase dies away: its last 160 ms are clearly softer than the rest of it. A
hesitation ("the ...", "uhm") stays level and breaks off. So the wait goes from long to short as
that fall goes from 1 to 9 dB; it is long where the last 320 ms hold one steady level, except in a
single word, for which it is midway at most; and it grows by a quarter of the difference with each
pause of this turn after which the speaker went on.
``patience`` moves both ends of the scale: 250 to 600 ms at 0, 450 to 1200 at 0.5, 650 to 1800 at 1.
"""

from collections import deque

from app.turns.turn_events import SAMPLE_RATE, Frame

_MS = SAMPLE_RATE // 1000
# At patience 0, and what patience 1 adds.
_SHORT_WAIT_MS = (250, 400)
_LONG_WAIT_MS = (600, 1200)
_FALL_DB = (1.0, 9.0)
_PHRASE, _ENDING, _STEADY = 1500 * _MS, 160 * _MS, 320 * _MS
_STEADY_RANGE_DB = 1.5
_HESITATION = 0.25
_WORD = 480 * _MS
# Softer than the loudest voice by more than this, a frame after speech is its echo in the room or
# the network's own delay.
_AUDIBLE_DB = 30.0


class Endpoint:
    """Follows the voice of one turn; belongs to its turn detector."""

    def __init__(self) -> None:
        # Where each voiced frame ends and how loud it is, in the last phrase's length.
        self._levels: deque[tuple[int, float]] = deque()
        self._n_hesitations = 0

    def hear_voice(self, frame: Frame, end_sample: int) -> None:
        """Takes the next frame of voice."""
        self._levels.append((end_sample, frame.level_db))
        while self._levels[0][0] <= end_sample - _PHRASE:
            self._levels.popleft()

    @property
    def last_audible(self) -> int:
        """Where the voice itself fell silent, which the network notices a little later."""
        loudest = max(level for _, level in self._levels)
        return max(end for end, level in self._levels if level >= loudest - _AUDIBLE_DB)

    def hesitated(self) -> None:
        """The speaker went on after a pause."""
        self._n_hesitations += 1

    def wait(self, patience: float) -> int:
        """The silence that ends the turn now, in samples."""
        short, long = (base + patience * more for base, more in (_SHORT_WAIT_MS, _LONG_WAIT_MS))
        completeness = max(0.0, self._falling_away() - _HESITATION * self._n_hesitations)
        return round((long - completeness * (long - short)) * _MS)

    def _falling_away(self) -> float:
        """0 where the voice broke off or was held at one level, 1 where it died away."""
        voice_end = self._levels[-1][0]
        ending = [level for end, level in self._levels if end > voice_end - _ENDING]
        rest = [level for end, level in self._levels if end <= voice_end - _ENDING]
        steady = [level for end, level in self._levels if end > voice_end - _STEADY]
        if not rest:
            return 0.5
        lowest, highest = _FALL_DB
        fall_db = sum(rest) / len(rest) - sum(ending) / len(ending)
        fall = min(1.0, max(0.0, (fall_db - lowest) / (highest - lowest)))
        if voice_end - self._levels[0][0] < _WORD:
            return max(0.5, fall)  # a single word holds one level without hesitating
        return 0.0 if max(steady) - min(steady) < _STEADY_RANGE_DB else fall
