"""What is told of one model: its size, whether it fits this computer, its licences.

The gui thread's.
"""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from app.ui.ports import ModelFit, ModelRow
from app.ui.stylesheet import Kind, mark
from app.ui.theme import GRID
from app.ui.translations import ModelsStrings
from engine.fit import GIB, Verdict
from engine.model_store import Order, State, Stock, in_gb

_LONGEST_DEVICE = 40  # letters; processors have long names


class ModelDetails(QWidget):
    """One model as text."""

    def __init__(self, words: ModelsStrings) -> None:
        super().__init__()
        self._words = words
        self.title, self.fit = QLabel(), QLabel()
        self.size_text, self.licences = QLabel(), QLabel()
        mark(self.title, Kind.HEADING)
        for label in (self.fit, self.licences):
            label.setWordWrap(True)
        table = QGridLayout()
        table.setHorizontalSpacing(3 * GRID)
        table.setVerticalSpacing(GRID)
        table.setColumnStretch(1, 1)
        rows = ((words.size, self.size_text), (words.licences, self.licences))
        for number, (name, value) in enumerate(rows):
            label = QLabel(name)
            mark(label, Kind.MUTED)
            table.addWidget(label, number, 0, Qt.AlignmentFlag.AlignTop)
            table.addWidget(value, number, 1)
        for label in self.findChildren(QLabel):
            label.setTextFormat(Qt.TextFormat.PlainText)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2 * GRID)
        box.addWidget(self.title)
        box.addWidget(self.fit)
        box.addLayout(table)

    def show_row(self, row: ModelRow) -> None:
        """Shows another model, or the same one as it is now."""
        release = row.stock.release
        self.title.setText(release.title)
        self.size_text.setText(_size_of(row.stock, self._words))
        licences = (f"{licence.name}: {licence.summary}" for licence in release.licences)
        self.licences.setText("\n".join(licences))
        self.fit.setText(self._words.looking if row.fit is None else fit_text(row.fit, self._words))


def state_of(stock: Stock, is_used: bool, words: ModelsStrings) -> str:
    """How much of a model is there, in a few words."""
    if is_used:
        return words.in_use
    match stock.state:
        case State.ABSENT:
            return words.absent
        case State.PARTIAL:
            return words.partial.format(
                there=in_gb(stock.n_bytes), size=in_gb(stock.release.n_bytes)
            )
        case State.COMPLETE:
            return words.complete


def fit_text(fit: ModelFit, words: ModelsStrings) -> str:
    """Whether a model fits, and how fast it can be."""
    text = {
        Verdict.FITS: words.fits,
        Verdict.TIGHT: words.tight,
        Verdict.TOO_LARGE: words.too_large,
    }[fit.verdict]
    device = fit.device
    if len(device) > _LONGEST_DEVICE:
        device = f"{device[:_LONGEST_DEVICE].rstrip()}..."
    told = text.format(
        device=device,
        precision=fit.precision.value,
        needed=f"{fit.needed / GIB:.1f}",
        free=f"{fit.free / GIB:.1f}",
    )
    if fit.tokens_per_s is None or fit.verdict is Verdict.TOO_LARGE:
        return told
    return f"{told}\n{words.speed.format(tokens=f'{fit.tokens_per_s:.0f}')}"


def terms_of(order: Order, words: ModelsStrings) -> str:
    """Size and licences of an order as one text to agree to."""
    intro = words.licence_intro.format(
        name=order.release.title, size=in_gb(order.n_bytes), left=in_gb(order.n_bytes_left)
    )
    parts = [intro]
    for licence, text in order.licence_texts:
        repositories = ", ".join(
            part.part.repo_id for part in order.parts if part.part.licence == licence
        )
        heading = f"{licence.name} ({repositories})\n{licence.summary}"
        parts.append(f"{heading}\n\n{text.strip() or words.licence_elsewhere}")
    return "\n\n\n".join(parts) + "\n"


def _size_of(stock: Stock, words: ModelsStrings) -> str:
    if stock.state is State.COMPLETE:
        return in_gb(stock.n_bytes)
    return words.to_fetch.format(size=in_gb(stock.release.n_bytes))
