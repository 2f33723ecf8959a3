"""The talk button: what the dialogue is doing, and how loud the microphone hears, in one place."""

import math

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QHideEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QShowEvent,
)
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

from app.ui import icons
from app.ui.icons import Icon
from app.ui.theme import GRID, KEYBOARD_REASONS, Colours
from app.ui_events import Phase

_SIDE = 12 * GRID
_DISC = 9 * GRID
_ICON = 4 * GRID
_RING = 5.0
_FULL_TURN = 360 * 16  # Qt counts arcs in sixteenths of a degree, from three o'clock
_TOP = 90 * 16
_LEVEL_STEPS = 32
_QUIETEST_DB = -54.0
_FRAMES_PER_S = 25
_SECONDS_PER_TURN = 1.6

_ICONS = {
    Phase.LOADING: Icon.MICROPHONE,
    Phase.FAILED: Icon.MICROPHONE_OFF,
    Phase.IDLE: Icon.MICROPHONE,
    Phase.LISTENING: Icon.MICROPHONE,
    Phase.THINKING: Icon.THINKING,
    Phase.SPEAKING: Icon.SPEAKING,
}


class TalkButton(QAbstractButton):
    """A disc with the state's icon; around it the level, the loading or the thinking.

    It is an ordinary button, so Space and a screen reader work it too. Its timer runs only while
    something without a known end goes on. The gui thread's.
    """

    def __init__(self, colours: Colours) -> None:
        super().__init__()
        self._colours = colours
        self._phase = Phase.LOADING
        self._level_steps = 0
        self._loaded: float | None = None
        self._angle = 0.0
        self._shows_focus = False
        self._timer = QTimer(self)
        self._timer.setInterval(1000 // _FRAMES_PER_S)
        self._timer.timeout.connect(self._turn)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_colours(self, colours: Colours) -> None:
        """Takes over another theme."""
        self._colours = colours
        self.update()

    def set_phase(self, phase: Phase) -> None:
        """Shows what the dialogue is doing."""
        self._phase = phase
        self._run_timer()
        self.update()

    def set_level(self, level: float) -> None:
        """How loud the microphone hears, from 0 to 1 of full scale; painted only if it differs."""
        steps = round(_shown_share(level) * _LEVEL_STEPS)
        if steps != self._level_steps:
            self._level_steps = steps
            self.update()

    def set_loaded(self, fraction: float | None) -> None:
        """How much of the model is loaded; None where it cannot be told."""
        self._loaded = fraction
        self._run_timer()
        self.update()

    @property
    def is_moving(self) -> bool:
        """Whether a timer paints it again and again."""
        return self._timer.isActive()

    def sizeHint(self) -> QSize:
        """The same in every state."""
        return QSize(_SIDE, _SIDE)

    def hitButton(self, position: QPoint) -> bool:
        """Whether a point is on the round part."""
        return math.dist(position.toTuple(), (_SIDE / 2, _SIDE / 2)) <= _SIDE / 2

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Shows the focus to those who came by keyboard."""
        self._shows_focus = event.reason() in KEYBOARD_REASONS
        super().focusInEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Goes down."""
        if event.button() == Qt.MouseButton.LeftButton and self.hitButton(
            event.position().toPoint()
        ):
            self.setDown(True)
            self.pressed.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Stays down: a hand that wanders off the button while talking does not end the turn."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Comes up, wherever the pointer is by now."""
        if event.button() == Qt.MouseButton.LeftButton and self.isDown():
            self.setDown(False)
            self.released.emit()

    def showEvent(self, event: QShowEvent) -> None:
        """Goes on moving."""
        super().showEvent(event)
        self._run_timer()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stops moving."""
        super().hideEvent(event)
        self._timer.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints the disc, the ring and the focus."""
        colours = self._colours
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        whole = QRectF(0, 0, _SIDE, _SIDE)
        disc = _centred(whole, _DISC)
        disc_colour, icon_colour = self._disc_colours()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(disc_colour))
        painter.drawEllipse(disc)
        self._paint_ring(painter, _centred(whole, _DISC + 2 * _RING + 4))
        if self.hasFocus() and self._shows_focus:
            painter.setPen(QPen(QColor(colours.text), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(_centred(whole, _DISC - 7))
        icons.paint(painter, _ICONS[self._phase], icon_colour, _centred(whole, _ICON))

    def _disc_colours(self) -> tuple[str, str]:
        colours = self._colours
        if not self.isEnabled() or self._phase in (Phase.LOADING, Phase.FAILED):
            return colours.hover, colours.muted
        if self._phase is Phase.LISTENING:
            return colours.listening, colours.on_listening
        if self._phase is Phase.THINKING:
            return colours.thinking, colours.on_thinking
        is_pressed = self.isDown() or self.underMouse()
        return colours.accent_hover if is_pressed else colours.accent, colours.on_accent

    def _paint_ring(self, painter: QPainter, area: QRectF) -> None:
        colours = self._colours
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(colours.line), _RING))
        painter.drawEllipse(area)
        start, length = _TOP, 0.0
        match self._phase:
            case Phase.THINKING:
                start, length = round(_TOP - self._angle * _FULL_TURN), _FULL_TURN / 4
            case Phase.LOADING if self._loaded is None:
                start, length = round(_TOP - self._angle * _FULL_TURN), _FULL_TURN / 4
            case Phase.LOADING if self._loaded is not None:
                length = self._loaded * _FULL_TURN
            case Phase.LISTENING | Phase.IDLE | Phase.SPEAKING:
                length = self._level_steps / _LEVEL_STEPS * _FULL_TURN
        if length:
            is_listening = self._phase is Phase.LISTENING
            colour = colours.listening if is_listening else colours.accent
            painter.setPen(QPen(QColor(colour), _RING, c=Qt.PenCapStyle.FlatCap))
            painter.drawArc(area, start, -round(length))

    def _run_timer(self) -> None:
        is_open_ended = self._phase is Phase.THINKING or (
            self._phase is Phase.LOADING and self._loaded is None
        )
        if is_open_ended and self.isVisible():
            self._timer.start()
        else:
            self._timer.stop()

    def _turn(self) -> None:
        self._angle = (self._angle + 1 / _FRAMES_PER_S / _SECONDS_PER_TURN) % 1.0
        self.update()


def _shown_share(level: float) -> float:
    """The level from 0 to 1 as loudness is heard: decibels, from a quiet room to full scale."""
    if level <= 0:
        return 0.0
    return min(1.0, max(0.0, 1 - 20 * math.log10(level) / _QUIETEST_DB))


def _centred(area: QRectF, side: float) -> QRectF:
    inner = QRectF(0, 0, side, side)
    inner.moveCenter(area.center())
    return inner
