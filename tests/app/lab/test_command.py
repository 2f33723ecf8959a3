"""``lab``: a report from the command line, bad input in one line, and nothing measured is lost."""

import csv
import io
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import main
from app.commands.lab import ProgressLine
from app.lab.runner import Progress
from app.paths import sample_question
from engine.errors import OutOfMemory
from engine.modes import InferenceMode
from engine.requests import ReplyRequest
from tests.app.lab.fakes import SETTING, FakeClock, FakeEngine

ONE_ROUND = len(InferenceMode)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine that the command finds."""
    fake = FakeEngine(FakeClock())
    monkeypatch.setattr("app.commands.options.load_engine", lambda arguments: fake)
    monkeypatch.setattr("app.lab.setting.setting_of", lambda *given: SETTING)
    return fake


def run(out: Path, *more: object) -> int:
    return main([str(argument) for argument in ("lab", sample_question(), "--out", out, *more)])


def interrupt_at(monkeypatch: pytest.MonkeyPatch, n_done: int) -> None:
    show = ProgressLine.__call__

    def interrupt(self: ProgressLine, progress: Progress) -> None:
        show(self, progress)
        if progress.n_done == n_done:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ProgressLine, "__call__", interrupt)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def test_a_real_model_is_measured_and_written_up(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "report.html", tmp_path / "report.csv"
    more = ("--model", tiny_model, "--csv", table, "--repeats", 1, "--seed", 3, "--max-tokens", 20)
    assert run(out, *more) == 0
    captured = capsys.readouterr()
    for mode in InferenceMode:
        assert mode.value in captured.out
    assert f"written: {out}" in captured.out
    assert captured.out.count("%\n") == 1  # of drafts, which one mode makes
    assert captured.err.splitlines()[0] == f"lab: reply 1 of {2 * ONE_ROUND} (verified)"
    assert captured.err.count("\n") == 2
    page = out.read_text(encoding="utf-8")
    assert page.count("data:audio/flac;base64,") == 1 + ONE_ROUND
    assert "float32" in page
    assert "seed 3" in page
    rows = rows_of(table)
    assert [row["mode"] for row in rows] == [mode.value for mode in InferenceMode]
    assert all(float(row["tokens_per_s"]) > 0 for row in rows)
    assert all(row["model"] == tiny_model.name for row in rows)


def test_an_interrupt_writes_what_was_measured(
    engine: FakeEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interrupt_at(monkeypatch, 2 * ONE_ROUND + 1)
    out, table = tmp_path / "report.html", tmp_path / "report.csv"
    assert run(out, "--csv", table, "--repeats", 3) == 130
    assert len(rows_of(table)) == ONE_ROUND + 1
    assert "Stopped early" in out.read_text(encoding="utf-8")


def test_an_interrupt_before_the_first_figure_keeps_the_old_report(
    engine: FakeEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupt_at(monkeypatch, 1)
    out = tmp_path / "report.html"
    out.write_text("old")
    assert run(out) == 130
    assert out.read_text() == "old"
    assert "nothing was measured yet" in capsys.readouterr().err


def test_a_full_disk_keeps_the_old_report_and_the_figures(
    engine: FakeEngine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, table = tmp_path / "report.html", tmp_path / "report.csv"
    out.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        assert run(out, "--csv", table, "--repeats", 1) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    captured = capsys.readouterr()
    assert "report.html: cannot be written" in captured.err
    assert "turbo" in captured.out
    assert out.read_text() == "old"
    assert len(rows_of(table)) == ONE_ROUND
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.csv", "report.html"]


def failing(engine: FakeEngine, *modes: InferenceMode) -> None:
    def behave(request: ReplyRequest) -> Iterator[object] | None:
        if request.mode in modes:
            raise OutOfMemory("no memory left")
        return None

    engine.behave = behave


def test_one_mode_that_fails_is_told_and_the_report_is_written(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(engine, InferenceMode.TURBO)
    out = tmp_path / "report.html"
    assert run(out, "--repeats", 1) == 1
    assert "Turbo failed: no memory left" in capsys.readouterr().err
    assert "Turbo failed: no memory left" in out.read_text(encoding="utf-8")


def test_where_every_mode_fails_the_reason_is_told_and_nothing_is_written(
    engine: FakeEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(engine, *InferenceMode)
    out = tmp_path / "report.html"
    assert run(out) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "parley: no memory left"
    assert not out.exists()


@pytest.mark.parametrize(
    ("question", "more", "told"),
    [
        ("no.wav", ["--out", "x.html"], "no such file"),
        ("text.wav", ["--out", "x.html"], "not a readable"),
        ("", ["--out", "x.wav"], "must end in .html or .htm"),
        ("", ["--out", "no/x.html"], "folder does not exist"),
        ("", ["--out", "x.html", "--csv", "x.txt"], "must end in .csv"),
        ("", ["--out", "x.html", "--model", "gpt"], "no such model"),
        ("", ["--out", "x.html", "--model", "TINY", "--seed", "-1"], "seed"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    question: str,
    more: list[str],
    told: str,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.wav").write_text("not sound")
    options = [str(tiny_model) if word == "TINY" else word for word in more]
    assert main(["lab", question or str(sample_question()), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("parley: ")
    assert err.count("\n") == 1
    assert told in err


@pytest.mark.parametrize("arguments", [["x.wav"], ["x.wav", "--out", "x.html", "--repeats", "0"]])
def test_a_wrong_command_line_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["lab", *arguments])
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_progress_is_one_line_that_goes_away() -> None:
    terminal = Terminal()
    line = ProgressLine(terminal)
    line(Progress(0, 8, InferenceMode.TURBO))
    line(Progress(3, 8, InferenceMode.VANILLA))
    line(Progress(8, 8, None))
    written = terminal.getvalue()
    assert "\n" not in written
    first, second, last = written.split("\r\x1b[K")[1:]
    assert first == "lab: reply 1 of 8 (turbo)"
    assert second.startswith("lab: reply 4 of 8 (vanilla), about ")
    assert last == ""
