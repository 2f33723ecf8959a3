"""How one thread tells a running reply to stop.

Pure. The engine asks between tokens and between decoder blocks; nobody waits for it to answer.
"""

import threading


class CancelToken:
    """A switch that goes from off to on once and stays on; any thread may set or read it."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work that holds this token to stop as soon as it can."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether the work has been asked to stop."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep until cancelled or until the time is over; says whether it was cancelled."""
        return self._event.wait(timeout_s)
