"""The conversation streams, stays fast when it is long, and can be read by keyboard."""

import dataclasses
import time
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.kept_turn import KeptTurn, Side, SoundPlace
from app.settings import Theme
from app.turn_record import Origin, Outcome
from app.ui.english import ENGLISH
from app.ui.forgotten_line import ForgottenLine
from app.ui.text_block import TextBlock
from app.ui.theme import LIGHT, look_for
from app.ui.transcript import COLUMN_WIDTH, Transcript
from app.ui.turn_view import TurnView
from app.ui_events import ContextChanged
from tests.app.ui.fakes import record, stamps

LONG = "The quick brown fox jumps over the lazy dog near the bank of the river. " * 12


@pytest.fixture
def transcript(qtbot: QtBot) -> Iterator[Transcript]:
    made = Transcript(look_for(Theme.LIGHT, False, QFont()), ENGLISH)
    qtbot.addWidget(made)
    made.resize(700, 500)
    made.show()
    yield made


def add(transcript: Transcript, n_turns: int) -> list[TurnView]:
    """Finished turns without sound."""
    for turn_id in range(1, n_turns + 1):
        view = transcript.begin(turn_id, Origin.SPOKEN)
        view.finish(KeptTurn.of(record(turn_id, answer=LONG, with_sound=False)))
    QApplication.processEvents()
    return list(transcript.views)


def test_both_sides_appear_as_they_come(transcript: Transcript) -> None:
    view = transcript.begin(1, Origin.SPOKEN)
    assert (view.question, view.answer) == ("", "")
    view.append_answer("Seven plus")
    view.append_answer(" five is twelve.")
    view.set_question("What is seven plus five?")
    assert view.answer == "Seven plus five is twelve."
    assert view.question == "What is seven plus five?"


def test_what_was_not_heard_is_taken_back(transcript: Transcript) -> None:
    view = transcript.begin(1, Origin.TYPED)
    view.append_answer("Why did the dog sit in the shade? Because")
    heard = record(answer="Why did the dog sit", outcome=Outcome.INTERRUPTED)
    view.finish(KeptTurn.of(heard))
    assert view.answer == "Why did the dog sit"


def test_a_transcript_that_comes_late_is_shown_and_kept(transcript: Transcript) -> None:
    view = transcript.begin(1, Origin.SPOKEN)
    view.finish(KeptTurn.of(record(question="")))
    view.set_question("What is seven plus five?")
    assert view.question == "What is seven plus five?"
    assert transcript.finished[0].record.user_text == "What is seven plus five?"
    assert "What is seven plus five?" in view.accessibleName()


def test_turns_follow_one_another_without_gaps_or_overlaps(transcript: Transcript) -> None:
    views = add(transcript, 5)
    transcript.view(2).append_answer(LONG)  # type: ignore[union-attr]
    for above, below in pairwise(views):
        assert below.y() == above.y() + above.height() + 8


def test_a_delta_costs_less_than_2_ms_in_a_conversation_of_200_turns(
    transcript: Transcript,
) -> None:
    add(transcript, 200)
    view = transcript.begin(201, Origin.SPOKEN)
    times = []
    for _ in range(150):
        started = time.process_time()
        view.append_answer("and then ")
        times.append(time.process_time() - started)
        QApplication.processEvents()
    assert sorted(times)[len(times) * 9 // 10] < 0.002


def test_a_delta_moves_no_other_turn(transcript: Transcript) -> None:
    add(transcript, 20)
    view = transcript.begin(21, Origin.SPOKEN)
    places = [other.geometry() for other in transcript.views[:-1]]
    for _ in range(40):
        view.append_answer("and then ")
    assert [other.geometry() for other in transcript.views[:-1]] == places


def test_a_long_conversation_opens_and_resizes_at_once(transcript: Transcript) -> None:
    turns = [
        KeptTurn.of(record(turn_id, answer=LONG, with_sound=False)) for turn_id in range(1, 201)
    ]
    started = time.process_time()
    transcript.show_turns(turns)
    QApplication.processEvents()
    opened = time.process_time()
    transcript.resize(500, 500)
    QApplication.processEvents()
    assert opened - started < 1.0
    assert time.process_time() - opened < 0.5


def test_the_newest_words_stay_in_view_unless_the_reader_scrolled_up(
    transcript: Transcript,
) -> None:
    add(transcript, 10)
    bar = transcript.verticalScrollBar()
    assert bar.value() == bar.maximum()
    view = transcript.begin(11, Origin.SPOKEN)
    view.append_answer(LONG)
    QApplication.processEvents()
    assert bar.value() == bar.maximum()
    bar.setValue(0)
    view.append_answer(LONG)
    QApplication.processEvents()
    assert bar.value() == 0
    transcript.go_to_latest()
    assert bar.value() == bar.maximum()


def test_lines_get_no_wider_than_can_be_read(transcript: Transcript) -> None:
    add(transcript, 2)
    transcript.resize(1600, 500)
    QApplication.processEvents()
    view = transcript.views[0]
    assert view.width() == COLUMN_WIDTH
    assert view.x() == (transcript.width() - COLUMN_WIDTH) // 2


def test_arrows_go_from_turn_to_turn(transcript: Transcript) -> None:
    views = add(transcript, 4)
    chosen: list[int] = []
    transcript.turn_chosen.connect(lambda view: chosen.append(view.number))
    transcript.activateWindow()
    views[3].setFocus()
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End):
        QTest.keyClick(QApplication.focusWidget(), key)
    assert chosen == [3, 2, 3, 1, 4]
    assert QApplication.focusWidget() is views[3]


def test_tab_reaches_the_buttons_of_the_chosen_turn_only(transcript: Transcript) -> None:
    views = add(transcript, 3)
    for view in views:
        view.finish(KeptTurn.of(record()))
    QTest.mouseMove(transcript, QPoint(1, 1))
    transcript.choose(views[1])
    assert [view.focusPolicy() == Qt.FocusPolicy.StrongFocus for view in views] == [
        False,
        True,
        False,
    ]
    assert [button.isVisible() for button in views[1].buttons] == [True] * 4
    assert views[2].buttons == ()


@pytest.mark.parametrize("origin", [Origin.SPOKEN, Origin.TYPED])
def test_a_turn_offers_what_it_has(origin: Origin, transcript: Transcript) -> None:
    view = transcript.begin(1, origin)
    wanted: list[Side] = []
    transcript.replay_wanted.connect(lambda _, side: wanted.append(side))
    view.finish(KeptTurn.of(record(origin=origin)))
    transcript.choose(view)
    for button in view.buttons:
        if button.menu() is None:
            button.click()
    spoken = origin is Origin.SPOKEN
    assert wanted == ([Side.QUESTION] if spoken else []) + [Side.ANSWER]


def test_a_turn_without_sound_offers_its_text(transcript: Transcript) -> None:
    view = transcript.begin(1, Origin.TYPED)
    view.finish(KeptTurn.of(record(origin=Origin.TYPED, with_sound=False)))
    assert [button.accessibleName() for button in view.buttons] == ["Copy the text"]


def test_copying_takes_both_sides_or_what_is_selected(transcript: Transcript) -> None:
    view = transcript.begin(1, Origin.SPOKEN)
    view.finish(KeptTurn.of(record()))
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    whole = "You: What is seven plus five?\nParley: Seven plus five is twelve."
    assert QGuiApplication.clipboard().text() == whole
    words = view.answer_area
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, pos=words.topLeft().toPoint() + QPoint(5, 5))
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "Seven"


def test_dragging_selects(transcript: Transcript) -> None:
    view = transcript.begin(1, Origin.SPOKEN)
    view.finish(KeptTurn.of(record()))
    start = view.answer_area.topLeft().toPoint() + QPoint(0, 5)
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(view, start + QPoint(600, 0))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=start + QPoint(600, 0))
    view.copy()
    assert QGuiApplication.clipboard().text() == "Seven plus five is twelve."


def test_a_withdrawn_turn_leaves_no_trace(transcript: Transcript) -> None:
    views = add(transcript, 3)
    transcript.withdraw(2)
    assert list(transcript.views) == [views[0], views[2]]
    assert transcript.view(2) is None
    transcript.withdraw(2)
    transcript.withdraw(3)
    transcript.withdraw(1)
    assert transcript.current is None


def test_words_that_come_after_a_turn_was_withdrawn_are_for_nobody(
    transcript: Transcript,
) -> None:
    add(transcript, 1)
    transcript.withdraw(1)
    assert transcript.view(1) is None
    assert transcript.finished == ()


def test_a_text_block_is_as_high_in_pieces_as_in_one_go(qtbot: QtBot) -> None:
    whole, pieces = TextBlock(QFont()), TextBlock(QFont())
    whole.set_text(LONG)
    pieces.set_text("")
    for word in LONG.split(" "):
        pieces.append(word + " ")
        pieces.height_at(300)
    assert pieces.text.strip() == LONG.strip()
    assert pieces.height_at(300) == whole.height_at(300)


@pytest.mark.parametrize("text", ["", "\n", "One\n\nTwo", "漢字" * 400, "\U0001f600 " * 300])
def test_any_text_is_laid_out_in_pieces_as_in_one_go(text: str, qtbot: QtBot) -> None:
    whole, pieces = TextBlock(QFont()), TextBlock(QFont())
    whole.set_text(text)
    pieces.set_text("")
    pieces.height_at(300)
    for letter in text:
        pieces.append(letter)
    assert pieces.height_at(300) == whole.height_at(300) > 0
    pieces.start_selection(QPointF(0, 0))
    pieces.extend_selection(QPointF(1000, 1e6))
    assert pieces.selected_text == text


def test_a_delta_costs_the_same_in_a_long_answer_as_in_a_short_one(qtbot: QtBot) -> None:
    block = TextBlock(QFont())
    block.set_text(LONG * 20)
    block.height_at(600)
    started = time.process_time()
    for _ in range(100):
        block.append("and then ")
        block.height_at(600)
    assert time.process_time() - started < 0.1


def test_a_word_longer_than_the_column_is_broken(qtbot: QtBot) -> None:
    block = TextBlock(QFont())
    block.set_text("a" * 500)
    one_line = block.height_at(100_000)
    assert block.height_at(100) > 5 * one_line


def test_selection_survives_new_words(qtbot: QtBot) -> None:
    block = TextBlock(QFont())
    block.set_text("Seven plus five")
    block.height_at(500)
    block.select_word(QPointF(5, 5))
    block.append(" is twelve.")
    assert block.selected_text == "Seven"
    block.clear_selection()
    assert block.selected_text == ""


def test_stages_are_shown_with_the_turn(transcript: Transcript) -> None:
    view = transcript.begin(1, Origin.SPOKEN)
    before = view.grab().toImage()
    view.set_stamps(stamps())
    after = view.grab().toImage()
    colours = {after.pixelColor(x, y).name() for x in range(140) for y in range(after.height())}
    assert before != after
    assert set(LIGHT.stages) <= colours


def context(n_forgotten: int, first: int | None) -> ContextChanged:
    return ContextChanged(900, 2500, n_forgotten, first)


def test_a_line_stands_above_the_first_turn_that_the_next_answer_knows(
    transcript: Transcript,
) -> None:
    views = add(transcript, 5)
    (line,) = transcript.findChildren(ForgottenLine)
    assert line.isHidden()
    transcript.show_context(context(2, 3))
    assert line.isVisible()
    assert transcript.n_forgotten == 2
    assert views[1].geometry().bottom() < line.y()
    assert line.geometry().bottom() < views[2].y()
    assert line.accessibleName() == ENGLISH.conversation.forgotten
    for above, below in pairwise(views[2:]):
        assert below.y() == above.y() + above.height() + 8
    transcript.show_context(context(4, 5))
    assert views[3].geometry().bottom() < line.y() < views[4].y()
    assert views[2].y() == views[1].y() + views[1].height() + 8
    transcript.show_context(context(0, 1))
    assert line.isHidden()
    assert views[4].y() == views[3].y() + views[3].height() + 8


def test_the_line_stays_where_it_belongs_when_turns_come_go_and_change_their_width(
    transcript: Transcript,
) -> None:
    views = add(transcript, 4)
    (line,) = transcript.findChildren(ForgottenLine)
    transcript.show_context(context(3, 4))
    transcript.withdraw(1)
    assert transcript.n_forgotten == 2
    transcript.resize(400, 500)
    QApplication.processEvents()
    assert views[2].geometry().bottom() < line.y() < views[3].y()
    views[1].append_answer(LONG)
    assert views[2].geometry().bottom() < line.y() < views[3].y()
    transcript.clear()
    assert line.isHidden()
    assert transcript.n_forgotten == 0


def test_where_nothing_is_known_the_line_stands_below_every_finished_turn(
    transcript: Transcript,
) -> None:
    views = add(transcript, 3)
    (line,) = transcript.findChildren(ForgottenLine)
    transcript.show_context(context(3, None))
    assert line.y() > views[2].geometry().bottom()
    begun = transcript.begin(4, Origin.SPOKEN)
    assert line.geometry().bottom() < begun.y()
    transcript.show_context(context(3, None))
    assert transcript.n_forgotten == 3


def test_the_sound_of_old_turns_goes_and_only_that_in_the_history_can_still_be_played(
    qtbot: QtBot,
) -> None:
    look = look_for(Theme.LIGHT, False, QFont())
    made = Transcript(look, ENGLISH, keeps_sound=lambda turn_id: turn_id == 2, longest_sound_s=9.0)
    qtbot.addWidget(made)
    for turn_id in (1, 2, 3, 4):  # 4.3 s of sound each
        made.begin(turn_id, Origin.SPOKEN)
        made.finish(turn_id, KeptTurn.of(record(turn_id)))
    places = [kept.place for kept in made.finished]
    assert places == [SoundPlace.NOWHERE, SoundPlace.HISTORY, *[SoundPlace.MEMORY] * 2]
    names = ENGLISH.conversation
    for view, can_play in zip(made.views, (False, True, True, True), strict=True):
        made.choose(view)
        told = [button.accessibleName() for button in view.buttons]
        assert (names.play_answer in told) is can_play
        assert names.copy in told
    gone = [names.sound_gone in view._footer_text(None) for view in made.views]
    assert gone == [True, False, False, False]


def test_a_chosen_turn_loses_its_buttons_with_its_sound(qtbot: QtBot) -> None:
    made = Transcript(look_for(Theme.LIGHT, False, QFont()), ENGLISH, longest_sound_s=5.0)
    qtbot.addWidget(made)
    first = made.begin(1, Origin.SPOKEN)
    made.finish(1, KeptTurn.of(record(1)))
    made.begin(2, Origin.SPOKEN)
    made.choose(first)
    n_before = len(first.buttons)
    made.finish(2, KeptTurn.of(record(2)))
    assert (n_before, len(first.buttons)) == (4, 1)


def test_two_hours_of_talk_hold_as_much_sound_as_ten_minutes(qtbot: QtBot) -> None:
    """A hundredth of everything: turns of 0.3 s, of which 6 s may stay."""
    made = Transcript(look_for(Theme.LIGHT, False, QFont()), ENGLISH, longest_sound_s=6.0)
    qtbot.addWidget(made)
    rng = np.random.default_rng(0)

    def go_on(first: int, last: int) -> None:
        for turn_id in range(first, last):
            noise = rng.uniform(-0.5, 0.5, 2400).astype(np.float32)  # 0.15 s
            whole = dataclasses.replace(
                record(turn_id, answer="Short.", with_sound=False),
                user_samples=noise,
                answer_samples=noise,
                answer_sample_rate=16000,
            )
            made.begin(turn_id, Origin.SPOKEN)
            made.finish(turn_id, KeptTurn.of(whole))

    def sound_bytes() -> int:
        return sum(len(kept.question) + len(kept.answer) for kept in made.finished)

    tracemalloc.start()
    try:
        go_on(0, 20)
        ten_minutes, held_then = sound_bytes(), tracemalloc.get_traced_memory()[0]
        go_on(20, 240)
        two_hours, held_now = sound_bytes(), tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert ten_minutes > 20 * 7000
    assert two_hours <= 1.05 * ten_minutes
    # What is left of a turn are its words, which stay in the window: less than half a second of
    # its samples would take.
    assert (held_now - held_then) / 220 < 16_000
