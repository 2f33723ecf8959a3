"""The mode lab asks for a run, shows how far it is, and what came of it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPushButton, QToolButton

from app import paths
from app.errors import OutputError
from app.lab.result import ModeResult
from app.lab.runner import Progress
from app.turn_record import Origin
from app.ui.lab_dialog import LabDialog
from app.ui.lab_results import LabResults
from app.ui.ports import LabFailed, LabFinished, LabFormat, LabProgressed, Recording
from app.ui_commands import Replay, Stop
from app.ui_events import TurnFinished, UserSpoke
from engine.modes import InferenceMode
from tests.app.ui.fakes import Surroundings, lab_result, record
from tests.app.ui.walk import dialogs


@pytest.fixture
def lab(around: Surroundings) -> LabDialog:
    """The lab after a spoken and a typed turn."""
    window = around.ready_window()
    for turn_id, origin in ((1, Origin.SPOKEN), (2, Origin.TYPED)):
        window.apply(UserSpoke(turn_id, origin))
        window.apply(TurnFinished(record(turn_id, origin=origin)))
    window.open_lab()
    (dialog,) = dialogs(window)
    assert isinstance(dialog, LabDialog)
    return dialog


def finish(around: Surroundings) -> None:
    """Ends the run with a result."""
    around.windows[0].apply(LabFinished(lab_result()))
    QApplication.processEvents()


def test_the_last_spoken_question_is_offered_first(lab: LabDialog, around: Surroundings) -> None:
    offered = [lab.question.itemText(index) for index in range(lab.question.count())]
    assert offered == [
        "Last spoken question (1.9 s)",
        "The bundled sample",
        "Choose a sound file...",
    ]
    lab.repeats.setValue(5)
    lab.start.click()
    ((question, repeats),) = around.lab.started
    assert isinstance(question, Recording)
    assert (len(question.samples), question.sample_rate, repeats) == (30400, 16000, 5)


def test_the_bundled_sample_can_be_taken(lab: LabDialog, around: Surroundings) -> None:
    lab.question.setCurrentIndex(1)
    lab.start.click()
    assert around.lab.started == [(paths.sample_question(), 3)]


def test_a_file_can_be_chosen(lab: LabDialog, around: Surroundings) -> None:
    around.answers.path = Path("question.wav")
    lab.question.setCurrentIndex(2)
    lab.question.activated.emit(2)
    assert lab.question.currentText() == "question.wav"
    lab.start.click()
    assert around.lab.started == [(Path("question.wav"), 3)]


def test_choosing_no_file_leaves_the_first_question(lab: LabDialog, around: Surroundings) -> None:
    lab.question.setCurrentIndex(2)
    lab.start.click()
    assert around.lab.started == []
    assert lab.question.currentIndex() == 0


def test_a_run_shows_how_far_it_is_and_can_be_cancelled(
    lab: LabDialog, around: Surroundings
) -> None:
    assert not lab.cancel.isEnabled()
    lab.start.click()
    assert not lab.start.isEnabled() and not lab.question.isEnabled()
    around.windows[0].apply(LabProgressed(Progress(3, 12, InferenceMode.TURBO)))
    assert lab.progress.value() == 25
    assert lab.status.text() == "Turbo, run 4 of 12"
    lab.cancel.click()
    assert around.lab.n_cancelled == 1


def test_a_run_ends_when_nobody_watches(lab: LabDialog, around: Surroundings) -> None:
    lab.close()
    assert around.lab.n_cancelled == 0
    around.windows[0].open_lab()
    lab.start.click()
    QTest.keyClick(lab, Qt.Key.Key_Escape)
    assert not lab.isVisible()
    assert around.lab.n_cancelled == 1


def test_a_run_that_fails_says_why(lab: LabDialog, around: Surroundings) -> None:
    lab.start.click()
    around.windows[0].apply(LabFailed("the recording is silent"))
    assert "the recording is silent" in lab.status.text()
    assert lab.start.isEnabled()
    assert not lab.export_html.isEnabled()


def test_answers_are_played_alone_and_one_after_the_other(
    lab: LabDialog, around: Surroundings
) -> None:
    finish(around)
    results = lab.findChild(LabResults)
    assert results is not None
    for button in results.findChildren(QToolButton):
        button.click()
    assert len(around.posted) == 5
    first, second = results.findChildren(QComboBox)
    assert [first.currentText(), second.currentText()] == ["Vanilla", "Boost"]
    both, stop = results.findChildren(QPushButton)
    both.click()
    stop.click()
    played, stopped = around.posted[-2:]
    assert stopped == Stop()
    alone = around.posted[0]
    assert isinstance(played, Replay) and isinstance(alone, Replay)
    assert len(played.samples) == 2 * len(alone.samples) + round(0.6 * 22050)
    assert np.array_equal(played.samples[: len(alone.samples)], alone.samples)


def test_the_share_of_accepted_drafts_is_told_where_there_are_drafts(
    lab: LabDialog, around: Surroundings
) -> None:
    finish(around)
    results = lab.findChild(LabResults)
    assert results is not None
    shares = [label.text() for label in results.findChildren(QLabel) if "%" in label.text()]
    assert shares == ["75%"]


def test_a_result_is_exported_and_a_full_disk_is_told(
    lab: LabDialog, around: Surroundings, tmp_path: Path
) -> None:
    finish(around)
    around.answers.path = tmp_path / "report"
    lab.export_html.click()
    lab.export_csv.click()
    assert around.files.written == [
        (tmp_path / "report", LabFormat.HTML),
        (tmp_path / "report", LabFormat.CSV),
    ]
    around.files.failure = OutputError("report: No space left on device")
    lab.export_html.click()
    assert lab.status.text() == "Not saved: report: No space left on device"
    around.answers.path = None
    lab.export_html.click()
    assert len(around.files.written) == 2


def test_a_mode_that_fails_says_why_beside_those_that_did_not(
    lab: LabDialog, around: Surroundings
) -> None:
    whole = lab_result()
    failed = ModeResult(InferenceMode.TURBO, failure="out of memory")
    partial = dataclasses.replace(whole, modes=(*whole.modes[:3], failed))
    around.windows[0].apply(LabFinished(partial))
    results = lab.findChild(LabResults)
    assert results is not None
    assert "out of memory" in [label.text() for label in results.findChildren(QLabel)]
    assert len(results.findChildren(QToolButton)) == 3
    assert lab.status.text() == ""


def test_a_cancelled_run_shows_what_it_found(lab: LabDialog, around: Surroundings) -> None:
    whole = lab_result()
    cut = tuple(dataclasses.replace(found, runs=found.runs[:1]) for found in whole.modes)
    around.windows[0].apply(LabFinished(dataclasses.replace(whole, modes=cut)))
    assert "Cancelled" in lab.status.text()
    assert lab.export_html.isEnabled()


def test_a_run_cancelled_at_once_shows_nothing(lab: LabDialog, around: Surroundings) -> None:
    none = tuple(ModeResult(mode) for mode in InferenceMode)
    around.windows[0].apply(LabFinished(dataclasses.replace(lab_result(), modes=none)))
    assert lab.findChild(LabResults) is None
    assert not lab.export_html.isEnabled()


def test_the_last_result_is_there_when_the_lab_is_opened_again(
    lab: LabDialog, around: Surroundings
) -> None:
    finish(around)
    lab.close()
    around.windows[0].open_lab()
    assert dialogs(around.windows[0]) == [lab]
    assert lab.findChild(LabResults) is not None
