"""How far a download or a check is, on a terminal in one line, elsewhere in one for each tenth."""

import time
from collections.abc import Callable
from typing import TextIO

from engine.model_store import in_gb

_TENTHS = 10


class TransferLine:
    """Takes bytes done and bytes in all, as downloads and checks report them."""

    def __init__(
        self, stream: TextIO, verb: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._verb = verb
        self._clock = clock
        self._started_at = clock()
        self._first: int | None = None
        self._tenth = 0

    def __call__(self, done: int, total: int) -> None:
        """Shows it."""
        if self._first is None:
            self._first = done
        if not total:
            return
        if self._stream.isatty():
            self._stream.write(f"\r\x1b[K{self._line(done, total)}")
        elif (tenth := done * _TENTHS // total) > self._tenth:
            self._tenth = tenth
            self._stream.write(self._line(done, total) + "\n")
        self._stream.flush()

    def end(self) -> None:
        """Leaves the terminal's line."""
        if self._stream.isatty() and self._first is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _line(self, done: int, total: int) -> str:
        line = f"{self._verb} {in_gb(done)} of {in_gb(total)}"
        seconds = self._clock() - self._started_at
        moved = done - (self._first or 0)
        if seconds < 1 or moved <= 0:
            return line
        rate = moved / seconds
        return f"{line}, {in_gb(round(rate))}/s, {_duration((total - done) / rate)} left"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
