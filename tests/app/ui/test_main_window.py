"""The window as a whole: events in, commands out, and nothing lost when something fails."""

import dataclasses
from itertools import product
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.errors import OutputError
from app.history import HistoryError
from app.kept_turn import KeptTurn, Side, SoundPlace
from app.set_aside import StoreNotice, StoreNoticeKind
from app.settings import (
    AudioSettings,
    Language,
    LookSettings,
    ModelSettings,
    PrivacySettings,
    Settings,
    Theme,
)
from app.turn_record import Origin, Outcome
from app.ui.main_window import MainWindow
from app.ui.ports import ExportFormat, HistoryChanged
from app.ui.theme import DARK, LIGHT
from app.ui_commands import (
    NewConversation,
    Replay,
    Send,
    SetAudio,
    SetMode,
    SetModel,
    SetSampling,
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
    Notice,
    NoticeKind,
    Phase,
    PhaseChanged,
    TurnFinished,
    TurnWithdrawn,
    UserSpoke,
    UserText,
)
from engine.modes import InferenceMode
from tests.app.ui.fakes import Surroundings, record, stamps
from tests.app.ui.walk import dialogs

FULL = OutputError("talk.wav: cannot be written: No space left on device")


def talk(window: MainWindow, n_turns: int = 2) -> None:
    """Some finished turns."""
    for turn_id in range(1, n_turns + 1):
        window.apply(UserSpoke(turn_id, Origin.SPOKEN))
        window.apply(TurnFinished(record(turn_id)))


def test_a_turn_goes_through_the_window(around: Surroundings) -> None:
    window = around.ready_window()
    for event in (
        PhaseChanged(Phase.LISTENING),
        UserSpoke(1, Origin.SPOKEN),
        PhaseChanged(Phase.THINKING),
        AnswerText(1, "Seven plus "),
        PhaseChanged(Phase.SPEAKING),
        LatencyMeasured(1, stamps()),
        AnswerText(1, "five is twelve."),
        UserText(1, "What is seven plus five?"),
        TurnFinished(record(1)),
        PhaseChanged(Phase.IDLE),
    ):
        window.apply(event)
    (view,) = window.transcript.views
    assert (view.question, view.answer) == (
        "What is seven plus five?",
        "Seven plus five is twelve.",
    )
    assert window.transcript.isVisible()
    assert not window.empty.isVisible()


def test_an_empty_window_offers_questions_that_can_be_asked(around: Surroundings) -> None:
    window = around.ready_window()
    assert window.empty.isVisible()
    QTest.mouseClick(window.empty.buttons[0], Qt.MouseButton.LeftButton)
    assert around.posted == [Send("What is seven plus five?")]


def test_a_withdrawn_first_turn_leaves_the_window_empty(around: Surroundings) -> None:
    window = around.ready_window()
    window.apply(UserSpoke(1, Origin.SPOKEN))
    window.apply(TurnWithdrawn(1))
    window.apply(UserText(1, "too late"))
    window.apply(AnswerText(1, "too late"))
    assert window.empty.isVisible()


def test_the_mode_is_switched_in_the_middle_of_a_conversation(around: Surroundings) -> None:
    window = around.ready_window()
    talk(window, 1)
    window.apply(UserSpoke(2, Origin.SPOKEN))
    window.apply(AnswerText(2, "It is"))
    window.header.mode.setFocus()
    QTest.keyClick(window.header.mode, Qt.Key.Key_Down)
    assert around.posted == [SetMode(InferenceMode.TURBO)]
    assert around.files.settings[-1].model.mode is InferenceMode.TURBO
    window.apply(AnswerText(2, " twelve."))
    window.apply(TurnFinished(record(2, answer="It is twelve.")))
    assert [view.answer for view in window.transcript.views][-1] == "It is twelve."
    assert window.menus.modes[InferenceMode.TURBO].isChecked()


def test_each_mode_has_a_key(around: Surroundings) -> None:
    window = around.ready_window()
    for key, mode in zip("12345", InferenceMode, strict=True):
        QTest.keyClick(window, getattr(Qt.Key, f"Key_{key}"), Qt.KeyboardModifier.AltModifier)
        assert window.header.mode.currentText() == mode.value.title()
    assert around.posted == [SetMode(mode) for mode in InferenceMode]


def test_a_model_that_fails_to_load_is_told_and_can_be_tried_again(around: Surroundings) -> None:
    window = around.ready_window()
    talk(window, 1)
    window.header.model.setCurrentIndex(1)
    window.header.model.activated.emit(1)
    window.apply(EngineUnavailable("vita-audio-boost", "the model lacks model.safetensors"))
    (text,) = window.notices.texts
    assert "vita-audio-boost" in text and "model.safetensors" in text
    assert window.header.model.currentText() == "nano"
    window.notices.action_buttons[0].click()
    assert around.posted == [SetModel("vita-audio-boost")] * 2
    assert window.notices.texts == []
    assert around.files.settings == []
    assert len(window.transcript.views) == 1


def test_without_any_model_the_window_says_so(around: Surroundings) -> None:
    around.program.names = ()
    window = around.make_window()
    window.apply(PhaseChanged(Phase.FAILED))
    window.apply(EngineUnavailable("nano", "no such model"))
    window.show()
    assert window.dock.state.text() == "No model is ready"
    assert not window.dock.talk.isEnabled()
    assert not window.dock.send.isEnabled()


def test_a_model_is_remembered_once_it_is_ready(around: Surroundings) -> None:
    window = around.ready_window()
    window.apply(EngineReady("vita-audio-boost", 8.0))
    assert window.header.model.currentText() == "vita-audio-boost"
    assert around.files.settings[-1].model.model == "vita-audio-boost"
    assert around.posted == []


@pytest.mark.parametrize("language", [Language.EN, Language.ZH])
def test_a_lost_device_is_told_whatever_goes_on(language: Language, around: Surroundings) -> None:
    window = around.make_window(Settings(look=LookSettings(language=language)))
    said = set()
    for phase, role, change in product((Phase.LISTENING, Phase.SPEAKING), DeviceRole, DeviceChange):
        window.apply(PhaseChanged(phase))
        window.apply(DeviceNotice(role, change, "USB headset"))
        window.apply(DeviceNotice(role, change, "USB headset"))
        *_, text = window.notices.texts
        assert window.notices.texts.count(text) == 1
        assert "USB headset" in text
        assert ("麦克风" in text or "扬声器" in text) == (language is Language.ZH)
        said.add(text)
    assert len(said) == len(DeviceRole) * len(DeviceChange)


def test_every_notice_has_words(around: Surroundings) -> None:
    window = around.make_window()
    for kind in NoticeKind:
        window.apply(Notice(kind, "detail"))
        assert window.notices.texts[-1].endswith(" detail")


def test_a_file_that_was_set_aside_is_named(around: Surroundings) -> None:
    window = around.make_window()
    for kind in StoreNoticeKind:
        window.apply(StoreNotice(kind, "not valid JSON", Path("settings.broken.json")))
        assert "settings.broken.json" in window.notices.texts[-1]


def test_notices_are_dismissed_and_never_pile_up(around: Surroundings) -> None:
    window = around.ready_window()
    for number in range(5):
        window.apply(Notice(NoticeKind.REPLY_FAILED, str(number)))
    assert [text[-1] for text in window.notices.texts] == ["2", "3", "4"]
    for dismiss in window.notices.dismiss_buttons:
        dismiss.click()
    assert not window.notices.isVisible()


def test_the_sound_of_any_turn_is_played_again(around: Surroundings) -> None:
    window = around.ready_window()
    talk(window)
    first = window.transcript.views[0]
    window.transcript.choose(first)
    for button in first.buttons[:2]:
        button.click()
    question, answer = around.posted
    assert isinstance(question, Replay) and isinstance(answer, Replay)
    assert (len(question.samples), question.sample_rate) == (round(1.9 * 16000), 16000)
    assert (len(answer.samples), answer.sample_rate) == (round(2.4 * 22050), 22050)


def test_the_sound_of_a_turn_is_saved(around: Surroundings, tmp_path: Path) -> None:
    window = around.ready_window()
    talk(window, 1)
    around.answers.path = tmp_path / "answer.wav"
    save = window.transcript.views[0].buttons[-1]
    save.menu().actions()[0].trigger()
    assert around.files.written == [(tmp_path / "answer.wav", (round(2.4 * 22050), 22050))]
    assert "answer.wav" in window.notices.texts[0]


def test_a_full_disk_is_told_and_nothing_is_lost(around: Surroundings, tmp_path: Path) -> None:
    window = around.ready_window()
    talk(window, 1)
    around.answers.path = tmp_path / "talk.wav"
    around.files.failure = FULL
    window.transcript.views[0].buttons[-1].menu().actions()[0].trigger()
    assert window.notices.texts == [f"Not saved: {FULL}"]
    around.files.failure = None
    window.transcript.views[0].buttons[-1].menu().actions()[0].trigger()
    assert around.files.written


@pytest.mark.parametrize("form", ExportFormat)
def test_a_conversation_is_exported(
    form: ExportFormat, around: Surroundings, tmp_path: Path
) -> None:
    window = around.ready_window()
    talk(window)
    around.answers.path = tmp_path / "talk"
    window.menus.exports[form].trigger()
    assert around.files.written == [(tmp_path / "talk", (form, 2))]
    assert around.answers.asked[0].endswith(f".{form.value}")
    around.files.failure = FULL
    window.menus.exports[form].trigger()
    assert f"Not saved: {FULL}" in window.notices.texts
    assert len(window.transcript.views) == 2


def test_nothing_is_asked_where_there_is_nothing_to_export(around: Surroundings) -> None:
    window = around.ready_window()
    window.menus.exports[ExportFormat.JSON].trigger()
    assert around.answers.asked == []
    assert window.notices.texts == ["There is nothing to export yet."]


def test_settings_that_cannot_be_kept_are_used_all_the_same(around: Surroundings) -> None:
    window = around.ready_window()
    around.files.failure = FULL
    window.menus.modes[InferenceMode.TURBO].trigger()
    assert around.posted == [SetMode(InferenceMode.TURBO)]
    assert window.notices.texts == [f"Not saved: {FULL}"]


def test_the_dialogue_is_told_only_what_changed(around: Surroundings) -> None:
    window = around.ready_window()
    audio = AudioSettings(volume=0.5)
    sampling = ModelSettings(temperature=0.7)
    window.change(dataclasses.replace(Settings(), audio=audio, model=sampling))
    assert around.posted == [SetSampling(sampling), SetAudio(audio)]
    window.change(
        dataclasses.replace(
            Settings(), audio=audio, model=sampling, privacy=PrivacySettings(offline=True)
        )
    )
    assert len(around.posted) == 2
    assert around.files.settings[-1].privacy.offline


def test_history_says_that_it_is_off_and_offers_to_turn_it_on(around: Surroundings) -> None:
    window = around.ready_window()
    QTest.keyClick(window, Qt.Key.Key_F9)
    assert window.history.isVisible()
    assert "History is off" in window.history.text
    assert "History is off" in window.empty.privacy
    window.history.turn_on.click()
    assert around.files.settings[-1].privacy.keep_history
    assert "History is off" not in window.history.text
    assert "kept here" in window.empty.privacy
    assert not window.history.turn_on.isVisible()


def with_history(around: Surroundings) -> MainWindow:
    """A window with three kept conversations, the last of which goes on."""
    for number in (1, 2, 3):
        kept = KeptTurn.of(record(number, answer=f"Answer {number}"))
        around.history.talks[number] = (f"Question {number}", [kept] * number)
    around.history.open_id = 3
    window = around.ready_window(Settings(privacy=PrivacySettings(keep_history=True)))
    window.header.sidebar.setChecked(True)
    return window


def test_a_past_conversation_is_opened_by_mouse_and_by_keyboard(around: Surroundings) -> None:
    window = with_history(around)
    names = window.history.list
    assert names.count() == 3
    QTest.keyClick(names, Qt.Key.Key_Down)
    QTest.keyClick(names, Qt.Key.Key_Return)
    assert around.history.open_id == 2
    assert [view.answer for view in window.transcript.views] == ["Answer 2"] * 2
    QTest.mouseClick(
        names.viewport(),
        Qt.MouseButton.LeftButton,
        pos=names.visualItemRect(names.item(2)).center(),
    )
    assert around.history.open_id == 1
    assert len(window.transcript.views) == 1


def test_a_conversation_goes_on_after_it_was_opened(around: Surroundings) -> None:
    window = with_history(around)
    window.history.opened.emit(2)
    window.apply(UserSpoke(1, Origin.TYPED))
    window.apply(TurnFinished(record(1, origin=Origin.TYPED)))
    assert len(window.transcript.views) == 3
    assert len(window.transcript.finished) == 3


def test_a_conversation_is_deleted_after_a_question(around: Surroundings) -> None:
    window = with_history(around)
    around.answers.sure = False
    QTest.keyClick(window.history.list, Qt.Key.Key_Delete)
    assert len(around.history.talks) == 3
    around.answers.sure = True
    QTest.keyClick(window.history.list, Qt.Key.Key_Delete)
    assert sorted(around.history.talks) == [1, 2]
    assert around.posted == [NewConversation()]
    assert window.history.list.count() == 2
    assert (
        around.answers.asked
        == ["Delete this conversation with its sound? It cannot be brought back."] * 2
    )


def test_what_goes_wrong_in_the_history_is_told(around: Surroundings) -> None:
    window = with_history(around)
    around.history.failure = OutputError("history.db: cannot be read")
    window.history.opened.emit(1)
    window.menus.delete.trigger()
    assert window.notices.texts == ["history.db: cannot be read"]
    assert len(around.history.talks) == 3
    assert around.posted == []


def test_a_new_conversation_starts_empty(around: Surroundings) -> None:
    window = around.ready_window()
    talk(window)
    QTest.keyClick(window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    assert around.posted == [NewConversation()]
    assert window.empty.isVisible()
    assert not window.transcript.views


def test_the_list_follows_what_is_kept(around: Surroundings) -> None:
    window = with_history(around)
    around.history.talks[4] = ("Question 4", [])
    window.apply(HistoryChanged())
    assert window.history.list.count() == 4


@pytest.mark.parametrize("language", [Language.EN, Language.ZH])
def test_theme_and_language_change_while_the_window_is_open(
    language: Language, around: Surroundings
) -> None:
    window = around.ready_window()
    talk(window)
    program = QApplication.instance()
    assert isinstance(program, QApplication)
    for theme, colours in ((Theme.DARK, DARK), (Theme.LIGHT, LIGHT)):
        window.change(Settings(look=LookSettings(theme, language)))
        assert colours.window in program.styleSheet()
        shown = window.transcript.viewport().grab().toImage().pixelColor(2, 2).name()
        assert shown == colours.window
    is_chinese = language is Language.ZH
    assert window.dock.stop.text() == ("停止" if is_chinese else "Stop")
    assert window.menus.new.text() == ("新对话(&N)" if is_chinese else "&New conversation")


def test_the_latency_of_the_chosen_turn_is_shown_beside_the_model_only_figure(
    around: Surroundings,
) -> None:
    window = around.ready_window()
    talk(window)
    assert window.latency.figures == ("525 ms", "154 ms", "244", "0.25", "0", "525 / 525 ms")
    typed = record(3, origin=Origin.TYPED, outcome=Outcome.INTERRUPTED)
    window.apply(UserSpoke(3, Origin.TYPED))
    window.apply(TurnFinished(typed))
    assert window.latency.figures[:3] == ("215 ms", "154 ms", "\N{EN DASH}")
    window.transcript.choose(window.transcript.views[0])
    assert window.latency.figures[0] == "525 ms"


def test_a_verified_turn_says_how_many_drafts_were_accepted(around: Surroundings) -> None:
    window = around.ready_window()
    finished = record(1, mode=InferenceMode.VERIFIED)
    assert finished.stats is not None
    figures = dataclasses.replace(finished.stats, n_drafts=40, n_drafts_accepted=30)
    window.apply(UserSpoke(1, Origin.SPOKEN))
    window.apply(TurnFinished(dataclasses.replace(finished, stats=figures)))
    assert window.latency.drafts_accepted == "75%"
    window.apply(UserSpoke(2, Origin.SPOKEN))
    assert window.latency.drafts_accepted is None
    window.apply(TurnFinished(record(2)))
    assert window.latency.drafts_accepted is None


def test_percentiles_are_shown_for_every_mode(around: Surroundings) -> None:
    window = around.ready_window()
    for turn_id, mode in enumerate(InferenceMode, start=1):
        window.apply(UserSpoke(turn_id, Origin.SPOKEN))
        window.apply(TurnFinished(record(turn_id, mode=mode, scale=turn_id)))
    QTest.keyClick(window, Qt.Key.Key_F8)
    assert window.latency.details.isChecked()
    assert window.latency.by_mode == {
        mode: f"{371 + 154 * scale} / {371 + 154 * scale} ms"
        for scale, mode in enumerate(InferenceMode, start=1)
    }


def test_help_opens_the_logs_and_quitting_ends_the_program(around: Surroundings) -> None:
    window = around.ready_window()
    window.menus.logs.trigger()
    assert around.program.n_logs_opened == 1
    window.close()
    assert around.program.n_quit == 1


def test_keys_lead_to_the_text_field_and_to_the_talk_button(around: Surroundings) -> None:
    window = around.ready_window()
    QTest.keyClick(window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.focusObject() is window.dock.input
    QTest.keyClick(window.dock.input, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.focusObject() is window.dock.talk


def test_a_second_start_brings_the_window_back(around: Surroundings) -> None:
    window = around.ready_window()
    window.show_or_hide()
    assert not window.isVisible()
    window.bring_to_front()
    assert window.isVisible()


def test_dialogs_are_built_when_they_are_asked_for(around: Surroundings) -> None:
    window = around.ready_window()
    assert dialogs(window) == []
    window.open_settings()
    assert len(dialogs(window)) == 1


def test_how_full_the_context_is_stands_among_the_figures(around: Surroundings) -> None:
    window = around.ready_window()
    assert window.latency.context is None
    window.apply(UserSpoke(1, Origin.TYPED))
    window.apply(TurnFinished(record(1, origin=Origin.TYPED)))
    window.apply(ContextChanged(1050, 2500, 0, 1))
    assert window.latency.context == "42%"
    assert window.transcript.n_forgotten == 0
    window.apply(UserSpoke(2, Origin.TYPED))
    window.apply(TurnFinished(record(2, origin=Origin.TYPED)))
    window.apply(ContextChanged(1200, 2500, 1, 2))
    assert window.latency.context == "48%"
    assert window.transcript.n_forgotten == 1
    window.header.new.click()
    window.apply(ContextChanged(0, 2500, 0, None))
    assert window.latency.context == "0%"
    assert window.transcript.n_forgotten == 0


def test_the_sound_of_an_old_turn_is_played_from_the_history(around: Surroundings) -> None:
    window = around.ready_window()
    kept = KeptTurn.of(record(-1))
    around.history.sounds_on_disk[-1] = (kept.question, kept.answer)
    window.transcript.show_turns([kept.without_sound(SoundPlace.HISTORY)])
    (old,) = window.transcript.finished
    window.transcript.replay_wanted.emit(old, Side.ANSWER)
    replayed = around.posted[-1]
    assert isinstance(replayed, Replay)
    assert len(replayed.samples) == 2.4 * 22050
    around.history.failure = HistoryError("This turn is no longer kept, nor is its sound")
    window.transcript.replay_wanted.emit(old, Side.ANSWER)
    assert around.posted[-1] is replayed
    assert window.notices.texts == ["This turn is no longer kept, nor is its sound"]


def test_exported_sound_says_what_it_lacks(around: Surroundings, tmp_path: Path) -> None:
    window = around.ready_window()
    kept = [KeptTurn.of(record(-number)) for number in (1, 2, 3)]
    around.history.sounds_on_disk[-2] = (kept[1].question, kept[1].answer)
    window.transcript.show_turns(
        [
            kept[0].without_sound(SoundPlace.NOWHERE),
            kept[1].without_sound(SoundPlace.HISTORY),
            kept[2],
        ]
    )
    around.answers.path = tmp_path / "talk.wav"
    window.menus.exports[ExportFormat.SOUND].trigger()
    (target, (form, n_turns)) = around.files.written[-1]
    assert (target, form, n_turns) == (around.answers.path, ExportFormat.SOUND, 3)
    assert "lacks the sound of 1 earlier turns" in window.notices.texts[-1]
    window.menus.exports[ExportFormat.MARKDOWN].trigger()
    assert "lacks" not in window.notices.texts[-1]
