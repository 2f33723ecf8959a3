"""A button that shows a key and takes another one. The gui thread's."""

from PySide6.QtCore import QEvent, QKeyCombination, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QPushButton

_MODIFIER_KEYS = frozenset(
    (
        *(Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_Meta),
        *(Qt.Key.Key_AltGr, Qt.Key.Key_CapsLock, Qt.Key.Key_NumLock, Qt.Key.Key_unknown),
    )
)


class KeyButton(QPushButton):
    """Press it, then press the key it is to be; losing the focus leaves it as it was."""

    changed = Signal()

    def __init__(self, name: str, key: str, no_key: str, press_key: str) -> None:
        super().__init__()
        self._name = name
        self._no_key = no_key
        self._press_key = press_key
        self._is_waiting = False
        self.key = key
        self.clicked.connect(lambda: self._wait(True))
        self._show()

    def set_key(self, key: str) -> None:
        """Another key, by its Qt name; empty for none."""
        self.key = key
        self._wait(False)
        self.changed.emit()

    def _wait(self, is_waiting: bool) -> None:
        self._is_waiting = is_waiting
        self._show()

    def _show(self) -> None:
        shown = QKeySequence(self.key).toString(QKeySequence.SequenceFormat.NativeText)
        text = self._press_key if self._is_waiting else shown or self._no_key
        self.setText(text)
        self.setAccessibleName(f"{self._name}: {text}")

    def event(self, event: QEvent) -> bool:
        """Sees Tab and shortcuts first while it waits."""
        if self._is_waiting and isinstance(event, QKeyEvent):
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                self._take(event)
                return True
        return super().event(event)

    def _take(self, event: QKeyEvent) -> None:
        if event.isAutoRepeat() or event.key() in _MODIFIER_KEYS:
            return
        combination = QKeyCombination(event.modifiers(), Qt.Key(event.key()))
        self.set_key(QKeySequence(combination).toString(QKeySequence.SequenceFormat.PortableText))

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Waits no more."""
        super().focusOutEvent(event)
        self._wait(False)
