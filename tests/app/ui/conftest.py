"""Qt without a screen; a Qt warning fails the test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from tests.app.ui.fakes import Surroundings

_HERE = Path(__file__).parent
# What a platform without a screen cannot do; nothing in the window depends on it.
_NO_SCREEN = "This plugin does not support"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every warning of Qt fails the test in which it comes."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            item.add_marker(pytest.mark.qt_log_ignore(_NO_SCREEN, extend=True))


@pytest.fixture
def around(qtbot: object) -> Iterator[Surroundings]:
    """Fakes for all that surrounds a window; its windows are closed afterwards."""
    surroundings = Surroundings()
    yield surroundings
    surroundings.close_windows()
