"""What stands under the conversation: the talk button, the way to talk, Stop and the typed input.

It turns presses and keys into commands. Holding ends when the key comes up, when the window loses
the focus, and when the way to talk changes; repeats of a held key count for nothing. The gui
thread's.
"""

from collections.abc import Callable
from typing import assert_never

from PySide6.QtCore import QEvent, QKeyCombination, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
)

from app.settings import KeySettings, TalkMode
from app.ui.icons import Icon, icon
from app.ui.stylesheet import Kind, mark
from app.ui.talk_button import TalkButton
from app.ui.theme import GRID, Look
from app.ui.transcript import COLUMN_WIDTH
from app.ui.translations import Strings
from app.ui_commands import Command, EndTurn, Send, Stop, TalkKey, Tap
from app.ui_events import Phase

_LONGEST_QUESTION = 4000
_TYPING_MODIFIERS = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier


class TalkDock(QFrame):
    """The controls of the dialogue."""

    talk_mode_chosen = Signal(object)  # TalkMode

    def __init__(
        self,
        post: Callable[[Command], None],
        keys: KeySettings,
        talk_mode: TalkMode,
        look: Look,
        strings: Strings,
    ) -> None:
        super().__init__()
        self._post = post
        self._keys = keys
        self._talk_mode = talk_mode
        self._look = look
        self._strings = strings
        self._phase = Phase.LOADING
        self._model = ""
        self._loaded: float | None = None
        self._is_replaying = False
        self._has_microphone = True
        self._held_key: int | None = None
        self._is_holding = False
        self.talk = TalkButton(look.colours)
        self.state = QLabel()
        self.modes = QComboBox()
        # Never shown: on Linux a screen reader takes a dropdown's name from its label only.
        self._modes_label = QLabel(self)
        self._modes_label.setBuddy(self.modes)
        self._modes_label.hide()
        self.stop = QPushButton()
        self.input = QLineEdit()
        self.send = QToolButton()
        self._lay_out()
        self._connect()
        self.set_look(look)
        self.retranslate(strings)

    def _lay_out(self) -> None:
        mark(self, Kind.BAR)
        for control in (self.modes, self.stop, self.send):
            control.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.state.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.input.setMaxLength(_LONGEST_QUESTION)
        self.input.setMinimumHeight(5 * GRID)
        self.send.setFixedSize(5 * GRID, 5 * GRID)
        mark(self.send, Kind.PRIMARY)
        left, right = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignLeft
        middle = Qt.AlignmentFlag.AlignVCenter
        controls = QGridLayout()
        controls.setHorizontalSpacing(3 * GRID)
        controls.setColumnStretch(0, 1)
        controls.setColumnStretch(2, 1)
        controls.addWidget(self.modes, 0, 0, left | middle)
        controls.addWidget(self.talk, 0, 1)
        controls.addWidget(self.stop, 0, 2, right | middle)
        self._line = QFrame()
        self._line.setMaximumWidth(COLUMN_WIDTH - 2 * GRID)
        typed = QHBoxLayout(self._line)
        typed.setContentsMargins(0, 0, 0, 0)
        typed.setSpacing(GRID)
        typed.addWidget(self.input, 1)
        typed.addWidget(self.send)
        centred = QHBoxLayout()
        centred.addStretch(1)
        centred.addWidget(self._line, 1000)
        centred.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(GRID)
        box.addLayout(controls)
        box.addWidget(self.state)
        box.addLayout(centred)

    def _connect(self) -> None:
        self.talk.pressed.connect(self._press)
        self.talk.released.connect(self.release)
        self.stop.clicked.connect(lambda: self._post(Stop()))
        self.send.clicked.connect(self._send)
        self.input.returnPressed.connect(self._send)
        self.input.textChanged.connect(lambda: self._show_state())
        self.input.installEventFilter(self)
        self.modes.activated.connect(
            lambda index: self.talk_mode_chosen.emit(list(TalkMode)[index])
        )

    # What it is told

    def set_phase(self, phase: Phase) -> None:
        """What the dialogue is doing."""
        self._phase = phase
        self._show_state()

    def set_loading(self, model: str, fraction: float | None) -> None:
        """Which model is being loaded, and how far it is."""
        self._model, self._loaded = model, fraction
        self.talk.set_loaded(fraction)
        self._show_state()

    def set_level(self, level: float) -> None:
        """How loud the microphone hears."""
        is_live = self._talk_mode is TalkMode.HANDS_FREE or self._phase is Phase.LISTENING
        self.talk.set_level(level if is_live else 0.0)

    def set_replaying(self, is_replaying: bool) -> None:
        """Whether the sound of an earlier turn is played."""
        self._is_replaying = is_replaying
        self._show_state()

    def set_has_microphone(self, has_microphone: bool) -> None:
        """Without one there is typed input only."""
        self._has_microphone = has_microphone
        self._show_state()

    def set_keys(self, keys: KeySettings) -> None:
        """Which keys talk and stop."""
        self.let_go()
        self._keys = keys
        self.retranslate(self._strings)

    def set_talk_mode(self, talk_mode: TalkMode) -> None:
        """How a turn begins and ends."""
        self.let_go()
        self._talk_mode = talk_mode
        self.modes.setCurrentIndex(list(TalkMode).index(talk_mode))
        self._show_state()

    # Talking

    def _press(self) -> None:
        match self._talk_mode:
            case TalkMode.HOLD:
                if not self._is_holding:
                    self._is_holding = True
                    self._post(TalkKey(True))
            case TalkMode.TAP:
                self._post(Tap())
            case TalkMode.HANDS_FREE:
                if self._phase is Phase.LISTENING:
                    self._post(EndTurn())
                elif self._phase in (Phase.THINKING, Phase.SPEAKING):
                    self._post(Stop())
            case _ as never:
                assert_never(never)

    def let_go(self) -> None:
        """Ends holding although nothing came up: the focus is elsewhere now."""
        self.talk.setDown(False)
        self.release()

    def release(self) -> None:
        """The key or the button came up."""
        self._held_key = None
        if self._is_holding:
            self._is_holding = False
            self._post(TalkKey(False))

    def key_pressed(self, event: QKeyEvent) -> bool:
        """Takes a key that no text field wanted; says whether it was the talk key."""
        if event.isAutoRepeat():
            return self._held_key is not None and event.key() == self._held_key
        if not self._is_talk_key(event) or not self.talk.isEnabled():
            return False
        self._held_key = event.key()
        self.talk.setDown(True)
        self._press()
        return True

    def key_released(self, event: QKeyEvent) -> bool:
        """Takes a key that came up; its modifiers may have come up before it."""
        if self._held_key is None or event.key() != self._held_key:
            return False
        if not event.isAutoRepeat():
            self.talk.setDown(False)
            self.release()
        return True

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Lets a talk key that types nothing, such as Ctrl+Space, work in the text field too."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            types_text = not (event.modifiers() & ~_TYPING_MODIFIERS) and event.text().isprintable()
            if not (types_text and event.text()):
                return self.key_pressed(event)
        return super().eventFilter(watched, event)

    def _is_talk_key(self, event: QKeyEvent) -> bool:
        pressed = QKeyCombination(event.modifiers(), Qt.Key(event.key()))
        return QKeySequence(pressed) == QKeySequence(self._keys.talk)

    def _send(self) -> None:
        text = self.input.text().strip()
        if text and self.send.isEnabled():
            self.input.clear()
            self._post(Send(text))

    # What it shows

    def _show_state(self) -> None:
        is_busy = self._phase in (Phase.LISTENING, Phase.THINKING, Phase.SPEAKING)
        self.stop.setEnabled(is_busy or self._is_replaying)
        self.talk.setEnabled(self._has_microphone and self._phase is not Phase.FAILED)
        shown = Phase.SPEAKING if self._is_replaying and not is_busy else self._phase
        self.talk.set_phase(shown)
        self.send.setEnabled(bool(self.input.text().strip()) and self._phase is not Phase.FAILED)
        text = self._state_text()
        self.state.setText(text)
        self.talk.setAccessibleDescription(text)
        self.talk.setToolTip(text)

    def _state_text(self) -> str:
        words = self._strings.talk
        if self._is_replaying and self._phase in (Phase.IDLE, Phase.LOADING, Phase.FAILED):
            return words.replaying.format(stop=_shown_key(self._keys.stop))
        match self._phase:
            case Phase.LOADING if self._loaded is not None:
                percent = round(100 * self._loaded)
                return words.loading_share.format(model=self._model, percent=percent)
            case Phase.LOADING:
                return words.loading.format(model=self._model)
            case Phase.FAILED:
                return words.unavailable
            case Phase.IDLE if not self._has_microphone:
                return words.no_microphone
            case Phase.IDLE:
                return self._of_mode(words.idle_hold, words.idle_tap, words.idle_hands_free)
            case Phase.LISTENING:
                return self._of_mode(
                    words.listening_hold, words.listening_tap, words.listening_hands_free
                )
            case Phase.THINKING:
                return words.thinking
            case Phase.SPEAKING:
                return words.speaking.format(stop=_shown_key(self._keys.stop))
            case _ as never:
                assert_never(never)

    def _of_mode(self, hold: str, tap: str, hands_free: str) -> str:
        text = {TalkMode.HOLD: hold, TalkMode.TAP: tap, TalkMode.HANDS_FREE: hands_free}
        return text[self._talk_mode].format(key=_shown_key(self._keys.talk))

    def set_look(self, look: Look) -> None:
        """Takes over another theme."""
        self._look = look
        self.talk.set_colours(look.colours)
        self.stop.setIcon(icon(Icon.STOP, look.colours))
        self.send.setIcon(icon(Icon.SEND, look.colours, look.colours.on_accent))

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language, and the names of other keys."""
        self._strings = strings
        words = strings.talk
        self.talk.setAccessibleName(words.name)
        self.modes.clear()
        self.modes.addItems((words.hold, words.tap, words.hands_free))
        self.modes.setCurrentIndex(list(TalkMode).index(self._talk_mode))
        self.modes.setAccessibleName(words.talk_mode)
        self._modes_label.setText(words.talk_mode)
        self.modes.setToolTip(words.talk_mode)
        self.stop.setText(words.stop)
        self.stop.setToolTip(words.stop_hint.format(key=_shown_key(self._keys.stop)))
        self.input.setPlaceholderText(words.type_here)
        self.input.setAccessibleName(words.type_here)
        self.send.setAccessibleName(words.send)
        self.send.setToolTip(words.send)
        self._show_state()


def _shown_key(key: str) -> str:
    """The key as this platform writes it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
