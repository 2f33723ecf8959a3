"""What stands where the conversation will be: what to try, and what happens to the words."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.ui.flow_layout import FlowLayout
from app.ui.icons import Icon, pixmap, window_icon
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID, Look
from app.ui.transcript import COLUMN_WIDTH
from app.ui.translations import Strings

_EMBLEM = 7 * GRID
_LOCK = 2 * GRID


class EmptyView(QScrollArea):
    """A greeting with questions that can be asked by a press; it scrolls where room is short.

    The gui thread's.
    """

    asked = Signal(str)

    def __init__(self, look: Look, strings: Strings) -> None:
        super().__init__()
        self._emblem, self._lock = QLabel(), QLabel()
        self._title, self._text, self._privacy = QLabel(), QLabel(), QLabel()
        self._suggestions = QWidget()
        self._row = FlowLayout(self._suggestions, GRID, GRID, centres=True)
        self.buttons = [QPushButton() for _ in strings.conversation.suggested]
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._lay_out()
        self._strings = strings
        self._keeps_history = False
        self.set_look(look)
        self.retranslate(strings)

    def _lay_out(self) -> None:
        mark(self._title, Kind.HEADING)
        mark(self._text, Kind.MUTED)
        mark(self._privacy, Kind.SMALL, Kind.MUTED)
        for label in (self._emblem, self._title, self._text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._text.setWordWrap(True)
        for button in self.buttons:
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, button=button: self.asked.emit(button.text()))
            self._row.addWidget(button)
        content = QWidget()
        content.setMaximumWidth(COLUMN_WIDTH)
        box = QVBoxLayout(content)
        box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(GRID)
        box.addStretch(1)
        box.addWidget(self._emblem)
        box.addSpacing(GRID)
        box.addWidget(self._title)
        box.addWidget(self._text)
        box.addSpacing(GRID)
        box.addWidget(self._suggestions)
        box.addSpacing(GRID)
        privacy = QHBoxLayout()
        privacy.setSpacing(GRID)
        privacy.addStretch(1)
        privacy.addWidget(self._lock)
        privacy.addWidget(self._privacy)
        privacy.addStretch(1)
        box.addLayout(privacy)
        box.addStretch(1)
        page = QFrame()
        mark(page, Kind.PAGE)
        self.setWidget(page)
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(content, 1000)
        row.addStretch(1)

    def set_can_ask(self, can_ask: bool) -> None:
        """Whether there is anybody to ask."""
        self._suggestions.setEnabled(can_ask)

    @property
    def privacy(self) -> str:
        """What is said about what becomes of the words."""
        return self._privacy.text()

    def set_look(self, look: Look) -> None:
        """Takes over another theme."""
        self._emblem.setPixmap(window_icon().pixmap(QSize(_EMBLEM, _EMBLEM)))
        ratio = self.devicePixelRatioF()
        lock = pixmap(Icon.LOCK, look.colours.muted, round(_LOCK * ratio))
        lock.setDevicePixelRatio(ratio)
        self._lock.setPixmap(lock)

    def set_keeps_history(self, keeps_history: bool) -> None:
        """Says what is kept of what is said."""
        self._keeps_history = keeps_history
        self.retranslate(self._strings)

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language."""
        self._strings = strings
        words = strings.conversation
        self._title.setText(words.empty_title)
        self._text.setText(words.empty_text)
        kept = words.empty_kept if self._keeps_history else words.empty_private
        self._privacy.setText(kept)
        self._suggestions.setAccessibleName(words.suggestions)
        for button, question in zip(self.buttons, words.suggested, strict=True):
            button.setText(question)
