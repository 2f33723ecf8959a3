"""The mode lab: choose a question, run it through every mode, see and hear the difference.

The run itself happens on the engine's thread; this dialog asks for it and shows what it tells. The
gui thread's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import assert_never

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app import paths
from app.kept_turn import KeptTurn, Side, SoundPlace
from app.lab.result import LabResult
from app.ui.ask import Questions
from app.ui.lab_results import LabResults
from app.ui.ports import Lab, LabFailed, LabFinished, LabFormat, LabProgressed, Recording
from app.ui.saver import Saver
from app.ui.stylesheet import Kind, indent, mark
from app.ui.theme import GRID, Look
from app.ui.translations import Strings
from app.ui_commands import Command

_SIZE = QSize(100 * GRID, 84 * GRID)
_MOST_REPEATS = 50
_REPEATS = 3
_SHOWN_TURNS = 20


class LabDialog(QDialog):
    """One lab at a time; its last result stays until the next one."""

    def __init__(
        self,
        parent: QWidget,
        lab: Lab,
        saver: Saver,
        questions: Questions,
        post: Callable[[Command], None],
        look: Look,
        strings: Strings,
    ) -> None:
        super().__init__(parent)
        self._lab = lab
        self._saver = saver
        self._questions = questions
        self._post = post
        self._look = look
        self._strings = strings
        self._choices: list[KeptTurn | Path | None] = []
        self._result: LabResult | None = None
        self._is_running = False
        words = strings.lab
        self.question, self.repeats = QComboBox(), QSpinBox()
        self.start, self.cancel = QPushButton(words.start), QPushButton(words.cancel)
        self.progress, self.status = QProgressBar(), QLabel()
        self.export_html = QPushButton(words.export_html)
        self.export_csv = QPushButton(words.export_csv)
        self._scrolled, self._waiting = QScrollArea(), QLabel()
        self.setWindowTitle(words.title)
        self._lay_out()
        self._connect()
        self._say("")
        self._show_running(False)
        self.resize(_SIZE)

    def _lay_out(self) -> None:
        words = self._strings.lab
        self.question.setAccessibleName(words.utterance)
        self.question.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.question.setMinimumContentsLength(20)
        self.repeats.setAccessibleName(words.repeats)
        indent(self.repeats)
        self.repeats.setRange(1, _MOST_REPEATS)
        self.repeats.setValue(_REPEATS)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(words.progress)
        mark(self.status, Kind.MUTED)
        mark(self.start, Kind.PRIMARY)
        intro = QLabel(words.intro)
        intro.setWordWrap(True)
        order = QHBoxLayout()
        order.setSpacing(GRID)
        for text, control, stretch in (
            (words.utterance, self.question, 1),
            (words.repeats, self.repeats, 0),
        ):
            label = QLabel(text)
            label.setBuddy(control)
            order.addWidget(label)
            order.addWidget(control, stretch)
            order.addSpacing(GRID)
        order.addWidget(self.start)
        order.addWidget(self.cancel)
        page = QFrame()
        mark(page, Kind.PAGE)
        inner = QVBoxLayout(page)
        inner.setContentsMargins(2 * GRID, 2 * GRID, 0, 2 * GRID)
        inner.addWidget(self._scrolled)
        self._waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        mark(self._waiting, Kind.MUTED)
        self._scrolled.setWidget(self._waiting)
        self._scrolled.setFrameShape(QFrame.Shape.NoFrame)
        self._scrolled.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scrolled.setWidgetResizable(True)
        self._scrolled.viewport().setAutoFillBackground(False)
        self._scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        close = QPushButton(words.close)
        close.clicked.connect(self.close)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        buttons.addWidget(self.export_html)
        buttons.addWidget(self.export_csv)
        buttons.addStretch(1)
        buttons.addWidget(close)
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(2 * GRID)
        box.addWidget(intro)
        box.addLayout(order)
        box.addWidget(self.progress)
        box.addWidget(self.status)
        box.addWidget(page, 1)
        box.addLayout(buttons)

    def _connect(self) -> None:
        self.question.activated.connect(self._choose_file)
        self.start.clicked.connect(self._start)
        self.cancel.clicked.connect(self._lab.cancel)
        self.export_html.clicked.connect(lambda: self._export(LabFormat.HTML))
        self.export_csv.clicked.connect(lambda: self._export(LabFormat.CSV))

    # The question

    def show_questions(self, turns: Sequence[KeptTurn]) -> None:
        """Offers the latest spoken questions, the bundled sample, and a file."""
        words = self._strings.lab
        self.question.clear()
        self._choices = []
        spoken = [
            (number, kept)
            for number, kept in enumerate(turns, start=1)
            if kept.place is SoundPlace.MEMORY and kept.has_sound(Side.QUESTION)
        ]
        for place, (number, kept) in enumerate(reversed(spoken[-_SHOWN_TURNS:])):
            label = words.question_of_turn if place else words.last_question
            text = label.format(number=number, seconds=f"{kept.question_s:.1f}")
            self._offer(text, kept)
        self._offer(words.sample, paths.sample_question())
        self._offer(words.choose_file, None)
        self.question.setCurrentIndex(0)

    def _offer(self, label: str, choice: KeptTurn | Path | None) -> None:
        self._choices.append(choice)
        self.question.addItem(label)

    def _choose_file(self, index: int) -> None:
        if self._choices[index] is not None:
            return
        words = self._strings.lab
        path = self._questions.open_path(
            self, words.choose_file.removesuffix("..."), words.file_filter
        )
        if path is None:
            self.question.setCurrentIndex(0)
            return
        self._choices.insert(index, path)
        self.question.insertItem(index, path.name)
        self.question.setCurrentIndex(index)

    # Running

    def _start(self) -> None:
        choice = self._choices[self.question.currentIndex()]
        if choice is None:
            self._choose_file(self.question.currentIndex())
            return
        question = (
            Recording(*choice.sound(Side.QUESTION)) if isinstance(choice, KeptTurn) else choice
        )
        self._show_running(True)
        self.cancel.setFocus()
        self.progress.setValue(0)
        self._say(self._strings.lab.progress)
        self._lab.start(question, self.repeats.value())

    def apply(self, event: LabProgressed | LabFinished | LabFailed) -> None:
        """Shows how far the run is, or what came of it."""
        words = self._strings.lab
        match event:
            case LabProgressed(progress):
                self.progress.setValue(round(progress.fraction * self.progress.maximum()))
                if progress.mode is not None:
                    mode = self._strings.mode.of(progress.mode)
                    number, count = progress.n_done + 1, progress.n_total
                    self._say(words.progress_of.format(mode=mode, number=number, count=count))
            case LabFinished(result):
                self._show_running(False)
                self._say(words.cancelled if result.was_stopped else "")
                self._show_result(result)
            case LabFailed(message):
                self._show_running(False)
                self._say(words.failed.format(message=message))
            case _ as never:
                assert_never(never)

    def _show_running(self, is_running: bool) -> None:
        self._is_running = is_running
        had_focus = self.cancel.hasFocus()
        for control in (self.question, self.repeats, self.start):
            control.setEnabled(not is_running)
        self.cancel.setEnabled(is_running)
        if had_focus and not is_running:
            self.start.setFocus()
        has_result = self._result is not None and self._result.has_runs
        for button in (self.export_html, self.export_csv):
            button.setEnabled(has_result and not is_running)
        self.progress.setVisible(is_running)
        if self._result is None:
            self._waiting.setText("" if is_running else self._strings.lab.waiting)

    def _show_result(self, result: LabResult) -> None:
        if not result.has_runs:
            return
        self._result = result
        self._scrolled.setWidget(LabResults(result, self._post, self._look, self._strings))
        self._show_running(False)

    def _export(self, form: LabFormat) -> None:
        assert self._result is not None, "there is nothing to export without a result"
        told = self._saver.export_lab(self._result, form, self)
        if told is not None:
            self._say(told)

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def reject(self) -> None:
        """Ends a run that nobody watches any more; closing and Escape come here too."""
        if self._is_running:
            self._lab.cancel()
        super().reject()
