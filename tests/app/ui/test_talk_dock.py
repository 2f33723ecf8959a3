"""Keys and buttons become commands: hold, tap and hands-free; Space stays with text fields."""

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.settings import KeySettings, Settings, TalkMode, TurnSettings
from app.ui.main_window import MainWindow
from app.ui_commands import EndTurn, Send, SetTurns, Stop, TalkKey, Tap
from app.ui_events import (
    DevicesChanged,
    LevelChanged,
    LoadingProgress,
    Phase,
    PhaseChanged,
    ReplayChanged,
)
from tests.app.ui.fakes import Surroundings

DOWN, UP = TalkKey(True), TalkKey(False)


def window_with(around: Surroundings, talk_mode: TalkMode, talk_key: str = "Space") -> MainWindow:
    settings = Settings(turns=TurnSettings(talk_mode), keys=KeySettings(talk=talk_key))
    return around.ready_window(settings)


def repeat(widget: QWidget, key: Qt.Key) -> None:
    """What a held key sends again and again."""
    for kind in (QEvent.Type.KeyRelease, QEvent.Type.KeyPress):
        event = QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier, " ", True)
        QApplication.sendEvent(widget, event)


def test_holding_the_button_talks_until_it_is_let_go(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    QTest.mousePress(window.dock.talk, Qt.MouseButton.LeftButton)
    assert around.posted == [DOWN]
    QTest.mouseRelease(window.dock.talk, Qt.MouseButton.LeftButton)
    assert around.posted == [DOWN, UP]


def test_a_hand_that_wanders_off_the_button_goes_on_talking(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    talk = window.dock.talk
    QTest.mousePress(talk, Qt.MouseButton.LeftButton)
    QTest.mouseMove(talk, QPoint(-200, 0))
    assert around.posted == [DOWN]
    QTest.mouseRelease(talk, Qt.MouseButton.LeftButton, pos=QPoint(-200, 0))
    assert around.posted == [DOWN, UP]


def test_only_the_round_part_of_the_button_is_the_button(around: Surroundings) -> None:
    window = window_with(around, TalkMode.TAP)
    QTest.mouseClick(window.dock.talk, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    assert around.posted == []


@pytest.mark.parametrize("where", ["talk", "window", "conversation"])
def test_holding_space_talks_until_it_comes_up(where: str, around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    target = {"talk": window.dock.talk, "window": window, "conversation": window.empty}[where]
    QTest.keyPress(target, Qt.Key.Key_Space)
    repeat(target, Qt.Key.Key_Space)
    repeat(target, Qt.Key.Key_Space)
    assert around.posted == [DOWN]
    QTest.keyRelease(target, Qt.Key.Key_Space)
    assert around.posted == [DOWN, UP]


def test_space_in_the_text_field_is_a_space(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    window.dock.input.setFocus()
    QTest.keyClicks(window.dock.input, "a b")
    assert window.dock.input.text() == "a b"
    assert around.posted == []


def test_space_presses_a_button_that_has_the_focus(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    window.header.sidebar.setFocus()
    QTest.keyClick(window.header.sidebar, Qt.Key.Key_Space)
    assert window.header.sidebar.isChecked()
    assert around.posted == []


def test_space_talks_also_from_the_list_of_conversations(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    QTest.keyClick(window.history.list, Qt.Key.Key_Space)
    assert around.posted == [DOWN, UP]


@pytest.mark.parametrize("key", ["F7", "Ctrl+Space"])
def test_a_talk_key_that_types_nothing_works_in_the_text_field_too(
    key: str, around: Surroundings
) -> None:
    window = window_with(around, TalkMode.HOLD, key)
    modifier = Qt.KeyboardModifier.ControlModifier if "+" in key else Qt.KeyboardModifier(0)
    code = Qt.Key.Key_Space if "+" in key else Qt.Key.Key_F7
    QTest.keyPress(window.dock.input, code, modifier)
    # The modifier may come up first.
    QTest.keyRelease(window.dock.input, code)
    assert around.posted == [DOWN, UP]
    assert window.dock.input.text() == ""


def test_losing_the_focus_ends_holding(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    QTest.keyPress(window, Qt.Key.Key_Space)
    other = QWidget()
    other.show()
    other.activateWindow()
    QApplication.processEvents()
    assert around.posted == [DOWN, UP]
    other.close()
    QTest.keyRelease(window, Qt.Key.Key_Space)
    assert around.posted == [DOWN, UP]


def test_losing_the_focus_ends_holding_the_button_by_space(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    window.dock.talk.setFocus()
    QTest.keyPress(window.dock.talk, Qt.Key.Key_Space)
    window.dock.input.setFocus()
    assert around.posted == [DOWN, UP]


def test_tapping_sends_a_tap_each_time(around: Surroundings) -> None:
    window = window_with(around, TalkMode.TAP)
    QTest.keyClick(window, Qt.Key.Key_Space)
    QTest.mouseClick(window.dock.talk, Qt.MouseButton.LeftButton)
    assert around.posted == [Tap(), Tap()]


def test_hands_free_the_button_ends_the_turn_or_the_answer(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HANDS_FREE)
    for phase in (Phase.IDLE, Phase.LISTENING, Phase.SPEAKING):
        window.apply(PhaseChanged(phase))
        QTest.mouseClick(window.dock.talk, Qt.MouseButton.LeftButton)
    assert around.posted == [EndTurn(), Stop()]


def test_the_way_to_talk_is_chosen_under_the_conversation(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    window.dock.modes.setFocus()
    QTest.keyClick(window.dock.modes, Qt.Key.Key_Down)
    chosen = TurnSettings(TalkMode.TAP)
    assert around.posted == [SetTurns(chosen)]
    assert around.files.settings[-1].turns == chosen


def test_stop_is_a_key_and_a_button(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    assert not window.dock.stop.isEnabled()
    window.apply(PhaseChanged(Phase.SPEAKING))
    QTest.mouseClick(window.dock.stop, Qt.MouseButton.LeftButton)
    window.dock.input.setFocus()
    QTest.keyClick(window.dock.input, Qt.Key.Key_Escape)
    assert around.posted == [Stop(), Stop()]


def test_a_typed_question_is_sent_by_enter_and_by_its_button(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    field = window.dock.input
    assert not window.dock.send.isEnabled()
    QTest.keyClicks(field, "  What is two plus two? ")
    QTest.keyClick(field, Qt.Key.Key_Return)
    QTest.keyClick(field, Qt.Key.Key_Return)
    QTest.keyClicks(field, "And three?")
    QTest.mouseClick(window.dock.send, Qt.MouseButton.LeftButton)
    assert around.posted == [Send("What is two plus two?"), Send("And three?")]
    assert field.text() == ""


def test_every_state_is_told_in_words_and_by_the_button(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    said = set()
    for phase in Phase:
        window.apply(PhaseChanged(phase))
        said.add(window.dock.state.text())
        assert window.dock.talk.accessibleDescription() == window.dock.state.text()
    assert len(said) == len(Phase)


def test_loading_is_told_with_its_share(around: Surroundings) -> None:
    window = around.make_window()
    window.apply(LoadingProgress("Reading the weights", None))
    assert window.dock.state.text() == "Loading nano"
    window.apply(LoadingProgress("Reading the weights", 0.25))
    assert window.dock.state.text() == "Loading nano, 25 %"


def test_without_a_microphone_typing_is_left(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    window.apply(DevicesChanged((), ()))
    assert not window.dock.talk.isEnabled()
    assert "type" in window.dock.state.text()
    QTest.keyClick(window, Qt.Key.Key_Space)
    assert around.posted == []
    QTest.keyClicks(window.dock.input, "Hello")
    assert window.dock.send.isEnabled()


def test_a_replay_can_be_stopped(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    window.apply(ReplayChanged(True))
    assert window.dock.stop.isEnabled()
    assert "Playing" in window.dock.state.text()
    window.apply(ReplayChanged(False))
    assert not window.dock.stop.isEnabled()


def test_the_level_is_shown_while_the_microphone_is_heard(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HOLD)
    talk = window.dock.talk
    still = talk.grab().toImage()
    window.apply(LevelChanged(0.5))
    assert talk.grab().toImage() == still
    window.apply(PhaseChanged(Phase.LISTENING))
    quiet = talk.grab().toImage()
    window.apply(LevelChanged(0.5))
    assert talk.grab().toImage() != quiet


def test_nothing_moves_while_nothing_happens(around: Surroundings) -> None:
    window = window_with(around, TalkMode.HANDS_FREE)
    assert not window.dock.talk.is_moving
    window.apply(PhaseChanged(Phase.THINKING))
    assert window.dock.talk.is_moving
    window.hide()
    assert not window.dock.talk.is_moving
