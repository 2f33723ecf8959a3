"""Writes what the user wants written, and says where it went or why it did not. The gui thread's.

Whatever fails, the conversation stays as it is in the window, so it can be saved elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.errors import AppError
from app.kept_turn import KeptTurn, Side
from app.ui.ask import Questions
from app.ui.notice_area import Severity
from app.ui.ports import ExportFormat, Files, LabFormat
from app.ui.translations import Strings

if TYPE_CHECKING:
    from app.lab.result import LabResult


class Saver:
    """Asks for a path, writes there, tells the outcome.

    ``with_sound`` gives a turn its sound back, or tells why it cannot and gives None.
    """

    def __init__(
        self,
        parent: QWidget,
        files: Files,
        questions: Questions,
        tell: Callable[[Severity, str], None],
        with_sound: Callable[[KeptTurn], KeptTurn | None],
        strings: Strings,
    ) -> None:
        self._parent = parent
        self._files = files
        self._questions = questions
        self._tell = tell
        self._with_sound = with_sound
        self.strings = strings

    def save_sound(self, kept: KeptTurn, side: Side) -> None:
        """One side of a turn as WAV."""
        words = self.strings.conversation
        title = words.save_question if side is Side.QUESTION else words.save_answer
        found = self._with_sound(kept)
        if found is None:
            return
        samples, sample_rate = found.sound(side)
        self._write(
            title,
            f"{_stamp(kept.record.started_at)}-{side.value}.wav",
            lambda path: self._files.save_sound(samples, sample_rate, path),
        )

    def export(self, turns: Sequence[KeptTurn], form: ExportFormat) -> None:
        """The whole conversation; tells of turns whose sound nobody has any more."""
        if not turns:
            self._tell(Severity.INFORMATION, self.strings.history.export_empty)
            return
        name = f"{_stamp(turns[0].record.started_at)}.{form.value}"
        n_lost = 0
        if form is ExportFormat.SOUND:
            n_lost = sum(kept.has_lost_sound for kept in turns)
            found = [self._with_sound(kept) for kept in turns]
            records = [kept.restored() for kept in found if kept is not None]
        else:
            records = [kept.record for kept in turns]
        self._write(
            self.strings.history.export,
            name,
            lambda path: self._files.export(records, form, path),
            n_lost,
        )

    def export_lab(self, result: LabResult, form: LabFormat, parent: QWidget) -> str | None:
        """A lab's result; returns what is to be said about it, None where nothing was done."""
        words = self.strings.lab
        title = words.export_html if form is LabFormat.HTML else words.export_csv
        name = f"parley-lab-{_stamp(result.setting.measured_at)}.{form.value}"
        path = self._questions.save_path(parent, title, name)
        if path is None:
            return None
        try:
            self._files.export_lab(result, form, path)
        except AppError as error:
            return self.strings.notices.could_not_save.format(message=error)
        return self.strings.notices.saved_as.format(path=path)

    def _write(
        self, title: str, suggested: str, write: Callable[[Path], None], n_lost: int = 0
    ) -> None:
        title = title.removesuffix("...")
        path = self._questions.save_path(self._parent, title, f"parley-{suggested}")
        if path is None:
            return
        words = self.strings.notices
        try:
            write(path)
        except AppError as error:
            self._tell(Severity.ERROR, words.could_not_save.format(message=error))
        else:
            told = [words.saved_as.format(path=path)]
            if n_lost:
                told.append(words.sounds_missing.format(n=n_lost))
            self._tell(Severity.WARNING if n_lost else Severity.INFORMATION, " ".join(told))


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d-%H%M%S}"
