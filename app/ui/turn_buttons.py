"""What can be done with a finished turn: play, copy and save it. The gui thread's."""

from functools import partial

from PySide6.QtCore import QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from app.kept_turn import KeptTurn, Side
from app.ui.icons import Icon, icon
from app.ui.theme import GRID, Look
from app.ui.translations import Strings

TURN_BUTTON = 4 * GRID
"""The side of each button."""


class TurnButtons(QObject):
    """The buttons of one turn, which are there for what the turn holds."""

    replay_wanted = Signal(object)  # Side
    save_wanted = Signal(object)  # Side
    copy_wanted = Signal()

    def __init__(self, turn: QWidget, kept: KeptTurn, look: Look, strings: Strings) -> None:
        super().__init__(turn)
        self._turn = turn
        self._look = look
        self._question: QToolButton | None = None
        self._footer: list[QToolButton] = []
        words = strings.conversation
        if kept.has_sound(Side.QUESTION):
            self._question = self._make(Icon.PLAY, words.play_question)
            self._question.clicked.connect(partial(self.replay_wanted.emit, Side.QUESTION))
        if kept.has_sound(Side.ANSWER):
            play = self._make(Icon.PLAY, words.play_answer)
            play.clicked.connect(partial(self.replay_wanted.emit, Side.ANSWER))
            self._footer.append(play)
        copy = self._make(Icon.COPY, words.copy)
        copy.clicked.connect(lambda: self.copy_wanted.emit())
        self._footer.append(copy)
        saves = [
            (side, label)
            for side, label in (
                (Side.ANSWER, words.save_answer),
                (Side.QUESTION, words.save_question),
            )
            if kept.has_sound(side)
        ]
        if saves:
            save = self._make(Icon.SAVE, words.save)
            menu = QMenu(save)
            for side, label in saves:
                menu.addAction(label, partial(self.save_wanted.emit, side))
            save.setMenu(menu)
            save.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
            self._footer.append(save)

    @property
    def all(self) -> tuple[QToolButton, ...]:
        """Every button, in the order of Tab."""
        first = () if self._question is None else (self._question,)
        return (*first, *self._footer)

    def place(self, bubble: QRectF, footer_right: QPointF) -> None:
        """Puts one beside the question, and the others into the footer, from its right end."""
        if self._question is not None:
            x = bubble.left() - TURN_BUTTON - GRID / 2
            self._question.move(round(x), round(bubble.center().y() - TURN_BUTTON / 2))
        left = round(footer_right.x()) - TURN_BUTTON * len(self._footer)
        for number, button in enumerate(self._footer):
            button.move(left + number * TURN_BUTTON, round(footer_right.y()))

    @property
    def are_in_use(self) -> bool:
        """Whether the menu of one of them is open."""
        return any(button.isDown() for button in self.all)

    def show(self) -> None:
        """Shows all of them."""
        for button in self.all:
            button.show()

    def remove(self) -> None:
        """Takes them away for good."""
        for button in self.all:
            button.hide()
            button.deleteLater()
        self.deleteLater()

    def _make(self, drawing: Icon, label: str) -> QToolButton:
        button = QToolButton(self._turn)
        button.setIcon(icon(drawing, self._look.colours, self._look.colours.muted))
        button.setAccessibleName(label)
        button.setToolTip(label)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.resize(TURN_BUTTON, TURN_BUTTON)
        return button
