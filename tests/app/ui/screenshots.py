"""Pictures of every view, in both themes and languages: ``python tests/app/ui/screenshots.py DIR``.

It needs no screen; the fonts are those of the machine.
"""

import dataclasses
import os
import sys
from itertools import product
from pathlib import Path

# ruff: noqa: RUF001 - full-width marks are how Chinese is written
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication, QDialog, QWidget

from app.kept_turn import KeptTurn, SoundPlace
from app.lab.runner import Progress
from app.settings import Language, LookSettings, PrivacySettings, Settings, Theme
from app.turn_record import Origin, Outcome
from app.ui.agreement_dialog import AgreementDialog
from app.ui.main_window import MainWindow
from app.ui.model_details import terms_of
from app.ui.ports import (
    LabFinished,
    LabProgressed,
    ModelProgressed,
    ModelsListed,
    ModelWork,
)
from app.ui_events import (
    AnswerText,
    ContextChanged,
    DeviceChange,
    DeviceNotice,
    DeviceRole,
    EngineReady,
    EngineUnavailable,
    LatencyMeasured,
    LevelChanged,
    LoadingProgress,
    Phase,
    PhaseChanged,
    TurnFinished,
    UserSpoke,
    UserText,
)
from engine.model_store import State
from engine.modes import InferenceMode
from tests.app.ui.fakes import DEVICES, Surroundings, lab_result, record, stamps
from tests.app.ui.test_models_dialog import order, rows

_ENGLISH = (
    ("What is seven plus five?", "Seven plus five is twelve."),
    ("And what is the capital of France?", "The capital of France"),
    (
        "Can you tell me a joke about a dog?",
        "Why did the dog sit in the shade? Because he did not want to be a hot dog.",
    ),
    ("How many days are there in a week?", "There are seven days in"),
)
_CHINESE = (
    ("七加五等于几？", "七加五等于十二。"),
    ("法国的首都是哪里？", "法国的首都"),
    ("讲一个关于小狗的笑话。", "小狗为什么坐在树荫下？因为它不想变成热狗。"),
    ("一个星期有几天？", "一个星期有七"),
)


def window_of(theme: Theme, language: Language, keeps_history: bool = False) -> MainWindow:
    """A window with a model, devices, and some kept conversations."""
    look = LookSettings(theme=theme, language=language)
    privacy = PrivacySettings(keep_history=keeps_history)
    stage = Surroundings(Settings(look=look, privacy=privacy))
    texts = _CHINESE if language is Language.ZH else _ENGLISH
    if keeps_history:
        for number, (question, answer) in enumerate(texts, start=1):
            kept = KeptTurn.of(record(number, question, answer))
            stage.history.talks[number] = (question, [kept] * number)
        stage.history.open_id = 4
    window = stage.make_window()
    window.apply(DEVICES)
    window.resize(960, 776)
    window.apply(EngineReady("nano", 2.1))
    window.apply(PhaseChanged(Phase.IDLE))
    return window


def talk(window: MainWindow, language: Language) -> None:
    """A conversation whose last answer is being spoken."""
    texts = _CHINESE if language is Language.ZH else _ENGLISH
    modes = (InferenceMode.VANILLA, InferenceMode.BOOST, InferenceMode.BOOST)
    for number, ((question, answer), mode) in enumerate(zip(texts, modes, strict=False), start=1):
        origin = Origin.TYPED if number == 2 else Origin.SPOKEN
        scale = 2.4 if mode is InferenceMode.VANILLA else 1.0 + number / 10
        outcome = Outcome.INTERRUPTED if number == 2 else Outcome.COMPLETE
        finished = record(number, question, answer, origin, outcome, mode, scale)
        window.apply(UserSpoke(number, origin))
        window.apply(TurnFinished(finished))
        window.apply(ContextChanged(480 * number, 2500, 0, 1))
    question, answer = texts[3]
    window.apply(UserSpoke(4, Origin.SPOKEN))
    window.apply(UserText(4, question))
    window.apply(LatencyMeasured(4, stamps(1.1)))
    window.apply(AnswerText(4, answer))
    window.apply(PhaseChanged(Phase.SPEAKING))


def save(widget: QWidget, folder: Path, name: str) -> None:
    """Shows the widget, lets it settle, and writes its picture."""
    widget.show()
    for _ in range(4):
        QApplication.processEvents()
    widget.grab().save(str(folder / f"{name}.png"))


def take(folder: Path, theme: Theme, language: Language) -> None:
    """All pictures of one theme in one language."""
    end = f"{theme.value}-{language.value}"
    window = window_of(theme, language)
    save(window, folder, f"empty-{end}")
    talk(window, language)
    save(window, folder, f"conversation-{end}")
    finished = window.transcript.views[2]
    finished.setFocus()
    window.apply(PhaseChanged(Phase.IDLE))
    save(window, folder, f"chosen-turn-{end}")
    window.apply(ContextChanged(1080, 2500, 2, 3))
    window.transcript.views[0].let_sound_go(SoundPlace.NOWHERE)
    save(window, folder, f"forgotten-turns-{end}")
    for page, name in enumerate(("general", "sound", "talking", "answers", "privacy")):
        window.open_settings(page)
        dialog = window.findChild(QDialog)
        save(dialog, folder, f"settings-{name}-{end}")
        dialog.reject()
        dialog.deleteLater()
        QApplication.processEvents()
    window.open_lab()
    lab = next(child for child in window.findChildren(QDialog) if child.isVisible())
    save(lab, folder, f"lab-empty-{end}")
    lab.start.click()
    window.apply(LabProgressed(Progress(5, 15, InferenceMode.BOOST)))
    save(lab, folder, f"lab-running-{end}")
    window.apply(LabFinished(lab_result()))
    save(lab, folder, f"lab-{end}")
    lab.close()
    window.open_models()
    window.apply(ModelsListed(rows(boost=State.COMPLETE, balance=State.PARTIAL)))
    models = next(child for child in window.findChildren(QDialog) if child.isVisible())
    save(models, folder, f"models-{end}")
    window.apply(
        ModelProgressed(ModelWork.FETCH, "vita-audio-boost", 5_650_000_000, 22_600_000_000)
    )
    words = window._strings.models
    title = words.licence_title.format(name="VITA-Audio-Boost")
    terms = AgreementDialog(window, title, terms_of(order(), words), words.accept, words.decline)
    save(terms, folder, f"licence-{end}")
    window.close()

    window = window_of(theme, language, keeps_history=True)
    talk(window, language)
    window.header.sidebar.setChecked(True)
    window.latency.details.setChecked(True)
    window.apply(PhaseChanged(Phase.LISTENING))
    window.apply(LevelChanged(0.2))
    save(window, folder, f"history-{end}")
    window.close()

    window = window_of(theme, language)
    window.header.sidebar.setChecked(True)
    window.apply(PhaseChanged(Phase.LOADING))
    window.apply(LoadingProgress("nano", 0.4))
    window.apply(DeviceNotice(DeviceRole.INPUT, DeviceChange.FELL_BACK, "USB headset"))
    window.apply(EngineUnavailable("vita-audio-boost", "the model lacks model.safetensors"))
    save(window, folder, f"notices-{end}")
    window.resize(1, 1)
    save(window, folder, f"smallest-sidebar-{end}")
    window.header.sidebar.setChecked(False)
    window.notices.clear()
    talk(window, language)
    window.resize(1, 1)
    save(window, folder, f"smallest-{end}")
    window.close()


def main(arguments: list[str]) -> int:
    """Writes the pictures into the folder that is the argument."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    program = QApplication([])
    looks = product((Theme.LIGHT, Theme.DARK), (Language.EN, Language.ZH))
    for theme, language in looks:
        take(folder, theme, language)
    large = window_of(Theme.LIGHT, Language.EN)
    large.change(dataclasses.replace(Settings(), look=LookSettings(Theme.LIGHT, Language.EN, True)))
    talk(large, Language.EN)
    save(large, folder, "large-text")
    program.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
