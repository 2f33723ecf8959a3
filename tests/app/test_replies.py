"""One reply carried out: Ctrl-C keeps what was generated, and errors lose nothing."""

import json
import signal
from pathlib import Path

import pytest
import soundfile

from app import replies
from app.cli import main
from app.paths import sample_question
from engine.events import AudioChunk


def test_an_interrupt_ends_the_reply_and_writes_what_was_generated(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    show = replies.JsonReporter.audio

    def interrupt(self: replies.JsonReporter, chunk: AudioChunk, at_ms: float) -> None:
        show(self, chunk, at_ms)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(replies.JsonReporter, "audio", interrupt)
    out = tmp_path / "reply.wav"
    question = str(sample_question())
    arguments = ["ask", question, question, "--json", "--out", str(out)]
    assert main([*arguments, "--model", str(tiny_model)]) == 130
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    audio = [event for event in events if event["event"] == "audio"]
    assert len(audio) == 1
    assert events[-1]["reason"] == "cancelled"
    assert [event["event"] for event in events].count("ended") == 1
    assert soundfile.info(out).frames == audio[0]["samples"]


def test_an_interrupt_while_the_reply_is_written_does_not_lose_it(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Ctrl-C that came just after the last token used to end the program before the write."""
    write = replies.Recording.write

    def interrupt(self: replies.Recording, path: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        write(self, path)

    monkeypatch.setattr(replies.Recording, "write", interrupt)
    out = tmp_path / "reply.wav"
    arguments = ["ask", str(sample_question()), "--out", str(out), "--model", str(tiny_model)]
    assert main(arguments) == 130
    assert soundfile.info(out).frames > 0


def test_a_second_interrupt_is_not_held_back() -> None:
    with pytest.raises(KeyboardInterrupt), replies.cancel_on_interrupt() as cancel:
        signal.raise_signal(signal.SIGINT)
        assert cancel.is_cancelled
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
