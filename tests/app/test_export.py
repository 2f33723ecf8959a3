"""Export: every word as it was said, readable by others; a full disk costs no old file."""

import dataclasses
import json
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.errors import OutputError
from app.export import (
    NothingToExport,
    save_audio,
    save_json,
    save_markdown,
    to_json,
    to_markdown,
    to_sound,
)
from app.turn_record import Outcome, Stamps, TurnRecord
from tests.app.turns_to_keep import turn, typed_turn

SAVERS = [save_markdown, save_json, save_audio]


def test_markdown_shows_both_sides_in_order() -> None:
    text = to_markdown([turn(1), turn(2)])
    places = [
        text.index(words)
        for words in ("question 1?", "answer 1 in full", "question 2?", "answer 2 in full")
    ]
    assert places == sorted(places)
    assert text.startswith("# Conversation of 2031-05-07 12:31 UTC\n")
    assert "(nano, Boost, 0.80 s from mouth to ear)" in text


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("2 * 3 _is_ [six]", r"2 \* 3 \_is\_ \[six\]"),
        ("# loud", r"\# loud"),
        ("first\n- second", "first  \n\\- second"),
        ("1. one", r"1\. one"),
        ("12) two", r"12\) two"),
        ("7 is fine", "7 is fine"),
        ("<b>&", r"\<b\>&"),
        ("back\\slash", r"back\\slash"),
        ("\u4f60\u597d\uff01", "\u4f60\u597d\uff01"),
    ],
)
def test_markdown_shows_what_was_said_and_not_what_it_would_mean(said: str, written: str) -> None:
    assert f"\n{written}\n" in to_markdown([dataclasses.replace(turn(1), user_text=said)])


@pytest.mark.parametrize("outcome", Outcome)
def test_markdown_says_how_an_answer_ended(outcome: Outcome) -> None:
    expected = {
        Outcome.COMPLETE: "(nano, Boost)",
        Outcome.LENGTH: "(nano, Boost, cut off at the longest reply)",
        Outcome.INTERRUPTED: "(nano, Boost, interrupted)",
        Outcome.FAILED: "(nano, Boost, failed)",
    }
    record = dataclasses.replace(turn(2), outcome=outcome, stamps=Stamps(), model="/models/nano")
    assert expected[outcome] in to_markdown([record])


def test_markdown_leaves_no_side_blank() -> None:
    text = to_markdown([dataclasses.replace(turn(1), user_text="", answer_text=" ")])
    assert "*(no transcript)*" in text
    assert "*(nothing was heard)*" in text


def test_json_holds_every_word_and_number() -> None:
    tree = json.loads(to_json([turn(1), typed_turn(2)]))
    assert (tree["format"], tree["version"]) == ("parley-conversation", 1)
    spoken, typed = tree["turns"]
    assert spoken["question"] == "question 1?"
    assert spoken["started_at"] == "2031-05-07T12:31:05.123457+00:00"
    assert spoken["mode"] == "balance"
    assert spoken["seed"] == 2**63 - 2
    assert spoken["mouth_to_ear_ms"] == pytest.approx(800)
    assert spoken["timings_ms"]["first_audio"] == 5.5
    assert (spoken["drafts"], spoken["drafts_accepted"]) == (61, 51)
    assert typed["question"] == typed_turn(2).user_text
    assert typed["mouth_to_ear_ms"] is None and typed["timings_ms"] is None
    assert typed["drafts"] is None and typed["drafts_accepted"] is None


def test_sound_holds_both_sides_one_after_the_other() -> None:
    samples, sample_rate = to_sound([turn(1, duration_s=1), turn(2, duration_s=1)])
    assert sample_rate == 22050
    assert len(samples) == pytest.approx((4 * 1.0 + 3 * 0.5) * 22050, abs=4)
    for start_s, frequency in ((0, 201), (1.5, 301), (3, 202), (4.5, 302)):
        part = samples[round(start_s * 22050) :][:22050]
        assert np.abs(np.fft.rfft(part)).argmax() == frequency
        assert np.abs(part[2000:-2000]).max() == pytest.approx(0.4, abs=0.01)
        assert np.abs(samples[round((start_s + 1.1) * 22050) :][:6000]).max(initial=0) < 1e-3


def test_a_side_without_sound_is_left_out() -> None:
    record = dataclasses.replace(turn(1), answer_samples=None, answer_sample_rate=0)
    samples, sample_rate = to_sound([record, typed_turn(2)])
    assert sample_rate == 16000
    assert record.user_samples is not None
    np.testing.assert_array_equal(samples, record.user_samples)


def test_nothing_to_export_is_told() -> None:
    with pytest.raises(NothingToExport, match="no sound"):
        to_sound([typed_turn(1)])
    for make in (to_markdown, to_json):
        with pytest.raises(NothingToExport, match="no turns"):
            make([])


def test_what_is_saved_is_what_was_made(tmp_path: Path) -> None:
    turns = [turn(1), typed_turn(2)]
    for save, name in zip(SAVERS, ("c.md", "c.json", "c.wav"), strict=True):
        save(turns, tmp_path / name)
    assert (tmp_path / "c.md").read_text(encoding="utf-8") == to_markdown(turns)
    assert (tmp_path / "c.json").read_text(encoding="utf-8") == to_json(turns)
    samples, sample_rate = soundfile.read(tmp_path / "c.wav", dtype="float32")
    np.testing.assert_allclose(samples, to_sound(turns)[0], atol=1e-4)
    assert sample_rate == 22050


@pytest.mark.parametrize("save", [save_markdown, save_json])
def test_half_a_pair_of_characters_hinders_no_export(
    tmp_path: Path, save: Callable[[list[TurnRecord], Path], None]
) -> None:
    save([dataclasses.replace(turn(1), user_text="half \ud83d")], tmp_path / "c")
    assert "half ?" in (tmp_path / "c").read_text(encoding="utf-8")


@pytest.mark.parametrize("save", SAVERS)
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, save: Callable[[list[TurnRecord], Path], None]
) -> None:
    path = tmp_path / "c.wav"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            save([turn(1)], path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["c.wav"]
