"""The program as a person starts it, in a process of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
NANO = ROOT / "assets" / "models" / "nano"


def parley(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("variant", ["tiny_model", "tiny_plus_model"])
def test_a_spoken_question_gets_a_spoken_answer(
    variant: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model = request.getfixturevalue(variant)
    question = ROOT / "assets" / "samples" / "question_en.wav"
    ran = parley("ask", question, "--out", "reply.wav", "--model", model, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert soundfile.info(tmp_path / "reply.wav").duration > 0.1


def test_a_plus_model_writes_down_what_was_said(tiny_plus_model: Path, tmp_path: Path) -> None:
    question = ROOT / "assets" / "samples" / "question_en.wav"
    ran = parley("transcribe", question, "--model", tiny_plus_model, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.strip()


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("What is seven plus five?")
    ran = parley("ask", "text.wav", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1
    assert "text.wav" in ran.stderr


def test_every_command_has_help() -> None:
    ran = parley("--help")
    assert ran.returncode == 0
    for command in ("ask", "say", "transcribe", "chat", "models", "selftest", "bench", "train"):
        assert command in ran.stdout
        assert re.search(rf"^ +{command}\s+\w", ran.stdout, re.MULTILINE)


def test_the_example_of_the_engine_readme_runs(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "engine" / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "assets" / "models").mkdir(parents=True)
    (tmp_path / "assets" / "models" / "nano").symlink_to(tiny_model)
    (tmp_path / "assets" / "samples").symlink_to(ROOT / "assets" / "samples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(example, "engine/README.md", "exec"), names)
    assert type(names["event"]).__name__ == "ReplyEnded"


@pytest.mark.skipif(not NANO.is_dir(), reason="the built-in model is not in this checkout")
def test_the_built_in_model_answers_the_bundled_question() -> None:
    ran = parley("selftest")
    assert "selftest passed" in ran.stdout
    assert ran.returncode == 0
