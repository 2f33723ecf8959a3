"""A theme as Qt's style sheet: flat controls with a visible focus, on the grid.

A part of the window is told apart by its object name or by a property set with ``mark``.
"""

from enum import Enum

from PySide6.QtWidgets import QAbstractSpinBox, QWidget

from app import paths
from app.ui.theme import GRID, Look


class Kind(Enum):
    """What a widget is for, where its class does not say; the value is its property in Qt."""

    SMALL = "small"
    STRONG = "strong"
    HEADING = "heading"
    MUTED = "muted"
    ERROR = "error"
    PRIMARY = "primary"
    BAR = "bar"
    PAGE = "page"
    QUIET = "quiet"
    FLOATING = "floating"


def mark(widget: QWidget, *kinds: Kind) -> None:
    """Says what a widget is for, so that the style sheet finds it."""
    for kind in kinds:
        widget.setProperty(kind.value, True)


def indent(box: QAbstractSpinBox) -> None:
    """Gives a number its distance from the edge, which Qt's style sheets do not."""
    box.lineEdit().setTextMargins(GRID, 0, 0, 0)


def stylesheet(look: Look) -> str:
    """The style sheet of the whole program."""
    colours = look.colours
    names = {name: getattr(colours, name) for name in _COLOUR_NAMES}
    names["small_pt"] = f"{look.small.pointSizeF():.2f}pt"
    for name, drawing in (
        ("arrow_down", "arrow-down"),
        ("arrow_up", "arrow-up"),
        ("tick", "tick-dark" if colours.is_dark else "tick-light"),
    ):
        names[name] = (paths.assets() / "icons" / f"{drawing}.svg").as_posix()
    return _filled(_SHEET, names)


_COLOUR_NAMES = (
    *("window", "surface", "raised", "hover", "line", "control", "text", "muted", "accent"),
    *("accent_hover", "on_accent", "accent_soft", "error"),
)


def _filled(sheet: str, names: dict[str, str]) -> str:
    for name in sorted(names, key=len, reverse=True):
        sheet = sheet.replace(f"${name}", names[name])
    assert "$" not in sheet, f"unknown name in the style sheet: {sheet[sheet.index('$') :][:30]}"
    return sheet


_SHEET = """
QMainWindow, QDialog { background: $surface; }
QWidget[bar="true"] { background: $surface; }
QWidget[page="true"] { background: $window; }
QLabel { color: $text; background: transparent; }
QLabel[strong="true"], QLabel[heading="true"] { font-weight: 700; }
QLabel[small="true"], QCheckBox[small="true"], QToolButton[small="true"] { font-size: $small_pt; }
QLabel[muted="true"] { color: $muted; }
QLabel[error="true"] { color: $error; }

QPushButton {
    background: $raised; color: $text; border: 1px solid $control; border-radius: 8px;
    padding: 7px 15px;
}
QPushButton:hover { background: $hover; }
QPushButton:focus { border: 2px solid $accent; padding: 6px 14px; }
QPushButton:disabled { color: $control; border-color: $line; background: $surface; }
QPushButton[primary="true"] { background: $accent; color: $on_accent; border-color: $accent; }
QPushButton[primary="true"]:hover { background: $accent_hover; }
QPushButton[primary="true"]:focus { border: 2px solid $text; }
QPushButton[primary="true"]:disabled {
    background: $surface; color: $control; border-color: $line;
}
QPushButton[quiet="true"] { font-size: $small_pt; padding: 3px 11px; }
QPushButton[quiet="true"]:focus { padding: 2px 10px; }
QPushButton::menu-indicator { image: none; width: 0; }

QToolButton {
    background: transparent; color: $text; border: 2px solid transparent; border-radius: 8px;
    padding: 4px;
}
QToolButton:hover { background: $hover; }
QToolButton:checked { background: $hover; }
QToolButton:focus { border-color: $accent; }
QToolButton:disabled { color: $control; }
QToolButton::menu-indicator { image: none; }
QToolButton[primary="true"] { background: $accent; }
QToolButton[primary="true"]:hover { background: $accent_hover; }
QToolButton[primary="true"]:focus { border-color: $text; }
QToolButton[primary="true"]:disabled { background: $hover; }
QToolButton[floating="true"] { background: $raised; border: 1px solid $control; padding: 5px; }

QComboBox {
    background: $raised; color: $text; border: 1px solid $control; border-radius: 8px;
    padding: 6px 12px; combobox-popup: 0;
}
QComboBox:hover { background: $hover; }
QComboBox:focus { border: 2px solid $accent; padding: 5px 11px; }
QComboBox:disabled { color: $control; border-color: $line; background: $surface; }
QComboBox::drop-down { border: none; width: 28px; }
QComboBox::down-arrow { image: url($arrow_down); width: 16px; height: 16px; }
QComboBox QAbstractItemView {
    background: $raised; color: $text; border: 1px solid $control; padding: 4px; outline: none;
    selection-background-color: $accent; selection-color: $on_accent;
}
QComboBox QAbstractItemView::item { min-height: 28px; padding: 0 8px; }

QLineEdit, QSpinBox, QDoubleSpinBox, QTextEdit, QPlainTextEdit, QTextBrowser {
    background: $raised; color: $text; border: 1px solid $control; border-radius: 8px;
    padding: 6px 11px; selection-background-color: $accent; selection-color: $on_accent;
    placeholder-text-color: $muted;
}
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QTextEdit:focus, QPlainTextEdit:focus,
QTextBrowser:focus { border: 2px solid $accent; padding: 5px 10px; }
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled {
    color: $control; border-color: $line; background: $surface;
}
QSpinBox::up-button, QDoubleSpinBox::up-button {
    subcontrol-origin: border; subcontrol-position: top right; width: 26px; border: none;
}
QSpinBox::down-button, QDoubleSpinBox::down-button {
    subcontrol-origin: border; subcontrol-position: bottom right; width: 26px; border: none;
}
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow { image: url($arrow_up); width: 14px; height: 14px; }
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow {
    image: url($arrow_down); width: 14px; height: 14px;
}

QCheckBox { color: $text; spacing: 8px; padding: 4px 0; }
QCheckBox:disabled { color: $control; }
QCheckBox::indicator {
    width: 16px; height: 16px; border: 1px solid $control; border-radius: 5px; background: $raised;
}
QCheckBox::indicator:hover { background: $hover; }
QCheckBox::indicator:focus { border: 2px solid $accent; width: 14px; height: 14px; }
QCheckBox::indicator:checked {
    background: $accent; border-color: $accent; image: url($tick);
}
QCheckBox::indicator:checked:focus { border: 2px solid $text; }
QCheckBox::indicator:disabled { border-color: $line; background: $surface; }

QSlider { min-height: 28px; }
QSlider::groove:horizontal { height: 4px; background: $control; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal {
    width: 16px; height: 16px; margin: -8px 0; border-radius: 10px; background: $accent;
    border: 2px solid $surface;
}
QSlider::handle:horizontal:focus { border: 2px solid $text; }

QProgressBar {
    background: $hover; border: none; border-radius: 4px; min-height: 8px; max-height: 8px;
}
QProgressBar::chunk { background: $accent; border-radius: 4px; }

QListWidget { background: transparent; color: $text; border: none; outline: none; }
QListWidget::item { padding: 6px; border-radius: 8px; border: 2px solid transparent; }
QListWidget::item:hover { background: $hover; }
QListWidget::item:selected { background: $accent_soft; color: $text; }
QListWidget::item:focus { border-color: $accent; }

QScrollArea { border: none; background: transparent; }
QScrollBar:vertical { background: transparent; width: 12px; margin: 2px; }
QScrollBar::handle:vertical { background: $control; border-radius: 4px; min-height: 32px; }
QScrollBar:horizontal { background: transparent; height: 12px; margin: 2px; }
QScrollBar::handle:horizontal { background: $control; border-radius: 4px; min-width: 32px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QMenuBar { background: $surface; color: $text; padding: 2px 8px; }
QMenuBar::item { background: transparent; padding: 4px 8px; border-radius: 4px; }
QMenuBar::item:selected { background: $hover; }
QMenu { background: $raised; color: $text; border: 1px solid $control; padding: 4px; }
QMenu::item { padding: 6px 24px 6px 12px; border-radius: 4px; }
QMenu::item:selected { background: $accent; color: $on_accent; }
QMenu::item:disabled { color: $control; background: transparent; }
QMenu::separator { height: 1px; background: $line; margin: 4px 8px; }
QToolTip {
    background: $text; color: $window; border: none; padding: 4px 8px; font-size: $small_pt;
}
"""
