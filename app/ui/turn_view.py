"""One turn of the conversation: the question, the answer, and what can be done with them.

It paints both texts itself, so that a conversation of hundreds of turns stays light; its buttons
are made when the turn is first pointed at or chosen. The gui thread's.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QFontMetricsF,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QToolButton, QWidget

from app import latency
from app.kept_turn import KeptTurn, SoundPlace
from app.turn_record import Origin, Outcome, Stamps, TurnRecord
from app.ui.stage_bar import described, paint_stages
from app.ui.text_block import TextBlock
from app.ui.theme import GRID, KEYBOARD_REASONS, Look
from app.ui.translations import Strings
from app.ui.turn_buttons import TURN_BUTTON, TurnButtons
from engine.modes import InferenceMode

_MARGIN = GRID
_TOP = GRID
_BUBBLE_X, _BUBBLE_Y = 2 * GRID, GRID
_BUBBLE_SHARE = 0.85  # of the column, at most
_BAR_WIDTH, _BAR_HEIGHT = 15 * GRID, GRID


class TurnView(QWidget):
    """A turn from its first word on; ``kept`` is None until it is over.

    ``number`` counts the turns of the conversation from 1. The owner sets its geometry with
    ``place`` and is told by ``grown`` when it needs another height.
    """

    grown = Signal()
    moved = Signal(int)
    chosen = Signal()
    replay_wanted = Signal(object, object)  # KeptTurn, Side
    save_wanted = Signal(object, object)  # KeptTurn, Side

    def __init__(self, number: int, origin: Origin, look: Look, strings: Strings) -> None:
        super().__init__()
        self.number = number
        self.kept: KeptTurn | None = None
        self._origin = origin
        self._look = look
        self._strings = strings
        self._question = TextBlock(look.text)
        self._answer = TextBlock(look.text)
        self._has_question = self._has_answer = False
        self._stamps = Stamps()
        self._mode: InferenceMode | None = None
        self._bubble = QRectF()
        self._answer_at = QPointF()
        self._footer_y = 0.0
        self._dragged: TextBlock | None = None
        self._shows_focus = False
        self._buttons: TurnButtons | None = None
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMouseTracking(True)
        self._show_placeholders()
        self._name()

    # What the turn is told

    def set_question(self, text: str) -> None:
        """What the user said or typed; empty where it could not be told."""
        self._has_question = bool(text)
        self._question.set_text(text or self._strings.conversation.spoken)
        if self.kept is not None:
            self.kept = self.kept.with_question_text(text)
        self._name()
        self._changed()

    def append_answer(self, text: str) -> None:
        """The next words of the answer."""
        if self._has_answer:
            self._answer.append(text)
        else:
            self._has_answer = True
            self._answer.set_text(text.lstrip())
        self._changed()

    def set_stamps(self, stamps: Stamps) -> None:
        """When the turn reached its stages."""
        self._stamps = stamps
        self.update()

    @property
    def record(self) -> TurnRecord | None:
        """The turn without its sound; None until it is over."""
        return None if self.kept is None else self.kept.record

    def finish(self, kept: KeptTurn) -> None:
        """The turn is over; what is shown becomes what was heard."""
        self.kept = kept
        record = kept.record
        self._stamps = record.stamps
        self._mode = record.mode
        if record.user_text:
            self._has_question = True
            self._question.set_text(record.user_text)
        if record.answer_text.strip() != self._answer.text.strip() or not self._has_answer:
            self._has_answer = bool(record.answer_text.strip())
            self._answer.set_text(record.answer_text.strip())
        self._name()
        self._changed()
        self._remake_buttons()

    def let_sound_go(self, place: SoundPlace) -> None:
        """The turn's sound leaves the memory; ``place`` says who still has it."""
        assert self.kept is not None, "a turn that goes on has no sound yet"
        self.kept = self.kept.without_sound(place)
        if self._buttons is not None:
            self._remake_buttons()
        self.update()

    @property
    def stamps(self) -> Stamps:
        """When the turn reached its stages, as far as is known."""
        return self._stamps

    @property
    def question(self) -> str:
        """What the user asked, empty while it is not known."""
        return self._question.text if self._has_question else ""

    @property
    def answer(self) -> str:
        """The answer so far."""
        return self._answer.text if self._has_answer else ""

    def set_look(self, look: Look) -> None:
        """Takes over another theme or text size."""
        self._look = look
        self._question.set_font(look.text)
        self._answer.set_font(look.text)
        if self._buttons is not None:
            self._remake_buttons()
        self.update()

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language."""
        self._strings = strings
        self._show_placeholders()
        self._name()
        if self._buttons is not None:
            self._remake_buttons()
        self.update()

    @property
    def buttons(self) -> Sequence[QToolButton]:
        """What can be done with the turn; none unless it is over, and pointed at or chosen."""
        return () if self._buttons is None else self._buttons.all

    @property
    def answer_area(self) -> QRectF:
        """Where the answer's words stand."""
        right, bottom = self.width() - _MARGIN, self._footer_y
        return QRectF(self._answer_at, QPointF(right, bottom))

    # Geometry

    def height_at(self, width: int) -> int:
        """Lays the turn out in that width."""
        column = width - 2 * _MARGIN
        caption = QFontMetricsF(self._look.small).height() + GRID / 2
        widest = column * _BUBBLE_SHARE - 2 * _BUBBLE_X
        text_width = min(widest, self._question.natural_width() + 1)
        bubble_width = text_width + 2 * _BUBBLE_X
        bubble_height = self._question.height_at(text_width) + 2 * _BUBBLE_Y
        self._bubble = QRectF(
            width - _MARGIN - bubble_width, _TOP + caption, bubble_width, bubble_height
        )
        self._answer_at = QPointF(_MARGIN, self._bubble.bottom() + GRID + caption)
        answer_height = self._answer.height_at(column)
        self._footer_y = self._answer_at.y() + answer_height + GRID / 2
        self._place_buttons()
        return round(self._footer_y + TURN_BUTTON + _TOP)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints both sides, their names, the footer and the focus."""
        colours = self._look.colours
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus() and self._shows_focus:
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), GRID, GRID)
        outline = QPainterPath()
        outline.addRoundedRect(self._bubble, 1.5 * GRID, 1.5 * GRID)
        painter.fillPath(outline, QColor(colours.accent_soft))
        words = self._strings.conversation
        metrics = QFontMetricsF(self._look.small)
        painter.setFont(self._look.small)
        painter.setPen(QColor(colours.muted))
        you_x = self._bubble.right() - metrics.horizontalAdvance(words.you)
        painter.drawText(QPointF(you_x, _TOP + metrics.ascent()), words.you)
        assistant_y = self._bubble.bottom() + GRID + metrics.ascent()
        painter.drawText(QPointF(_MARGIN, assistant_y), words.assistant)
        question_colour = colours.text if self._has_question else colours.muted
        self._question.paint(painter, self._question_at(), question_colour, colours)
        answer_colour = colours.text if self._has_answer else colours.muted
        self._answer.paint(painter, self._answer_at, answer_colour, colours)
        self._paint_footer(painter)

    def _paint_footer(self, painter: QPainter) -> None:
        colours = self._look.colours
        middle = self._footer_y + TURN_BUTTON / 2
        left = float(_MARGIN)
        stages = latency.stages(self._stamps)
        total_ms = sum(stage.ms for stage in stages)
        is_heard = self._stamps.first_sample_heard is not None
        if is_heard and total_ms > 0:
            bar = QRectF(left, middle - _BAR_HEIGHT / 2, _BAR_WIDTH, _BAR_HEIGHT)
            paint_stages(painter, bar, stages, colours, total_ms)
            left = bar.right() + GRID
        metrics = QFontMetricsF(self._look.small)
        is_failed = self.record is not None and self.record.outcome is Outcome.FAILED
        painter.setFont(self._look.small)
        painter.setPen(QColor(colours.error if is_failed else colours.muted))
        baseline = middle + (metrics.ascent() - metrics.descent()) / 2
        painter.drawText(QPointF(left, baseline), self._footer_text(total_ms if is_heard else None))

    def _footer_text(self, total_ms: float | None) -> str:
        words = self._strings.conversation
        parts = []
        if total_ms is not None:
            parts.append(words.to_first_sound.format(ms=f"{total_ms:.0f}"))
        if self._mode is not None:
            parts.append(self._strings.mode.of(self._mode))
        match self.record and self.record.outcome:
            case Outcome.INTERRUPTED:
                parts.append(words.interrupted)
            case Outcome.LENGTH:
                parts.append(words.cut_at_limit)
            case Outcome.FAILED:
                parts.append(words.failed)
        if self.kept is not None and self.kept.has_lost_sound:
            parts.append(words.sound_gone)
        return " · ".join(parts)

    # Buttons

    def set_current(self, is_current: bool) -> None:
        """Whether this is the turn that Tab reaches and whose buttons are shown."""
        policy = Qt.FocusPolicy.StrongFocus if is_current else Qt.FocusPolicy.ClickFocus
        self.setFocusPolicy(policy)
        self._show_buttons()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Shows the buttons."""
        super().enterEvent(event)
        self._show_buttons()

    def leaveEvent(self, event: QEvent) -> None:
        """Takes the buttons away, unless the turn is the chosen one."""
        super().leaveEvent(event)
        self._show_buttons()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Makes this the chosen turn."""
        super().focusInEvent(event)
        self._shows_focus = event.reason() in KEYBOARD_REASONS
        self.chosen.emit()
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Takes the ring away."""
        super().focusOutEvent(event)
        self.update()

    def _show_buttons(self) -> None:
        is_current = self.focusPolicy() == Qt.FocusPolicy.StrongFocus
        are_wanted = self.kept is not None and (is_current or self.underMouse())
        if are_wanted and self._buttons is None:
            assert self.kept is not None, "a turn has buttons once it is over"
            self._buttons = TurnButtons(self, self.kept, self._look, self._strings)
            self._buttons.replay_wanted.connect(
                lambda side: self.replay_wanted.emit(self.kept, side)
            )
            self._buttons.save_wanted.connect(lambda side: self.save_wanted.emit(self.kept, side))
            self._buttons.copy_wanted.connect(self.copy)
            self._place_buttons()
            self._buttons.show()
        if self._buttons is not None and not are_wanted and not self._buttons.are_in_use:
            self._buttons.remove()
            self._buttons = None

    def _remake_buttons(self) -> None:
        if self._buttons is not None:
            self._buttons.remove()
            self._buttons = None
        self._show_buttons()

    def _place_buttons(self) -> None:
        if self._buttons is not None:
            footer = QPointF(self.width() - _MARGIN, self._footer_y)
            self._buttons.place(self._bubble, footer)

    # Keyboard and mouse

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Goes from turn to turn, and copies."""
        steps = {
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_Home: -self.number,
            Qt.Key.Key_End: 1_000_000,
        }
        if event.key() in steps:
            self.moved.emit(steps[Qt.Key(event.key())])
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def copy(self) -> None:
        """Copies what is selected, else both sides."""
        words = self._strings.conversation
        whole = f"{words.you}: {self.question}\n{words.assistant}: {self.answer}"
        selected = self._question.selected_text or self._answer.selected_text
        QGuiApplication.clipboard().setText(selected or whole)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begins a selection."""
        super().mousePressEvent(event)
        if event.button() == Qt.MouseButton.LeftButton:
            for block in (self._question, self._answer):
                block.clear_selection()
            self._dragged = self._block_at(event.position())
            if self._dragged is not None:
                self._dragged.start_selection(event.position() - self._origin_of(self._dragged))
            self.update()
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Extends the selection."""
        is_text = self._block_at(event.position()) is not None
        self.setCursor(Qt.CursorShape.IBeamCursor if is_text else Qt.CursorShape.ArrowCursor)
        if self._dragged is not None:
            self._dragged.extend_selection(event.position() - self._origin_of(self._dragged))
            self.update()
        self.setToolTip(self._tip_at(event.position().toPoint()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Ends the selection."""
        self._dragged = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Selects a word."""
        block = self._block_at(event.position())
        if block is not None:
            block.select_word(event.position() - self._origin_of(block))
            self.update()

    def _tip_at(self, point: QPoint) -> str:
        bar = QRectF(_MARGIN, self._footer_y, _BAR_WIDTH, TURN_BUTTON)
        if not bar.contains(QPointF(point)):
            return ""
        return described(latency.stages(self._stamps), self._strings.latency)

    def _block_at(self, point: QPointF) -> TextBlock | None:
        if self._has_question and self._bubble.contains(point):
            return self._question
        is_answer = self._answer_at.y() <= point.y() < self._footer_y
        return self._answer if self._has_answer and is_answer else None

    def _origin_of(self, block: TextBlock) -> QPointF:
        return self._question_at() if block is self._question else self._answer_at

    def _question_at(self) -> QPointF:
        return self._bubble.topLeft() + QPointF(_BUBBLE_X, _BUBBLE_Y)

    # Texts

    def _show_placeholders(self) -> None:
        if not self._has_question:
            is_spoken = self._origin is Origin.SPOKEN
            self._question.set_text(self._strings.conversation.spoken if is_spoken else "...")
        if not self._has_answer and self.kept is None:
            self._answer.set_text("...")

    def _name(self) -> None:
        name = self._strings.conversation.turn_name.format(
            number=self.number,
            question=self.question or self._strings.conversation.spoken,
            answer=self.answer,
        )
        self.setAccessibleName(name)

    def _changed(self) -> None:
        self.grown.emit()
        self.update()
