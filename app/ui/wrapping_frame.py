"""A frame whose lines wrap, and which says how much room they then need. The gui thread's."""

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame


class WrappingFrame(QFrame):
    """Asks for the height of its lines at its present width.

    Qt reckons a window's least height from hints that know no width; without this, whatever stands
    below a row that wraps would be squeezed in the smallest window.
    """

    def minimumSizeHint(self) -> QSize:
        """As narrow as it can be, and as high as it is at this width."""
        narrowest = super().minimumSizeHint().width()
        return QSize(narrowest, self.heightForWidth(max(self.width(), narrowest)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Asks for the height that the new width needs."""
        super().resizeEvent(event)
        self.updateGeometry()
