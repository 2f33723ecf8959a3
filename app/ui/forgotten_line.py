"""The quiet line between the turns that the next answer does not know and those it does.

The gui thread's.
"""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from app.ui.theme import GRID, Look
from app.ui.translations import Strings

_FLAGS = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
_LEAST_RULE = 3 * GRID  # on either side of the words


class ForgottenLine(QWidget):
    """A few words between two rules, as wide as a turn."""

    def __init__(self, look: Look, strings: Strings) -> None:
        super().__init__()
        self._look = look
        self._words = ""
        self.retranslate(strings)

    def height_at(self, width: int) -> int:
        """The height its words need in that width."""
        return round(self._text_area(width).height() + GRID)

    def set_look(self, look: Look) -> None:
        """Takes over another theme or text size."""
        self._look = look
        self.update()

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language."""
        self._words = strings.conversation.forgotten
        self.setAccessibleName(self._words)
        self.setToolTip(strings.conversation.forgotten_hint)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints the words in the middle, and the rules beside them."""
        colours = self._look.colours
        painter = QPainter(self)
        area = self._text_area(self.width())
        area.moveCenter(QRectF(self.rect()).center())
        painter.setFont(self._look.small)
        painter.setPen(QColor(colours.muted))
        painter.drawText(area, _FLAGS, self._words)
        painter.setPen(QPen(QColor(colours.line), 1))
        middle = round(area.center().y()) + 0.5
        for start, end in ((GRID, area.left() - GRID), (area.right() + GRID, self.width() - GRID)):
            painter.drawLine(QPointF(start, middle), QPointF(end, middle))

    def _text_area(self, width: int) -> QRectF:
        room = QRectF(0, 0, width - 2 * (_LEAST_RULE + 2 * GRID), 10000)
        return QFontMetricsF(self._look.small).boundingRect(room, _FLAGS, self._words)
