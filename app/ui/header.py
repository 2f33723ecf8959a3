"""The row above the conversation: sidebar, new conversation, mode, model, lab and settings."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QToolButton

from app.ui.icons import Icon, icon
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID, Look
from app.ui.translations import Strings
from engine.modes import InferenceMode

_BUTTON = 5 * GRID


class Header(QFrame):
    """The dropdowns and the buttons; the window carries out what they ask. The gui thread's."""

    mode_chosen = Signal(object)  # InferenceMode
    model_chosen = Signal(str)
    more_models_wanted = Signal()

    def __init__(self, look: Look, strings: Strings) -> None:
        super().__init__()
        self.sidebar, self.new, self.answers = QToolButton(), QToolButton(), QToolButton()
        self.lab, self.settings = QToolButton(), QToolButton()
        self.mode, self.model = QComboBox(), QComboBox()
        self._mode_label, self._model_label = QLabel(), QLabel()
        self._models: tuple[str, ...] = ()
        self._current = ""
        self._strings = strings
        self.sidebar.setCheckable(True)
        mark(self, Kind.BAR)
        self._lay_out()
        self.mode.activated.connect(lambda index: self.mode_chosen.emit(list(InferenceMode)[index]))
        self.model.activated.connect(self._choose_model)
        self.set_look(look)
        self.retranslate(strings)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, GRID, GRID, GRID)
        row.setSpacing(GRID)
        for label in (self._mode_label, self._model_label):
            mark(label, Kind.SMALL, Kind.MUTED)
        for combo, label in ((self.mode, self._mode_label), (self.model, self._model_label)):
            label.setBuddy(combo)
            combo.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        for button in (self.sidebar, self.new, self.answers, self.lab, self.settings):
            button.setFixedSize(_BUTTON, _BUTTON)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        row.addWidget(self.sidebar)
        row.addWidget(self.new)
        row.addStretch(1)
        row.addWidget(self._mode_label)
        row.addWidget(self.mode)
        row.addSpacing(GRID)
        row.addWidget(self._model_label)
        row.addWidget(self.model)
        row.addWidget(self.answers)
        row.addStretch(1)
        row.addWidget(self.lab)
        row.addWidget(self.settings)

    def show_mode(self, mode: InferenceMode) -> None:
        """The mode of the next answer."""
        self.mode.setCurrentIndex(list(InferenceMode).index(mode))
        self.mode.setToolTip(self._strings.mode.hint_of(mode))

    def show_models(self, models: Sequence[str], current: str) -> None:
        """The models there are, and the one in use, which may be a folder of its own."""
        names = tuple(models)
        self._models = names if current in names or not current else (*names, current)
        self._current = current
        self.model.clear()
        self.model.addItems([_short(name) for name in self._models])
        self.model.addItem(self._strings.mode.more_models)
        self._show_current()

    def _show_current(self) -> None:
        self.model.setCurrentIndex(self._models.index(self._current) if self._current else -1)

    def _choose_model(self, index: int) -> None:
        if index < len(self._models):
            self.model_chosen.emit(self._models[index])
        else:  # the entry after the models
            self._show_current()
            self.more_models_wanted.emit()

    def set_look(self, look: Look) -> None:
        """Takes over another theme."""
        for button, drawing in (
            (self.sidebar, Icon.SIDEBAR),
            (self.new, Icon.NEW),
            (self.answers, Icon.ANSWERS),
            (self.lab, Icon.LAB),
            (self.settings, Icon.SETTINGS),
        ):
            button.setIcon(icon(drawing, look.colours))

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language."""
        self._strings = strings
        words, menu = strings.mode, strings.menu
        for button, label in (
            (self.sidebar, words.show_sidebar),
            (self.new, _plain(menu.new)),
            (self.answers, words.answers),
            (self.lab, _plain(menu.mode_lab)),
            (self.settings, _plain(menu.settings)),
        ):
            button.setAccessibleName(label)
            button.setToolTip(label)
        self._mode_label.setText(words.mode)
        self._model_label.setText(words.model)
        self.mode.setAccessibleName(words.mode)
        self.model.setAccessibleName(words.model)
        current = max(0, self.mode.currentIndex())
        self.mode.clear()
        for mode in InferenceMode:
            self.mode.addItem(words.of(mode))
            index = self.mode.count() - 1
            self.mode.setItemData(index, words.hint_of(mode), Qt.ItemDataRole.ToolTipRole)
        self.mode.setCurrentIndex(current)


def _short(model: str) -> str:
    """A model's name, or the last part of its folder."""
    return model.replace("\\", "/").rstrip("/").rpartition("/")[2] or model


def _plain(label: str) -> str:
    """A menu's label without what belongs to menus: the mnemonic and the dots."""
    label = label.removesuffix("...")
    start = label.find("(&")
    return label[:start] if start >= 0 else label.replace("&", "")
