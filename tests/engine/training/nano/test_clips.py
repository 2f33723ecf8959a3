"""A clip store gives back what it was given, and survives a writer killed at any moment."""
# ruff: noqa: RUF001 - phonetic signs and full-width marks are meant

from pathlib import Path

import numpy as np
import pytest

from engine.errors import TrainingDataError
from engine.training.nano.clips import Clip, ClipStore


def _clip(text: str) -> Clip:
    return Clip(text, "en", "flite:slt", ("s", "iː"), "question", "train", "sums", "Two.")


def _samples(number: int) -> np.ndarray:
    return np.random.default_rng(number).uniform(-1, 1, 100 + number).astype(np.float32)


def _filled(path: Path, count: int) -> ClipStore:
    store = ClipStore(path, writable=True)
    for number in range(count):
        store.append(_samples(number), 16000, _clip(f"Clip {number}."))
    return store


def test_clips_come_back_as_they_went_in(tmp_path: Path) -> None:
    _filled(tmp_path / "clips", 5)
    store = ClipStore(tmp_path / "clips")
    assert len(store) == 5
    assert store.clip(3) == _clip("Clip 3.")
    assert store.sample_rate(3) == 16000
    assert store.duration_s(3) == pytest.approx(103 / 16000)
    np.testing.assert_allclose(store.samples(3), _samples(3), atol=1.0 / 32768)
    np.testing.assert_allclose(store.samples(0), _samples(0), atol=1.0 / 32768)


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_store_cut_off_in_the_index_goes_on_without_the_last_clip(
    tmp_path: Path, lost: int
) -> None:
    _filled(tmp_path / "clips", 3)
    index = tmp_path / "clips.jsonl"
    index.write_bytes(index.read_bytes()[:-lost])
    store = ClipStore(tmp_path / "clips", writable=True)
    assert len(store) == 2
    store.append(_samples(9), 16000, _clip("After."))
    again = ClipStore(tmp_path / "clips")
    assert [clip.text for clip in again.clips()] == ["Clip 0.", "Clip 1.", "After."]
    np.testing.assert_allclose(again.samples(2), _samples(9), atol=1.0 / 32768)


def test_samples_without_a_line_are_cut_off(tmp_path: Path) -> None:
    _filled(tmp_path / "clips", 2)
    with (tmp_path / "clips.i16").open("ab") as file:
        file.write(b"\1\2\3")
    ClipStore(tmp_path / "clips", writable=True).append(_samples(7), 16000, _clip("More."))
    np.testing.assert_allclose(
        ClipStore(tmp_path / "clips").samples(2), _samples(7), atol=1.0 / 32768
    )


def test_a_reader_sees_what_was_written_since_when_it_refreshes(tmp_path: Path) -> None:
    writer = _filled(tmp_path / "clips", 1)
    reader = ClipStore(tmp_path / "clips")
    reader.samples(0)
    writer.append(_samples(1), 22050, _clip("New."))
    assert len(reader) == 1
    assert reader.refresh() == 2
    np.testing.assert_allclose(reader.samples(1), _samples(1), atol=1.0 / 32768)


def test_a_missing_store_and_a_foreign_index_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="no clips at"):
        ClipStore(tmp_path / "nothing")
    _filled(tmp_path / "clips", 1)
    (tmp_path / "clips.jsonl").write_text('{"not": "a clip"}\n')
    with pytest.raises(TrainingDataError, match="not a clip"):
        ClipStore(tmp_path / "clips")
