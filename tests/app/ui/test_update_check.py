"""The update check in the window: nobody is asked before the user agrees."""

import pytest
from PySide6.QtWidgets import QCheckBox

from app.settings import PrivacySettings, Settings
from app.ui.chinese import CHINESE
from app.ui.english import ENGLISH
from app.ui.ports import NoUpdate, UpdateFound
from app.ui.settings_dialog import SettingsDialog
from app.ui.translations import Strings
from tests.app.ui.fakes import DEVICES, Surroundings

HOST = "updates.parley.invalid"
AGREED = Settings(privacy=PrivacySettings(check_updates=True))


@pytest.fixture
def asking(around: Surroundings) -> Surroundings:
    """A build whose packager offers an update check."""
    around.program.update_host = HOST
    return around


def test_it_is_off_until_the_user_agrees() -> None:
    assert not Settings().privacy.check_updates


def test_a_build_without_an_address_shows_no_check(around: Surroundings) -> None:
    window = around.ready_window()
    assert not window.menus.updates.isVisible()
    dialog = SettingsDialog(window, AGREED, DEVICES, ENGLISH, "")
    labels = [box.text() for box in dialog.findChildren(QCheckBox)]
    assert ENGLISH.settings.check_updates not in labels
    assert dialog.settings() == AGREED


@pytest.mark.parametrize("strings", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_the_settings_say_whom_it_asks(strings: Strings, asking: Surroundings) -> None:
    window = asking.ready_window()
    dialog = SettingsDialog(window, Settings(), DEVICES, strings, HOST)
    (box,) = [
        box
        for box in dialog.findChildren(QCheckBox)
        if box.text() == strings.settings.check_updates
    ]
    assert not box.isChecked() and HOST in box.accessibleDescription()
    box.setChecked(True)
    assert dialog.settings() == AGREED


@pytest.mark.parametrize("agrees", [True, False])
def test_the_menu_asks_the_user_before_anybody_else(agrees: bool, asking: Surroundings) -> None:
    asking.answers.sure = agrees
    window = asking.ready_window()
    assert window.menus.updates.isVisible()
    window.menus.updates.trigger()
    assert asking.answers.asked == [ENGLISH.about.update_question.format(host=HOST)]
    assert asking.program.n_update_checks == int(agrees)


def test_who_has_agreed_is_not_asked_again(asking: Surroundings) -> None:
    window = asking.ready_window(AGREED)
    window.menus.updates.trigger()
    assert asking.answers.asked == []
    assert asking.program.n_update_checks == 1


def test_a_newer_version_is_told_with_its_page_which_opens_only_when_wanted(
    asking: Surroundings,
) -> None:
    window = asking.ready_window()
    window.apply(UpdateFound("0.2.0", "https://parley.invalid/0.2.0"))
    (text,) = window.notices.texts
    assert "0.2.0" in text and "0.1.0" in text
    assert asking.program.pages == []
    window.notices.action_buttons[0].click()
    assert asking.program.pages == ["https://parley.invalid/0.2.0"]


@pytest.mark.parametrize("event", [NoUpdate(), NoUpdate("the host could not be asked")])
def test_an_answer_without_news_is_told_too(event: NoUpdate, asking: Surroundings) -> None:
    window = asking.ready_window()
    window.apply(event)
    (text,) = window.notices.texts
    assert (event.failure or "0.1.0") in text
    assert window.notices.action_buttons == []
