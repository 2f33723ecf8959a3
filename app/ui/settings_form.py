"""The building blocks of the settings' pages: rows of a label, a control and a hint, all named."""

from collections.abc import Sequence
from enum import Enum
from typing import Generic, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID

_STEPS = 100
_SHORTEST_CHOICE = 12  # letters; a long device name is cut off rather than widening the page

Choice = TypeVar("Choice")
Member = TypeVar("Member", bound=Enum)


class Form(QWidget):
    """Rows under each other; labels stand in one column, controls in the other."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(3 * GRID)
        self._grid.setVerticalSpacing(2 * GRID)
        self._grid.setColumnStretch(1, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(GRID, GRID, 2 * GRID, GRID)
        box.addLayout(self._grid)
        box.addStretch(1)

    def add(self, label: str, control: QWidget | QLayout, hint: str = "") -> None:
        """A control with its label, and a hint under it."""
        row = self._grid.rowCount()
        named = QLabel(label)
        if isinstance(control, QWidget):
            named.setBuddy(control)
            if not control.accessibleName():
                control.setAccessibleName(label)
        self._grid.addWidget(named, row, 0, _TOP_LEFT)
        # Text stands on the middle of its control's first line.
        named.setContentsMargins(0, GRID - 1, 0, GRID - 1)
        self._grid.addLayout(_with_hint(control, hint), row, 1)

    def add_box(self, label: str, is_checked: bool, hint: str = "") -> QCheckBox:
        """A box to tick, under the other controls."""
        box = QCheckBox(label)
        box.setChecked(is_checked)
        box.setAccessibleDescription(hint)
        row = self._grid.rowCount()
        self._grid.addLayout(_with_hint(box, hint, indent=3 * GRID), row, 1)
        return box

    def add_text(self, text: QLabel) -> None:
        """A line of text under the controls."""
        self._grid.addWidget(text, self._grid.rowCount(), 1)


class ChoiceBox(QComboBox, Generic[Choice]):
    """A dropdown over values."""

    def __init__(self, choices: Sequence[tuple[Choice, str]], current: Choice) -> None:
        super().__init__()
        self._values: list[Choice] = []
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(_SHORTEST_CHOICE)
        self.show_choices(choices, current)

    def show_choices(self, choices: Sequence[tuple[Choice, str]], current: Choice) -> None:
        """Shows other values."""
        self._values = [value for value, _ in choices]
        self.clear()
        for _, label in choices:
            self.addItem(label)
        self.setCurrentIndex(self._values.index(current))

    @property
    def value(self) -> Choice:
        """What is chosen."""
        return self._values[self.currentIndex()]


class ShareSlider(QWidget):
    """A slider from 0 to 1 with words at its ends."""

    def __init__(self, name: str, value: float, low: str = "", high: str = "") -> None:
        super().__init__()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setPageStep(_STEPS // 10)
        self.slider.setValue(round(value * _STEPS))
        self.slider.setAccessibleName(name)
        self.setFocusProxy(self.slider)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self.slider)
        if low or high:
            ends = QHBoxLayout()
            for text in (low, high):
                label = QLabel(text)
                mark(label, Kind.SMALL, Kind.MUTED)
                ends.addWidget(label)
                if text is low:
                    ends.addStretch(1)
            box.addLayout(ends)

    @property
    def value(self) -> float:
        """Where the slider stands."""
        return self.slider.value() / _STEPS


def named(choices: type[Member], *labels: str) -> list[tuple[Member, str]]:
    """The members of an enumeration with their labels, in order."""
    return list(zip(choices, labels, strict=True))


_TOP_LEFT = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft


def _with_hint(control: QWidget | QLayout, hint: str, indent: int = 0) -> QVBoxLayout:
    box = QVBoxLayout()
    box.setSpacing(GRID // 2)
    if isinstance(control, QWidget):
        box.addWidget(control)
    else:
        box.addLayout(control)
    if hint:
        text = QLabel(hint)
        text.setWordWrap(True)
        text.setContentsMargins(indent, 0, 0, 0)
        mark(text, Kind.SMALL, Kind.MUTED)
        box.addWidget(text)
        if isinstance(control, QWidget):
            control.setToolTip(hint)
    return box
