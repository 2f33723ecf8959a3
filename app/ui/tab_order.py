"""Where Tab leads: through the parts of a window in a given order. The gui thread's."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget


def move_focus(parts: Sequence[QWidget], here: QWidget | None, is_next: bool) -> bool:
    """Gives the focus to the next or the previous control that takes it; round and round.

    Within a part the order is that in which its widgets were made. What comes and goes, such as
    turns and notices, has its place without anybody chaining it to its neighbours.
    """
    order = [
        widget for part in parts for widget in part.findChildren(QWidget) if _takes_tab(widget)
    ]
    if not order:
        return False
    # From nowhere Tab goes to the first control, and back to the last.
    place = order.index(here) if here in order else (-1 if is_next else 0)
    reason = Qt.FocusReason.TabFocusReason if is_next else Qt.FocusReason.BacktabFocusReason
    order[(place + (1 if is_next else -1)) % len(order)].setFocus(reason)
    return True


def _takes_tab(widget: QWidget) -> bool:
    takes = widget.focusPolicy() & Qt.FocusPolicy.TabFocus == Qt.FocusPolicy.TabFocus
    return takes and widget.isVisible() and widget.isEnabled()
