"""The settings dialog shows what is set, reads back what was chosen, and changes nothing else."""

import dataclasses
from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractSlider,
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from app.audio.devices import DeviceId
from app.settings import (
    AudioSettings,
    DownloadSettings,
    KeySettings,
    Language,
    LookSettings,
    ModelSettings,
    PrivacySettings,
    Settings,
    TalkMode,
    Theme,
    TurnSettings,
)
from app.ui.chinese import CHINESE
from app.ui.english import ENGLISH
from app.ui.key_button import KeyButton
from app.ui.settings_dialog import SettingsDialog
from app.ui.translations import Strings
from app.ui_events import DevicesChanged
from engine.modes import InferenceMode
from tests.app.ui.fakes import DEVICES, Surroundings
from tests.app.ui.walk import dialogs

EVERYTHING = Settings(
    audio=AudioSettings(
        input=DeviceId("Unplugged microphone", "ALSA"),
        output=DeviceId("Built-in speakers", "ALSA"),
        echo_cancellation=False,
        noise_suppression=False,
        gain_control=True,
        volume=0.4,
    ),
    turns=TurnSettings(TalkMode.HANDS_FREE, patience=0.8, sensitivity=0.2),
    model=ModelSettings(
        "nano", InferenceMode.TURBO, temperature=0.7, top_k=40, top_p=0.95, seed=7, greedy=True
    ),
    look=LookSettings(Theme.DARK, Language.ZH, large_text=True),
    privacy=PrivacySettings(keep_history=True, retention_days=30, offline=True),
    keys=KeySettings("F7", "Ctrl+S", "Ctrl+Alt+Space"),
    downloads=DownloadSettings("https://mirror.example"),
)


@pytest.fixture
def around_dialog(around: Surroundings) -> Iterator[Surroundings]:
    yield around
    for window in around.windows:
        for dialog in dialogs(window):
            dialog.close()


def opened(around: Surroundings, settings: Settings) -> SettingsDialog:
    """The dialog over a window with these settings."""
    window = around.ready_window(settings)
    window.open_settings()
    (dialog,) = dialogs(window)
    assert isinstance(dialog, SettingsDialog)
    dialog.activateWindow()
    QApplication.processEvents()
    return dialog


def control(dialog: QWidget, kind: type[QWidget], name: str) -> QWidget:
    """The control of that kind and name."""
    (found,) = [
        widget
        for widget in dialog.findChildren(kind)
        if name in (widget.accessibleName(), _text(widget))
    ]
    return found


def _text(widget: QWidget) -> str:
    return widget.text() if isinstance(widget, QCheckBox | QPushButton) else ""


@pytest.mark.parametrize("settings", [Settings(), EVERYTHING], ids=["defaults", "everything set"])
def test_what_is_not_touched_stays(settings: Settings, around_dialog: Surroundings) -> None:
    dialog = opened(around_dialog, settings)
    assert dialog.settings() == settings
    dialog.save.click()
    assert around_dialog.posted == []
    assert around_dialog.files.settings == []


def test_cancel_changes_nothing(around_dialog: Surroundings) -> None:
    dialog = opened(around_dialog, Settings())
    box = control(dialog, QCheckBox, ENGLISH.settings.offline)
    assert isinstance(box, QCheckBox)
    box.setChecked(True)
    dialog.reject()
    assert around_dialog.files.settings == []


def test_everything_can_be_set(around_dialog: Surroundings) -> None:
    dialog = opened(around_dialog, Settings())
    words = ENGLISH.settings
    for name, index in (
        (words.theme, 2),
        (words.language, 2),
        (words.speaker, 2),
        (words.talk_mode, 2),
        ("Mode", 3),
    ):
        combo = control(dialog, QComboBox, name)
        assert isinstance(combo, QComboBox)
        combo.setCurrentIndex(index)
    for name, value in ((words.volume, 40), (words.patience, 80), (words.sensitivity, 20)):
        slider = control(dialog, QAbstractSlider, name)
        assert isinstance(slider, QAbstractSlider)
        slider.setValue(value)
    for name, is_on in (
        *((words.large_text, True), (words.echo_cancellation, False)),
        *((words.noise_suppression, False), (words.gain_control, True)),
        *((words.seed_fixed, True), (words.keep_history, True), (words.offline, True)),
    ):
        box = control(dialog, QCheckBox, name)
        assert isinstance(box, QCheckBox)
        box.setChecked(is_on)
    for name, number in ((words.temperature, 0.7), (words.top_p, 0.95), (words.seed, 7)):
        spin = control(dialog, QDoubleSpinBox, name)
        assert isinstance(spin, QDoubleSpinBox)
        spin.setValue(number)
    for name, whole in ((words.top_k, 40), (words.retention, 30)):
        count = control(dialog, QSpinBox, name)
        assert isinstance(count, QSpinBox)
        count.setValue(whole)
    box = control(dialog, QCheckBox, words.greedy)
    assert isinstance(box, QCheckBox)
    box.setChecked(True)
    mirror = control(dialog, QLineEdit, words.mirror)
    assert isinstance(mirror, QLineEdit)
    mirror.setText("https://mirror.example ")
    keys = dialog.findChildren(KeyButton)
    for button, key in zip(keys, ("F7", "Ctrl+S", "Ctrl+Alt+Space"), strict=True):
        button.set_key(key)
    expected = dataclasses.replace(
        EVERYTHING, audio=dataclasses.replace(EVERYTHING.audio, input=None)
    )
    assert dialog.settings() == expected
    dialog.save.click()
    assert around_dialog.files.settings == [expected]


@pytest.mark.parametrize("strings", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_a_device_that_is_not_there_stays_chosen(
    strings: Strings, around_dialog: Surroundings
) -> None:
    window = around_dialog.make_window(EVERYTHING)
    dialog = SettingsDialog(window, EVERYTHING, DEVICES, strings, "")
    combo = control(dialog, QComboBox, strings.settings.microphone)
    assert isinstance(combo, QComboBox)
    expected = strings.settings.not_connected.format(name="Unplugged microphone")
    assert combo.currentText() == expected


def test_devices_come_and_go_while_the_dialog_is_open(around_dialog: Surroundings) -> None:
    dialog = opened(around_dialog, EVERYTHING)
    window = around_dialog.windows[0]
    window.apply(DevicesChanged((), ()))
    assert dialog.settings() == EVERYTHING
    window.apply(DEVICES)
    assert dialog.settings() == EVERYTHING


def test_a_key_is_taken_by_pressing_it(around_dialog: Surroundings) -> None:
    dialog = opened(around_dialog, Settings())
    dialog.show_page(2)
    talk = dialog.findChildren(KeyButton)[0]
    talk.setFocus()
    QTest.keyClick(talk, Qt.Key.Key_Space)
    assert talk.text() == "Press a key"
    QTest.keyClick(talk, Qt.Key.Key_Shift)
    QTest.keyClick(talk, Qt.Key.Key_Tab, Qt.KeyboardModifier.ControlModifier)
    assert talk.key == "Ctrl+Tab"
    assert "Ctrl+Tab" in talk.accessibleName()


def test_leaving_a_key_button_leaves_its_key(around_dialog: Surroundings) -> None:
    dialog = opened(around_dialog, Settings())
    dialog.show_page(2)
    talk, stop, _ = dialog.findChildren(KeyButton)
    talk.setFocus()
    talk.click()
    stop.setFocus()
    assert (talk.text(), talk.key) == ("Space", "Space")


def test_talk_and_stop_cannot_be_one_key(around_dialog: Surroundings) -> None:
    dialog = opened(around_dialog, Settings())
    talk, stop, _ = dialog.findChildren(KeyButton)
    stop.set_key(talk.key)
    assert not dialog.save.isEnabled()
    stop.set_key("F6")
    assert dialog.save.isEnabled()


def test_a_mirror_must_be_an_address(around_dialog: Surroundings) -> None:
    dialog = opened(around_dialog, Settings())
    mirror = control(dialog, QLineEdit, ENGLISH.settings.mirror)
    assert isinstance(mirror, QLineEdit)
    talk, stop, _ = dialog.findChildren(KeyButton)
    mirror.setText("mirror.example")
    stop.set_key(talk.key)
    assert not dialog.save.isEnabled()
    stop.set_key("F6")
    assert not dialog.save.isEnabled()
    mirror.setText("")
    assert dialog.save.isEnabled()


def test_another_stop_key_stops(around_dialog: Surroundings) -> None:
    window = around_dialog.ready_window(Settings(keys=KeySettings(stop="F6")))
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert around_dialog.posted == []
    QTest.keyClick(window, Qt.Key.Key_F6)
    assert len(around_dialog.posted) == 1


def test_the_sliders_button_leads_to_the_answers(around_dialog: Surroundings) -> None:
    window = around_dialog.ready_window()
    window.header.answers.click()
    (dialog,) = dialogs(window)
    assert isinstance(dialog, SettingsDialog)
    assert dialog.list.currentItem().text() == "Answers"


def test_all_conversations_are_deleted_after_a_question(around_dialog: Surroundings) -> None:
    around_dialog.history.talks = {1: ("One", []), 2: ("Two", [])}
    dialog = opened(around_dialog, EVERYTHING)
    delete = control(dialog, QPushButton, CHINESE.settings.delete_all)
    assert isinstance(delete, QPushButton)
    around_dialog.answers.sure = False
    delete.click()
    assert len(around_dialog.history.talks) == 2
    around_dialog.answers.sure = True
    delete.click()
    assert around_dialog.history.talks == {}
