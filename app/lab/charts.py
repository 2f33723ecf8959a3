"""The charts of a lab's report, as SVG that follows the reader's light or dark theme.

Pure. Colours stand in the drawing, as attributes, for viewers that know no style sheets; in a
browser the classes of ``style`` take their place, so that one drawing serves both themes. Every
number of a chart is in the report's tables too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from app.lab.result import LabResult, ModeResult, Spread
from app.latency import Stage, stages
from engine.modes import InferenceMode

TIMES = "\N{MULTIPLICATION SIGN}"

STAGES = {
    Stage.ENCODE: "question encoded",
    Stage.PREFILL: "prefill",
    Stage.FIRST_AUDIO_TOKENS: "first audio tokens",
    Stage.FIRST_CHUNK: "first sound decoded",
}
"""The stages a lab measures, as a reader knows them."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one theme; text on the page and on bars keeps a contrast of 4.5 : 1."""

    page: str
    card: str
    ink: str
    faint: str
    line: str
    on_bar: str
    rate: str
    stages: tuple[str, str, str, str]


LIGHT = Palette(
    page="#ffffff",
    card="#f5f6f8",
    ink="#1b1f27",
    faint="#565d6b",
    line="#d5d8de",
    on_bar="#ffffff",
    rate="#3f5fa8",
    stages=("#3f5fa8", "#a8530a", "#1d7a55", "#8a4599"),
)
DARK = Palette(
    page="#14171c",
    card="#1d2128",
    ink="#eceef2",
    faint="#a6adba",
    line="#3b414c",
    on_bar="#0d1015",
    rate="#8fabf0",
    stages=("#8fabf0", "#e9a05c", "#5fc99a", "#d59ae3"),
)

_WIDTH = 720
_LEFT = 84
_RIGHT = 150
_BAR = 26
_ROW = 48
_TICKS = 5
# Digits of 13 pixels and some air: narrower parts of a bar have their number in the table only.
_NARROWEST_LABEL = 34


def style(palette: Palette) -> str:
    """The colours of the drawing's classes in one theme."""
    parts = "".join(f".s{n}{{fill:{colour}}}" for n, colour in enumerate(palette.stages))
    return (
        f"{parts}.rate{{fill:{palette.rate}}}.ink{{fill:{palette.ink}}}"
        f".faint{{fill:{palette.faint}}}.on-bar{{fill:{palette.on_bar}}}"
        f".line{{stroke:{palette.line}}}.range{{stroke:{palette.ink}}}"
    )


def stages_chart(result: LabResult) -> str:
    """For each mode the stages up to the first sound, of the reply with the median wait."""
    waits = [mode.first_sound_ms for mode in result.modes]
    scale = _Scale.upto(max((wait.highest for wait in waits if wait), default=1.0))
    top = 36
    parts = [*_legend(), *_axis(scale, top, len(result.modes), "ms")]
    for row, (mode, wait) in enumerate(zip(result.modes, waits, strict=True)):
        y = top + 12 + row * _ROW
        parts.append(_text(_LEFT - 12, y + 18, mode.name, "ink", "end"))
        typical = mode.typical
        if wait is None or typical is None:
            parts.append(_text(_LEFT + 8, y + 18, _absence(mode), "faint"))
            continue
        x = float(_LEFT)
        for stage in stages(typical.stamps):
            n = list(STAGES).index(stage.name)
            width = scale.pixels(stage.ms)
            parts.append(_bar(x, y, width, f"s{n}", LIGHT.stages[n]))
            if width >= _NARROWEST_LABEL:
                parts.append(_text(x + width / 2, y + 18, f"{stage.ms:.0f}", "on-bar", "middle"))
            x += width
        parts += _range(scale, wait, y)
        label = f"{wait.median:.0f} ms{_times(result.sooner(mode), mode)}"
        parts.append(_text(_LEFT + scale.pixels(wait.highest) + 10, y + 18, label, "ink value"))
    about = "Milliseconds from the request to the first sound, by stage"
    return _drawing("stages", about, top, len(result.modes), parts)


def rates_chart(result: LabResult) -> str:
    """For each mode the tokens per second of whole replies."""
    rates = [mode.tokens_per_s for mode in result.modes]
    scale = _Scale.upto(max((rate.highest for rate in rates if rate), default=1.0))
    top = 8
    parts = [*_axis(scale, top, len(result.modes), "")]
    for row, (mode, rate) in enumerate(zip(result.modes, rates, strict=True)):
        y = top + 12 + row * _ROW
        parts.append(_text(_LEFT - 12, y + 18, mode.name, "ink", "end"))
        if rate is None:
            parts.append(_text(_LEFT + 8, y + 18, _absence(mode), "faint"))
            continue
        parts.append(_bar(_LEFT, y, scale.pixels(rate.median), "rate", LIGHT.rate))
        parts += _range(scale, rate, y)
        label = f"{rate.median:.0f} /s{_times(result.speed_up(mode), mode)}"
        parts.append(_text(_LEFT + scale.pixels(rate.highest) + 10, y + 18, label, "ink value"))
    return _drawing("rates", "Tokens per second of whole replies", top, len(result.modes), parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values to pixels; ``step`` is the round number between two marks of the axis."""

    step: float
    n_steps: int

    @classmethod
    def upto(cls, highest: float) -> _Scale:
        """A scale from 0 that holds ``highest``."""
        highest = max(highest, 1e-3)
        magnitude = 10 ** math.floor(math.log10(highest / _TICKS))
        factors = (1, 2, 2.5, 5, 10)
        step = next(f * magnitude for f in factors if f * magnitude * _TICKS >= highest)
        return cls(step, math.ceil(highest / step))

    def pixels(self, value: float) -> float:
        """How wide a bar of this value is."""
        return value / (self.step * self.n_steps) * (_WIDTH - _LEFT - _RIGHT)


def _legend() -> Iterator[str]:
    x = float(_LEFT)
    for n, (label, colour) in enumerate(zip(STAGES.values(), LIGHT.stages, strict=True)):
        yield f'<rect class="s{n}" fill="{colour}" x="{x:.1f}" y="6" width="12" height="12"/>'
        yield _text(x + 18, 17, label, "ink")
        x += 36 + 7 * len(label)


def _axis(scale: _Scale, top: int, n_rows: int, unit: str) -> Iterator[str]:
    bottom = top + n_rows * _ROW + 4
    for n in range(scale.n_steps + 1):
        x = _LEFT + scale.pixels(n * scale.step)
        yield (
            f'<line class="line" stroke="{LIGHT.line}" '
            f'x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>'
        )
        label = f"{n * scale.step:g} {unit}".strip()
        yield _text(x, bottom + 18, label, "faint", "middle")


def _bar(x: float, y: int, width: float, style_class: str, colour: str) -> str:
    """A part of a bar, one pixel short, so that parts are told apart without their colours."""
    return (
        f'<rect class="{style_class}" fill="{colour}" '
        f'x="{x:.1f}" y="{y}" width="{max(0.0, width - 1):.1f}" height="{_BAR}"/>'
    )


def _range(scale: _Scale, spread: Spread, y: int) -> Iterator[str]:
    """A line below the bar from the lowest to the highest value, with an upright at each end."""
    low, high = (_LEFT + scale.pixels(value) for value in (spread.lowest, spread.highest))
    middle = y + _BAR + 6
    for x1, y1, x2, y2 in (
        (low, middle, high, middle),
        (low, middle - 3, low, middle + 3),
        (high, middle - 3, high, middle + 3),
    ):
        yield (
            f'<line class="range" stroke="{LIGHT.ink}" '
            f'x1="{x1:.1f}" y1="{y1}" x2="{x2:.1f}" y2="{y2}"/>'
        )


def _times(factor: float | None, mode: ModeResult) -> str:
    if factor is None or mode.mode is InferenceMode.VANILLA:
        return ""
    return f" ({factor:.2f}{TIMES})"


def _absence(mode: ModeResult) -> str:
    if mode.failure is not None:
        return "failed"
    return "no sound" if mode.runs else "not measured"


def _text(x: float, y: float, text: str, style_class: str, anchor: str = "start") -> str:
    colours = {
        "ink": LIGHT.ink,
        "ink value": LIGHT.ink,
        "faint": LIGHT.faint,
        "on-bar": LIGHT.on_bar,
    }
    return (
        f'<text class="{style_class}" fill="{colours[style_class]}" x="{x:.1f}" y="{y:.1f}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _drawing(name: str, about: str, top: int, n_rows: int, parts: list[str]) -> str:
    height = top + n_rows * _ROW + 32
    body = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="{name}-title" '
        f'font-family="sans-serif" font-size="13">\n<title id="{name}-title">{escape(about)}'
        f"; the table below has every number</title>\n{body}\n</svg>"
    )
