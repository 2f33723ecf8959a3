"""The only door to the gui thread: events of other threads become one queued Qt signal."""

from __future__ import annotations

from collections.abc import Callable
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

    def _deliver(self, event: WindowEvent) -> None:
        self._apply(event)
