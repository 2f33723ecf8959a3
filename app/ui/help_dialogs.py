"""What the Help menu shows: the keys, the licences, and the program itself. The gui thread's."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.settings import KeySettings
from app.ui.icons import window_icon
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID
from app.ui.translations import AboutStrings

_EMBLEM = 8 * GRID


def keys_dialog(parent: QWidget, words: AboutStrings, keys: KeySettings) -> QDialog:
    """Every key of the window."""
    dialog, box = _dialog(parent, words.keys_title)
    table = QGridLayout()
    table.setHorizontalSpacing(4 * GRID)
    table.setVerticalSpacing(GRID)
    native = QKeySequence.SequenceFormat.NativeText
    for row, (key, meaning) in enumerate(words.keys):
        shown = key.format(
            talk=QKeySequence(keys.talk).toString(native),
            stop=QKeySequence(keys.stop).toString(native),
        )
        label = QLabel(shown)
        mark(label, Kind.STRONG)
        table.addWidget(label, row, 0)
        table.addWidget(QLabel(meaning), row, 1)
    box.addLayout(table)
    _close_button(dialog, box, words)
    return dialog


def licences_dialog(parent: QWidget, words: AboutStrings, text: str) -> QDialog:
    """The licence of the program and of what ships with it."""
    dialog, box = _dialog(parent, words.licences_title)
    view = QPlainTextEdit(text)
    view.setReadOnly(True)
    view.setTabChangesFocus(True)
    view.setAccessibleName(words.licences_name)
    box.addWidget(view, 1)
    _close_button(dialog, box, words)
    dialog.resize(80 * GRID, 70 * GRID)
    return dialog


def about_dialog(parent: QWidget, words: AboutStrings, version: str) -> QDialog:
    """What the program is, and which version."""
    dialog, box = _dialog(parent, words.about_title)
    emblem, name = QLabel(), QLabel("Parley")
    emblem.setPixmap(window_icon().pixmap(QSize(_EMBLEM, _EMBLEM)))
    mark(name, Kind.HEADING)
    text, licence = QLabel(words.about_text), QLabel("Apache-2.0")
    text.setWordWrap(True)
    text.setMinimumWidth(48 * GRID)
    number = QLabel(words.version.format(version=version))
    mark(number, Kind.MUTED)
    mark(licence, Kind.MUTED)
    column = QVBoxLayout()
    column.setSpacing(GRID)
    for label in (name, number, text, licence):
        column.addWidget(label)
    row = QHBoxLayout()
    row.setSpacing(3 * GRID)
    row.addWidget(emblem, 0, Qt.AlignmentFlag.AlignTop)
    row.addLayout(column, 1)
    box.addLayout(row)
    _close_button(dialog, box, words)
    return dialog


def _dialog(parent: QWidget, title: str) -> tuple[QDialog, QVBoxLayout]:
    dialog = QDialog(parent)
    dialog.setWindowTitle(title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box = QVBoxLayout(dialog)
    box.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 2 * GRID)
    box.setSpacing(3 * GRID)
    return dialog, box


def _close_button(dialog: QDialog, box: QVBoxLayout, words: AboutStrings) -> None:
    buttons = QDialogButtonBox()
    close = QPushButton(words.close)
    buttons.addButton(close, QDialogButtonBox.ButtonRole.RejectRole)
    buttons.rejected.connect(dialog.reject)
    close.setDefault(True)
    box.addWidget(buttons)
