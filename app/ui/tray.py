"""The icon in the desktop's tray, where the desktop has one. The gui thread's."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QSystemTrayIcon, QWidget

from app.ui.icons import window_icon
from app.ui.translations import Strings


@dataclass(frozen=True, slots=True)
class TrayCommands:
    """What the tray asks of the window."""

    show_or_hide: Callable[[], None]
    stop: Callable[[], None]
    quit: Callable[[], object]


class Tray:
    """Shows or hides the window, stops the answer, quits."""

    def __init__(self, window: QWidget, commands: TrayCommands, strings: Strings) -> None:
        self._window = window
        self._commands = commands
        self._menu = QMenu(window)
        self._show = self._menu.addAction("", commands.show_or_hide)
        self._stop = self._menu.addAction("", commands.stop)
        self._menu.addSeparator()
        self._quit = self._menu.addAction("", commands.quit)
        self._icon = QSystemTrayIcon(window_icon(), window)
        self._icon.setToolTip("Parley")
        self._icon.setContextMenu(self._menu)
        self._icon.activated.connect(self._clicked)
        self._menu.aboutToShow.connect(self._name)
        self._strings = strings
        self._name()
        self._icon.show()

    @property
    def actions(self) -> tuple[QAction, ...]:
        """What can be asked of it."""
        return (self._show, self._stop, self._quit)

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language."""
        self._strings = strings
        self._name()

    def _name(self) -> None:
        words = self._strings.menu
        is_shown = self._window.isVisible()
        self._show.setText(words.hide_window if is_shown else words.show_window)
        self._stop.setText(self._strings.talk.stop)
        self._quit.setText(words.quit)

    def _clicked(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason is QSystemTrayIcon.ActivationReason.Trigger:
            self._commands.show_or_hide()
