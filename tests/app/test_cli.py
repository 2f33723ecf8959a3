"""The command line: every command on a tiny model, and every bad input in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from app import build_info
from app.cli import main


@pytest.fixture
def question(tmp_path: Path) -> Path:
    path = tmp_path / "question.wav"
    times = np.arange(8000) / 16000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 200 * times), 16000)
    return path


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def events(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def test_the_version_is_that_of_the_build(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"parley {build_info.load().version}\n"


def test_ask_writes_the_reply_it_streams(
    question: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "reply.wav"
    assert run("ask", question, "--out", out, "--model", tiny_model) == 0
    assert capsys.readouterr().out.strip()
    samples, sample_rate = soundfile.read(out)
    assert sample_rate == 22050
    assert len(samples) > 1000


@pytest.mark.parametrize("mode", ["vanilla", "balance", "boost", "turbo", "verified"])
def test_ask_json_tells_every_event_in_the_agreed_form(
    question: Path, tiny_model: Path, tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "reply.wav"
    assert run("ask", question, "--json", "--out", out, "--mode", mode, "--model", tiny_model) == 0
    *before, last = events(capsys.readouterr().out)
    assert {event["event"] for event in before} == {"text", "audio"}
    audio = [event for event in before if event["event"] == "audio"]
    assert all(event.keys() == {"event", "samples", "sample_rate", "at_ms"} for event in audio)
    texts = [str(event["text"]) for event in before if event["event"] == "text"]
    assert list(last) == ["event", "reason", "text", "audio_seconds", "tokens", "timings_ms"]
    assert last["event"] == "ended"
    assert last["reason"] in ("stop", "length")
    assert last["text"] == "".join(texts)
    n_samples = sum(int(str(event["samples"])) for event in audio)
    assert soundfile.info(out).frames == n_samples
    assert last["audio_seconds"] == pytest.approx(n_samples / 22050, abs=1e-3)
    timings = last["timings_ms"]
    assert isinstance(timings, dict)
    assert list(timings) == [
        "encode",
        "prefill",
        "first_token",
        "first_audio_tokens",
        "first_audio",
        "total",
    ]
    assert list(timings.values()) == sorted(timings.values())


def test_several_questions_are_one_conversation(
    question: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "reply.wav"
    arguments = ("--json", "--out", out, "--model", tiny_model)
    assert run("ask", question, question, *arguments) == 0
    ended = [event for event in events(capsys.readouterr().out) if event["event"] == "ended"]
    assert len(ended) == 2
    duration_s = sum(float(str(event["audio_seconds"])) for event in ended)
    assert soundfile.info(out).duration == pytest.approx(duration_s, abs=2e-3)


def test_a_seed_repeats_a_reply_and_another_changes_it(
    question: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = []
    for seed in (1, 1, 2):
        assert run("ask", question, "--seed", seed, "--model", tiny_model) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


def test_say_writes_sound(tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.wav"
    assert run("say", "Hello.", "--out", out, "--model", tiny_model) == 0
    assert soundfile.info(out).frames > 1000


def test_transcribe_prints_text(
    question: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("transcribe", question, "--json", "--model", tiny_model) == 0
    (record,) = events(capsys.readouterr().out)
    assert list(record) == ["text"]


def test_chat_answers_line_after_line(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = iter(["Hello\n", "And you?\n", ""])
    monkeypatch.setattr("sys.stdin.readline", lambda: next(lines), raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert run("chat", "--out", tmp_path, "--model", tiny_model) == 0
    assert (tmp_path / "reply-1.wav").is_file()
    assert (tmp_path / "reply-2.wav").is_file()


def test_models_lists_complete_folders_only(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("app.paths.built_in_models", lambda: tiny_model.parent)
    monkeypatch.setattr("app.paths.user_models", lambda: tmp_path)
    (tmp_path / "half").mkdir()
    assert run("models") == 0
    here, *to_fetch = capsys.readouterr().out.splitlines()
    assert here.startswith("tiny ")
    assert all("fetches it" in line for line in to_fetch)


def test_devices_names_the_processor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("devices") == 0
    assert "cpu" in capsys.readouterr().out


def test_selftest_fails_where_the_answer_is_wrong(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("selftest", "--model", tiny_model) == 1
    assert "the answer is not twelve" in capsys.readouterr().out


def test_without_a_screen_the_bundled_question_is_asked(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.paths.built_in_models", lambda: tmp_path)
    shutil.copytree(tiny_model, tmp_path / "nano")
    assert run() == 0
    told = capsys.readouterr().out
    assert "no screen" in told
    assert "first sound ready" in told
    assert (tmp_path / "reply.wav").is_file()


def assert_refused(code: int, captured: tuple[str, str], *words: str) -> None:
    out, err = captured
    assert code == 2
    assert out == ""
    assert err.startswith("parley: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize("command", ["ask", "transcribe"])
def test_a_bad_sound_file_is_refused(
    tmp_path: Path, tiny_model: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("not sound")
    code = run(command, path, "--model", tiny_model)
    assert_refused(code, capsys.readouterr(), "notes.wav", "not a readable")


def test_a_missing_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(run("ask", tmp_path / "no.wav"), capsys.readouterr(), "no such file")


def test_an_empty_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run("say", " ", "--out", tmp_path / "x.wav")
    assert_refused(code, capsys.readouterr(), "the text is empty")


@pytest.mark.parametrize(
    "arguments", [["ask"], ["unknown"], ["ask", "x.wav", "--mode", "fast"], ["--nothing"]]
)
def test_a_wrong_command_line_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def change_weights(path: Path, kind: str) -> None:
    tensors = load_file(path)
    name = min(tensors)
    match kind:
        case "missing":
            del tensors[name]
        case "extra":
            tensors["surplus.weight"] = torch.zeros(2)
        case "shape":
            tensors[name] = torch.zeros(3, 5, 7)
    save_file(tensors, path)


@pytest.mark.parametrize("kind", ["missing", "extra", "shape"])
@pytest.mark.parametrize(
    "file",
    [
        "model.safetensors",
        "speech_tokenizer/model.safetensors",
        "speech_decoder/flow.safetensors",
        "speech_decoder/hift.safetensors",
    ],
)
def test_wrong_weights_are_refused_by_name(
    model: Path, question: Path, kind: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "surplus.weight" if kind == "extra" else min(load_file(model / file))
    change_weights(model / file, kind)
    assert_refused(run("ask", question, "--model", model), capsys.readouterr(), name)


@pytest.mark.parametrize(
    "file",
    [
        "config.json",
        "generation_config.json",
        "speech_tokenizer/config.json",
        "speech_decoder/config.json",
    ],
)
def test_an_unknown_config_key_is_refused_by_name(
    model: Path, question: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    values = json.loads((model / file).read_text())
    (model / file).write_text(json.dumps(values | {"surprise": 1}))
    assert_refused(run("ask", question, "--model", model), capsys.readouterr(), "surprise")


@pytest.mark.parametrize(
    "file", ["config.json", "tokenizer.json", "model.safetensors", "speech_decoder/config.json"]
)
@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_a_missing_or_broken_model_file_is_refused(
    model: Path,
    question: Path,
    file: str,
    content: bytes | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (model / file).unlink()
    if content is not None:
        (model / file).write_bytes(content)
    assert_refused(run("ask", question, "--model", model), capsys.readouterr())


def test_an_unknown_model_is_refused(question: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(run("ask", question, "--model", "gpt"), capsys.readouterr(), "no such model")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told(
    question: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("ask", question, "--out", "/dev/full", "--model", tiny_model) == 2
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["ask", "{question}", "--model", "{model}"],
        ["say", "Hello", "--out", "{model}.wav", "--model", "{model}"],
        ["transcribe", "{question}", "--model", "{model}"],
        ["bench", "--random", "2+1x32", "--tokens", "8"],
    ],
    ids=lambda command: command[0],
)
def test_cuda_without_a_driver_is_refused_in_one_line(
    command: list[str],
    question: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    words = [word.format(question=question, model=tiny_model) for word in command]
    assert_refused(run(*words, "--device", "cuda"), capsys.readouterr(), "no device 'cuda' here")


def test_full_memory_is_told_in_one_line(
    question: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("engine.models.decoder.Decoder.mctp_step", fail)
    code = run("ask", question, "--model", tiny_model)
    assert_refused(code, capsys.readouterr(), "the memory is full: close other programs")
