"""A flowing row wraps where the window is too narrow."""

import pytest
from PySide6.QtCore import QSize
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.ui.flow_layout import FlowLayout


class Box(QWidget):
    """A widget of one size."""

    def sizeHint(self) -> QSize:
        return QSize(100, 20)


@pytest.fixture
def row(qtbot: QtBot) -> QWidget:
    widget = QWidget()
    layout = FlowLayout(widget, gap=10, line_gap=5)
    for _ in range(4):
        layout.addWidget(Box())
    qtbot.addWidget(widget)
    return widget


@pytest.mark.parametrize(
    ("width", "n_lines"), [(430, 1), (429, 2), (210, 2), (209, 4), (100, 4), (50, 4)]
)
def test_a_line_holds_what_fits(row: QWidget, width: int, n_lines: int) -> None:
    layout = row.layout()
    assert layout is not None
    height = 20 * n_lines + 5 * (n_lines - 1)
    assert layout.heightForWidth(width) == height
    row.resize(width, height)
    row.show()
    assert len({box.y() for box in row.findChildren(Box)}) == n_lines


def test_hidden_items_take_no_room(row: QWidget) -> None:
    row.show()
    row.findChildren(Box)[0].hide()
    layout = row.layout()
    assert layout is not None
    assert layout.heightForWidth(320) == 20


def test_a_centred_line_stands_in_the_middle(qtbot: QtBot) -> None:
    widget = QWidget()
    layout = FlowLayout(widget, gap=10, line_gap=5, centres=True)
    layout.addWidget(Box())
    qtbot.addWidget(widget)
    widget.resize(300, 20)
    widget.show()
    assert widget.findChildren(Box)[0].x() == 100
