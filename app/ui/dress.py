"""Gives the whole program one look: style, palette, font and style sheet. The gui thread's."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtWidgets import QApplication

from app.settings import LookSettings, Theme
from app.ui.stylesheet import stylesheet
from app.ui.theme import Look, look_for, palette

_SCHEMES = {
    Theme.SYSTEM: Qt.ColorScheme.Unknown,
    Theme.LIGHT: Qt.ColorScheme.Light,
    Theme.DARK: Qt.ColorScheme.Dark,
}


def dress(settings: LookSettings, platform_font: QFont) -> Look:
    """Takes the look over in every window that is open or will be, and says what it is."""
    # First of all, so that the window's frame follows too, and SYSTEM sees the desktop's choice.
    QGuiApplication.styleHints().setColorScheme(_SCHEMES[settings.theme])
    look = look_for(settings.theme, settings.large_text, platform_font)
    program = QApplication.instance()
    assert isinstance(program, QApplication), "a window needs a program to live in"
    program.setStyle("Fusion")  # the style that looks alike everywhere and heeds the palette
    program.setFont(look.text)
    program.setPalette(palette(look.colours))
    program.setStyleSheet(stylesheet(look))
    return look
