"""The models dialog tells what each model takes, asks for work, and shows what comes of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.settings import Language, LookSettings, Settings
from app.ui.agreement_dialog import AgreementDialog
from app.ui.models_dialog import ModelsDialog
from app.ui.ports import (
    ModelFit,
    ModelOffered,
    ModelOutcome,
    ModelProgressed,
    ModelRow,
    ModelsListed,
    ModelWork,
    ModelWorkEnded,
)
from app.ui_commands import SetModel
from app.ui_events import EngineReady
from engine.fit import GIB, Verdict
from engine.model_store import Order, PartOrder, State, Stock
from engine.precision import Precision
from engine.releases import RELEASES
from tests.app.ui.fakes import Surroundings
from tests.app.ui.walk import dialogs

BOOST, BALANCE, PLUS_VANILLA, PLUS_BOOST = RELEASES
FITS = ModelFit("RTX 4090", Precision.BF16, Verdict.TIGHT, 23 * GIB, 24 * GIB, 112.4)


def rows(fit: ModelFit | None = FITS, **states: State) -> tuple[ModelRow, ...]:
    """One row for each release; those that are not named are not there."""
    there = {State.ABSENT: 0, State.PARTIAL: 3_200_000_000, State.COMPLETE: 22_000_000_000}
    found = []
    for release in RELEASES:
        short = release.name.removeprefix("vita-audio-").replace("-", "_")
        state = states.get(short, State.ABSENT)
        stock = Stock(release, state, Path("models") / release.name, there[state])
        found.append(ModelRow(stock, fit))
    return tuple(found)


def order() -> Order:
    """An order for Boost, nothing of which is there."""
    parts = tuple(PartOrder(part, Path("parts"), None) for part in BOOST.parts)
    texts = tuple((licence, "") for licence in BOOST.licences)
    texts = ((texts[0][0], "You may study it."), *texts[1:])
    return Order(BOOST, parts, texts, BOOST.n_bytes, BOOST.n_bytes)


@pytest.fixture
def dialog(around: Surroundings) -> ModelsDialog:
    """The dialog with everything absent, opened from the menu."""
    window = around.ready_window()
    window.menus.models.trigger()
    (found,) = dialogs(window)
    assert isinstance(found, ModelsDialog)
    assert around.models.asked == [("look",)]
    around.models.asked.clear()
    window.apply(ModelsListed(rows()))
    QApplication.processEvents()
    return found


def show(around: Surroundings, event: object) -> None:
    around.windows[0].apply(event)  # type: ignore[arg-type]
    QApplication.processEvents()


def test_every_model_is_listed_with_how_much_of_it_is_there(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    show(around, ModelsListed(rows(balance=State.PARTIAL, plus_boost=State.COMPLETE)))
    texts = [dialog.list.item(number).text() for number in range(dialog.list.count())]
    assert texts == [
        "VITA-Audio-Boost\nnot here",
        "VITA-Audio-Balance\n3.2 GB of 22.6 GB are here",
        "VITA-Audio-Plus-Vanilla\nnot here",
        "VITA-Audio-Plus-Boost\ncomplete",
    ]


def test_size_licences_and_fit_of_the_chosen_one_are_told(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    details = dialog.details
    assert details.title.text() == "VITA-Audio-Boost"
    assert details.size_text.text() == "about 22.6 GB"
    assert "Academic, research and education use only" in details.licences.text()
    assert "GLM-4-Voice" in details.licences.text()
    assert details.fit.text() == (
        "Just fits RTX 4090 in bf16: 23.0 of 24.0 GiB, close other programs\n"
        "At most 112 tokens/s in Boost"
    )
    dialog.list.setCurrentRow(3)
    assert details.title.text() == "VITA-Audio-Plus-Boost"
    assert "FunASR" in details.licences.text()


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (Verdict.FITS, "Fits RTX 4090 in bf16: 23.0 of 24.0 GiB\nAt most"),
        (Verdict.TOO_LARGE, "Too large for RTX 4090: even in bf16 it takes 23.0 of 24.0 GiB"),
    ],
)
def test_whether_it_fits_is_told(
    dialog: ModelsDialog, around: Surroundings, verdict: Verdict, told: str
) -> None:
    fit = ModelFit("RTX 4090", Precision.BF16, verdict, 23 * GIB, 24 * GIB, 112.4)
    show(around, ModelsListed(rows(fit)))
    assert dialog.details.fit.text().startswith(told)
    assert ("At most" in dialog.details.fit.text()) == (verdict is Verdict.FITS)


def test_until_the_machine_was_looked_at_that_is_said(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    show(around, ModelsListed(rows(None)))
    assert dialog.details.fit.text() == "Looking at this computer..."


def test_a_model_is_fetched_after_its_licences_were_accepted(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    dialog.get.click()
    assert around.models.asked == [("order", "vita-audio-boost", "None")]
    assert dialog.status.text() == "Asking the server..."
    assert not dialog.get.isEnabled() and dialog.cancel.isEnabled()
    show(around, ModelOffered(order()))
    (text,) = around.answers.asked
    assert "22.6 GB" in text and "You may study it." in text and "VITA-MLLM/" in text
    assert "does not come with the files" in text
    assert around.models.asked[1:] == [("fetch",)]
    show(around, ModelProgressed(ModelWork.FETCH, BOOST.name, 5_650_000_000, 22_600_000_000))
    assert dialog.progress.isVisible()
    assert dialog.progress.value() == 250
    assert dialog.status.text() == "Fetching VITA-Audio-Boost: 5.7 GB of 22.6 GB"
    show(around, ModelWorkEnded(ModelWork.FETCH, BOOST.name, ModelOutcome.DONE))
    show(around, ModelsListed(rows(boost=State.COMPLETE)))
    assert "is complete" in dialog.status.text()
    assert not dialog.cancel.isVisible() and not dialog.progress.isVisible()


def test_nothing_is_fetched_where_the_licences_are_declined(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    around.answers.sure = False
    dialog.get.click()
    show(around, ModelOffered(order()))
    assert ("fetch",) not in around.models.asked
    assert "not accepted" in dialog.status.text()
    assert dialog.get.isEnabled()


def test_a_download_can_be_stopped_and_gone_on_with(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    dialog.get.click()
    show(around, ModelOffered(order()))
    dialog.cancel.click()
    assert around.models.asked[-1] == ("cancel",)
    assert dialog.status.text() == "Stopping..."
    show(around, ModelProgressed(ModelWork.FETCH, BOOST.name, 6, 22))
    assert dialog.status.text() == "Stopping..."
    show(around, ModelWorkEnded(ModelWork.FETCH, "", ModelOutcome.CANCELLED))
    show(around, ModelsListed(rows(boost=State.PARTIAL)))
    assert "kept" in dialog.status.text()
    assert dialog.get.text() == "Go on fetching..."
    assert dialog.get.isEnabled()


def test_a_download_goes_on_while_the_dialog_is_closed(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    dialog.get.click()
    show(around, ModelOffered(order()))
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    assert ("cancel",) not in around.models.asked
    show(around, ModelProgressed(ModelWork.FETCH, BOOST.name, 11, 22))
    around.windows[0].open_models()
    assert dialog.isVisible()
    assert dialog.progress.value() == 500
    assert dialog.cancel.isEnabled()


def test_an_offer_that_comes_after_it_was_stopped_asks_nothing(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    dialog.get.click()
    dialog.cancel.click()
    show(around, ModelOffered(order()))
    assert around.answers.asked == []
    assert ("fetch",) not in around.models.asked
    assert dialog.status.text().startswith("Stopped")
    assert dialog.get.isEnabled()


def test_choosing_another_model_does_not_undo_the_stop(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    dialog.get.click()
    show(around, ModelOffered(order()))
    dialog.cancel.click()
    dialog.list.setCurrentRow(2)
    assert not dialog.cancel.isEnabled()


def test_a_download_is_shown_and_can_be_stopped_after_the_language_changed(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    window = around.windows[0]
    dialog.get.click()
    show(around, ModelOffered(order()))
    window.change(Settings(look=LookSettings(language=Language.ZH)))
    window.open_models()
    (anew,) = dialogs(window)
    assert isinstance(anew, ModelsDialog) and anew is not dialog
    assert anew.list.count() == len(RELEASES)
    show(around, ModelProgressed(ModelWork.FETCH, BOOST.name, 5_650_000_000, 22_600_000_000))
    assert anew.progress.isVisible() and anew.progress.value() == 250
    assert "VITA-Audio-Boost" in anew.status.text() and "5.7 GB" in anew.status.text()
    assert not anew.get.isEnabled()
    anew.cancel.click()
    assert around.models.asked[-1] == ("cancel",)


def test_a_failure_is_told_and_can_be_tried_again(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    dialog.get.click()
    message = "nothing is fetched while offline: allow the network"
    show(around, ModelWorkEnded(ModelWork.ORDER, BOOST.name, ModelOutcome.FAILED, message))
    assert dialog.status.text() == message
    assert dialog.get.isEnabled()


def test_a_folder_that_the_user_has_is_handed_on(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    dialog.use.click()
    assert around.models.asked == []
    around.answers.path = Path("/data/boost")
    dialog.use.click()
    assert around.models.asked == [("order", "vita-audio-boost", "/data/boost")]


def test_files_are_checked_and_what_is_damaged_is_told(
    dialog: ModelsDialog, around: Surroundings
) -> None:
    assert not dialog.verify.isEnabled()
    show(around, ModelsListed(rows(boost=State.COMPLETE)))
    dialog.verify.click()
    assert around.models.asked == [("verify", "vita-audio-boost")]
    show(around, ModelProgressed(ModelWork.VERIFY, BOOST.name, 11, 22))
    assert dialog.status.text() == "Checking VITA-Audio-Boost: 0.0 MB of 0.0 MB"
    faulty = "model-00001-of-00005.safetensors: it is cut off"
    show(around, ModelWorkEnded(ModelWork.VERIFY, BOOST.name, ModelOutcome.FAULTY, faulty))
    assert faulty in dialog.status.text() and "mends" in dialog.status.text()
    dialog.verify.click()
    show(around, ModelWorkEnded(ModelWork.VERIFY, BOOST.name, ModelOutcome.DONE))
    assert "as it was published" in dialog.status.text()


def test_removing_is_asked_for_twice(dialog: ModelsDialog, around: Surroundings) -> None:
    assert not dialog.remove.isEnabled()
    show(around, ModelsListed(rows(boost=State.COMPLETE)))
    around.answers.sure = False
    dialog.remove.click()
    assert around.models.asked == []
    around.answers.sure = True
    dialog.remove.click()
    assert "22.0 GB become free" in around.answers.asked[-1]
    assert around.models.asked == [("remove", "vita-audio-boost")]
    show(around, ModelWorkEnded(ModelWork.REMOVE, BOOST.name, ModelOutcome.DONE, "22.0 GB"))
    assert dialog.status.text() == "VITA-Audio-Boost was removed; 22.0 GB are free again."


def test_the_model_in_use_cannot_be_removed(dialog: ModelsDialog, around: Surroundings) -> None:
    show(around, ModelsListed(rows(boost=State.COMPLETE)))
    show(around, EngineReady("vita-audio-boost", 9.0))
    assert dialog.list.item(0).text().endswith("in use")
    assert not dialog.remove.isEnabled()
    assert dialog.verify.isEnabled()


def test_a_new_model_is_in_the_dropdown_at_once(dialog: ModelsDialog, around: Surroundings) -> None:
    window = around.windows[0]
    around.program.names = ("nano", "vita-audio-boost", "vita-audio-balance")
    show(around, ModelsListed(rows(boost=State.COMPLETE, balance=State.COMPLETE)))
    names = [window.header.model.itemText(n) for n in range(window.header.model.count())]
    assert names == ["nano", "vita-audio-boost", "vita-audio-balance", "More models..."]
    assert window.header.model.currentText() == "nano"


def test_the_last_entry_of_the_dropdown_opens_the_dialog(around: Surroundings) -> None:
    window = around.ready_window()
    last = window.header.model.count() - 1
    window.header.model.setCurrentIndex(last)
    window.header.model.activated.emit(last)
    assert isinstance(dialogs(window)[0], ModelsDialog)
    assert window.header.model.currentText() == "nano"
    assert not any(isinstance(command, SetModel) for command in around.posted)


def test_without_any_model_the_dropdown_still_leads_to_more(around: Surroundings) -> None:
    around.program.names = ()
    window = around.make_window()
    assert window.header.model.isEnabled()
    window.header.model.activated.emit(window.header.model.count() - 1)
    assert isinstance(dialogs(window)[0], ModelsDialog)


@pytest.mark.parametrize(
    "decline",
    [
        lambda dialog: QTest.keyClick(dialog, Qt.Key.Key_Escape),
        lambda dialog: QTest.keyClick(dialog, Qt.Key.Key_Return),
        lambda dialog: dialog.decline_button.click(),
    ],
    ids=["escape", "enter", "button"],
)
def test_a_long_text_is_agreed_to_by_its_button_alone(
    around: Surroundings, decline: Callable[[AgreementDialog], None]
) -> None:
    window = around.ready_window()
    dialog = AgreementDialog(window, "Licences", "Long\n" * 100, "Accept", "Decline")
    dialog.open()
    decline(dialog)
    assert dialog.result() == AgreementDialog.DialogCode.Rejected
    dialog.open()
    dialog.accept_button.click()
    assert dialog.result() == AgreementDialog.DialogCode.Accepted
