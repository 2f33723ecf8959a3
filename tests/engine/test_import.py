"""Importing the engine is cheap, and its public names are found where they live."""

import subprocess
import sys
from pathlib import Path

import pytest

import engine

PURE_NAMES = sorted(set(engine.__all__) - {"SpeechEngine", "ReplyRequest"})


def test_import_of_the_engine_and_its_pure_files_does_not_load_torch_or_numpy() -> None:
    modules = "engine, engine.chat_template, engine.events, engine.modes, engine.sampling_params"
    code = f"import {modules}, sys; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", PURE_NAMES)
def test_every_public_name_is_found_where_it_lives(name: str) -> None:
    assert getattr(engine, name) is not None


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = engine.nothing
    assert set(dir(engine)) == set(engine.__all__)


def test_loading_a_model_leaves_torchs_compiler_alone(tiny_model: Path) -> None:
    """Start values drawn on the meta device once made torch import it, for 2.6 of 3.3 seconds."""
    code = (
        "import sys; from engine import SpeechEngine; "
        f"SpeechEngine.load({str(tiny_model)!r}); print('torch._dynamo' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
