"""The latency strip: what the chosen turn's listener waited for, and how its mode does in general.

The gui thread's.
"""

from collections.abc import Mapping

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from app import latency
from app.latency import Stage, Summary
from app.turn_record import Stamps, TurnRecord
from app.ui.flow_layout import FlowLayout
from app.ui.icons import Icon, icon
from app.ui.stage_bar import StageBar
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID, Look
from app.ui.transcript import COLUMN_WIDTH
from app.ui.translations import Strings
from app.ui.wrapping_frame import WrappingFrame
from app.ui_events import ContextChanged
from engine.events import acceptance_rate
from engine.modes import InferenceMode

_NOTHING = "\N{EN DASH}"


class _Figure(QWidget):
    """A number over what it is."""

    def __init__(self) -> None:
        super().__init__()
        self._value, self._caption = QLabel(_NOTHING), QLabel()
        mark(self._value, Kind.STRONG)
        mark(self._caption, Kind.SMALL, Kind.MUTED)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self._value)
        box.addWidget(self._caption)

    def name(self, caption: str, hint: str) -> None:
        """What the number is."""
        self._caption.setText(caption)
        self.setToolTip(hint)

    @property
    def value(self) -> str:
        """What is shown."""
        return self._value.text()

    def show_value(self, value: str | None) -> None:
        """The number; None where there is none."""
        self._value.setText(value or _NOTHING)


class _Legend(QWidget):
    """A stage's colour, name and time."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self._colour = ""
        self._label = QLabel()
        mark(self._label, Kind.SMALL, Kind.MUTED)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID + GRID // 2, 0, 0, 0)
        row.addWidget(self._label)

    def set_colour(self, colour: str) -> None:
        """Takes over another theme."""
        self._colour = colour
        self.update()

    def show_text(self, text: str) -> None:
        """The name, with the time where there is one."""
        self._label.setText(text)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints the colour."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._colour))
        painter.drawRoundedRect(QRectF(0, (self.height() - GRID) / 2, GRID, GRID), 2, 2)


class LatencyPanel(WrappingFrame):
    """The strip under the dropdowns; its second part, with every mode, can be unfolded."""

    def __init__(self, look: Look, strings: Strings) -> None:
        super().__init__()
        self._look = look
        self._strings = strings
        self._stamps = Stamps()
        self._record: TurnRecord | None = None
        self._mode = InferenceMode.BOOST
        self._summaries: Mapping[InferenceMode, Summary] = {}
        self._mouth_to_ear, self._model_only = _Figure(), _Figure()
        self._tokens, self._factor = _Figure(), _Figure()
        self._underruns, self._percentiles = _Figure(), _Figure()
        self._drafts, self._context = _Figure(), _Figure()
        self._context_changed: ContextChanged | None = None
        self._bar = StageBar(strings.latency, look.colours)
        self._legend = [_Legend(stage) for stage in Stage]
        self._of_modes = {mode: _Figure() for mode in InferenceMode}
        self.details = QToolButton()
        self.details.setCheckable(True)
        self.details.setFixedSize(4 * GRID, 4 * GRID)
        self._details_row = QWidget()
        mark(self, Kind.BAR)
        self._lay_out()
        self.details.toggled.connect(self._unfold)
        self._details_row.hide()
        self.set_look(look)
        self.retranslate(strings)

    def _lay_out(self) -> None:
        content = QWidget()
        content.setMaximumWidth(COLUMN_WIDTH)
        box = QVBoxLayout(content)
        box.setContentsMargins(GRID, GRID, GRID, GRID + GRID // 2)
        box.setSpacing(GRID)
        figures = FlowLayout(None, 2 * GRID, GRID)
        for figure in (
            *(self._mouth_to_ear, self._model_only, self._tokens, self._factor),
            *(self._underruns, self._drafts, self._context, self._percentiles),
        ):
            figures.addWidget(figure)
        top = QHBoxLayout()
        top.addLayout(figures, 1)
        top.addWidget(self.details, 0, Qt.AlignmentFlag.AlignTop)
        legend = FlowLayout(None, GRID + GRID // 2, GRID // 2)
        for entry in self._legend:
            legend.addWidget(entry)
        modes = FlowLayout(self._details_row, 3 * GRID, GRID)
        for figure in self._of_modes.values():
            modes.addWidget(figure)
        box.addLayout(top)
        box.addWidget(self._bar)
        box.addLayout(legend)
        box.addWidget(self._details_row)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, 0, GRID, 0)
        row.addStretch(1)
        row.addWidget(content, 1000)
        row.addStretch(1)

    # What is shown

    @property
    def figures(self) -> tuple[str, ...]:
        """The numbers of the chosen turn, and those of the mode in use."""
        shown = (self._mouth_to_ear, self._model_only, self._tokens, self._factor)
        return tuple(figure.value for figure in (*shown, self._underruns, self._percentiles))

    @property
    def drafts_accepted(self) -> str | None:
        """The share of the chosen turn's drafts that were accepted; None where it made none."""
        return None if self._drafts.isHidden() else self._drafts.value

    @property
    def context(self) -> str | None:
        """How full the context is; None while that is not known."""
        return None if self._context.isHidden() else self._context.value

    @property
    def by_mode(self) -> dict[InferenceMode, str]:
        """The percentiles of every mode."""
        return {mode: figure.value for mode, figure in self._of_modes.items()}

    def show_turn(self, stamps: Stamps, record: TurnRecord | None) -> None:
        """Shows one turn; ``record`` is None while it goes on."""
        self._stamps = stamps
        self._record = record
        self._fill()

    def show_mode(self, mode: InferenceMode, summaries: Mapping[InferenceMode, Summary]) -> None:
        """Shows how the modes do; ``mode`` is the one in use."""
        self._mode = mode
        self._summaries = summaries
        self._fill()

    def show_context(self, context: ContextChanged) -> None:
        """Shows how much of what can be remembered of the conversation is full."""
        self._context_changed = context
        self._fill()

    def _fill(self) -> None:
        words, record = self._strings.latency, self._record
        stages = latency.stages(self._stamps)
        times = {stage.name: stage.ms for stage in stages}
        is_heard = self._stamps.first_sample_heard is not None
        is_typed = self._stamps.last_voiced is None and is_heard
        total = sum(times.values()) if is_heard else None
        caption = words.typed_to_ear if is_typed else words.mouth_to_ear
        self._mouth_to_ear.name(caption, words.mouth_to_ear_hint)
        self._mouth_to_ear.show_value(_ms(total))
        self._model_only.show_value(_ms(latency.model_only_ms(self._stamps)))
        if record is None:
            for figure in (self._tokens, self._factor, self._underruns):
                figure.show_value(None)
        else:
            self._tokens.show_value(_number(latency.tokens_per_s(record), 0))
            self._factor.show_value(_number(latency.real_time_factor(record), 2))
            self._underruns.show_value(str(record.underruns))
        stats = record.stats if record is not None else None
        accepted = acceptance_rate((stats,)) if stats is not None else None
        self._drafts.setVisible(accepted is not None)
        self._drafts.show_value(None if accepted is None else f"{accepted:.0%}")
        context = self._context_changed
        self._context.setVisible(context is not None)
        if context is not None:
            hint = words.context_hint.format(used=context.n_tokens, limit=context.limit)
            self._context.name(words.context, hint)
            self._context.show_value(f"{context.n_tokens / context.limit:.0%}")
        self._bar.show_stages(stages)
        for name, entry in zip(words.stages, self._legend, strict=True):
            ms = times.get(entry.stage)
            entry.show_text(name if ms is None else f"{name} {ms:.0f}")
        self._show_summary(self._percentiles, self._mode)
        for mode, figure in self._of_modes.items():
            self._show_summary(figure, mode)

    def _show_summary(self, figure: _Figure, mode: InferenceMode) -> None:
        words, name = self._strings.latency, self._strings.mode.of(mode)
        found = self._summaries.get(mode)
        if found is None:
            figure.name(words.no_percentiles.format(mode=name), words.percentiles_hint)
            figure.show_value(None)
        else:
            figure.name(words.percentiles.format(mode=name, n=found.n), words.percentiles_hint)
            figure.show_value(f"{found.p50_ms:.0f} / {found.p95_ms:.0f} ms")

    def _unfold(self, is_open: bool) -> None:
        self._details_row.setVisible(is_open)
        self._show_arrow()

    # Look and language

    def set_look(self, look: Look) -> None:
        """Takes over another theme."""
        self._look = look
        self._bar.set_colours(look.colours)
        for entry in self._legend:
            entry.set_colour(look.colours.by_stage[entry.stage])
        self._show_arrow()

    def _show_arrow(self) -> None:
        drawing = Icon.CHEVRON_UP if self.details.isChecked() else Icon.CHEVRON_DOWN
        self.details.setIcon(icon(drawing, self._look.colours))

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language."""
        self._strings = strings
        words = strings.latency
        self.setAccessibleName(words.name)
        self.details.setAccessibleName(words.details)
        self.details.setToolTip(words.details)
        self._bar.retranslate(words)
        self._model_only.name(words.model_only, words.model_only_hint)
        self._tokens.name(words.tokens_per_s, words.tokens_per_s_hint)
        self._factor.name(words.real_time_factor, words.real_time_factor_hint)
        self._underruns.name(words.underruns, words.underruns_hint)
        self._drafts.name(words.drafts_accepted, words.drafts_accepted_hint)
        self._fill()


def _ms(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f} ms"


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"
