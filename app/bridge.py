"""The only door to the gui thread: events of other threads become one queued Qt signal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from app.ui.ports import WindowEvent


class Bridge(QObject):
    """Belongs to the thread that makes it, the gui's; ``post`` may be called from any thread.

    Events arrive in the order in which each thread posted them.
    """

    posted = Signal(object)

    def connect_to(self, apply: Callable[[WindowEvent], None]) -> None:
        """Delivers every event to ``apply``, on the gui thread."""
        self._apply = apply
        self.posted.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def post(self, event: WindowEvent) -> None:
        """Hands an event over and returns at once."""
        self.posted.emit(event)

    def post_result(self, work: Callable[[], WindowEvent | None]) -> None:
        """Does ``work`` on a thread of its own, which nobody waits for, and posts what it gives."""

        def run() -> None:
            if (event := work()) is not None:
                with suppress(RuntimeError):  # the program has ended meanwhile
                    self.post(event)

        threading.Thread(target=run, name="aside", daemon=True).start()

    def _deliver(self, event: WindowEvent) -> None:
        self._apply(event)
