"""The main window: events come in through ``apply``, commands go out through ``post``.

Every method runs on the gui thread and returns at once. Dialogs are built when they are first
asked for, so that the window itself is up quickly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, assert_never

from PySide6.QtCore import QEvent, QLocale, QSize, Qt
from PySide6.QtGui import (
    QCloseEvent,
    QFontDatabase,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QShortcut,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QSystemTrayIcon,
    QVBoxLayout,
)

from app.errors import AppError
from app.kept_turn import KeptTurn, Side
from app.session_times import SessionTimes
from app.set_aside import StoreNotice
from app.settings import Settings, TalkMode, Theme
from app.turn_record import Stamps
from app.ui import notice_texts
from app.ui.ask import Questions
from app.ui.conversations import Conversations
from app.ui.dress import dress
from app.ui.empty_view import EmptyView
from app.ui.header import Header
from app.ui.help import Help
from app.ui.history_panel import HistoryPanel
from app.ui.icons import window_icon
from app.ui.latency_panel import LatencyPanel
from app.ui.menus import MenuCommands, Menus
from app.ui.notice_area import Action, NoticeArea, Severity
from app.ui.ports import (
    HistoryChanged,
    LabFailed,
    LabFinished,
    LabProgressed,
    ModelOffered,
    ModelProgressed,
    ModelsListed,
    ModelWorkEnded,
    NoUpdate,
    Ports,
    UpdateFound,
    WindowEvent,
)
from app.ui.preferences import commands_for
from app.ui.saver import Saver
from app.ui.tab_order import move_focus
from app.ui.talk_dock import TalkDock
from app.ui.theme import GRID
from app.ui.tool_dialogs import ToolDialogs
from app.ui.transcript import Transcript
from app.ui.translations import strings_for
from app.ui.tray import Tray, TrayCommands
from app.ui.turn_view import TurnView
from app.ui.update_notice import tell_update
from app.ui_commands import Command, Replay, Send, SetModel, Stop
from app.ui_events import (
    AnswerText,
    ContextChanged,
    DeviceNotice,
    DevicesChanged,
    EngineReady,
    EngineUnavailable,
    LatencyMeasured,
    LevelChanged,
    LoadingProgress,
    Notice,
    Phase,
    PhaseChanged,
    ReplayChanged,
    TurnFinished,
    TurnWithdrawn,
    UserSpoke,
    UserText,
)
from engine.modes import InferenceMode

if TYPE_CHECKING:
    from app.ui.settings_dialog import SettingsDialog

_ANSWERS_PAGE = 3
_SIZE = QSize(118 * GRID, 100 * GRID)
_SCREEN_SHARE = 0.92
_LEAST_CONVERSATION = 22 * GRID


class MainWindow(QMainWindow):
    """The window of the program; ``apply`` is the only way in for what happens elsewhere."""

    def __init__(
        self,
        settings: Settings,
        post: Callable[[Command], None],
        ports: Ports,
        questions: Questions | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._post = post
        self._ports = ports
        self._questions = questions or Questions()
        self._strings = strings_for(settings.look.language, QLocale.system().name())
        self._platform_font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
        self._look = dress(settings.look, self._platform_font)
        self._session = SessionTimes()
        self._devices = DevicesChanged((), ())
        self._model = self._loading = settings.model.model
        self._settings_dialog: SettingsDialog | None = None
        self._make_parts()
        self._lay_out()
        self._connect()
        self._saver = Saver(
            self,
            ports.files,
            self._questions,
            self.notices.tell,
            lambda kept: self._talks.with_sound(kept),
            self._strings,
        )
        self._tools = ToolDialogs(
            self,
            ports,
            self._saver,
            self._questions,
            self._post,
            lambda: (self._look, self._strings),
        )
        self._talks = Conversations(
            self.transcript,
            self.history,
            ports.history,
            self._post,
            self._is_sure_to_delete,
            self.notices.tell,
        )
        self._talks.changed.connect(self._show_conversation)
        self._show_settings()
        self._talks.show(self._settings.privacy.keep_history)
        self.setWindowTitle("Parley")
        self.setWindowIcon(window_icon())
        screen = QGuiApplication.primaryScreen().availableSize() * _SCREEN_SHARE
        self.resize(_SIZE.boundedTo(screen))
        self.dock.talk.setFocus()

    # Building

    def _make_parts(self) -> None:
        look, strings, settings = self._look, self._strings, self._settings
        self.header = Header(look, strings)
        self.latency = LatencyPanel(look, strings)
        self.notices = NoticeArea(look, strings)
        self.empty = EmptyView(look, strings)
        self.transcript = Transcript(look, strings, self._ports.history.keeps_sound)
        self.dock = TalkDock(self._post, settings.keys, settings.turns.talk_mode, look, strings)
        self.history = HistoryPanel(look, strings)
        self._parts = (
            *(self.header, self.latency, self.notices, self.empty),
            *(self.transcript, self.dock, self.history),
        )
        program = self._ports.program
        self._help = Help(self, program, self._questions, lambda: (self._settings, self._strings))
        self.menus = Menus(
            self,
            MenuCommands(
                new=lambda: self._talks.begin(),
                export=lambda form: self._saver.export(self.transcript.finished, form),
                delete=lambda: self._talks.delete_current(),
                quit=self.close,
                show_past=self._show_sidebar,
                show_details=self.latency.details.setChecked,
                set_mode=self._choose_mode,
                lab=self.open_lab,
                models=self.open_models,
                settings=lambda: self.open_settings(),
                keys=self._help.show_keys,
                logs=self._ports.program.open_logs,
                updates=self._help.check_updates,
                licences=self._help.show_licences,
                about=self._help.show_about,
            ),
            strings,
        )
        self.menus.updates.setVisible(bool(program.update_host))
        self.history.export.setMenu(self.menus.export)
        self.tray: Tray | None = None
        if QSystemTrayIcon.isSystemTrayAvailable():
            commands = TrayCommands(self.show_or_hide, lambda: self._post(Stop()), self.close)
            self.tray = Tray(self, commands, strings)

    def _lay_out(self) -> None:
        self._stack = QStackedWidget()
        self._stack.setMinimumHeight(_LEAST_CONVERSATION)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.transcript)
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        for part in (self.header, self.latency, self.notices):
            right.addWidget(part)
        right.addWidget(self._stack, 1)
        right.addWidget(self.dock)
        central = QFrame()
        row = QHBoxLayout(central)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.history)
        row.addLayout(right, 1)
        self.setCentralWidget(central)
        self.history.hide()

    def _connect(self) -> None:
        header = self.header
        header.sidebar.toggled.connect(self.menus.past.setChecked)
        header.new.clicked.connect(lambda: self._talks.begin())
        header.mode_chosen.connect(self._choose_mode)
        header.model_chosen.connect(self._load)
        header.more_models_wanted.connect(self.open_models)
        header.answers.clicked.connect(lambda: self.open_settings(_ANSWERS_PAGE))
        header.lab.clicked.connect(self.open_lab)
        header.settings.clicked.connect(lambda: self.open_settings())
        self.latency.details.toggled.connect(self.menus.details.setChecked)
        self.empty.asked.connect(lambda text: self._post(Send(text)))
        self.transcript.turn_chosen.connect(self._show_turn)
        self.transcript.replay_wanted.connect(self._replay)
        self.transcript.save_wanted.connect(lambda kept, side: self._saver.save_sound(kept, side))
        self.dock.talk_mode_chosen.connect(self._choose_talk_mode)
        self.history.turn_on_wanted.connect(self._turn_history_on)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._scheme_changed)
        self._stop_key = QShortcut(self)
        self._stop_key.activated.connect(lambda: self._post(Stop()))
        for key, target in (("Ctrl+L", self.dock.input), ("Ctrl+T", self.dock.talk)):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.activated.connect(partial(target.setFocus, Qt.FocusReason.ShortcutFocusReason))

    # Events

    def apply(self, event: WindowEvent) -> None:
        """Shows what happened."""
        match event:
            case PhaseChanged(phase):
                self.dock.set_phase(phase)
                self.empty.set_can_ask(phase is not Phase.FAILED)
            case LevelChanged(level):
                self.dock.set_level(level)
            case UserSpoke(turn_id, origin):
                self.transcript.begin(turn_id, origin)
                self._show_conversation()
            case UserText(turn_id, text):
                if view := self.transcript.view(turn_id):
                    view.set_question(text)
            case AnswerText(turn_id, text):
                if view := self.transcript.view(turn_id):
                    view.append_answer(text)
            case LatencyMeasured(turn_id, stamps):
                if view := self.transcript.view(turn_id):
                    view.set_stamps(stamps)
                    self._show_turn(self.transcript.current)
            case TurnFinished(record):
                self._session.add(record)
                self.transcript.finish(record.turn_id, KeptTurn.of(record))
                self._show_turn(self.transcript.current)
                self._show_percentiles()
            case ContextChanged():
                self.transcript.show_context(event)
                self.latency.show_context(event)
            case TurnWithdrawn(turn_id):
                self.transcript.withdraw(turn_id)
                self._show_conversation()
            case ReplayChanged(is_playing):
                self.dock.set_replaying(is_playing)
            case Notice():
                self.notices.tell(*notice_texts.of_notice(event, self._strings.notices))
            case DeviceNotice():
                self.notices.tell(*notice_texts.of_device(event, self._strings.notices))
            case StoreNotice():
                self.notices.tell(*notice_texts.of_store(event, self._strings.notices))
            case DevicesChanged():
                self._show_devices(event)
            case LoadingProgress(_, fraction):
                self.dock.set_loading(self._loading, fraction)
            case EngineReady(model):
                self._model_ready(model)
            case EngineUnavailable(model, message):
                self._model_failed(model, message)
            case HistoryChanged():
                self._talks.show(self._settings.privacy.keep_history)
            case UpdateFound() | NoUpdate():
                words = self._strings.notices
                tell_update(event, self._ports.program, words, self.notices.tell)
            case LabProgressed() | LabFinished() | LabFailed():
                self._tools.apply_lab(event)
            case ModelsListed() | ModelOffered() | ModelProgressed() | ModelWorkEnded():
                self._tools.apply_models(event)
                if isinstance(event, ModelsListed):
                    self.header.show_models(self._ports.program.models(), self._model)
            case _ as never:
                assert_never(never)

    # What is shown

    def _show_turn(self, view: TurnView | None) -> None:
        self.latency.show_turn(view.stamps if view else Stamps(), view.record if view else None)

    def _show_percentiles(self) -> None:
        is_kept = self._settings.privacy.keep_history
        found = self._ports.history.summaries() if is_kept else self._session.summaries()
        self.latency.show_mode(self._settings.model.mode, found)

    def _show_conversation(self) -> None:
        """The turns, or what to do where there are none."""
        self._stack.setCurrentWidget(self.transcript if self.transcript.views else self.empty)
        self._show_turn(self.transcript.current)

    def _show_devices(self, devices: DevicesChanged) -> None:
        self._devices = devices
        self.dock.set_has_microphone(bool(devices.inputs))
        if self._settings_dialog is not None:
            self._settings_dialog.show_devices(devices)

    def _load(self, model: str) -> None:
        self._loading = model
        self._post(SetModel(model))

    def _model_ready(self, model: str) -> None:
        self._model = model
        settings = dataclasses.replace(self._settings.model, model=model)
        self._take_over(dataclasses.replace(self._settings, model=settings))
        self._show_settings()
        self._tools.show_current(model)

    def _model_failed(self, model: str, message: str) -> None:
        words = self._strings.notices
        self._show_settings()
        self.notices.tell(
            Severity.ERROR,
            words.engine_unavailable.format(model=model, message=message),
            Action(words.try_again, partial(self._load, model)),
        )

    def _show_settings(self) -> None:
        settings = self._settings
        self.header.show_mode(settings.model.mode)
        self.header.show_models(self._ports.program.models(), self._model)
        self.menus.modes[settings.model.mode].setChecked(True)
        self.dock.set_talk_mode(settings.turns.talk_mode)
        self.dock.set_keys(settings.keys)
        self._stop_key.setKey(QKeySequence(settings.keys.stop))
        self.empty.set_keeps_history(settings.privacy.keep_history)
        self._show_percentiles()

    # Settings

    def change(self, new: Settings) -> None:
        """Takes over settings that the user chose, and tells the dialogue."""
        for command in commands_for(self._settings, new):
            self._post(command)
        self._take_over(new)

    def _take_over(self, new: Settings) -> None:
        old, self._settings = self._settings, new
        if new == old:
            return
        try:
            self._ports.files.save_settings(new)
        except AppError as error:
            text = self._strings.notices.could_not_save.format(message=error)
            self.notices.tell(Severity.ERROR, text)
        if new.look != old.look:
            self._dress_parts()
        self._show_settings()
        if new.privacy != old.privacy:
            self._talks.show(self._settings.privacy.keep_history)

    def _dress_parts(self) -> None:
        look = self._settings.look
        self._strings = strings_for(look.language, QLocale.system().name())
        self._look = dress(look, self._platform_font)
        for part in self._parts:
            part.set_look(self._look)
            part.retranslate(self._strings)
        self.menus.retranslate(self._strings)
        self._saver.strings = self._strings
        if self.tray is not None:
            self.tray.retranslate(self._strings)
        self._tools.close()
        self._talks.show(self._settings.privacy.keep_history)

    def _choose_mode(self, mode: InferenceMode) -> None:
        model = dataclasses.replace(self._settings.model, mode=mode)
        self.change(dataclasses.replace(self._settings, model=model))

    def _choose_talk_mode(self, talk_mode: TalkMode) -> None:
        turns = dataclasses.replace(self._settings.turns, talk_mode=talk_mode)
        self.change(dataclasses.replace(self._settings, turns=turns))

    def _turn_history_on(self) -> None:
        privacy = dataclasses.replace(self._settings.privacy, keep_history=True)
        self.change(dataclasses.replace(self._settings, privacy=privacy))

    def open_settings(self, page: int = 0) -> None:
        """Opens the settings dialog at one of its pages."""
        from app.ui.settings_dialog import SettingsDialog

        host = self._ports.program.update_host
        dialog = SettingsDialog(self, self._settings, self._devices, self._strings, host)
        dialog.show_page(page)
        dialog.delete_all_wanted.connect(self._talks.delete_all)
        dialog.accepted.connect(lambda: self.change(dialog.settings()))
        dialog.finished.connect(self._settings_closed)
        self._settings_dialog = dialog
        dialog.open()

    def _settings_closed(self) -> None:
        self._settings_dialog = None

    def _is_sure_to_delete(self, are_all: bool) -> bool:
        words = self._strings
        question = words.settings.delete_all_question if are_all else words.history.delete_question
        return self._questions.is_sure(
            self, question, words.history.yes_delete, words.settings.cancel
        )

    # Turns and lab

    def _replay(self, kept: KeptTurn, side: Side) -> None:
        if (found := self._talks.with_sound(kept)) is not None:
            self._post(Replay(*found.sound(side)))

    def open_lab(self) -> None:
        """Opens the mode lab."""
        self._tools.open_lab(self.transcript.finished)

    def open_models(self) -> None:
        """Opens the models that can be fetched."""
        self._tools.open_models(self._model)

    # The window itself

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Takes the talk key wherever nothing else wants it."""
        if not self.dock.key_pressed(event):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Ends holding."""
        if not self.dock.key_released(event):
            super().keyReleaseEvent(event)

    def focusNextPrevChild(self, is_next: bool) -> bool:
        """Leads Tab where the eye goes: from the top down, the sidebar after its button's row."""
        parts = (self.header, self.history, self.latency, self.notices, self._stack, self.dock)
        return move_focus(parts, self.focusWidget(), is_next)

    def changeEvent(self, event: QEvent) -> None:
        """Ends holding where the key's release would go to another window."""
        if event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self.dock.let_go()
        super().changeEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ends the program; the composition root stops the threads."""
        self.dock.let_go()
        event.accept()
        self._ports.program.quit()

    def _show_sidebar(self, is_shown: bool) -> None:
        self.header.sidebar.setChecked(is_shown)
        self.history.setVisible(is_shown)

    def bring_to_front(self) -> None:
        """Shows the window above others, as a second start of the program asks for."""
        self.showNormal() if self.isMinimized() else self.show()
        self.raise_()
        self.activateWindow()

    def show_or_hide(self) -> None:
        """What the tray's icon does."""
        if self.isVisible() and not self.isMinimized():
            self.hide()
        else:
            self.bring_to_front()

    def _scheme_changed(self) -> None:
        if self._settings.look.theme is Theme.SYSTEM:
            self._dress_parts()
            self._show_settings()
