"""What the user should know, as lines above the conversation that can be dismissed.

The gui thread's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QRectF, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleEvent, QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout

from app.ui import icons
from app.ui.icons import Icon, icon
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID, Look
from app.ui.transcript import COLUMN_WIDTH
from app.ui.translations import Strings
from app.ui.wrapping_frame import WrappingFrame

_MOST = 3
_INFORMATION_MS = 10_000
_ICON = 2.5 * GRID


class Severity(Enum):
    """How grave a notice is; INFORMATION goes by itself after a while."""

    INFORMATION = "information"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done about a notice."""

    label: str
    carry_out: Callable[[], None]


class _NoticeLine(QFrame):
    """One notice with its icon, its action and a button that dismisses it."""

    def __init__(
        self, severity: Severity, text: str, action: Action | None, dismiss: str, look: Look
    ) -> None:
        super().__init__()
        self.text = text
        self.severity = severity
        self._look = look
        self._label = QLabel(text)
        self._label.setWordWrap(True)
        self.setAccessibleName(text)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self.dismiss = QToolButton()
        self.dismiss.setAccessibleName(f"{dismiss}: {text}")
        self.dismiss.setToolTip(dismiss)
        self.dismiss.setFixedSize(4 * GRID, 4 * GRID)
        row = QHBoxLayout(self)
        row.setContentsMargins(6 * GRID, GRID // 2, GRID // 2, GRID // 2)
        row.setSpacing(GRID)
        row.addWidget(self._label, 1)
        self.action: QPushButton | None = None
        if action is not None:
            self.action = QPushButton(action.label)
            mark(self.action, Kind.QUIET)
            self.action.clicked.connect(self.dismiss.click)
            self.action.clicked.connect(action.carry_out)
            row.addWidget(self.action)
        row.addWidget(self.dismiss)
        self.set_look(look)

    def set_look(self, look: Look) -> None:
        """Takes over another theme."""
        self._look = look
        self.dismiss.setIcon(icon(Icon.CLOSE, look.colours))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints the background and the icon."""
        colours = self._look.colours
        background, foreground, drawing = {
            Severity.INFORMATION: (colours.information_soft, colours.text, Icon.INFORMATION),
            Severity.WARNING: (colours.warning_soft, colours.warning, Icon.WARNING),
            Severity.ERROR: (colours.error_soft, colours.error, Icon.ERROR),
        }[self.severity]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(background))
        painter.drawRoundedRect(QRectF(self.rect()), GRID, GRID)
        middle = self.height() / 2
        icons.paint(
            painter, drawing, foreground, QRectF(2 * GRID, middle - _ICON / 2, _ICON, _ICON)
        )


class NoticeArea(WrappingFrame):
    """The latest notices, no more than a few; the same text is shown once."""

    def __init__(self, look: Look, strings: Strings) -> None:
        super().__init__()
        self._look = look
        self._strings = strings
        self._lines: list[_NoticeLine] = []
        mark(self, Kind.PAGE)
        content = QFrame()
        content.setMaximumWidth(COLUMN_WIDTH)
        self._box = QVBoxLayout(content)
        self._box.setContentsMargins(GRID, GRID, GRID, 0)
        self._box.setSpacing(GRID)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(content, 1000)
        row.addStretch(1)
        self.hide()

    @property
    def texts(self) -> list[str]:
        """What is shown, the oldest first."""
        return [line.text for line in self._lines]

    @property
    def action_buttons(self) -> list[QPushButton]:
        """The buttons that do something about a notice."""
        return [line.action for line in self._lines if line.action is not None]

    @property
    def dismiss_buttons(self) -> list[QToolButton]:
        """The buttons that take a notice away."""
        return [line.dismiss for line in self._lines]

    def tell(self, severity: Severity, text: str, action: Action | None = None) -> None:
        """Shows a notice under those that are there."""
        for line in [line for line in self._lines if line.text == text]:
            self._remove(line)
        while len(self._lines) >= _MOST:
            self._remove(self._lines[0])
        dismiss = self._strings.notices.dismiss
        line = _NoticeLine(severity, text, action, dismiss, self._look)
        line.dismiss.clicked.connect(lambda: self._remove(line))
        if severity is Severity.INFORMATION:
            QTimer.singleShot(_INFORMATION_MS, line, lambda: self._remove(line))
        self._lines.append(line)
        self._box.addWidget(line)
        self.show()
        QAccessible.updateAccessibility(QAccessibleEvent(line, QAccessible.Event.Alert))

    def clear(self) -> None:
        """Takes every notice away."""
        while self._lines:
            self._remove(self._lines[0])

    def set_look(self, look: Look) -> None:
        """Takes over another theme."""
        self._look = look
        for line in self._lines:
            line.set_look(look)

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language for the notices to come."""
        self._strings = strings

    def _remove(self, line: _NoticeLine) -> None:
        if line in self._lines:
            self._lines.remove(line)
            self._box.removeWidget(line)
            line.hide()
            line.deleteLater()
            self.setVisible(bool(self._lines))
