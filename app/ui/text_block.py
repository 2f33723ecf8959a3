"""The words of one side of a turn: laid out, painted, extended, selected.

Not a widget: a conversation has hundreds of them, and each turn paints its own two.
"""

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QColor,
    QFont,
    QPainter,
    QPalette,
    QTextCursor,
    QTextDocument,
    QTextOption,
)

from app.ui.theme import Colours


class TextBlock:
    """Plain text in one font; new words lay out their own paragraph only."""

    def __init__(self, font: QFont) -> None:
        self._document = QTextDocument()
        self._document.setDocumentMargin(0)
        self._document.setUndoRedoEnabled(False)
        self._document.setDefaultFont(font)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self._document.setDefaultTextOption(option)
        self._selection = QTextCursor(self._document)

    @property
    def text(self) -> str:
        """The words so far."""
        return self._document.toPlainText()

    def set_font(self, font: QFont) -> None:
        """Lays everything out again in another font."""
        self._document.setDefaultFont(font)

    def set_text(self, text: str) -> None:
        """Replaces the words."""
        self._document.setPlainText(text)
        self._selection = QTextCursor(self._document)

    def append(self, text: str) -> None:
        """Adds words at the end."""
        cursor = QTextCursor(self._document)
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text)

    def natural_width(self) -> float:
        """The width at which no line needs to be broken."""
        self._document.setTextWidth(-1)
        return self._document.idealWidth()

    def height_at(self, width: float) -> float:
        """Lays the words out in that width and says how high they are."""
        self._document.setTextWidth(width)
        return self._document.size().height()

    def paint(self, painter: QPainter, at: QPointF, colour: str, colours: Colours) -> None:
        """Paints the words with what is selected in them; ``at`` is their upper left corner."""
        context = QAbstractTextDocumentLayout.PaintContext()
        context.palette.setColor(QPalette.ColorRole.Text, QColor(colour))
        if self._selection.hasSelection():
            selected = QAbstractTextDocumentLayout.Selection()
            selected.cursor = self._selection
            selected.format.setBackground(QColor(colours.accent))
            selected.format.setForeground(QColor(colours.on_accent))
            context.selections = [selected]
        painter.save()
        painter.translate(at)
        self._document.documentLayout().draw(painter, context)
        painter.restore()

    def start_selection(self, point: QPointF) -> None:
        """Begins a selection at a point of the block."""
        self._selection.setPosition(self._position_at(point))

    def extend_selection(self, point: QPointF) -> None:
        """Moves the end of the selection."""
        self._selection.setPosition(self._position_at(point), QTextCursor.MoveMode.KeepAnchor)

    def select_word(self, point: QPointF) -> None:
        """Selects the word at a point."""
        self._selection.setPosition(self._position_at(point))
        self._selection.select(QTextCursor.SelectionType.WordUnderCursor)

    def clear_selection(self) -> None:
        """Selects nothing."""
        self._selection.clearSelection()

    @property
    def selected_text(self) -> str:
        """What is selected, empty where nothing is."""
        return self._selection.selection().toPlainText()

    def _position_at(self, point: QPointF) -> int:
        layout = self._document.documentLayout()
        return max(0, layout.hitTest(point, Qt.HitTestAccuracy.FuzzyHit))
