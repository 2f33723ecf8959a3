"""The lab's chart: the stages of each mode up to its first sound, on one scale."""

from PySide6.QtCore import QPointF, QRectF, QSize
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import latency
from app.lab.result import LabResult
from app.latency import Stage, StageTime
from app.ui.stage_bar import paint_stages
from app.ui.theme import GRID, Look
from app.ui.translations import Strings

_ROW = 4 * GRID
_BAR = 2 * GRID
_SHOWN = (Stage.ENCODE, Stage.PREFILL, Stage.FIRST_AUDIO_TOKENS, Stage.FIRST_CHUNK)


class ModeChart(QWidget):
    """One bar a mode, and a legend."""

    def __init__(self, look: Look, strings: Strings) -> None:
        super().__init__()
        self._look = look
        self._strings = strings
        self._bars: list[tuple[str, tuple[StageTime, ...], float]] = []
        self.setAccessibleName(strings.lab.chart_name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_result(self, result: LabResult) -> None:
        """Shows the typical run of every mode."""
        self._bars = []
        for found in result.modes:
            run = found.typical
            stages = latency.stages(run.stamps) if run is not None else ()
            total_ms = sum(stage.ms for stage in stages)
            self._bars.append((self._strings.mode.of(found.mode), stages, total_ms))
        words = [f"{name} {total_ms:.0f} ms" for name, _, total_ms in self._bars]
        self.setAccessibleDescription(", ".join(words))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """A row a mode, the legend, and what the scale means."""
        metrics = QFontMetricsF(self._look.small)
        return QSize(60 * GRID, round(len(self._bars) * _ROW + 2 * metrics.height() + 2 * GRID))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints bars, numbers and legend."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = self._look.colours
        text, small = QFontMetricsF(self._look.text), QFontMetricsF(self._look.small)
        longest_ms = max((total_ms for _, _, total_ms in self._bars), default=0.0)
        names = max((text.horizontalAdvance(name) for name, _, _ in self._bars), default=0.0)
        numbers = text.horizontalAdvance(f"{longest_ms:.0f} ms") + GRID
        left = names + 2 * GRID
        room = self.width() - left - numbers - GRID
        painter.setFont(self._look.text)
        for row, (name, stages, total_ms) in enumerate(self._bars):
            middle = row * _ROW + _ROW / 2
            baseline = middle + (text.ascent() - text.descent()) / 2
            painter.setPen(QColor(colours.text))
            painter.drawText(QPointF(0, baseline), name)
            width = room * total_ms / longest_ms if longest_ms > 0 else 0.0
            area = QRectF(left, middle - _BAR / 2, width, _BAR)
            paint_stages(painter, area, stages, colours, total_ms)
            painter.setPen(QColor(colours.text))
            number = f"{total_ms:.0f} ms" if stages else "\N{EN DASH}"
            painter.drawText(QPointF(left + width + GRID, baseline), number)
        self._paint_legend(painter, len(self._bars) * _ROW + GRID, left, small)

    def _paint_legend(
        self, painter: QPainter, top: float, left: float, metrics: QFontMetricsF
    ) -> None:
        colours = self._look.colours
        painter.setFont(self._look.small)
        baseline, x = top + metrics.ascent(), left
        names = dict(zip(Stage, self._strings.latency.stages, strict=True))
        for stage in _SHOWN:
            swatch = QRectF(x, top + (metrics.height() - GRID) / 2, GRID, GRID)
            painter.fillRect(swatch, QColor(colours.by_stage[stage]))
            painter.setPen(QColor(colours.muted))
            painter.drawText(QPointF(x + 1.5 * GRID, baseline), names[stage])
            x += 1.5 * GRID + metrics.horizontalAdvance(names[stage]) + 2 * GRID
        second = baseline + metrics.height() + GRID / 2
        painter.drawText(QPointF(left, second), self._strings.lab.chart_scale)
