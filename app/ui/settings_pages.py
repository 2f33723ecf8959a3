"""The pages of the settings dialog; each shows one part of the settings and reads it back.

The gui thread's.
"""

import dataclasses
from typing import Protocol

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
)

from app.audio.devices import DeviceId, SoundDevice
from app.settings import (
    DownloadSettings,
    KeySettings,
    Language,
    Settings,
    SettingsError,
    TalkMode,
    Theme,
)
from app.ui.key_button import KeyButton
from app.ui.settings_form import ChoiceBox, Form, ShareSlider, named
from app.ui.stylesheet import Kind, indent, mark
from app.ui.theme import GRID
from app.ui.translations import SettingsStrings, Strings
from app.ui_events import DevicesChanged
from engine.modes import InferenceMode

_LARGEST_SEED = 2**53 - 1  # beyond it a spin box, which counts in doubles, skips numbers
_LONGEST_DAYS = 3650


class Page(Protocol):
    """One page: what it shows can be read back into settings."""

    def read(self, settings: Settings) -> Settings:
        """The settings with this page's values."""


class GeneralPage(Form):
    """Theme, language, size."""

    def __init__(self, settings: Settings, words: SettingsStrings) -> None:
        super().__init__()
        look = settings.look
        themes = named(Theme, words.theme_system, words.theme_light, words.theme_dark)
        self._theme = ChoiceBox(themes, look.theme)
        # Each language in its own script: whoever is lost in the other one finds it.
        languages = named(Language, words.language_system, "English", "中文")
        self._language = ChoiceBox(languages, look.language)
        self.add(words.theme, self._theme)
        self.add(words.language, self._language)
        self._large = self.add_box(words.large_text, look.large_text)

    def read(self, settings: Settings) -> Settings:
        """Theme, language, size."""
        look = dataclasses.replace(
            settings.look,
            theme=self._theme.value,
            language=self._language.value,
            large_text=self._large.isChecked(),
        )
        return dataclasses.replace(settings, look=look)


class SoundPage(Form):
    """Devices and what is done to the sound."""

    def __init__(self, settings: Settings, words: SettingsStrings, devices: DevicesChanged) -> None:
        super().__init__()
        audio = settings.audio
        self._words = words
        self._input = ChoiceBox(*_device_choices(devices.inputs, audio.input, words))
        self._output = ChoiceBox(*_device_choices(devices.outputs, audio.output, words))
        self._volume = ShareSlider(words.volume, audio.volume)
        self.add(words.microphone, self._input)
        self.add(words.speaker, self._output)
        self.add(words.volume, self._volume)
        self._echo = self.add_box(words.echo_cancellation, audio.echo_cancellation, words.echo_hint)
        self._noise = self.add_box(words.noise_suppression, audio.noise_suppression)
        self._gain = self.add_box(words.gain_control, audio.gain_control)

    def show_devices(self, devices: DevicesChanged) -> None:
        """Other devices are there now; what was chosen stays chosen."""
        for box, found in ((self._input, devices.inputs), (self._output, devices.outputs)):
            box.show_choices(*_device_choices(found, box.value, self._words))

    def read(self, settings: Settings) -> Settings:
        """Devices and what is done to the sound."""
        audio = dataclasses.replace(
            settings.audio,
            input=self._input.value,
            output=self._output.value,
            volume=self._volume.value,
            echo_cancellation=self._echo.isChecked(),
            noise_suppression=self._noise.isChecked(),
            gain_control=self._gain.isChecked(),
        )
        return dataclasses.replace(settings, audio=audio)


class TalkingPage(Form):
    """How turns are taken, and the keys."""

    valid_changed = Signal(bool)

    def __init__(self, settings: Settings, strings: Strings) -> None:
        super().__init__()
        words, talk = strings.settings, strings.talk
        turns, keys = settings.turns, settings.keys
        ways = named(TalkMode, talk.hold, talk.tap, talk.hands_free)
        self._way = ChoiceBox(ways, turns.talk_mode)
        self._patience = ShareSlider(words.patience, turns.patience, words.soon, words.late)
        self._sensitivity = ShareSlider(words.sensitivity, turns.sensitivity, words.low, words.high)
        self._talk = KeyButton(words.talk_key, keys.talk, words.no_key, words.press_key)
        self._stop = KeyButton(words.stop_key, keys.stop, words.no_key, words.press_key)
        self._hotkey = KeyButton(
            words.global_hotkey, keys.global_hotkey, words.no_key, words.press_key
        )
        clear = QPushButton(words.clear_key)
        clear.setAccessibleName(f"{words.clear_key}: {words.global_hotkey}")
        clear.clicked.connect(lambda: self._hotkey.set_key(""))
        hotkey = QHBoxLayout()
        hotkey.setSpacing(GRID)
        hotkey.addWidget(self._hotkey, 1)
        hotkey.addWidget(clear)
        self._problem = QLabel(words.key_taken)
        mark(self._problem, Kind.ERROR)
        self._problem.hide()
        self.add(words.talk_mode, self._way)
        self.add(words.patience, self._patience, words.patience_hint)
        self.add(words.sensitivity, self._sensitivity, words.sensitivity_hint)
        self.add(words.talk_key, self._talk)
        self.add(words.stop_key, self._stop)
        self.add(words.global_hotkey, hotkey, words.global_hint)
        self.add_text(self._problem)
        for button in (self._talk, self._stop):
            button.changed.connect(self._check)

    def _check(self) -> None:
        is_valid = self._talk.key != self._stop.key
        self._problem.setVisible(not is_valid)
        self.valid_changed.emit(is_valid)

    def read(self, settings: Settings) -> Settings:
        """How turns are taken, and the keys."""
        turns = dataclasses.replace(
            settings.turns,
            talk_mode=self._way.value,
            patience=self._patience.value,
            sensitivity=self._sensitivity.value,
        )
        keys = KeySettings(self._talk.key, self._stop.key, self._hotkey.key)
        return dataclasses.replace(settings, turns=turns, keys=keys)


class AnswersPage(Form):
    """The voice, and how answers are drawn."""

    def __init__(self, settings: Settings, strings: Strings) -> None:
        super().__init__()
        words, model = strings.settings, settings.model
        voice = QLabel(words.own_voice)
        voice.setContentsMargins(0, GRID - 1, 0, GRID - 1)
        modes = [(mode, strings.mode.of(mode)) for mode in InferenceMode]
        self._mode = ChoiceBox(modes, model.mode)
        self._temperature = QDoubleSpinBox()
        self._temperature.setRange(-0.05, 2.0)  # the least value stands for the model's own
        self._temperature.setSingleStep(0.05)
        self._temperature.setSpecialValueText(words.model_default)
        self._temperature.setValue(-0.05 if model.temperature is None else model.temperature)
        self._top_k = QSpinBox()
        self._top_k.setRange(-1, 10_000)
        self._top_k.setSpecialValueText(words.model_default)
        self._top_k.setValue(-1 if model.top_k is None else model.top_k)
        self._top_p = QDoubleSpinBox()
        self._top_p.setRange(0.0, 1.0)
        self._top_p.setSingleStep(0.05)
        self._top_p.setSpecialValueText(words.model_default)
        self._top_p.setValue(model.top_p or 0.0)
        self._seed = QDoubleSpinBox()
        self._seed.setDecimals(0)
        self._seed.setRange(0, _LARGEST_SEED)
        self._seed.setValue(model.seed or 0)
        for box in (self._temperature, self._top_k, self._top_p, self._seed):
            indent(box)
        self.add(words.voice, voice)
        self.add(strings.mode.mode, self._mode)
        self.add(words.seed, self._seed)
        self._fixes_seed = self.add_box(words.seed_fixed, model.seed is not None, words.seed_hint)
        self._greedy = self.add_box(words.greedy, model.greedy)
        self.add(words.temperature, self._temperature)
        self.add(words.top_k, self._top_k)
        self.add(words.top_p, self._top_p)
        self._fixes_seed.toggled.connect(self._seed.setEnabled)
        self._greedy.toggled.connect(self._show_enabled)
        self._seed.setEnabled(model.seed is not None)
        self._show_enabled(model.greedy)

    def _show_enabled(self, is_greedy: bool) -> None:
        for control in (self._temperature, self._top_k, self._top_p):
            control.setEnabled(not is_greedy)

    def read(self, settings: Settings) -> Settings:
        """How answers are drawn."""
        temperature, top_k, top_p = (
            self._temperature.value(),
            self._top_k.value(),
            self._top_p.value(),
        )
        model = dataclasses.replace(
            settings.model,
            mode=self._mode.value,
            temperature=None if temperature < 0 else round(temperature, 2),
            top_k=None if top_k < 0 else top_k,
            top_p=round(top_p, 2) or None,
            seed=int(self._seed.value()) if self._fixes_seed.isChecked() else None,
            greedy=self._greedy.isChecked(),
        )
        return dataclasses.replace(settings, model=model)


class PrivacyPage(Form):
    """What is kept, and the network."""

    delete_all_wanted = Signal()
    valid_changed = Signal(bool)

    def __init__(self, settings: Settings, words: SettingsStrings, update_host: str) -> None:
        super().__init__()
        privacy = settings.privacy
        self._keeps = self.add_box(words.keep_history, privacy.keep_history, words.keep_hint)
        self._days = QSpinBox()
        indent(self._days)
        self._days.setRange(0, _LONGEST_DAYS)
        self._days.setSpecialValueText(words.retention_for_ever)
        before, _, after = words.retention_days.partition("{days}")
        self._days.setPrefix(before)
        self._days.setSuffix(after)
        self._days.setValue(privacy.retention_days or 0)
        self._days.setEnabled(privacy.keep_history)
        self._keeps.toggled.connect(self._days.setEnabled)
        self.add(words.retention, self._days)
        delete = QPushButton(words.delete_all)
        delete.clicked.connect(self.delete_all_wanted)
        row = QHBoxLayout()
        row.addWidget(delete)
        row.addStretch(1)
        self.add("", row)
        self._updates: QCheckBox | None = None
        if update_host:
            hint = words.check_updates_hint.format(host=update_host)
            self._updates = self.add_box(words.check_updates, privacy.check_updates, hint)
        self._offline = self.add_box(words.offline, privacy.offline, words.offline_hint)
        self._mirror = QLineEdit(settings.downloads.mirror)
        self.add(words.mirror, self._mirror, words.mirror_hint)
        self._mirror.textChanged.connect(self._check)

    def _check(self) -> None:
        self.valid_changed.emit(_is_address(self._mirror.text().strip()))

    def read(self, settings: Settings) -> Settings:
        """What is kept, and the network."""
        privacy = settings.privacy
        privacy = dataclasses.replace(
            privacy,
            keep_history=self._keeps.isChecked(),
            retention_days=self._days.value() or None,
            check_updates=(
                privacy.check_updates if self._updates is None else self._updates.isChecked()
            ),
            offline=self._offline.isChecked(),
        )
        downloads = DownloadSettings(self._mirror.text().strip())
        return dataclasses.replace(settings, privacy=privacy, downloads=downloads)


def _is_address(text: str) -> bool:
    """Whether a mirror's address can be used; empty is the usual server."""
    try:
        DownloadSettings(text)
    except SettingsError:
        return False
    return True


def _device_choices(
    devices: tuple[SoundDevice, ...], chosen: DeviceId | None, words: SettingsStrings
) -> tuple[list[tuple[DeviceId | None, str]], DeviceId | None]:
    """Every device with its label, the system's default first; the chosen one though unplugged."""
    names = [device.name for device in devices]
    choices: list[tuple[DeviceId | None, str]] = [(None, words.system_default)]
    for device in devices:
        is_twice = names.count(device.name) > 1
        label = f"{device.name} ({device.host_api})" if is_twice else device.name
        choices.append((device.id, label))
    if chosen is not None and all(device != chosen for device, _ in choices):
        choices.append((chosen, words.not_connected.format(name=chosen.name)))
    return choices, chosen
