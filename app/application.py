"""The composition root: makes every part of the program, starts and ends them in order.

Start: the command line's wishes and the settings; the lock that makes this the only instance; the
window, painted once; then, in ``backstage``, the device thread, the dialogue thread and the engine
thread, which imports torch and loads the model. End: the sound stops, the dialogue keeps what was
heard, the engine is told to stop, and nobody is waited for longer than a second in all.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QSocketNotifier, QTimer, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication

from app import build_info, log, paths, settings, single_instance
from app.archive import Archive
from app.bridge import Bridge
from app.build_info import BuildInfo
from app.engine_loader import EngineLoader
from app.errors import AppError
from app.hotkey import Chord, GlobalHotkey, HotkeyError
from app.model_source import hub_for
from app.model_worker import ModelWorker
from app.network import NetworkGuard
from app.settings import Settings, TalkMode
from app.single_instance import Order, RunningInstance
from app.ui.end_signals import EndSignals
from app.ui.main_window import MainWindow
from app.ui.ports import HistoryChanged, NoUpdate, Ports, UpdateFound, WindowEvent
from app.ui_commands import Command, NewConversation, Stop, TalkKey, Tap
from app.ui_events import (
    EngineReady,
    EngineUnavailable,
    Notice,
    NoticeKind,
    Phase,
    PhaseChanged,
    TurnFinished,
    UserText,
)
from app.window_ports import ModeLab, PastTalks, SavedFiles
from engine import catalogue
from engine.model_store import ModelStore
from engine.precision import Precision

if TYPE_CHECKING:
    from app.backstage import Backstage
    from app.worker_messages import Job

_log = log.logger("application")
_PATIENCE_S = 0.2  # for the models thread at the end


@dataclass(frozen=True, slots=True)
class Start:
    """What the command line asks of the program; ``started_at`` is on the monotonic clock.

    ``adjust`` changes the user's settings for this run.
    """

    started_at: float
    exits_when_ready: bool = False
    tells_times: bool = False
    is_offline: bool = False
    device: str = "auto"
    precision: Precision | None = None
    threads: int | None = None
    adjust: Callable[[Settings], Settings] = lambda settings: settings


def run_window(start: Start) -> int:
    """Runs the program and returns its exit code when its window is closed."""
    instance = single_instance.take_or_send(paths.runtime(), Order.SHOW)
    if instance is None:
        return 0
    with instance:
        qt = QApplication(sys.argv[:1])
        qt.setApplicationName("Parley")
        qt.setDesktopFileName("parley")
        qt.setQuitOnLastWindowClosed(False)
        program = _Program(start, qt, instance)
        try:
            qt.exec()
        finally:
            is_clean = program.shut_down()
    if not is_clean:  # a thread is still inside a library: leaving it there is the quick way out
        logging.shutdown()
        sys.stdout.flush()
        os._exit(program.exit_code)
    return program.exit_code


class _Program(QObject):
    """All parts of the running program; belongs to the gui thread."""

    def __init__(self, start: Start, qt: QApplication, instance: RunningInstance) -> None:
        super().__init__()
        self._start = start
        self._qt = qt
        self._build = build_info.load()
        self._log_file = _log_to_file()
        self.exit_code = 0
        self._visible_s: float | None = None
        self._had_torch = False
        kept, notice = settings.load(paths.settings_file())
        self._settings = start.adjust(kept)
        self._network = NetworkGuard()
        self._guard_network()
        self._phase = Phase.LOADING
        self._model = self._settings.model.model
        self._hotkey: GlobalHotkey | None = None
        self._hotkey_text = ""

        self._bridge = Bridge(self)
        self._archive = Archive(paths.history_file(), self._bridge.post)
        self._archive.set_privacy(self._settings.privacy)
        self._backstage: Backstage | None = None
        self._early: list[Callable[[Backstage], None]] = []  # what is asked before it is there
        self._models = ModelWorker(
            ModelStore(paths.user_models()),
            lambda: hub_for(self._settings, is_offline=start.is_offline),
            self._bridge.post,
            start.device,
        )
        self.window = MainWindow(self._settings, self._post, self._ports())
        self._bridge.connect_to(self._take)
        self._notifier = QSocketNotifier(instance.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(lambda: self._obey(instance.orders()))
        if notice is not None:
            self._bridge.post(notice)
        self._end_signals = EndSignals(self.quit, self)
        self.window.installEventFilter(self)
        self.window.show()

    # Start

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Starts the rest of the program when the window is on the screen."""
        if event.type() == QEvent.Type.Paint:
            self.window.removeEventFilter(self)
            QTimer.singleShot(0, self._begin)
        return super().eventFilter(watched, event)

    def _begin(self) -> None:
        self._visible_s = time.monotonic() - self._start.started_at
        self._had_torch = "torch" in sys.modules
        from app.backstage import Backstage

        self._backstage = Backstage(
            self._settings,
            EngineLoader(self._start.device, self._start.precision, self._start.threads),
            self._bridge.post,
            is_quiet=lambda: self._phase in (Phase.IDLE, Phase.LOADING, Phase.FAILED),
        )
        self._backstage.start()
        for act in self._early:
            act(self._backstage)
        self._early.clear()
        self._set_hotkey(self._settings.keys.global_hotkey)
        if self._settings.privacy.check_updates and self.update_host and not self._network.is_shut:
            self._bridge.post_result(lambda: _found_update(self._build))

    def _ports(self) -> Ports:
        return Ports(
            PastTalks(self._archive, self._post, lambda: self._model),
            SavedFiles(paths.settings_file(), self._heed),
            ModeLab(
                lambda job: self._behind(lambda stage: stage.run(job)),
                self._bridge.post,
                lambda: self._model,
            ),
            self._models,
            self,
        )

    # What the window asks of the program around it

    @property
    def version(self) -> str:
        """The version, as the about box shows it."""
        return self._build.version

    @property
    def update_host(self) -> str:
        """Whom an update check asks; empty where this build has none."""
        return self._build.update_host

    def check_updates(self) -> None:
        """Asks now, on a thread of its own."""
        self._bridge.post_result(lambda: _update_event(self._build))

    def open_page(self, url: str) -> None:
        """Shows a web page in the user's browser."""
        QDesktopServices.openUrl(QUrl(url))

    def models(self) -> tuple[str, ...]:
        """The names of the models on this machine."""
        return tuple(entry.name for entry in catalogue.installed(paths.models()))

    def licences(self) -> str:
        """The licence of the program and of what ships with it."""
        if paths.collected_licences().is_file():
            return paths.collected_licences().read_text(encoding="utf-8")
        from app.licences import all_licences

        return all_licences(paths.licence())

    def open_logs(self) -> None:
        """Shows the folder of the log files."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(paths.logs())))

    def quit(self) -> None:
        """Ends the program."""
        self._qt.quit()

    # Events and commands

    def _post(self, command: Command) -> None:
        if isinstance(command, NewConversation):
            self._keep(self._archive.new_conversation)
        self._behind(lambda backstage: backstage.post(command))

    def _run(self, job: "Job") -> None:
        self._behind(lambda backstage: backstage.run(job))

    def _behind(self, act: Callable[["Backstage"], None]) -> None:
        if self._backstage is None:
            self._early.append(act)
        else:
            act(self._backstage)

    def _take(self, event: WindowEvent) -> None:
        """Does the program's own part of an event, then lets the window show it."""
        match event:
            case PhaseChanged(phase):
                self._phase = phase
            case TurnFinished(record):
                self._keep(lambda: self._archive.keep(record))
            case UserText(turn_id, text):
                self._keep(lambda: self._archive.keep_user_text(turn_id, text))
            case EngineReady(model):
                self._model = model
        self.window.apply(event)
        if isinstance(event, EngineReady | EngineUnavailable):
            self._tell_times(event)

    def _keep(self, act: Callable[[], bool | None]) -> None:
        """Writes to the history; where that fails, says so, and the conversation goes on."""
        try:
            has_changed = act()
        except AppError as error:
            _log.warning("the history could not be written", exc_info=error)
            self.window.apply(Notice(NoticeKind.NOT_SAVED, str(error)))
            return
        if has_changed:
            self.window.apply(HistoryChanged())

    def _obey(self, orders: list[Order]) -> None:
        for order in orders:
            match order:
                case Order.SHOW:
                    self.window.bring_to_front()
                case Order.STOP:
                    self._post(Stop())
                case Order.TOGGLE:
                    self._post(Tap())

    # Settings

    def _heed(self, new: Settings) -> None:
        old, self._settings = self._settings, new
        if new.privacy != old.privacy:
            self._keep(lambda: self._archive.set_privacy(new.privacy))
            self._guard_network()
            if new.privacy.offline:
                self._models.go_offline()
            self.window.apply(HistoryChanged())
        if new.keys.global_hotkey != self._hotkey_text:
            self._set_hotkey(new.keys.global_hotkey)

    def _guard_network(self) -> None:
        if self._start.is_offline or self._settings.privacy.offline:
            self._network.shut()
        else:
            self._network.open()

    def _set_hotkey(self, text: str) -> None:
        """Watches the keyboard for this chord instead of the one before; none where it is empty."""
        if self._hotkey is not None:
            self._hotkey.stop()
        self._hotkey, self._hotkey_text = None, text
        if not text:
            return
        try:
            hotkey = GlobalHotkey(Chord.parse(text), self._hotkey_down, self._hotkey_up)
            hotkey.start()
        except HotkeyError as error:
            self.window.apply(Notice(NoticeKind.NO_HOTKEY, str(error)))
            return
        self._hotkey = hotkey

    def _hotkey_down(self) -> None:
        """Called on the keyboard's thread."""
        is_held = self._settings.turns.talk_mode is TalkMode.HOLD
        self._post(TalkKey(True) if is_held else Tap())

    def _hotkey_up(self) -> None:
        if self._settings.turns.talk_mode is TalkMode.HOLD:
            self._post(TalkKey(False))

    # The end

    def _tell_times(self, event: EngineReady | EngineUnavailable) -> None:
        is_ready = isinstance(event, EngineReady)
        if self._start.tells_times:
            times = {
                "visible_s": self._visible_s,
                "ready_s": time.monotonic() - self._start.started_at if is_ready else None,
                "torch_before_window": self._had_torch,
            }
            print(json.dumps(times), flush=True)
            self._start = replace(self._start, tells_times=False)
        if self._start.exits_when_ready:
            self.exit_code = 0 if is_ready else 1
            if isinstance(event, EngineUnavailable):
                print(f"parley: {event.message}", file=sys.stderr)
            self.quit()

    def shut_down(self) -> bool:
        """Ends every thread; says whether all of them ended in time."""
        self.window.hide()
        if self._hotkey is not None:
            self._hotkey.stop()
        is_clean = self._models.shut_down(_PATIENCE_S)
        if self._backstage is not None:
            is_clean = self._backstage.shut_down() and is_clean
        self._qt.sendPostedEvents(self._bridge)  # the turn that was cut off is kept
        self._archive.close()
        self._end_signals.close()
        if self._log_file is not None:
            log.stop(self._log_file)
        return is_clean


def _update_event(build: BuildInfo) -> UpdateFound | NoUpdate:
    """What an update check that the user asked for has to tell."""
    from app import updates  # with all of Python's network, which the window does not wait for

    try:
        release = updates.newer_release(build)
    except AppError as error:
        return NoUpdate(str(error))
    return UpdateFound(release.version, release.page) if release else NoUpdate()


def _found_update(build: BuildInfo) -> UpdateFound | None:
    """What the check at the start has to tell: only that there is something."""
    told = _update_event(build)
    if isinstance(told, UpdateFound):
        return told
    if told.failure:
        _log.info("no newer version is known: %s", told.failure)
    return None


def _log_to_file() -> logging.Handler | None:
    try:
        return log.to_file(paths.logs())
    except OSError as error:
        _log.warning("no log file can be written", exc_info=error)
        return None
