"""The Help menu's dialogs, built when they are asked for. The gui thread's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from app.settings import Settings
    from app.ui.ask import Questions
    from app.ui.ports import Program
    from app.ui.translations import Strings


class Help:
    """Shows the keys, the licences and the about box over ``parent``, and asks for updates.

    ``current`` gives the settings and the words of the moment.
    """

    def __init__(
        self,
        parent: QWidget,
        program: Program,
        questions: Questions,
        current: Callable[[], tuple[Settings, Strings]],
    ) -> None:
        self._parent = parent
        self._program = program
        self._questions = questions
        self._current = current

    def check_updates(self) -> None:
        """Looks for a newer version, after the user agreed."""
        settings, strings = self._current()
        words = strings.about
        question = words.update_question.format(host=self._program.update_host)
        if settings.privacy.check_updates or self._questions.is_sure(
            self._parent, question, words.update_yes, words.update_no
        ):
            self._program.check_updates()

    def show_keys(self) -> None:
        """Every key of the window."""
        from app.ui import help_dialogs

        settings, strings = self._current()
        help_dialogs.keys_dialog(self._parent, strings.about, settings.keys).open()

    def show_licences(self) -> None:
        """The licence of the program and of what ships with it."""
        from app.ui import help_dialogs

        _, strings = self._current()
        text = self._program.licences()
        help_dialogs.licences_dialog(self._parent, strings.about, text).open()

    def show_about(self) -> None:
        """The program and its version."""
        from app.ui import help_dialogs

        _, strings = self._current()
        help_dialogs.about_dialog(self._parent, strings.about, self._program.version).open()
