"""The words of one side of a turn: laid out, painted, extended, selected.

Not a widget: a conversation has hundreds of them, and each turn paints its own two. Lines that are
full are never laid out again until the width changes, so a new word costs the same after a
thousand others. Positions count UTF-16 units, as Qt does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from PySide6.QtCore import QPointF, QTextBoundaryFinder
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QTextCharFormat,
    QTextLayout,
    QTextOption,
)

from app.ui.theme import Colours

_PIECE_LINES = 8


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some lines of one paragraph; ``start`` is the position of its first unit in the text."""

    start: int
    text: str
    layout: QTextLayout
    top: float
    height: float

    @property
    def end(self) -> int:
        """The position after its last unit."""
        return self.start + _n_units(self.text)


class TextBlock:
    """Plain text in one font, broken into lines at one width."""

    def __init__(self, font: QFont) -> None:
        self._font = font
        self._text = ""
        self._width: float | None = None
        self._natural_width: float | None = None
        self._pieces: list[_Piece] = []
        self._anchor = self._cursor = 0

    @property
    def text(self) -> str:
        """The words so far."""
        return self._text

    def set_font(self, font: QFont) -> None:
        """Takes over another font; the next ``height_at`` lays everything out again."""
        self._font = font
        self._width = self._natural_width = None

    def set_text(self, text: str) -> None:
        """Replaces the words; the next ``height_at`` lays them out."""
        self._text = text
        self._width = self._natural_width = None
        self.clear_selection()

    def append(self, text: str) -> None:
        """Adds words at the end; only the last lines are laid out again."""
        self._text += text
        self._natural_width = None
        if self._width is not None:
            last = self._pieces.pop()
            self._lay_out(last.text + text, last.start, last.top)

    def natural_width(self) -> float:
        """The width at which no line needs to be broken."""
        if self._natural_width is None:
            metrics = QFontMetricsF(self._font)
            self._natural_width = max(map(metrics.horizontalAdvance, self._text.split("\n")))
        return self._natural_width

    def height_at(self, width: float) -> float:
        """Lays the words out in that width, unless they are, and says how high they are."""
        if width != self._width:
            self._width = width
            self._pieces = []
            self._lay_out(self._text, 0, 0.0)
        return self._pieces[-1].top + self._pieces[-1].height

    def _lay_out(self, text: str, start: int, top: float) -> None:
        """Adds the pieces of ``text``, which is the end of the block."""
        for paragraph in text.split("\n"):
            for part in self._parts(paragraph):
                layout, height = self._broken(part)
                self._pieces.append(_Piece(start, part, layout, top, height))
                start += _n_units(part)
                top += height
            start += 1  # the line break

    def _parts(self, paragraph: str) -> Iterator[str]:
        """The paragraph, cut where lines begin; a cut there changes no line."""
        layout, _ = self._broken(paragraph)
        starts = [layout.lineAt(n).textStart() for n in range(layout.lineCount())]
        cuts = [*starts[::_PIECE_LINES], _n_units(paragraph)]
        for begin, end in pairwise(cuts):
            yield _units(paragraph, begin, end)

    def _broken(self, text: str) -> tuple[QTextLayout, float]:
        assert self._width is not None, "lines need a width"
        layout = QTextLayout(text, self._font)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        layout.beginLayout()
        height = 0.0
        while (line := layout.createLine()).isValid():
            line.setLineWidth(self._width)
            line.setPosition(QPointF(0, height))
            height += line.height()
        layout.endLayout()
        return layout, height

    def paint(self, painter: QPainter, at: QPointF, colour: str, colours: Colours) -> None:
        """Paints the words with what is selected in them; ``at`` is their upper left corner."""
        first, last = sorted((self._anchor, self._cursor))
        painter.setPen(QColor(colour))
        for piece in self._pieces:
            chosen = []
            if first < piece.end and piece.start < last:
                chosen_range = QTextLayout.FormatRange()
                chosen_range.start = max(first, piece.start) - piece.start
                chosen_range.length = min(last, piece.end) - piece.start - chosen_range.start
                chosen_range.format = _chosen_format(colours)
                chosen.append(chosen_range)
            piece.layout.draw(painter, at + QPointF(0, piece.top), chosen)

    def start_selection(self, point: QPointF) -> None:
        """Begins a selection at a point of the block."""
        self._anchor = self._cursor = self._position_at(point)

    def extend_selection(self, point: QPointF) -> None:
        """Moves the end of the selection."""
        self._cursor = self._position_at(point)

    def select_word(self, point: QPointF) -> None:
        """Selects the word at a point."""
        finder = QTextBoundaryFinder(QTextBoundaryFinder.BoundaryType.Word, self._text)
        position = self._position_at(point)
        finder.setPosition(position)
        self._anchor = position if finder.isAtBoundary() else max(0, finder.toPreviousBoundary())
        finder.setPosition(position)
        self._cursor = max(position, finder.toNextBoundary())

    def clear_selection(self) -> None:
        """Selects nothing."""
        self._anchor = self._cursor = 0

    @property
    def selected_text(self) -> str:
        """What is selected, empty where nothing is."""
        return _units(self._text, *sorted((self._anchor, self._cursor)))

    def _position_at(self, point: QPointF) -> int:
        for piece in self._pieces:
            if point.y() < piece.top + piece.height or piece is self._pieces[-1]:
                lines = [piece.layout.lineAt(n) for n in range(piece.layout.lineCount())]
                y = point.y() - piece.top
                line = next((line for line in lines if y < line.y() + line.height()), lines[-1])
                return piece.start + line.xToCursor(point.x())
        return 0


def _chosen_format(colours: Colours) -> QTextCharFormat:
    made = QTextCharFormat()
    made.setBackground(QColor(colours.accent))
    made.setForeground(QColor(colours.on_accent))
    return made


def _n_units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _units(text: str, start: int, end: int) -> str:
    """The part of a text between two positions."""
    if text.isascii():
        return text[start:end]
    encoded = text.encode("utf-16-le", "surrogatepass")
    return encoded[2 * start : 2 * end].decode("utf-16-le", "replace")
