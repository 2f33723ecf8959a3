"""Nothing happens to a user's words without their knowing, whatever a dialogue goes through."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app import log, paths
from app.archive import Archive
from app.settings import PrivacySettings
from app.ui_commands import Send
from app.ui_events import TurnFinished, UserText
from tests.app.fakes import FakeEngine, silence, voice
from tests.app.test_assistant_threads import Live

SECRET = "capercaillie"


class Blabbing(FakeEngine):
    """Answers with the secret and hears it in every question; its first answer fails aloud."""

    def transcribe(self, *arguments: object, **others: object) -> str:
        return SECRET


def fail_once(number: int) -> None:
    raise ValueError(f"could not pronounce {SECRET}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def log_file(home: Path) -> Iterator[Path]:
    """The log of the whole program, in full detail."""
    named = [logging.getLogger(name) for name in ("", "app", "engine")]
    levels = [logger.level for logger in named]
    named[0].setLevel(logging.DEBUG)
    handler = log.to_file(paths.logs())
    yield paths.logs() / "parley.log"
    log.stop(handler)
    for logger, level in zip(named, levels, strict=True):
        logger.setLevel(level)


def talk(archive: Archive) -> list[TurnFinished]:
    """A dialogue on real threads: an answer that fails, a typed and a spoken question."""
    engine = Blabbing(words=("The ", SECRET, " answers."), before_chunk=fail_once)
    with Live(engine) as live:
        live.assistant.post(Send(f"{SECRET}, are you there?"))
        live.until(lambda: len(live.of(TurnFinished)) == 1)
        engine.before_chunk = lambda number: None
        live.assistant.post(Send(f"{SECRET}, and now?"))
        live.until(lambda: len(live.of(TurnFinished)) == 2)
        live.microphone.hears(np.concatenate([silence(1), voice(0.5), silence(2)]))
        live.until(lambda: len(live.of(TurnFinished)) == 3 and live.of(UserText)[2:] != [])
        for event in live.events:
            match event:
                case TurnFinished(record):
                    archive.keep(record)
                case UserText(turn_id, text):
                    archive.keep_user_text(turn_id, text)
        return live.of(TurnFinished)


def test_with_history_off_a_dialogue_writes_nothing_but_a_log_without_a_word_of_it(
    home: Path, log_file: Path
) -> None:
    archive = Archive(paths.history_file(), lambda notice: None)
    archive.set_privacy(PrivacySettings())
    finished = talk(archive)
    archive.close()
    assert [SECRET in event.record.answer_text for event in finished] == [False, True, True]
    log.logger("test").info("the dialogue is over")
    assert [path for path in home.rglob("*") if path.is_file()] == [log_file]
    text = log_file.read_text(encoding="utf-8")
    assert "the dialogue is over" in text
    assert "ValueError" in text, "the failure is worth a line"
    assert SECRET not in text.lower()


def test_with_history_on_the_words_go_to_the_history_alone(home: Path, log_file: Path) -> None:
    archive = Archive(paths.history_file(), lambda notice: None)
    archive.set_privacy(PrivacySettings(keep_history=True))
    finished = talk(archive)
    (summary,) = archive.conversations()
    kept = archive.open(summary.id)
    archive.close()
    assert [turn.record.answer_text for turn in kept] == [
        event.record.answer_text for event in finished
    ]
    assert kept[2].record.user_text == SECRET
    files = [path for path in home.rglob("*") if path.is_file()]
    assert sorted(files) == sorted([log_file, paths.history_file()])
    assert SECRET not in log_file.read_text(encoding="utf-8").lower()
