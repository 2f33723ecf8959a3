"""The real dialogs behind the window's questions, and the tray's icon."""

from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.ui.ask import Questions
from app.ui.chinese import CHINESE
from app.ui.english import ENGLISH
from app.ui.tray import Tray, TrayCommands


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.show()
    return widget


@pytest.mark.parametrize("answer", ["Delete", "Cancel"])
def test_what_cannot_be_undone_is_asked_first(answer: str, parent: QWidget) -> None:
    def press() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        assert box.text() == "Sure?"
        assert box.defaultButton().text() == "Cancel"
        next(button for button in box.findChildren(QPushButton) if button.text() == answer).click()

    QTimer.singleShot(0, press)
    assert Questions().is_sure(parent, "Sure?", "Delete", "Cancel") == (answer == "Delete")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("", None), ("/x/talk", Path("/x/talk.md")), ("/x/talk.txt", Path("/x/talk.txt"))],
)
def test_a_file_name_gets_the_ending_it_lacks(
    typed: str, expected: Path | None, parent: QWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    suggested = []

    def answer(_: QWidget, title: str, start: str, kinds: str) -> tuple[str, str]:
        suggested.append((title, Path(start).name, kinds))
        return typed, kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    assert Questions().save_path(parent, "Export", "talk.md") == expected
    assert suggested == [("Export", "talk.md", "*.md")]


@pytest.mark.parametrize("chosen", ["", "/x/question.wav"])
def test_a_file_to_read_is_asked_for(
    chosen: str, parent: QWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (chosen, ""))
    expected = Path(chosen) if chosen else None
    assert Questions().open_path(parent, "Open", "*.wav") == expected


@pytest.mark.qt_log_ignore("systemTrayWindowChanged", extend=True)  # no screen, no tray
def test_the_tray_shows_hides_stops_and_quits(parent: QWidget) -> None:
    done: list[str] = []
    commands = TrayCommands(
        lambda: done.append("show"), lambda: done.append("stop"), lambda: done.append("quit")
    )
    tray = Tray(parent, commands, ENGLISH)
    for action in tray.actions:
        action.trigger()
    assert done == ["show", "stop", "quit"]
    assert [action.text() for action in tray.actions] == ["Hide Parley", "Stop", "&Quit"]
    parent.hide()
    tray.retranslate(CHINESE)
    assert tray.actions[0].text() == "显示 Parley"
