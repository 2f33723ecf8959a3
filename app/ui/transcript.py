"""The conversation: one column of turns, of which only the changed one is laid out again.

The gui thread's. Turns are known by the ``turn_id`` of their events.
"""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QToolButton, QWidget

from app.kept_turn import KeptTurn, SoundPlace
from app.sound_shelf import LONGEST_SOUND_S, SoundShelf
from app.turn_record import Origin
from app.ui.forgotten_line import ForgottenLine
from app.ui.icons import Icon, icon
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID, Look
from app.ui.translations import Strings
from app.ui.turn_view import TurnView
from app.ui_events import ContextChanged

COLUMN_WIDTH = 92 * GRID
"""The widest a line of the conversation gets; wider ones are hard to read."""

_SPACE = GRID
_BUTTON = 5 * GRID


class _Column(QWidget):
    """Holds the turns at the heights they ask for, and ``line`` below the forgotten ones."""

    def __init__(self, line: ForgottenLine) -> None:
        super().__init__()
        self.views: list[TurnView] = []
        self._heights: list[int] = []
        self.outer_width = 0
        self._line = line
        self._n_forgotten = 0
        line.setParent(self)
        line.hide()
        mark(self, Kind.PAGE)

    def add(self, view: TurnView) -> None:
        """Adds a turn at the end."""
        view.setParent(self)
        self.views.append(view)
        self._heights.append(0)
        self.lay_out(len(self.views) - 1)
        view.show()

    def remove(self, view: TurnView) -> None:
        """Takes a turn out."""
        index = self.views.index(view)
        del self.views[index], self._heights[index]
        view.hide()
        view.deleteLater()
        if index < self._n_forgotten:
            self.forget(self._n_forgotten - 1)
        self._stack(index)

    @property
    def n_forgotten(self) -> int:
        """How many turns stand above the line; 0 where there is none."""
        return self._n_forgotten

    def forget(self, n_turns: int) -> None:
        """Puts the line below the first ``n_turns``."""
        if n_turns == self._n_forgotten:
            return
        first = min(n_turns, self._n_forgotten)
        self._n_forgotten = n_turns
        self._line.setVisible(n_turns > 0)
        self._stack(first)

    def lay_out(self, index: int) -> None:
        """Gives one turn the height it needs; moves those after it only if that changed."""
        view = self.views[index]
        left, width = self._span()
        if view.width() != width:
            view.resize(width, view.height())
        height = view.height_at(width)
        if height == self._heights[index] and view.x() == left:
            return
        self._heights[index] = height
        self._stack(index)

    def lay_out_all(self) -> None:
        """Lays every turn out in a new width."""
        _, width = self._span()
        for index, view in enumerate(self.views):
            if view.width() != width or not self._heights[index]:
                view.resize(width, view.height())
                self._heights[index] = view.height_at(width)
        self._stack(0)

    def _span(self) -> tuple[int, int]:
        """Left edge and width of the turns: under the strip above them, scroll bar or not."""
        width = min(self.width() - 2 * GRID, COLUMN_WIDTH)
        return max(GRID, (self.outer_width - width) // 2), width

    def _stack(self, first: int) -> None:
        left, width = self._span()
        top = _SPACE if first == 0 else self.views[first - 1].geometry().bottom() + 1 + _SPACE
        for index, height in enumerate(self._heights[first:], start=first):
            top += self._place_line(index, left, top, width)
            self.views[index].setGeometry(left, top, width, height)
            top += height + _SPACE
        top += self._place_line(len(self.views), left, top, width)
        self.setFixedHeight(top)

    def _place_line(self, index: int, left: int, top: int, width: int) -> int:
        """Places the line if it belongs above turn ``index``; the room that takes."""
        if not index or index != self._n_forgotten:
            return 0
        height = self._line.height_at(width)
        self._line.setGeometry(left, top, width, height)
        return height + _SPACE


class Transcript(QScrollArea):
    """The scrolled column; it follows the newest words unless the user has scrolled up.

    Of the sound of finished turns it keeps the newest ``longest_sound_s``; ``keeps_sound`` says
    whether that of an older turn is in the history.
    """

    turn_chosen = Signal(object)  # TurnView
    replay_wanted = Signal(object, object)  # KeptTurn, Side
    save_wanted = Signal(object, object)  # KeptTurn, Side

    def __init__(
        self,
        look: Look,
        strings: Strings,
        keeps_sound: Callable[[int], bool] = lambda turn_id: False,
        longest_sound_s: float = LONGEST_SOUND_S,
    ) -> None:
        super().__init__()
        self._look = look
        self._strings = strings
        self._by_id: dict[int, TurnView] = {}
        self._current: TurnView | None = None
        self._keeps_sound = keeps_sound
        self._shelf = SoundShelf(longest_sound_s)
        self._line = ForgottenLine(look, strings)
        self._column = _Column(self._line)
        self._follows = True
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(self._column)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self._to_latest = QToolButton(self)
        self._to_latest.setFixedSize(_BUTTON, _BUTTON)
        self._to_latest.clicked.connect(self.go_to_latest)
        self._to_latest.hide()
        mark(self, Kind.PAGE)
        mark(self._to_latest, Kind.FLOATING)
        self.verticalScrollBar().valueChanged.connect(self._note_place)
        self.verticalScrollBar().rangeChanged.connect(self._keep_place)
        self.set_look(look)
        self.retranslate(strings)

    # Turns

    @property
    def views(self) -> Sequence[TurnView]:
        """The turns from the first to the last."""
        return self._column.views

    def begin(self, turn_id: int, origin: Origin) -> TurnView:
        """A new turn at the end; the conversation follows it."""
        view = TurnView(len(self._column.views) + 1, origin, self._look, self._strings)
        view.grown.connect(lambda: self._column.lay_out(self._column.views.index(view)))
        view.chosen.connect(lambda: self.choose(view))
        view.moved.connect(self._move)
        view.replay_wanted.connect(self.replay_wanted)
        view.save_wanted.connect(self.save_wanted)
        self._by_id[turn_id] = view
        self._column.add(view)
        self.choose(view)
        return view

    def show_turns(self, turns: Sequence[KeptTurn]) -> None:
        """Shows a past conversation in place of this one."""
        self.clear()
        for kept in turns:
            # Ids are unique while the program runs only; what is past gets ids of its own.
            turn_id = -1 - len(self._column.views)
            self.begin(turn_id, kept.record.origin)
            self.finish(turn_id, kept)

    def finish(self, turn_id: int, kept: KeptTurn) -> None:
        """A turn is over, and the sound of the oldest ones may have to go."""
        view = self._by_id.get(turn_id)
        if view is None:
            return
        if kept.place is not SoundPlace.MEMORY:
            view.finish(kept.without_sound(kept.place))
            return
        view.finish(kept)
        for oldest in self._shelf.put(turn_id, kept.sound_s):
            is_kept = self._keeps_sound(oldest)
            place = SoundPlace.HISTORY if is_kept else SoundPlace.NOWHERE
            self._by_id[oldest].let_sound_go(place)

    def show_context(self, context: ContextChanged) -> None:
        """Draws the line between the turns that the next answer does not know and the others."""
        views = self._column.views
        first = self._by_id.get(context.first_turn_id) if context.first_turn_id else None
        if not context.n_forgotten:
            n_forgotten = 0
        elif first is not None:
            n_forgotten = views.index(first)
        else:  # none is known but one that goes on
            n_forgotten = sum(view.kept is not None for view in views)
        self._column.forget(n_forgotten)

    @property
    def n_forgotten(self) -> int:
        """How many turns stand above the line; 0 where there is none."""
        return self._column.n_forgotten

    def view(self, turn_id: int) -> TurnView | None:
        """The turn with that id; None where it was taken out."""
        return self._by_id.get(turn_id)

    def withdraw(self, turn_id: int) -> None:
        """Takes a turn out that became part of the next one."""
        view = self._by_id.pop(turn_id, None)
        self._shelf.drop(turn_id)
        if view is not None:
            self._column.remove(view)
            if self._current is view:
                self._current = None
                if self._column.views:
                    self.choose(self._column.views[-1])

    def clear(self) -> None:
        """Takes out every turn."""
        self._column.forget(0)
        for turn_id in list(self._by_id):
            self.withdraw(turn_id)
        self._follows = True

    @property
    def finished(self) -> tuple[KeptTurn, ...]:
        """The turns that are over."""
        return tuple(view.kept for view in self._column.views if view.kept is not None)

    # Choosing and scrolling

    def choose(self, view: TurnView) -> None:
        """Makes a turn the one whose buttons and times are shown."""
        if view is self._current:
            return
        if self._current is not None:
            self._current.set_current(False)
        self._current = view
        view.set_current(True)
        self.turn_chosen.emit(view)

    @property
    def current(self) -> TurnView | None:
        """The chosen turn."""
        return self._current

    def go_to_latest(self) -> None:
        """Scrolls to the end and follows it again."""
        self._follows = True
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def _move(self, step: int) -> None:
        if self._current is None:
            return
        here = self._column.views.index(self._current)
        target = self._column.views[max(0, min(here + step, len(self._column.views) - 1))]
        target.setFocus(Qt.FocusReason.TabFocusReason)
        self.ensureWidgetVisible(target, 0, GRID)

    def _note_place(self, value: int) -> None:
        self._follows = value >= self.verticalScrollBar().maximum() - GRID
        self._to_latest.setVisible(not self._follows)

    def _keep_place(self) -> None:
        if self._follows:
            self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())
        self._note_place(self.verticalScrollBar().value())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lays the turns out anew where their width changed."""
        super().resizeEvent(event)
        follows = self._follows
        self._column.outer_width = self.width()
        self._column.resize(self.viewport().width(), self._column.height())
        self._column.lay_out_all()
        corner = QPoint((self.width() - _BUTTON) // 2, self.height() - _BUTTON - GRID)
        self._to_latest.move(corner)
        if follows:
            self.go_to_latest()

    # Look and language

    def set_look(self, look: Look) -> None:
        """Takes over another theme or text size."""
        self._look = look
        self._to_latest.setIcon(icon(Icon.CHEVRON_DOWN, look.colours))
        self._line.set_look(look)
        for view in self._column.views:
            view.set_look(look)
        for index in range(len(self._column.views)):
            self._column.lay_out(index)

    def retranslate(self, strings: Strings) -> None:
        """Takes over another language."""
        self._strings = strings
        self.setAccessibleName(strings.conversation.name)
        self._to_latest.setAccessibleName(strings.conversation.to_latest)
        self._to_latest.setToolTip(strings.conversation.to_latest)
        self._line.retranslate(strings)
        for view in self._column.views:
            view.retranslate(strings)
        for index in range(len(self._column.views)):
            self._column.lay_out(index)
