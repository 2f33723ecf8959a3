"""The sidebar: past conversations, or why there are none and how to keep them. The gui thread's."""

from collections.abc import Sequence

from PySide6.QtCore import QDateTime, QLocale, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.icons import Icon, icon
from app.ui.ports import PastConversation
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID, Look
from app.ui.translations import Strings

_WIDTH = 36 * GRID
_BUTTON = 5 * GRID


class _ConversationList(QListWidget):
    """A list that leaves Space, the talk key, alone: Enter opens, Delete deletes."""

    open_wanted = Signal()
    delete_wanted = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Opens, deletes, or does what lists do."""
        if event.key() == Qt.Key.Key_Space:
            event.ignore()
        elif event.key() == Qt.Key.Key_Delete:
            self.delete_wanted.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_wanted.emit()
        else:
            super().keyPressEvent(event)


class HistoryPanel(QFrame):
    """Past conversations, the newest first."""

    opened = Signal(int)
    delete_wanted = Signal(int)
    turn_on_wanted = Signal()

    def __init__(self, look: Look, strings: Strings) -> None:
        super().__init__()
        self._strings = strings
        self._is_kept = False
        self._conversations: tuple[PastConversation, ...] = ()
        self.list = _ConversationList()
        self._title, self._text = QLabel(), QLabel()
        self.turn_on = QPushButton()
        self.delete, self.export = QToolButton(), QToolButton()
        mark(self, Kind.BAR)
        self._lay_out()
        self.list.itemClicked.connect(self._open)
        self.list.open_wanted.connect(self._open)
        self.list.itemSelectionChanged.connect(self._show_buttons)
        self.list.delete_wanted.connect(self._delete)
        self.delete.clicked.connect(self._delete)
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.turn_on.clicked.connect(self.turn_on_wanted)
        self.set_look(look)
        self.retranslate(strings)

    def _lay_out(self) -> None:
        self.setFixedWidth(_WIDTH)
        mark(self._title, Kind.STRONG)
        mark(self._text, Kind.MUTED)
        self._text.setWordWrap(True)
        self.list.setWordWrap(False)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        top = QHBoxLayout()
        top.setSpacing(0)
        top.addWidget(self._title, 1)
        for button in (self.export, self.delete):
            button.setFixedSize(_BUTTON, _BUTTON)
            top.addWidget(button)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, GRID, GRID, 2 * GRID)
        box.setSpacing(GRID)
        box.addLayout(top)
        box.addWidget(self._text)
        box.addWidget(self.turn_on, 0, Qt.AlignmentFlag.AlignLeft)
        box.addWidget(self.list, 1)
        self._rest = QWidget()
        box.addWidget(self._rest, 1)

    @property
    def text(self) -> str:
        """What is said in place of the list."""
        return self._text.text()

    def show_conversations(
        self, conversations: Sequence[PastConversation], is_kept: bool, current: int | None
    ) -> None:
        """Shows the list; ``current`` is the conversation that goes on in the window."""
        self._conversations = tuple(conversations)
        self._is_kept = is_kept
        words, locale = self._strings.history, QLocale(self._strings.locale_name)
        self.list.clear()
        for conversation in self._conversations:
            moment = QDateTime.fromSecsSinceEpoch(round(conversation.started_at.timestamp()))
            when = locale.toString(moment, words.when)
            title = conversation.title or words.untitled
            n_turns = conversation.n_turns
            size = words.one_turn if n_turns == 1 else words.n_turns.format(n=n_turns)
            item = QListWidgetItem(f"{title}\n{when} · {size}")
            item.setToolTip(title)
            self.list.addItem(item)
            if conversation.id == current:
                self.list.setCurrentItem(item)
        self._show_parts()

    def _show_parts(self) -> None:
        words = self._strings.history
        has_any = bool(self._conversations)
        self._text.setText(words.empty if self._is_kept else words.off)
        self._text.setVisible(not self._is_kept or not has_any)
        self.turn_on.setVisible(not self._is_kept)
        self.list.setVisible(has_any)
        self._rest.setVisible(not has_any)
        self._show_buttons()

    def _show_buttons(self) -> None:
        self.delete.setEnabled(self._selected() is not None)

    def _selected(self) -> PastConversation | None:
        rows = self.list.selectedIndexes()
        return self._conversations[rows[0].row()] if rows else None

    def _open(self) -> None:
        conversation = self._selected()
        if conversation is not None:
            self.opened.emit(conversation.id)

    def _delete(self) -> None:
        conversation = self._selected()
        if conversation is not None:
            self.delete_wanted.emit(conversation.id)

    def set_look(self, look: Look) -> None:
        """Takes over another theme."""
        self.delete.setIcon(icon(Icon.DELETE, look.colours))
        self.export.setIcon(icon(Icon.EXPORT, look.colours))

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language; the list is shown anew by its owner."""
        self._strings = strings
        words = strings.history
        self._title.setText(words.title)
        self.list.setAccessibleName(words.list_name)
        self.turn_on.setText(words.turn_on)
        for button, label in ((self.delete, words.delete), (self.export, words.export)):
            button.setAccessibleName(label)
            button.setToolTip(label)
        self._show_parts()
