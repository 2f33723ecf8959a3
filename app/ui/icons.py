"""The window's icons: our own SVG drawings, in the colours of the theme, sharp on every screen."""

from enum import Enum
from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app import paths
from app.ui.theme import Colours

_SIDE = 20
_SCALES = (1, 2, 3)


class Icon(Enum):
    """The drawings in ``assets/icons``, by file name."""

    ANSWERS = "answers"
    CHEVRON_DOWN = "chevron-down"
    CHEVRON_UP = "chevron-up"
    CLOSE = "close"
    COPY = "copy"
    DELETE = "delete"
    ERROR = "error"
    EXPORT = "export"
    INFORMATION = "information"
    LAB = "lab"
    LOCK = "lock"
    MICROPHONE = "microphone"
    MICROPHONE_OFF = "microphone-off"
    NEW = "new"
    PARLEY = "parley"
    PLAY = "play"
    SAVE = "save"
    SEND = "send"
    SETTINGS = "settings"
    SIDEBAR = "sidebar"
    SPEAKING = "speaking"
    STOP = "stop"
    THINKING = "thinking"
    WARNING = "warning"


@lru_cache
def icon(drawing: Icon, colours: Colours, colour: str | None = None) -> QIcon:
    """The drawing in ``colour``, else the text's; paler where its control is disabled."""
    made = QIcon()
    for scale in _SCALES:
        side = _SIDE * scale
        made.addPixmap(pixmap(drawing, colour or colours.text, side), QIcon.Mode.Normal)
        made.addPixmap(pixmap(drawing, colours.control, side), QIcon.Mode.Disabled)
    return made


@lru_cache
def window_icon() -> QIcon:
    """The program's own icon, which keeps its colours in every theme."""
    made = QIcon()
    for side in (16, 32, 48, 128):
        made.addPixmap(pixmap(Icon.PARLEY, "", side))
    return made


def pixmap(drawing: Icon, colour: str, side: int) -> QPixmap:
    """The drawing as a square of ``side`` device pixels."""
    made = QPixmap(side, side)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    paint(painter, drawing, colour, QRectF(0, 0, side, side))
    painter.end()
    return made


def paint(painter: QPainter, drawing: Icon, colour: str, target: QRectF) -> None:
    """Draws the icon into a square of somebody else's painting."""
    _renderer(drawing, colour).render(painter, target)


@lru_cache
def _renderer(drawing: Icon, colour: str) -> QSvgRenderer:
    text = (paths.assets() / "icons" / f"{drawing.value}.svg").read_text(encoding="utf-8")
    return QSvgRenderer(QByteArray(text.replace("currentColor", colour).encode()))
