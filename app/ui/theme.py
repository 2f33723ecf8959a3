"""The colours of the window, light and dark, its two text sizes and its grid.

A theme is data; ``stylesheet.py`` turns it into Qt's style sheet. Every pair of colours in
``text_pairs`` and ``shape_pairs`` is held to a contrast by a test.
"""

from dataclasses import dataclass
from functools import cached_property

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette

from app.latency import Stage
from app.settings import Theme

GRID = 8
"""Every distance in the window is a multiple of this many pixels, or half of it."""

KEYBOARD_REASONS = frozenset(
    (
        *(Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason),
        *(Qt.FocusReason.ShortcutFocusReason, Qt.FocusReason.MenuBarFocusReason),
    )
)
"""How the focus comes to those who need to see where it is."""

_SMALL = 0.88  # of the size of the text
_LARGE_TEXT = 1.3


@dataclass(frozen=True)
class Colours:
    """One theme, as ``#rrggbb``; ``soft`` colours are backgrounds, ``on_`` ones stand on theirs."""

    is_dark: bool
    window: str
    surface: str
    raised: str
    hover: str
    line: str
    control: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    accent_soft: str
    listening: str
    on_listening: str
    thinking: str
    on_thinking: str
    information_soft: str
    warning: str
    warning_soft: str
    error: str
    error_soft: str
    stages: tuple[str, str, str, str, str, str]

    @cached_property
    def by_stage(self) -> dict[Stage, str]:
        """The colour of every stage of a turn."""
        return dict(zip(Stage, self.stages, strict=True))

    def text_pairs(self) -> tuple[tuple[str, str], ...]:
        """Every text colour with every background it stands on."""
        plain = (self.window, self.surface, self.raised, self.hover, self.accent_soft)
        notices = (self.information_soft, self.warning_soft, self.error_soft)
        return (
            *((colour, below) for colour in (self.text, self.muted) for below in plain),
            *((self.text, below) for below in notices),
            *((self.accent, below) for below in (self.window, self.surface, self.raised)),
            *((self.error, below) for below in (self.window, self.surface, self.error_soft)),
            (self.warning, self.surface),
            (self.warning, self.warning_soft),
            (self.on_accent, self.accent),
            (self.on_accent, self.accent_hover),
            (self.on_listening, self.listening),
            (self.on_thinking, self.thinking),
        )

    def shape_pairs(self) -> tuple[tuple[str, str], ...]:
        """Edges of controls, focus rings and bars with what lies behind them."""
        shapes = (self.control, self.accent, self.listening, self.thinking, *self.stages)
        return tuple((shape, below) for shape in shapes for below in (self.window, self.surface))


LIGHT = Colours(
    is_dark=False,
    window="#ffffff",
    surface="#f4f6f8",
    raised="#ffffff",
    hover="#e8ecef",
    line="#dce1e6",
    control="#808a96",
    text="#1a1d21",
    muted="#535c66",
    accent="#0a6c74",
    accent_hover="#085a61",
    on_accent="#ffffff",
    accent_soft="#e0f1f1",
    listening="#b3261e",
    on_listening="#ffffff",
    thinking="#535c66",
    on_thinking="#ffffff",
    information_soft="#e6eff8",
    warning="#7a4a00",
    warning_soft="#fdf1d8",
    error="#a8211a",
    error_soft="#fde9e7",
    stages=("#848c96", "#2e6fc0", "#0c8a86", "#b96a00", "#a23f97", "#4b545e"),
)

DARK = Colours(
    is_dark=True,
    window="#15181c",
    surface="#1d2126",
    raised="#262b31",
    hover="#2f353c",
    line="#343b43",
    control="#7b8692",
    text="#e9ecef",
    muted="#aab3bd",
    accent="#5cc9cf",
    accent_hover="#7ad8dd",
    on_accent="#06282b",
    accent_soft="#18383b",
    listening="#ff8f85",
    on_listening="#3a0905",
    thinking="#aab3bd",
    on_thinking="#15181c",
    information_soft="#1c3047",
    warning="#f3c26b",
    warning_soft="#3a2f17",
    error="#ff9d94",
    error_soft="#43211f",
    stages=("#7f8994", "#6aa5ef", "#38b8b2", "#e3a03f", "#d57fcb", "#c3cad2"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """What every part of the window is drawn with."""

    colours: Colours
    text: QFont
    small: QFont

    def strong(self) -> QFont:
        """The text's font, heavier."""
        return _heavier(self.text)

    def strong_small(self) -> QFont:
        """The small font, heavier."""
        return _heavier(self.small)


def colours_for(theme: Theme) -> Colours:
    """The colours of a theme; SYSTEM asks the desktop."""
    if theme is Theme.SYSTEM:
        scheme = QGuiApplication.styleHints().colorScheme()
        return DARK if scheme == Qt.ColorScheme.Dark else LIGHT
    return DARK if theme is Theme.DARK else LIGHT


def look_for(theme: Theme, large_text: bool, platform_font: QFont) -> Look:
    """A theme in the platform's own font, in the text's size and a smaller one."""
    size_pt = max(platform_font.pointSizeF(), 9.0) * (_LARGE_TEXT if large_text else 1.0)
    text, small = QFont(platform_font), QFont(platform_font)
    text.setPointSizeF(size_pt * 1.1)
    small.setPointSizeF(size_pt * 1.1 * _SMALL)
    return Look(colours_for(theme), text, small)


def palette(colours: Colours) -> QPalette:
    """The theme as Qt's own drawing code uses it."""
    made = QPalette()
    groups = QPalette.ColorRole
    for role, colour in (
        (groups.Window, colours.surface),
        (groups.WindowText, colours.text),
        (groups.Base, colours.raised),
        (groups.AlternateBase, colours.hover),
        (groups.ToolTipBase, colours.text),
        (groups.ToolTipText, colours.window),
        (groups.PlaceholderText, colours.muted),
        (groups.Text, colours.text),
        (groups.Button, colours.raised),
        (groups.ButtonText, colours.text),
        (groups.Highlight, colours.accent),
        (groups.HighlightedText, colours.on_accent),
        (groups.Accent, colours.accent),
        (groups.Link, colours.accent),
    ):
        made.setColor(role, QColor(colour))
    for role in (groups.WindowText, groups.Text, groups.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(colours.control))
    return made


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours as WCAG 2 defines it, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _heavier(font: QFont) -> QFont:
    made = QFont(font)
    made.setWeight(QFont.Weight.Bold)
    return made
