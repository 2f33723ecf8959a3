"""Both themes can be read, and the window has two text sizes."""

import re

import pytest
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QApplication

from app.settings import Theme
from app.ui.stylesheet import stylesheet
from app.ui.theme import DARK, LIGHT, Colours, colours_for, contrast, look_for

THEMES = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])


@THEMES
def test_every_text_stands_out_from_what_is_behind_it(colours: Colours) -> None:
    faint = [pair for pair in colours.text_pairs() if contrast(*pair) < 4.5]
    assert faint == []


@THEMES
def test_every_edge_and_bar_stands_out_from_what_is_behind_it(colours: Colours) -> None:
    faint = [pair for pair in colours.shape_pairs() if contrast(*pair) < 3.0]
    assert faint == []


@THEMES
def test_stages_side_by_side_differ(colours: Colours) -> None:
    assert len(set(colours.stages)) == len(colours.stages)


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


def test_a_theme_that_is_chosen_does_not_ask_the_desktop(qapp: QApplication) -> None:
    assert colours_for(Theme.DARK) is DARK
    assert colours_for(Theme.LIGHT) is LIGHT
    assert colours_for(Theme.SYSTEM) in (LIGHT, DARK)


@pytest.mark.parametrize("is_large", [False, True])
def test_there_are_two_text_sizes(is_large: bool, qapp: QApplication) -> None:
    look = look_for(Theme.LIGHT, is_large, QFont())
    sizes = set(re.findall(r"font-size: ([\d.]+)pt", stylesheet(look)))
    assert sizes == {f"{look.small.pointSizeF():.2f}"}
    assert look.small.pointSizeF() < look.text.pointSizeF()
    assert look.strong().pointSizeF() == look.text.pointSizeF()


def test_large_text_is_larger(qapp: QApplication) -> None:
    plain, large = (look_for(Theme.LIGHT, is_large, QFont()) for is_large in (False, True))
    assert large.small.pointSizeF() > plain.text.pointSizeF()


@THEMES
def test_the_style_sheet_uses_colours_of_the_theme_only(colours: Colours) -> None:
    theme = Theme.DARK if colours.is_dark else Theme.LIGHT
    sheet = stylesheet(look_for(theme, False, QFont()))
    known = {value for value in vars(colours).values() if isinstance(value, str)}
    assert set(re.findall(r"#[0-9a-f]{6}", sheet)) <= known
