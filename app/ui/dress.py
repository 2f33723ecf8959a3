"""Gives the whole program one look: style, palette, font and style sheet. The gui thread's."""

from PySide6.QtWidgets import QApplication

from app.ui.stylesheet import stylesheet
from app.ui.theme import Look, palette


def dress(look: Look) -> None:
    """Takes the look over in every window that is open or will be."""
    program = QApplication.instance()
    assert isinstance(program, QApplication), "a window needs a program to live in"
    program.setStyle("Fusion")  # the style that looks alike everywhere and heeds the palette
    program.setFont(look.text)
    program.setPalette(palette(look.colours))
    program.setStyleSheet(stylesheet(look))
