"""The whole recipe of nano on a handful of made-up clips: every part fits the next."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.catalogue import missing_files
from engine.training.nano.clips import Clip, ClipStore
from engine.training.nano.making import Part, make
from engine.training.nano.phonemes import PHONEMES
from engine.training.nano.recipe import FULL, LMSizes, shortened
from engine.training.nano.voices import ANSWER_VOICE

RECIPE = replace(
    shortened(FULL, steps=2),
    clips=None,
    sizes=LMSizes(width=32, intermediate=48, backbone_layers=2, depth=2, heads=2, kv_heads=1),
)


def _tone(rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    seconds = np.arange(int(rng.uniform(1.0, 2.0) * sample_rate)) / sample_rate
    hum = np.sin(2 * np.pi * rng.uniform(100, 250) * seconds)
    return (0.3 * hum + 0.05 * rng.standard_normal(len(seconds))).astype(np.float32)


def _fill(work: Path) -> None:
    """Clip stores of the form that the recipe's first part makes."""
    rng = np.random.default_rng(0)
    for name, split, rate in (
        ("questions", "train", 16000),
        ("variations", "train", 16000),
        ("answers", "train", 22050),
        ("answers", "test", 22050),
        ("test", "test", 16000),
    ):
        store = ClipStore(work / name, writable=True)
        for number in range(24):
            lang = ("en", "zh")[number % 2]
            said = f"Word {number} {split}."
            if name == "answers":
                voice, kind, text, answer = ANSWER_VOICE[lang].name, "answer", said, ""
            else:
                voice, kind, text, answer = "espeak:x", "question", f"{said[:-1]}?", said
            clip = Clip(text, lang, voice, PHONEMES[:2], kind, split, "greetings", answer)
            store.append(_tone(rng, rate), rate, clip)


@pytest.mark.slow
def test_the_recipe_makes_a_complete_model_and_then_has_nothing_left_to_do(tmp_path: Path) -> None:
    work, model = tmp_path / "work", tmp_path / "model"
    _fill(work)
    make(RECIPE, work, model, progress_bar=False)
    assert missing_files(model) == ()
    parts = [part for part in Part if part is not Part.EXPORT]
    written = {path: path.stat().st_mtime_ns for path in model.rglob("*.safetensors")}
    make(RECIPE, work, model, parts, progress_bar=False)
    assert {path: path.stat().st_mtime_ns for path in written} == written
