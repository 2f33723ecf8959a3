"""The settings dialog: pages beside a list of them; nothing changes until Save."""

from functools import partial

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.settings import Settings
from app.ui.settings_pages import (
    AnswersPage,
    GeneralPage,
    Page,
    PrivacyPage,
    SoundPage,
    TalkingPage,
)
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID
from app.ui.translations import Strings
from app.ui_events import DevicesChanged

_SIZE = QSize(88 * GRID, 76 * GRID)


class SettingsDialog(QDialog):
    """Shows settings and reads them back."""

    delete_all_wanted = Signal()

    def __init__(
        self,
        parent: QWidget,
        settings: Settings,
        devices: DevicesChanged,
        strings: Strings,
        update_host: str,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._faulty: set[QWidget] = set()  # pages that cannot be saved as they stand
        words = strings.settings
        self.setWindowTitle(words.title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._sound = SoundPage(settings, words, devices)
        talking = TalkingPage(settings, strings)
        privacy = PrivacyPage(settings, words, update_host)
        self._pages: tuple[tuple[Page, str], ...] = (
            (GeneralPage(settings, words), words.general),
            (self._sound, words.sound),
            (talking, words.talking),
            (AnswersPage(settings, strings), words.answers),
            (privacy, words.privacy),
        )
        self.list, self._stack = QListWidget(), QStackedWidget()
        self.save, cancel = QPushButton(words.save), QPushButton(words.cancel)
        self._lay_out(words.pages, cancel)
        self.list.currentRowChanged.connect(self._stack.setCurrentIndex)
        self.list.setCurrentRow(0)
        self.save.clicked.connect(self.accept)
        cancel.clicked.connect(self.reject)
        for page in (talking, privacy):
            page.valid_changed.connect(partial(self._show_valid, page))
        privacy.delete_all_wanted.connect(self.delete_all_wanted)
        self.resize(_SIZE)

    def _lay_out(self, list_name: str, cancel: QPushButton) -> None:
        self.list.setAccessibleName(list_name)
        self.list.setFixedWidth(20 * GRID)
        for page, title in self._pages:
            assert isinstance(page, QWidget), f"{page} is no page"
            item = QListWidgetItem(title)
            item.setSizeHint(QSize(0, 5 * GRID))
            self.list.addItem(item)
            scrolled = QScrollArea()
            scrolled.setFrameShape(QFrame.Shape.NoFrame)
            scrolled.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            scrolled.setWidgetResizable(True)
            scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            scrolled.setWidget(page)
            self._stack.addWidget(scrolled)
        mark(self.save, Kind.PRIMARY)
        self.save.setDefault(True)
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)
        pages = QHBoxLayout()
        pages.setSpacing(2 * GRID)
        pages.addWidget(self.list)
        pages.addWidget(self._stack, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.save)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(2 * GRID)
        box.addLayout(pages, 1)
        box.addLayout(buttons)

    def _show_valid(self, page: QWidget, is_valid: bool) -> None:
        (self._faulty.discard if is_valid else self._faulty.add)(page)
        self.save.setEnabled(not self._faulty)

    def show_page(self, index: int) -> None:
        """Turns to a page."""
        self.list.setCurrentRow(index)

    def show_devices(self, devices: DevicesChanged) -> None:
        """Other devices are there now."""
        self._sound.show_devices(devices)

    def settings(self) -> Settings:
        """The settings as they stand in the dialog."""
        read = self._settings
        for page, _ in self._pages:
            read = page.read(read)
        return read
