"""The questions that stop the window until they are answered: where to save, what to open, sure?

One object, so that a test can answer instead of a person. The gui thread's.
"""

from pathlib import Path

from PySide6.QtCore import QStandardPaths, Qt
from PySide6.QtWidgets import QDialog, QFileDialog, QMessageBox, QWidget

from app.ui.agreement_dialog import AgreementDialog


class Questions:
    """Asks the person at the screen."""

    def save_path(self, parent: QWidget, title: str, suggested: str) -> Path | None:
        """Where to write a file of the suggestion's kind; None where nothing is to be written."""
        suffix = Path(suggested).suffix
        folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        start = str(Path(folder) / suggested)
        chosen, _ = QFileDialog.getSaveFileName(parent, title, start, f"*{suffix}")
        if not chosen:
            return None
        path = Path(chosen)
        return path if path.suffix else path.with_suffix(suffix)

    def open_path(self, parent: QWidget, title: str, kinds: str) -> Path | None:
        """Which file to read; None where none is."""
        chosen, _ = QFileDialog.getOpenFileName(parent, title, "", kinds)
        return Path(chosen) if chosen else None

    def folder(self, parent: QWidget, title: str) -> Path | None:
        """Which folder to look into; None where none is."""
        chosen = QFileDialog.getExistingDirectory(parent, title)
        return Path(chosen) if chosen else None

    def accepts(self, parent: QWidget, title: str, text: str, yes: str, no: str) -> bool:
        """Whether a long text is agreed to; Escape and Enter say no."""
        return AgreementDialog(parent, title, text, yes, no).exec() == QDialog.DialogCode.Accepted

    def is_sure(self, parent: QWidget, question: str, yes: str, no: str) -> bool:
        """Whether something that cannot be undone is to be done; Escape and Enter say no."""
        box = QMessageBox(QMessageBox.Icon.Question, "Parley", question, parent=parent)
        box.setWindowModality(Qt.WindowModality.WindowModal)
        agreed = box.addButton(yes, QMessageBox.ButtonRole.DestructiveRole)
        declined = box.addButton(no, QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(declined)
        box.setEscapeButton(declined)
        box.exec()
        return box.clickedButton() is agreed
