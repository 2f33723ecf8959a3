"""The log: it rotates, and holds neither what was said nor what was answered."""

import ast
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app import log
from app.errors import AppError, OutputError
from app.replies import Recording, carry_out, reporter
from engine.cancel import CancelToken
from engine.conversation import Conversation
from engine.engine import SpeechEngine
from engine.requests import ReplyRequest
from engine.sampling_params import SamplingParams
from engine.utterance import Utterance

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "capercaillie"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is logged to, in full detail, while a test runs."""
    root, named = logging.getLogger(), [logging.getLogger(name) for name in ("app", "engine")]
    levels = [logger.level for logger in (root, *named)]
    root.setLevel(logging.DEBUG)
    handler = log.to_file(tmp_path / "logs")
    yield tmp_path / "logs"
    log.stop(handler)
    for logger, level in zip((root, *named), levels, strict=True):
        logger.setLevel(level)


def written(folder: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()))


def test_lines_of_program_and_engine_are_kept(folder: Path) -> None:
    log.logger("here").info("window shown after %.1f s", 0.5)
    logging.getLogger("engine.there").warning("slow")
    logging.getLogger("other").error("not ours")
    lines = written(folder).splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [
        "app.here INFO window shown after 0.5 s",
        "engine.there WARNING slow",
    ]


def test_the_file_is_replaced_before_it_grows_large(folder: Path) -> None:
    for _ in range(70):
        log.logger("here").info("x" * 100_000)
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["parley.log", *(f"parley.log.{n}" for n in (1, 2, 3))]
    assert all(file.stat().st_size <= 1_000_000 for file in files)


def test_after_stop_nothing_more_is_written(folder: Path) -> None:
    handler = logging.getLogger("app").handlers[-1]
    log.stop(handler)
    log.logger("here").error("late")
    assert written(folder) == ""


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no log can be kept there"):
        log.to_file(tmp_path / "file" / "logs")


def test_an_exception_is_told_without_what_it_quotes(folder: Path) -> None:
    try:
        try:
            json.loads(f'"{SECRET}')
        except ValueError as error:
            raise KeyError(SECRET) from error
    except KeyError:
        log.logger("here").exception("could not do it")
    try:
        raise AppError("the disk is full")
    except AppError as error:
        log.logger("here").debug("refused", exc_info=error)
    try:
        Path(f"/nowhere/{SECRET}").read_text()
    except OSError as error:
        log.logger("here").error("refused", exc_info=error)
    log.logger("here").error("no exception", exc_info=True)
    text = written(folder)
    assert SECRET not in text
    assert text.index("JSONDecodeError") < text.index("KeyError")
    assert "test_log.py" in text
    assert "AppError: the disk is full" in text
    assert "FileNotFoundError: No such file or directory" in text


@pytest.mark.parametrize("verbose", [False, True])
def test_standard_error_quotes_nothing_unless_everything_is_asked_for(verbose: bool) -> None:
    program = (
        "import sys; from app import log; log.configure(sys.argv[1] == 'True')\n"
        f"try: raise ValueError({SECRET!r})\n"
        "except ValueError: log.logger('here').exception('could not do it')\n"
        "log.logger('here').debug('detail')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(verbose)], cwd=ROOT, capture_output=True, text=True
    )
    assert "could not do it" in ran.stderr and "ValueError" in ran.stderr
    assert (SECRET in ran.stderr.replace(program, "")) == verbose
    assert ("detail" in ran.stderr) == verbose


def test_a_whole_conversation_leaves_no_word_in_the_log(
    folder: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = SpeechEngine.load(tiny_model, device="cpu")
    conversation, answers = Conversation(), []
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, 8000).astype(np.float32)
    for turn_id, question in enumerate((SECRET, Utterance(noise, 16000))):
        params = SamplingParams(max_new_tokens=60)
        request = ReplyRequest(turn_id, conversation, question, params=params)
        reply = carry_out(engine, request, reporter(False), Recording(), CancelToken())
        conversation = reply.conversation
        answers.append(reply.stats.text)
    log.logger("here").info("done")
    text = written(folder)
    assert "done" in text
    assert SECRET not in text
    for answer in answers:
        assert answer.strip()
        assert answer.strip() not in text
    capsys.readouterr()


# What holds words or sound wherever it appears; `detail` and `message` are the program's own words.
PRIVATE = {"text", "user_text", "answer_text", "transcript", "delta", "question", "answer", "title"}
PRIVATE |= {"samples", "user_samples", "answer_samples", "utterance", "record", "conversation"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def private_names(call: ast.Call) -> set[str]:
    """What a logging call is given that may hold speech; a count or length of it may be logged."""
    counted = {
        id(inner)
        for node in ast.walk(call)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"
        for inner in ast.walk(node)
    }
    nodes = [node for node in ast.walk(call) if id(node) not in counted and node is not call.func]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return (names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}) & PRIVATE


def is_logging(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS
        and "log" in ast.unparse(node.func.value).lower()
    )


def test_no_logging_call_is_given_words_or_sound() -> None:
    calls = [
        (path, node)
        for package in ("app", "engine")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and is_logging(node)
    ]
    assert calls
    for path, call in calls:
        told = f"{path.name}: {ast.unparse(call)}"
        assert isinstance(call.args[0], ast.Constant), told
        assert not private_names(call), told


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("_log.info('heard %s', text)", {"text"}),
        ("_log.info('heard %s', record.user_text)", {"record", "user_text"}),
        ("_log.info('heard %d', len(text))", set()),
        ("_log.info('said %s', repr(self.question[:3]))", {"question"}),
    ],
)
def test_the_check_of_logging_calls_sees_private_names(line: str, expected: set[str]) -> None:
    call = ast.parse(line).body[0]
    assert isinstance(call, ast.Expr) and isinstance(call.value, ast.Call)
    assert is_logging(call.value)
    assert private_names(call.value) == expected
