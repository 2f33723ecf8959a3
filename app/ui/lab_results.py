"""What a lab found, side by side: chart, figures, answers, and playing them. The gui thread's."""

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.lab.result import Answer, LabResult, ModeResult
from app.ui.icons import Icon, icon
from app.ui.mode_chart import ModeChart
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID, Look
from app.ui.translations import Strings
from app.ui_commands import Command, Replay, Stop

_NOTHING = "\N{EN DASH}"
_PAUSE_S = 0.6
_ANSWER = 6  # the column that takes all the width that is left


class LabResults(QWidget):
    """One result, shown in full."""

    def __init__(
        self,
        result: LabResult,
        post: Callable[[Command], None],
        look: Look,
        strings: Strings,
    ) -> None:
        super().__init__()
        self._post = post
        self._look = look
        self._strings = strings
        self._heard = [
            (found, found.answer)
            for found in result.modes
            if found.answer is not None and found.answer.samples is not None
        ]
        mark(self, Kind.PAGE)
        chart = ModeChart(look, strings)
        chart.show_result(result)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 2 * GRID, 0)
        box.setSpacing(2 * GRID)
        box.addWidget(chart)
        box.addLayout(self._table(result))
        if len(self._heard) > 1:
            box.addLayout(self._comparison())
        box.addStretch(1)

    def _table(self, result: LabResult) -> QGridLayout:
        words = self._strings.lab
        table = QGridLayout()
        table.setHorizontalSpacing(2 * GRID)
        table.setVerticalSpacing(GRID)
        table.setColumnStretch(_ANSWER, 1)
        heads = (
            *("", words.mode, words.first_sound, words.tokens_per_s, words.speed_up),
            *(words.drafts_accepted, words.answer),
        )
        for column, head in enumerate(heads):
            label = QLabel(head)
            mark(label, Kind.SMALL, Kind.MUTED)
            is_number = 2 <= column < _ANSWER
            table.addWidget(label, 0, column, _RIGHT if is_number else _LEFT)
        for row, found in enumerate(result.modes, start=1):
            if found.answer is not None and found.answer.samples is not None:
                table.addWidget(self._play_button(found, found.answer), row, 0, _TOP)
            name = QLabel(self._strings.mode.of(found.mode))
            mark(name, Kind.STRONG)
            table.addWidget(_lowered(name), row, 1, _TOP | _LEFT)
            first, tokens = found.first_sound_ms, found.tokens_per_s
            speed_up, accepted = result.speed_up(found), found.acceptance_rate
            for column, text in enumerate(
                (
                    f"{first.median:.0f} ms" if first else _NOTHING,
                    f"{tokens.median:.0f}" if tokens else _NOTHING,
                    f"{speed_up:.2f} x" if speed_up else _NOTHING,
                    f"{accepted:.0%}" if accepted is not None else _NOTHING,
                ),
                start=2,
            ):
                table.addWidget(_lowered(QLabel(text)), row, column, _TOP | _RIGHT)
            answer = QLabel(found.failure or (found.answer.text if found.answer else _NOTHING))
            answer.setWordWrap(True)
            answer.setTextFormat(Qt.TextFormat.PlainText)
            if found.failure:
                mark(answer, Kind.ERROR)
            table.addWidget(_lowered(answer), row, _ANSWER, _TOP)
        return table

    def _play_button(self, found: ModeResult, answer: Answer) -> QToolButton:
        button = QToolButton()
        label = self._strings.lab.play.format(mode=self._strings.mode.of(found.mode))
        button.setIcon(icon(Icon.PLAY, self._look.colours, self._look.colours.accent))
        button.setAccessibleName(label)
        button.setToolTip(label)
        button.setFixedSize(4 * GRID, 4 * GRID)
        button.clicked.connect(lambda: self._play(answer))
        return button

    def _comparison(self) -> QHBoxLayout:
        words = self._strings.lab
        row = QHBoxLayout()
        row.setSpacing(GRID)
        title = QLabel(words.listen)
        mark(title, Kind.STRONG)
        row.addWidget(title)
        row.addSpacing(GRID)
        self._first, self._second = QComboBox(), QComboBox()
        for combo, name, start in (
            (self._first, words.compare_a, 0),
            (self._second, words.compare_b, min(2, len(self._heard) - 1)),
        ):
            combo.addItems([self._strings.mode.of(found.mode) for found, _ in self._heard])
            combo.setCurrentIndex(start)
            combo.setAccessibleName(name)
            label = QLabel(name)
            label.setBuddy(combo)
            mark(label, Kind.SMALL, Kind.MUTED)
            row.addWidget(label)
            row.addWidget(combo)
        both = QPushButton(words.play_both)
        both.setIcon(icon(Icon.PLAY, self._look.colours))
        both.clicked.connect(self._play_both)
        stop = QPushButton(self._strings.talk.stop)
        stop.setIcon(icon(Icon.STOP, self._look.colours))
        stop.clicked.connect(lambda: self._post(Stop()))
        row.addWidget(both)
        row.addWidget(stop)
        row.addStretch(1)
        return row

    def _play(self, answer: Answer) -> None:
        assert answer.samples is not None, "only answers with sound have a button"
        self._post(Replay(answer.samples, answer.sample_rate))

    def _play_both(self) -> None:
        _, first = self._heard[self._first.currentIndex()]
        _, second = self._heard[self._second.currentIndex()]
        assert first.samples is not None and second.samples is not None
        pause = np.zeros(round(_PAUSE_S * first.sample_rate), np.float32)
        samples = np.concatenate([first.samples, pause, second.samples])
        self._post(Replay(samples, first.sample_rate))


_LEFT, _RIGHT = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
_TOP = Qt.AlignmentFlag.AlignTop


def _lowered(label: QLabel) -> QLabel:
    """A label whose first line stands beside the middle of a button."""
    label.setContentsMargins(0, GRID - 1, 0, GRID - 1)
    return label
