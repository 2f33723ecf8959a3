"""The CSV: what is read back is what was measured."""

import csv
import io

import pytest

from app.lab.csv_report import to_csv
from app.lab.result import LabResult
from engine.errors import OutOfMemory
from engine.modes import InferenceMode
from engine.requests import ReplyRequest
from tests.app.lab.fakes import FakeClock, FakeEngine, lab


def rows_of(result: LabResult) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(result), newline="")))


def test_every_reply_is_one_line_with_its_setting() -> None:
    rows = rows_of(lab(FakeEngine(FakeClock()), repeats=3))
    modes = [mode.value for mode in InferenceMode for _ in range(3)]
    assert [row["mode"] for row in rows] == modes
    assert [row["reply"] for row in rows] == ["1", "2", "3"] * len(InferenceMode)
    for row in rows:
        assert (row["model"], row["machine"]) == ("nano", "Fast Processor 3000")
        assert (row["device"], row["dtype"], row["threads"]) == ("cpu", "float32", "2")
        assert row["versions"] == "parley 0.1.0, torch 2.13.0"
        assert row["measured_at"] == "2026-01-02T03:04:00+00:00"


def test_the_figures_are_those_of_the_replies() -> None:
    rows = rows_of(lab(FakeEngine(FakeClock())))
    vanilla, turbo, verified = (
        next(row for row in rows if row["mode"] == mode.value)
        for mode in (InferenceMode.VANILLA, InferenceMode.TURBO, InferenceMode.VERIFIED)
    )
    stages = ("encode_ms", "prefill_ms", "first_audio_tokens_ms", "first_chunk_ms")
    assert [float(vanilla[stage]) for stage in stages] == pytest.approx([50, 30, 200, 20])
    assert float(vanilla["first_sound_ms"]) == pytest.approx(300)
    assert float(vanilla["speed_up"]) == pytest.approx(1)
    assert float(turbo["speed_up"]) == pytest.approx(1100 / 350, abs=1e-3)
    assert (verified["drafts"], verified["drafts_accepted"]) == ("40", "30")
    assert (vanilla["drafts"], vanilla["drafts_accepted"]) == ("0", "0")
    assert float(turbo["real_time_factor"]) == pytest.approx(0.7)
    assert (turbo["tokens"], turbo["audio_tokens"], turbo["audio_s"]) == ("40", "30", "0.5")


@pytest.mark.parametrize("said", ['She said "twelve", twice', "two\nlines", "你好", "=1+1"])
def test_any_answer_is_read_back(said: str) -> None:
    assert {row["text"] for row in rows_of(lab(FakeEngine(FakeClock(), said)))} == {said}


def test_a_mode_that_failed_has_a_line_that_says_so() -> None:
    def fail(request: ReplyRequest) -> None:
        if request.mode is InferenceMode.BOOST:
            raise OutOfMemory("no memory left")

    rows = rows_of(lab(FakeEngine(FakeClock(), behave=fail), repeats=2))
    (boost,) = [row for row in rows if row["mode"] == "boost"]
    assert (boost["failure"], boost["reply"], boost["tokens"]) == ("no memory left", "", "")
    assert len(rows) == 1 + 2 * (len(InferenceMode) - 1)
