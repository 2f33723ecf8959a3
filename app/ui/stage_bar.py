"""The stages of one turn as a bar: each as long as it kept the listener waiting."""

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.latency import StageTime
from app.ui.theme import GRID, Colours
from app.ui.translations import LatencyStrings

_GAP = 1.0
_THINNEST = 2.0  # a stage that was reached is seen, however short it was


def paint_stages(
    painter: QPainter, area: QRectF, stages: Sequence[StageTime], colours: Colours, full_ms: float
) -> None:
    """Fills ``area``, which stands for ``full_ms``, with the stages from the left."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.save()
    outline = QPainterPath()
    outline.addRoundedRect(area, area.height() / 3, area.height() / 3)
    painter.setClipPath(outline)
    left = area.left()
    shown = [stage for stage in stages if stage.ms > 0]
    room = area.width() - _THINNEST * len(shown)
    for stage in shown:
        width = _THINNEST + room * stage.ms / full_ms if full_ms > 0 else 0.0
        bar = QRectF(left, area.top(), max(0.0, width - _GAP), area.height())
        painter.fillRect(bar, QColor(colours.by_stage[stage.name]))
        left += width
    painter.restore()


def described(stages: Sequence[StageTime], strings: LatencyStrings) -> str:
    """The stages in words, for those who do not see the bar."""
    names = dict(zip(type(stages[0].name), strings.stages, strict=True)) if stages else {}
    return ", ".join(f"{names[stage.name]} {stage.ms:.0f} ms" for stage in stages)


class StageBar(QWidget):
    """The bar as a widget of the window; the gui thread's."""

    def __init__(self, strings: LatencyStrings, colours: Colours) -> None:
        super().__init__()
        self._strings = strings
        self._colours = colours
        self._stages: Sequence[StageTime] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.retranslate(strings)

    def retranslate(self, strings: LatencyStrings) -> None:
        """Takes over another language."""
        self._strings = strings
        self.setAccessibleName(strings.stages_name)
        self.show_stages(self._stages)

    def set_colours(self, colours: Colours) -> None:
        """Takes over another theme."""
        self._colours = colours
        self.update()

    def show_stages(self, stages: Sequence[StageTime]) -> None:
        """Shows one turn; the whole bar is its sum."""
        self._stages = stages
        words = described(stages, self._strings)
        self.setAccessibleDescription(words)
        self.setToolTip(words)
        self.update()

    def sizeHint(self) -> QSize:
        """As wide as it may be."""
        return QSize(30 * GRID, 2 * GRID)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints the stages over an empty bar."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect())
        outline = QPainterPath()
        outline.addRoundedRect(area, area.height() / 3, area.height() / 3)
        painter.fillPath(outline, QColor(self._colours.hover))
        paint_stages(
            painter, area, self._stages, self._colours, sum(stage.ms for stage in self._stages)
        )
