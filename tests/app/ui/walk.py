"""Finds what a person can see and reach in a window."""

from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QWidget,
)

from app.ui.turn_view import TurnView

CONTROLS = (
    *(QAbstractButton, QComboBox, QLineEdit, QAbstractSpinBox, QAbstractSlider),
    *(QAbstractItemView, QPlainTextEdit, TurnView),
)
_EDGE = 1  # pixels by which a text's measure may exceed the room for it, from rounding


def controls(window: QWidget) -> list[QWidget]:
    """Everything that can be used in the window as it is: seen and enabled."""
    return [
        widget
        for widget in window.findChildren(QWidget)
        if isinstance(widget, CONTROLS)
        and widget.isVisibleTo(window)
        and widget.window() is window
        and widget.isEnabled()
        and not isinstance(widget, QScrollBar)
        and not isinstance(widget.parentWidget(), QAbstractSpinBox | QComboBox)
    ]


def name_of(widget: QWidget) -> str:
    """What a screen reader calls a control."""
    # On Linux Qt takes a dropdown's name from its label, and gives its value as its name.
    if isinstance(widget, QComboBox):
        return widget.accessibleName()
    return QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name)


def reached_by_tab(window: QWidget) -> list[QWidget]:
    """Where Tab leads, once around."""
    reached: list[QWidget] = []
    while (here := QApplication.focusWidget()) is not None and here not in reached:
        reached.append(here)
        QTest.keyClick(here, Qt.Key.Key_Tab)
    return reached


def takes_tab(widget: QWidget) -> bool:
    """Whether a control is to be reached by Tab, rather than by arrows from its neighbour."""
    return not isinstance(widget, TurnView) or (widget.focusPolicy() == Qt.FocusPolicy.StrongFocus)


def clipped(window: QWidget) -> Iterator[str]:
    """Every text that has less room than it needs."""
    for widget in window.findChildren(QWidget):
        if not widget.isVisibleTo(window) or widget.window() is not window:
            continue
        if isinstance(widget, QLabel) and widget.text():
            if widget.wordWrap():
                is_cut = widget.height() + _EDGE < widget.heightForWidth(widget.width())
            else:
                is_cut = _is_smaller(widget, widget.sizeHint().width(), widget.sizeHint().height())
            text = widget.text()
        elif isinstance(widget, QAbstractButton) and widget.text():
            is_cut = _is_smaller(widget, widget.sizeHint().width(), widget.sizeHint().height())
            text = widget.text()
        elif isinstance(widget, QComboBox):
            # The rest of a dropdown is its edges and its arrow.
            text = widget.currentText()
            needed = widget.fontMetrics().horizontalAdvance(text) + 12 + 28
            is_cut = _is_smaller(widget, needed, widget.sizeHint().height())
        elif isinstance(widget, QAbstractSpinBox):
            text = widget.text()
            is_cut = widget.lineEdit().width() < widget.fontMetrics().horizontalAdvance(text) + 8
        else:
            continue
        if is_cut or _is_outside(widget, window):
            yield f"{type(widget).__name__} {text!r} {widget.geometry()} {widget.sizeHint()}"


def _is_smaller(widget: QWidget, width: int, height: int) -> bool:
    return widget.width() + _EDGE < width or widget.height() + _EDGE < height


def _is_outside(widget: QWidget, window: QWidget) -> bool:
    """Whether a widget sticks out of its parent to the side, where nothing scrolls."""
    parent = widget.parentWidget()
    return widget.x() < 0 or widget.x() + widget.width() > parent.width()


def dialogs(window: QWidget) -> list[QDialog]:
    """The dialogs of a window that are open."""
    return [dialog for dialog in window.findChildren(QDialog) if dialog.isVisible()]
