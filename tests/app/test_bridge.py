"""Events of any thread arrive on the gui thread, in order."""

import os
import threading

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from pytestqt.qtbot import QtBot

from app.bridge import Bridge
from app.ui_events import LevelChanged, Phase, PhaseChanged


def test_events_of_another_thread_arrive_on_the_gui_thread_in_order(qtbot: QtBot) -> None:
    arrived: list[tuple[object, int]] = []
    bridge = Bridge()
    bridge.connect_to(lambda event: arrived.append((event, threading.get_ident())))
    sent = [LevelChanged(number / 100) for number in range(100)]
    worker = threading.Thread(target=lambda: [bridge.post(event) for event in sent])
    worker.start()
    worker.join()
    assert arrived == []
    qtbot.waitUntil(lambda: len(arrived) == len(sent))
    assert [event for event, _ in arrived] == sent
    assert {thread for _, thread in arrived} == {threading.get_ident()}


def test_what_is_done_aside_is_posted_unless_it_gives_nothing(qtbot: QtBot) -> None:
    arrived: list[object] = []
    done = threading.Event()
    bridge = Bridge()
    bridge.connect_to(arrived.append)
    bridge.post_result(lambda: done.set())
    assert done.wait(5)
    bridge.post_result(lambda: PhaseChanged(Phase.LISTENING))
    qtbot.waitUntil(lambda: arrived == [PhaseChanged(Phase.LISTENING)])


def test_an_event_of_the_gui_thread_waits_for_its_turn(qtbot: QtBot) -> None:
    arrived: list[object] = []
    bridge = Bridge()
    bridge.connect_to(arrived.append)
    bridge.post(PhaseChanged(Phase.IDLE))
    assert arrived == []
    qtbot.waitUntil(lambda: arrived == [PhaseChanged(Phase.IDLE)])
