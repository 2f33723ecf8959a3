"""The dialogs that stay while the talk goes on: the mode lab and the models.

They are built when they are first asked for, and anew when the window's look or language changes.
The gui thread's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.kept_turn import KeptTurn
from app.ui.ask import Questions
from app.ui.ports import LabFailed, LabFinished, LabProgressed, ModelEvent, ModelsListed, Ports
from app.ui.saver import Saver
from app.ui.theme import Look
from app.ui.translations import Strings
from app.ui_commands import Command

if TYPE_CHECKING:
    from PySide6.QtWidgets import QDialog, QWidget

    from app.ui.lab_dialog import LabDialog
    from app.ui.models_dialog import ModelsDialog


class ToolDialogs:
    """At most one of each; ``dress`` says how the window looks now."""

    def __init__(
        self,
        window: QWidget,
        ports: Ports,
        saver: Saver,
        questions: Questions,
        post: Callable[[Command], None],
        dress: Callable[[], tuple[Look, Strings]],
    ) -> None:
        self._window = window
        self._ports = ports
        self._saver = saver
        self._questions = questions
        self._post = post
        self._dress = dress
        self._lab: LabDialog | None = None
        self._models: ModelsDialog | None = None
        self._listed: ModelsListed | None = None  # for a dialog that is built during a download

    def open_lab(self, turns: Sequence[KeptTurn]) -> None:
        """Opens the mode lab, which keeps its last result."""
        from app.ui.lab_dialog import LabDialog

        if self._lab is None:
            look, strings = self._dress()
            self._lab = LabDialog(
                self._window,
                self._ports.lab,
                self._saver,
                self._questions,
                self._post,
                look,
                strings,
            )
        self._lab.show_questions(turns)
        _bring_up(self._lab)

    def open_models(self, current: str) -> None:
        """Opens the models that can be fetched; ``current`` is the one in use."""
        from app.ui.models_dialog import ModelsDialog

        if self._models is None:
            _, strings = self._dress()
            self._models = ModelsDialog(self._window, self._ports.models, self._questions, strings)
            if self._listed is not None:
                self._models.apply(self._listed)
        self._models.show_current(current)
        self._ports.models.look()
        _bring_up(self._models)

    def show_current(self, model: str) -> None:
        """Another model is in use now."""
        if self._models is not None:
            self._models.show_current(model)

    def apply_lab(self, event: LabProgressed | LabFinished | LabFailed) -> None:
        """Hands the lab what it is told."""
        if self._lab is not None:
            self._lab.apply(event)

    def apply_models(self, event: ModelEvent) -> None:
        """Hands the models what they are told."""
        if isinstance(event, ModelsListed):
            self._listed = event
        if self._models is not None:
            self._models.apply(event)

    def close(self) -> None:
        """Closes them; they are built anew when they are next asked for."""
        for dialog in (self._lab, self._models):
            if dialog is not None:
                dialog.close()
        self._lab = self._models = None


def _bring_up(dialog: QDialog) -> None:
    dialog.show()
    dialog.raise_()
    dialog.activateWindow()
