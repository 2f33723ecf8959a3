"""Begins, opens and deletes conversations, and keeps the list of past ones up to date.

The gui thread's.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.errors import AppError
from app.kept_turn import KeptTurn, SoundPlace
from app.ui.history_panel import HistoryPanel
from app.ui.notice_area import Severity
from app.ui.ports import History
from app.ui.transcript import Transcript
from app.ui_commands import Command, NewConversation


class Conversations(QObject):
    """Stands between the transcript, the sidebar and what is kept.

    ``is_sure`` asks the user before anything is deleted, one conversation or all of them.
    """

    changed = Signal()

    def __init__(
        self,
        transcript: Transcript,
        panel: HistoryPanel,
        history: History,
        post: Callable[[Command], None],
        is_sure: Callable[[bool], bool],
        tell: Callable[[Severity, str], None],
    ) -> None:
        super().__init__(transcript)
        self._transcript = transcript
        self._panel = panel
        self._history = history
        self._post = post
        self._is_sure = is_sure
        self._tell = tell
        self._is_kept = False
        panel.opened.connect(self.open)
        panel.delete_wanted.connect(self.delete)

    def show(self, is_kept: bool) -> None:
        """Reads the list again; ``is_kept`` says whether history is on."""
        self._is_kept = is_kept
        conversations = self._history.conversations()
        self._panel.show_conversations(conversations, is_kept, self._history.current())

    def begin(self) -> None:
        """A new conversation, in which nothing is remembered."""
        self._post(NewConversation())
        self._transcript.clear()
        self.changed.emit()
        self.show(self._is_kept)

    def open(self, conversation_id: int) -> None:
        """A past conversation in place of this one."""
        try:
            turns = self._history.open(conversation_id)
        except AppError as error:
            self._tell(Severity.ERROR, str(error))
            return
        self._transcript.show_turns(turns)
        self.changed.emit()

    def with_sound(self, kept: KeptTurn) -> KeptTurn | None:
        """The turn with its sound at hand; None where that cannot be read, which the user is told.

        Where nobody has the sound any more, the turn as it is.
        """
        if kept.place is not SoundPlace.HISTORY:
            return kept
        try:
            return kept.with_sound(*self._history.sounds(kept.record.turn_id))
        except AppError as error:
            self._tell(Severity.ERROR, str(error))
            return None

    def delete(self, conversation_id: int) -> None:
        """A kept conversation, for good."""
        is_open = conversation_id == self._history.current()
        if not self._is_sure(False) or not self._is_done(
            lambda: self._history.delete(conversation_id)
        ):
            return
        if is_open:
            self.begin()
        self.show(self._is_kept)

    def delete_current(self) -> None:
        """The conversation in the window, kept or not."""
        current = self._history.current()
        if current is not None:
            self.delete(current)
        elif self._transcript.views and self._is_sure(False):
            self.begin()

    def delete_all(self) -> None:
        """Every kept conversation, for good."""
        if self._is_sure(True) and self._is_done(self._history.delete_all):
            self.begin()

    def _is_done(self, act: Callable[[], None]) -> bool:
        """Whether something could be done; if not, the user is told why."""
        try:
            act()
        except AppError as error:
            self._tell(Severity.ERROR, str(error))
            return False
        return True
