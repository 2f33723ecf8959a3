"""The keyboard reaches everything, everything has a name, and no text is cut off."""

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.kept_turn import KeptTurn
from app.settings import Language, LookSettings, PrivacySettings, Settings, Theme
from app.turn_record import Origin
from app.ui.agreement_dialog import AgreementDialog
from app.ui.main_window import MainWindow
from app.ui.model_details import terms_of
from app.ui.models_dialog import ModelsDialog
from app.ui.ports import LabFinished, ModelOffered, ModelProgressed, ModelsListed, ModelWork
from app.ui_events import (
    DeviceChange,
    DeviceNotice,
    DeviceRole,
    EngineUnavailable,
    Phase,
    PhaseChanged,
    TurnFinished,
    UserSpoke,
)
from engine.model_store import State
from tests.app.ui.fakes import Surroundings, lab_result, record
from tests.app.ui.test_models_dialog import order, rows
from tests.app.ui.walk import clipped, controls, dialogs, name_of, reached_by_tab, takes_tab

LOOKS = [
    LookSettings(theme, language)
    for theme, language in ((Theme.LIGHT, Language.EN), (Theme.DARK, Language.ZH))
]
EVERY_LOOK = pytest.mark.parametrize("look", LOOKS, ids=["light en", "dark zh"])


def empty(around: Surroundings, look: LookSettings) -> MainWindow:
    """A window as it is seen first."""
    return around.ready_window(Settings(look=look))


def talking(around: Surroundings, look: LookSettings) -> MainWindow:
    """A window in which everything is shown that can be."""
    kept = KeptTurn.of(record())
    around.history.talks = {1: ("What is seven plus five?", [kept]), 2: ("Hello", [kept])}
    around.history.open_id = 2
    window = around.ready_window(Settings(look=look, privacy=PrivacySettings(keep_history=True)))
    for turn_id in (1, 2):
        window.apply(UserSpoke(turn_id, Origin.SPOKEN))
        window.apply(TurnFinished(record(turn_id)))
    window.apply(DeviceNotice(DeviceRole.INPUT, DeviceChange.FELL_BACK, "USB headset"))
    window.apply(EngineUnavailable("other", "the model lacks model.safetensors"))
    window.apply(PhaseChanged(Phase.SPEAKING))
    window.header.sidebar.setChecked(True)
    window.latency.details.setChecked(True)
    window.dock.input.setText("And six?")
    QApplication.processEvents()
    return window


Maker = Callable[[Surroundings, LookSettings], QWidget]


def settings_page(page: int) -> Maker:
    """The settings dialog at one of its pages."""

    def make(around: Surroundings, look: LookSettings) -> QWidget:
        window = empty(around, look)
        window.open_settings(page)
        QApplication.processEvents()
        return dialogs(window)[0]

    return make


def lab(around: Surroundings, look: LookSettings) -> QWidget:
    """The lab with a result."""
    window = talking(around, look)
    window.open_lab()
    window.apply(LabFinished(lab_result()))
    QApplication.processEvents()
    return dialogs(window)[0]


def models(around: Surroundings, look: LookSettings) -> QWidget:
    """The models while one is being fetched."""
    window = empty(around, look)
    window.open_models()
    window.apply(ModelsListed(rows(boost=State.COMPLETE, balance=State.PARTIAL)))
    (dialog,) = dialogs(window)
    assert isinstance(dialog, ModelsDialog)
    dialog.list.setCurrentRow(3)
    dialog.get.click()
    window.apply(ModelOffered(order()))
    window.apply(
        ModelProgressed(ModelWork.FETCH, "vita-audio-boost", 5_650_000_000, 22_600_000_000)
    )
    QApplication.processEvents()
    return dialog


def models_at_rest(around: Surroundings, look: LookSettings) -> QWidget:
    """The models while nothing is done."""
    window = empty(around, look)
    window.open_models()
    window.apply(ModelsListed(rows(boost=State.COMPLETE, balance=State.PARTIAL)))
    QApplication.processEvents()
    return dialogs(window)[0]


def agreement(around: Surroundings, look: LookSettings) -> QWidget:
    """Licences to be agreed to."""
    window = empty(around, look)
    words = window._strings.models
    dialog = AgreementDialog(
        window,
        words.licence_title.format(name="VITA-Audio-Boost"),
        terms_of(order(), words),
        words.accept,
        words.decline,
    )
    dialog.open()
    QApplication.processEvents()
    return dialog


def help_dialog(name: str) -> Maker:
    """One of the dialogs of the Help menu."""

    def make(around: Surroundings, look: LookSettings) -> QWidget:
        window = empty(around, look)
        getattr(window.menus, name).trigger()
        QApplication.processEvents()
        return dialogs(window)[0]

    return make


VIEWS: dict[str, Maker] = {
    "empty": empty,
    "talking": talking,
    **{f"settings {page}": settings_page(page) for page in range(5)},
    "lab": lab,
    "models": models,
    "models at rest": models_at_rest,
    "agreement": agreement,
    **{name: help_dialog(name) for name in ("keys", "licences", "about")},
}
EVERY_VIEW = pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS.keys())


@EVERY_VIEW
@EVERY_LOOK
def test_every_control_has_a_name_and_no_text_is_cut_off(
    make: Maker, look: LookSettings, around: Surroundings
) -> None:
    view = make(around, look)
    found = controls(view)
    assert found
    assert [widget for widget in found if not name_of(widget).strip()] == []
    assert list(clipped(view)) == []


@EVERY_VIEW
def test_tab_reaches_every_control_and_comes_back(make: Maker, around: Surroundings) -> None:
    view = make(around, LOOKS[0])
    view.activateWindow()
    QApplication.processEvents()
    reached = reached_by_tab(view)
    missed = [name_of(widget) for widget in controls(view) if takes_tab(widget)]
    for widget in reached:
        if name_of(widget) in missed:
            missed.remove(name_of(widget))
    assert missed == []


@EVERY_LOOK
def test_no_text_is_cut_off_in_the_smallest_window(
    look: LookSettings, around: Surroundings
) -> None:
    window = talking(around, look)
    for is_large in (False, True):
        window.change(_with_text(around, look, is_large))
        for _ in range(3):  # the least height follows from the width
            window.resize(1, 1)
            QApplication.processEvents()
        assert list(clipped(window)) == []
        parts = (window.header, window.latency, window.dock)
        assert [part for part in parts if part.height() < part.minimumSizeHint().height()] == []


@EVERY_LOOK
def test_no_text_is_cut_off_after_the_language_was_changed(
    look: LookSettings, around: Surroundings
) -> None:
    window = talking(around, look)
    other = LOOKS[1] if look is LOOKS[0] else LOOKS[0]
    window.change(Settings(look=other, privacy=PrivacySettings(keep_history=True)))
    QApplication.processEvents()
    assert list(clipped(window)) == []


def _with_text(around: Surroundings, look: LookSettings, is_large: bool) -> Settings:
    privacy = PrivacySettings(keep_history=bool(around.history.talks))
    return Settings(look=LookSettings(look.theme, look.language, is_large), privacy=privacy)


def test_tab_goes_where_the_eye_goes(around: Surroundings) -> None:
    window = talking(around, LOOKS[0])
    window.header.sidebar.setFocus()
    reached = reached_by_tab(window)
    parts = [window.header, window.history, window.latency, window.notices, window.transcript]
    order = [
        next((part for part in (*parts, window.dock) if part.isAncestorOf(widget)), None)
        for widget in reached
    ]
    assert order == sorted(order, key=[*parts, window.dock].index)


def test_back_tab_goes_the_other_way(around: Surroundings) -> None:
    window = empty(around, LOOKS[0])
    window.header.mode.setFocus()
    QTest.keyClick(window.header.mode, Qt.Key.Key_Backtab)
    assert QApplication.focusWidget() is window.header.new


def test_every_command_is_in_the_menus_and_no_key_stands_for_two(around: Surroundings) -> None:
    window = empty(around, LOOKS[0])
    entries = [action for action in window.findChildren(QAction) if action.text()]
    assert len(entries) >= 16
    keys = [action.shortcut().toString() for action in entries if action.shortcut().toString()]
    assert len(set(keys)) == len(keys) >= 10


@pytest.fixture(autouse=True)
def _no_dialog_stays_open(around: Surroundings) -> Iterator[None]:
    yield
    for window in around.windows:
        for dialog in dialogs(window):
            dialog.close()
