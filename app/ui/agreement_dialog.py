"""A long text to be agreed to before something goes on. The gui thread's."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID


class AgreementDialog(QDialog):
    """Accepted only by its own button: Enter and Escape decline."""

    def __init__(self, parent: QWidget, title: str, text: str, yes: str, no: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.text = QPlainTextEdit(text)
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName(title)
        self.accept_button, self.decline_button = QPushButton(yes), QPushButton(no)
        mark(self.accept_button, Kind.PRIMARY)
        self.accept_button.setAutoDefault(False)
        self.decline_button.setDefault(True)
        self.accept_button.clicked.connect(self.accept)
        self.decline_button.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        buttons.addStretch(1)
        buttons.addWidget(self.decline_button)
        buttons.addWidget(self.accept_button)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(2 * GRID)
        box.addWidget(self.text, 1)
        box.addLayout(buttons)
        self.resize(80 * GRID, 64 * GRID)
        self.decline_button.setFocus()
