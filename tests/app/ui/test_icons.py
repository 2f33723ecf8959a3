"""Every icon is a drawing of our own that takes the theme's colour."""

from pathlib import Path

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QIcon
from PySide6.QtWidgets import QApplication

from app import paths
from app.ui.icons import Icon, icon, pixmap, window_icon
from app.ui.theme import LIGHT

FOLDER = paths.assets() / "icons"
# Those that the style sheet names.
IN_STYLE_SHEET = {"arrow-down", "arrow-up", "tick-dark", "tick-light"}


def test_every_drawing_is_used_and_every_icon_is_drawn() -> None:
    drawings = {path.stem for path in FOLDER.glob("*.svg")}
    assert drawings == {drawing.value for drawing in Icon} | IN_STYLE_SHEET
    code = "".join(path.read_text(encoding="utf-8") for path in Path("app/ui").glob("*.py"))
    assert [drawing for drawing in Icon if f"Icon.{drawing.name}" not in code] == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.svg")), ids=lambda path: path.stem)
def test_a_drawing_holds_lines_and_nothing_foreign(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for foreign in ("<image", "<text", "<script", "href", "font"):
        assert foreign not in text


@pytest.mark.parametrize("drawing", [icon for icon in Icon if icon is not Icon.PARLEY])
def test_an_icon_has_the_colour_it_is_asked_for(drawing: Icon, qapp: QApplication) -> None:
    image = pixmap(drawing, "#ff0000", 48).toImage()
    colours = {
        image.pixelColor(x, y).name()
        for x in range(48)
        for y in range(48)
        if image.pixelColor(x, y).alpha() == 255
    }
    assert colours == {"#ff0000"}


def test_a_disabled_control_shows_it(qapp: QApplication) -> None:
    made = icon(Icon.STOP, LIGHT)
    for mode, colour in ((QIcon.Mode.Normal, LIGHT.text), (QIcon.Mode.Disabled, LIGHT.control)):
        centre = made.pixmap(QSize(20, 20), mode).toImage().pixelColor(10, 10)
        assert centre == QColor(colour)


def test_icons_are_sharp_on_dense_screens(qapp: QApplication) -> None:
    assert icon(Icon.STOP, LIGHT).pixmap(QSize(20, 20), 3.0).size() == QSize(60, 60)
    assert not window_icon().isNull()
