"""The models that can be fetched: what each takes, whether it fits, and what can be done with it.

The work is done on the models thread; this dialog asks for it and shows what it tells. Closing it
stops nothing: a download goes on, and the dialog shows it again. The gui thread's.
"""

from __future__ import annotations

from typing import assert_never

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.ask import Questions
from app.ui.model_details import ModelDetails, state_of, terms_of
from app.ui.ports import (
    ModelEvent,
    ModelOffered,
    ModelOutcome,
    ModelProgressed,
    ModelRow,
    Models,
    ModelsListed,
    ModelWork,
    ModelWorkEnded,
)
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID
from app.ui.translations import Strings
from engine.model_store import Order, State, in_gb
from engine.releases import release_of

_SIZE = QSize(100 * GRID, 64 * GRID)
_STEPS = 1000


class ModelsDialog(QDialog):
    """One thing is done to one model at a time."""

    def __init__(
        self, parent: QWidget, models: Models, questions: Questions, strings: Strings
    ) -> None:
        super().__init__(parent)
        self._models = models
        self._questions = questions
        self._words = strings.models
        self._rows: tuple[ModelRow, ...] = ()
        self._current = ""
        self._work: ModelWork | None = None
        self._worked_on = ""
        self._is_stopping = False
        words = self._words
        self.list = QListWidget()
        self.details = ModelDetails(words)
        self.get, self.use = QPushButton(words.get), QPushButton(words.use_folder)
        self.verify, self.remove = QPushButton(words.verify), QPushButton(words.remove)
        self.cancel = QPushButton(words.cancel)
        self.progress, self.status = QProgressBar(), QLabel()
        self.setWindowTitle(words.title)
        self._lay_out()
        self._connect()
        self._say("")
        self._show_work(None)
        self.resize(_SIZE)

    def _lay_out(self) -> None:
        words = self._words
        self.list.setAccessibleName(words.list_name)
        self.list.setFixedWidth(36 * GRID)
        self.progress.setTextVisible(False)
        self.progress.setRange(0, _STEPS)
        self.progress.setAccessibleName(words.title)
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        mark(self.status, Kind.MUTED)
        mark(self.get, Kind.PRIMARY)
        intro = QLabel(words.intro)
        intro.setWordWrap(True)
        actions = QHBoxLayout()
        actions.setSpacing(GRID)
        for button in (self.get, self.use, self.verify, self.remove):
            actions.addWidget(button)
        actions.addStretch(1)
        page = QFrame()
        mark(page, Kind.PAGE)
        right = QVBoxLayout(page)
        right.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        right.setSpacing(2 * GRID)
        right.addWidget(self.details)
        right.addStretch(1)
        right.addLayout(actions)
        middle = QHBoxLayout()
        middle.setSpacing(2 * GRID)
        middle.addWidget(self.list)
        middle.addWidget(page, 1)
        close = QPushButton(words.close)
        close.clicked.connect(self.close)
        bottom = QHBoxLayout()
        bottom.setSpacing(GRID)
        bottom.addWidget(self.progress, 1)
        bottom.addWidget(self.cancel)
        bottom.addStretch(1)
        bottom.addWidget(close)
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(2 * GRID)
        box.addWidget(intro)
        box.addLayout(middle, 1)
        box.addWidget(self.status)
        box.addLayout(bottom)

    def _connect(self) -> None:
        self.list.currentRowChanged.connect(lambda _: self._show_chosen())
        self.get.clicked.connect(lambda: self._begin(ModelWork.ORDER))
        self.use.clicked.connect(self._choose_folder)
        self.verify.clicked.connect(lambda: self._begin(ModelWork.VERIFY))
        self.remove.clicked.connect(self._ask_to_remove)
        self.cancel.clicked.connect(self._stop)

    # What is shown

    def show_current(self, model: str) -> None:
        """The model that is in use, which cannot be removed now."""
        self._current = model
        self._show_rows()

    def apply(self, event: ModelEvent) -> None:
        """Shows what the models thread tells."""
        match event:
            case ModelsListed(rows):
                self._rows = rows
                self._show_rows()
            case ModelOffered(order):
                self._show_terms(order)
            case ModelProgressed(work, name, done, total):
                if self._work is None:  # begun before this dialog was built anew
                    self._worked_on = self._title_of(name)
                    self._show_work(work)
                self.progress.setValue(_STEPS * done // total if total else 0)
                if not self._is_stopping:
                    self._say_how_far(work, in_gb(done), in_gb(total))
            case ModelWorkEnded(work, name, outcome, message):
                self._show_work(None)
                self._say(self._ended(work, self._title_of(name), outcome, message))
            case _ as never:
                assert_never(never)

    def _show_rows(self) -> None:
        chosen = self.list.currentRow()
        self.list.blockSignals(True)
        self.list.clear()
        for row in self._rows:
            item = QListWidgetItem(
                f"{row.stock.release.title}\n{state_of(row.stock, self._is_used(row), self._words)}"
            )
            item.setSizeHint(QSize(0, 7 * GRID))
            self.list.addItem(item)
        self.list.setCurrentRow(max(0, min(chosen, len(self._rows) - 1)))
        self.list.blockSignals(False)
        self._show_chosen()

    def _show_chosen(self) -> None:
        row = self._chosen
        if row is not None:
            self.details.show_row(row)
        self._show_work(self._work)

    def _show_work(self, work: ModelWork | None) -> None:
        """What can be done now: while something is done, nothing but to cancel it."""
        had_focus = self.cancel.hasFocus()
        self._work = work
        self._is_stopping = self._is_stopping and work is not None
        row = self._chosen
        is_free = work is None and row is not None
        state = State.ABSENT if row is None else row.stock.state
        self.get.setText(self._words.go_on if state is State.PARTIAL else self._words.get)
        self.get.setEnabled(is_free)
        self.use.setEnabled(is_free and state is not State.COMPLETE)
        self.verify.setEnabled(is_free and state is not State.ABSENT)
        is_used = row is not None and self._is_used(row)
        self.remove.setEnabled(is_free and state is not State.ABSENT and not is_used)
        is_long = work in (ModelWork.FETCH, ModelWork.VERIFY, ModelWork.ORDER)
        self.cancel.setEnabled(is_long and not self._is_stopping)
        self.cancel.setVisible(work is not None)
        self.progress.setVisible(work in (ModelWork.FETCH, ModelWork.VERIFY))
        if had_focus and work is None:
            self.list.setFocus()

    @property
    def _chosen(self) -> ModelRow | None:
        index = self.list.currentRow()
        return self._rows[index] if 0 <= index < len(self._rows) else None

    def _title_of(self, name: str) -> str:
        release = release_of(name)
        return self._worked_on if release is None else release.title

    def _is_used(self, row: ModelRow) -> bool:
        return row.stock.release.name == self._current

    def _say_how_far(self, work: ModelWork, done: str, total: str) -> None:
        text = self._words.fetching if work is ModelWork.FETCH else self._words.checking
        self._say(text.format(name=self._worked_on, done=done, total=total))

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    # What is asked for

    def _begin(self, work: ModelWork) -> None:
        row = self._chosen
        assert row is not None and self._work is None, "the buttons are off then"
        name = row.stock.release.name
        self._worked_on = row.stock.release.title
        self.progress.setValue(0)
        self._show_work(work)
        self.cancel.setFocus()
        match work:
            case ModelWork.ORDER:
                self._say(self._words.asking)
                self._models.order(name, None)
            case ModelWork.VERIFY:
                self._say_how_far(work, in_gb(0), in_gb(row.stock.n_bytes))
                self._models.verify(name)
            case ModelWork.REMOVE:
                self._say(self._words.removing.format(name=self._worked_on))
                self._models.remove(name)
            case ModelWork.FETCH:
                self._models.fetch()
            case _ as never:
                assert_never(never)

    def _choose_folder(self) -> None:
        row = self._chosen
        assert row is not None, "the button is off then"
        folder = self._questions.folder(self, self._words.choose_folder)
        if folder is None:
            return
        self._worked_on = row.stock.release.title
        self._show_work(ModelWork.ORDER)
        self._say(self._words.asking)
        self._models.order(row.stock.release.name, folder)

    def _show_terms(self, order: Order) -> None:
        """Has the licences accepted, then goes on."""
        words = self._words
        if self._is_stopping:  # the answer was on its way already
            self._show_work(None)
            self._say(words.cancelled)
            return
        title = words.licence_title.format(name=order.release.title)
        text = terms_of(order, words)
        if not self._questions.accepts(self, title, text, words.accept, words.decline):
            self._show_work(None)
            self._say(words.declined)
            return
        self._show_work(ModelWork.FETCH)
        self.cancel.setFocus()
        self._models.fetch()

    def _ask_to_remove(self) -> None:
        row = self._chosen
        assert row is not None, "the button is off then"
        words = self._words
        question = words.remove_question.format(
            name=row.stock.release.title, size=in_gb(row.stock.n_bytes)
        )
        if self._questions.is_sure(self, question, words.yes_remove, words.cancel):
            self._begin(ModelWork.REMOVE)

    def _stop(self) -> None:
        self._is_stopping = True
        self._show_work(self._work)
        self._say(self._words.cancelling)
        self._models.cancel()

    def _ended(self, work: ModelWork, name: str, outcome: ModelOutcome, message: str) -> str:
        words = self._words
        match outcome:
            case ModelOutcome.CANCELLED:
                return words.cancelled
            case ModelOutcome.FAILED:
                return words.failed.format(message=message)
            case ModelOutcome.FAULTY:
                return words.faulty.format(name=name, message=message)
            case ModelOutcome.DONE:
                done = {
                    ModelWork.FETCH: words.fetched,
                    ModelWork.VERIFY: words.checked,
                    ModelWork.REMOVE: words.removed,
                    ModelWork.ORDER: "",
                }
                return done[work].format(name=name, message=message)
            case _ as never:
                assert_never(never)
