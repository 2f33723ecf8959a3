"""The HTML report: well formed, alone in the world, and true to the lab's numbers and sounds."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from app.lab.charts import DARK, LIGHT, Palette, rates_chart, stages_chart
from app.lab.html_report import to_html
from app.lab.result import LabResult
from engine.cancel import CancelToken
from engine.errors import OutOfMemory
from engine.events import EndReason, ReplyEnded, ReplyStats, TimingsMs
from engine.modes import InferenceMode
from engine.utterance import Utterance
from tests.app.lab.fakes import QUESTION, FakeClock, FakeEngine, lab, samples_of

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        """All that can be read, with single spaces."""
        return " ".join(" ".join(self.text).split())


def result_of(
    text: str = "Twelve.", behave: Callable[..., object] | None = None, **options: object
) -> LabResult:
    engine = FakeEngine(FakeClock(), text)
    if behave is not None:
        engine.behave = behave
    return lab(engine, **options)


def without_vanilla(request: object) -> None:
    if request.mode is InferenceMode.VANILLA:
        raise OutOfMemory("no <memory> left")


def silent(request: object) -> object:
    stats = ReplyStats(TimingsMs(encode=50, prefill=80, total=150), 5, 5, 0, 0.0, "Hm", ())
    return iter([ReplyEnded(request.turn_id, EndReason.LENGTH, stats)])


def stopped() -> LabResult:
    cancel = CancelToken()
    cancel.cancel()
    return result_of(cancel=cancel)


RESULTS = {
    "whole": result_of,
    "one mode failed": lambda: result_of(behave=without_vanilla),
    "no sound": lambda: result_of(behave=silent),
    "stopped at once": stopped,
}


@pytest.mark.parametrize("kind", RESULTS)
def test_the_page_is_well_formed_and_loads_nothing(kind: str) -> None:
    text = to_html(RESULTS[kind]())
    page = Page(text)
    assert not re.search(r"https?:|//\w|@import|url\(", re.sub(r"base64,[^\"]*", "", text))
    for _, attributes in page.elements:
        assert not {"href", "srcset", "data", "action"} & attributes.keys()
        assert (attributes.get("src") or "data:").startswith("data:")
    (policy,) = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert (policy["content"] or "").startswith("default-src 'none';")
    assert page.elements[0] == ("html", {"lang": "en"})


@pytest.mark.parametrize("kind", RESULTS)
def test_every_mode_is_named_in_every_part(kind: str) -> None:
    page = Page(to_html(RESULTS[kind]()))
    for mode in InferenceMode:
        # A card, a row of both charts and of both tables, and an answer.
        assert page.words.count(mode.value.title()) >= 6, mode


@pytest.mark.parametrize("chart", [stages_chart, rates_chart])
@pytest.mark.parametrize("kind", RESULTS)
def test_the_charts_are_drawings_with_a_name_and_nothing_outside_the_frame(
    kind: str, chart: Callable[[LabResult], str]
) -> None:
    drawing = ElementTree.fromstring(chart(RESULTS[kind]()))
    width, height = map(float, drawing.attrib["viewBox"].split()[2:])
    title = drawing.find("title")
    assert title is not None
    assert drawing.attrib["aria-labelledby"] == title.attrib["id"]
    for element in drawing.iter():
        if "x" in element.attrib:
            right = float(element.attrib["x"]) + float(element.attrib.get("width", 0))
            if element.tag == "text" and element.attrib["text-anchor"] == "start":
                right += 7.5 * len(element.text or "")
            assert float(element.attrib["x"]) >= 0 and right <= width
            assert 0 <= float(element.attrib["y"]) <= height


def test_the_bars_are_as_long_as_their_stages() -> None:
    drawing = ElementTree.fromstring(stages_chart(result_of()))
    bars = [rect for rect in drawing.iter("rect") if rect.attrib["height"] != "12"]
    widths = [float(bar.attrib["width"]) + 1 for bar in bars[:4]]
    assert [width / widths[0] for width in widths] == pytest.approx([1, 0.6, 4, 0.4], abs=0.02)


def test_the_numbers_of_the_lab_are_in_the_tables() -> None:
    words = Page(to_html(result_of())).words
    assert "Vanilla 50.0 30.0 200.0 20.0 300.0 300.0 to 300.0 1.00" in words
    assert "Turbo 50.0 30.0 80.0 20.0 180.0 180.0 to 180.0 1.67" in words
    assert "Turbo 114 114 to 114 3.14" in words
    assert "Verified 73 73 to 73 2.00\N{MULTIPLICATION SIGN} 1.10 1.10 to 1.10 75% 40" in words
    assert words.count("75%") == 2  # in the table and on the card
    for fact in ("Fast Processor 3000", "float32", "2 CPU threads", "torch 2.13.0", "2026-01-02"):
        assert fact in words


def test_the_sound_in_the_page_is_the_sound_of_the_answers() -> None:
    players = Page(to_html(result_of())).all("audio")
    labels = ["The question", *(f"The answer in {m.value.title()} mode" for m in InferenceMode)]
    assert [player["aria-label"] for player in players] == labels
    sounds = [QUESTION.samples, *(samples_of(mode) for mode in InferenceMode)]
    for player, expected in zip(players, sounds, strict=True):
        kind, data = (player["src"] or "").split(",")
        assert kind == "data:audio/flac;base64"
        samples, _ = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32")
        np.testing.assert_allclose(samples, expected, atol=1 / 32768)
    np.testing.assert_array_equal(samples, expected)  # already exact in 16 bits


def test_a_long_question_does_not_make_the_file_large() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 61 * 16000).astype(np.float32)
    result = lab(FakeEngine(FakeClock()))
    long = LabResult(
        result.setting, Utterance.checked(samples, 16000), result.params, 3, result.modes
    )
    assert len(to_html(long)) < 100_000


@pytest.mark.parametrize(
    "said",
    ["</p><script>alert(1)</script>", "a & b < c > d \" e ' f", "\x00\x1b[31m\ud800", "你好"],
)
def test_what_was_said_is_text_and_never_markup(said: str) -> None:
    text = to_html(result_of(text=said))
    text.encode("utf-8")
    page = Page(text)
    assert len(page.all("script")) == 1
    readable = re.sub(r"[\x00\x1b]", "\ufffd", said).replace("\ud800", "?")
    assert readable in page.words


def test_the_names_of_a_setting_are_text_too() -> None:
    result = result_of()
    setting = replace(result.setting, model="<b>nano</b>", machine="A&B")
    page = Page(to_html(LabResult(setting, QUESTION, result.params, 3, result.modes)))
    assert page.all("b") == []
    assert "<b>nano</b>" in page.words


def test_a_failure_and_an_early_stop_are_told_before_any_figure() -> None:
    failed = Page(to_html(result_of(behave=without_vanilla))).words
    assert failed.index("Vanilla failed: no <memory> left") < failed.index("At a glance")
    early = Page(to_html(stopped())).words
    assert early.index("Stopped early.") < early.index("At a glance")
    assert "Stopped early" not in failed
    assert "failed" not in early


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_all_text_is_readable_in_both_themes(palette: Palette) -> None:
    for background in (palette.page, palette.card):
        assert contrast(palette.ink, background) >= 4.5
        assert contrast(palette.faint, background) >= 4.5
    for bar in (*palette.stages, palette.rate):
        assert contrast(palette.on_bar, bar) >= 4.5
        assert contrast(bar, palette.page) >= 3
