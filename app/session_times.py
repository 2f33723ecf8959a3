"""How the modes did since the program started, for percentiles where no history is kept. Pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from app.latency import Summary, summaries
from app.turn_record import Stamps, TurnRecord
from engine.modes import InferenceMode

_N_TURNS = 1000


@dataclass(frozen=True, slots=True)
class _Timed:
    """What one turn adds to the percentiles."""

    mode: InferenceMode
    stamps: Stamps


class SessionTimes:
    """The times of the last thousand turns; belongs to one thread."""

    def __init__(self) -> None:
        self._turns: deque[_Timed] = deque(maxlen=_N_TURNS)

    def add(self, record: TurnRecord) -> None:
        """A turn is over."""
        self._turns.append(_Timed(record.mode, record.stamps))

    def summaries(self) -> Mapping[InferenceMode, Summary]:
        """Mouth to ear of every mode."""
        return summaries(self._turns)
