"""The menu bar: every command of the window with its key, in the window's language."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from app.ui.ports import ExportFormat
from app.ui.translations import Strings
from engine.modes import InferenceMode

_SHORTCUTS_OF_MODES = ("Alt+1", "Alt+2", "Alt+3", "Alt+4", "Alt+5")


@dataclass(frozen=True, slots=True)
class MenuCommands:
    """What the menu asks of the window."""

    new: Callable[[], None]
    export: Callable[[ExportFormat], None]
    delete: Callable[[], None]
    quit: Callable[[], object]
    show_past: Callable[[bool], None]
    show_details: Callable[[bool], None]
    set_mode: Callable[[InferenceMode], None]
    lab: Callable[[], None]
    models: Callable[[], None]
    settings: Callable[[], None]
    keys: Callable[[], None]
    logs: Callable[[], None]
    updates: Callable[[], None]
    licences: Callable[[], None]
    about: Callable[[], None]


class Menus(QObject):
    """The actions and the menus that show them. The gui thread's."""

    def __init__(self, window: QMainWindow, commands: MenuCommands, strings: Strings) -> None:
        super().__init__(window)
        bar = window.menuBar()
        self._conversation, self._view = bar.addMenu(""), bar.addMenu("")
        self._tools, self._help = bar.addMenu(""), bar.addMenu("")
        self.export = QMenu(window)
        self.new = self._conversation.addAction("", QKeySequence("Ctrl+N"), commands.new)
        self._conversation.addSeparator()
        self.exports = {
            form: self.export.addAction("", partial(commands.export, form)) for form in ExportFormat
        }
        self._conversation.addActions(self.export.actions())
        self._conversation.addSeparator()
        self.delete = self._conversation.addAction("", commands.delete)
        self._conversation.addSeparator()
        self.quit = self._conversation.addAction("", QKeySequence("Ctrl+Q"), commands.quit)
        self.quit.setMenuRole(QAction.MenuRole.QuitRole)
        self.past = self._view.addAction("", QKeySequence("F9"))
        self.details = self._view.addAction("", QKeySequence("F8"))
        for action, show in (
            (self.past, commands.show_past),
            (self.details, commands.show_details),
        ):
            action.setCheckable(True)
            action.toggled.connect(show)
        self._mode = self._tools.addMenu("")
        group = QActionGroup(self)
        self.modes = {}
        for mode, key in zip(InferenceMode, _SHORTCUTS_OF_MODES, strict=True):
            action = self._mode.addAction("", QKeySequence(key), partial(commands.set_mode, mode))
            action.setCheckable(True)
            group.addAction(action)
            self.modes[mode] = action
        self.lab = self._tools.addAction("", commands.lab)
        self.models = self._tools.addAction("", commands.models)
        self.settings = self._tools.addAction("", QKeySequence("Ctrl+,"), commands.settings)
        self.settings.setMenuRole(QAction.MenuRole.PreferencesRole)
        self.keys = self._help.addAction("", QKeySequence("F1"), commands.keys)
        self.logs = self._help.addAction("", commands.logs)
        self.updates = self._help.addAction("", commands.updates)
        self._help.addSeparator()
        self.licences = self._help.addAction("", commands.licences)
        self.about = self._help.addAction("", commands.about)
        self.about.setMenuRole(QAction.MenuRole.AboutRole)
        self.retranslate(strings)

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language."""
        words = strings.menu
        for titled, title in (
            (self._conversation, words.conversation),
            (self._view, words.view),
            (self._tools, words.tools),
            (self._help, words.help),
            (self._mode, strings.mode.mode),
        ):
            titled.setTitle(title)
        for action, text in (
            (self.new, words.new),
            (self.exports[ExportFormat.MARKDOWN], words.export_markdown),
            (self.exports[ExportFormat.JSON], words.export_json),
            (self.exports[ExportFormat.SOUND], words.export_sound),
            (self.delete, words.delete),
            (self.quit, words.quit),
            (self.past, words.past_conversations),
            (self.details, words.latency_details),
            (self.lab, words.mode_lab),
            (self.models, words.models),
            (self.settings, words.settings),
            (self.keys, words.keys),
            (self.logs, words.open_logs),
            (self.updates, words.check_updates),
            (self.licences, words.licences),
            (self.about, words.about),
            *((action, strings.mode.of(mode)) for mode, action in self.modes.items()),
        ):
            action.setText(text)
