"""The archive: nothing is written unless history is on, and no fault of the file stops the talk."""

import dataclasses
import resource
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app import paths
from app.archive import Archive
from app.history import HistoryError
from app.kept_turn import KeptTurn, SoundPlace
from app.set_aside import StoreNotice, StoreNoticeKind
from app.settings import PrivacySettings
from engine.modes import InferenceMode
from tests.app.turns_to_keep import STARTED_AT, assert_same, turn, typed_turn

ON = PrivacySettings(keep_history=True)
OFF = PrivacySettings(keep_history=False)


class Clock:
    """A clock that stands until it is moved."""

    now: datetime = STARTED_AT + timedelta(hours=1)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notices() -> list[StoreNotice]:
    return []


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    return paths.history_file()


@pytest.fixture
def archive(path: Path, clock: Clock, notices: list[StoreNotice]) -> Iterator[Archive]:
    made = Archive(path, notices.append, clock)
    yield made
    made.close()


def kept_questions(archive: Archive) -> list[list[str]]:
    """The questions of every conversation, the oldest conversation first."""
    listed = reversed(archive.conversations())
    return [[kept.record.user_text for kept in archive.open(summary.id)] for summary in listed]


def questions(*numbers: int) -> list[str]:
    return [f"question {number}?" for number in numbers]


@pytest.mark.parametrize("privacy", [None, OFF, PrivacySettings(False, 7, True)])
def test_nothing_is_written_unless_history_is_on(
    archive: Archive, tmp_path: Path, privacy: PrivacySettings | None
) -> None:
    if privacy is not None:
        archive.set_privacy(privacy)
    for record in (turn(1), typed_turn(2)):
        assert not archive.keep(record)
        assert not archive.keep_user_text(record.turn_id, "what was said")
    archive.new_conversation()
    assert archive.conversations() == ()
    assert archive.open(1) == ()
    assert archive.current() is None
    assert archive.summaries() == {}
    archive.delete(1)
    archive.delete_all()
    archive.close()
    assert list(tmp_path.rglob("*")) == []


def test_turned_off_in_the_middle_it_writes_no_more(archive: Archive, path: Path) -> None:
    archive.set_privacy(ON)
    archive.keep(turn(1))
    archive.set_privacy(OFF)
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    assert not archive.keep(turn(2))
    assert not archive.keep_user_text(1, "a transcript that came late")
    assert archive.current() is None
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before
    archive.set_privacy(ON)
    archive.keep(turn(3))
    assert kept_questions(archive) == [questions(1, 3)]


def test_what_was_kept_can_be_read_and_deleted_while_history_is_off(
    archive: Archive, path: Path
) -> None:
    archive.set_privacy(ON)
    archive.keep(turn(1))
    archive.set_privacy(OFF)
    assert kept_questions(archive) == [questions(1)]
    archive.delete_all()
    assert archive.conversations() == ()
    assert b"question 1?" not in b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_turns_of_one_conversation_stay_together(archive: Archive) -> None:
    archive.set_privacy(ON)
    archive.new_conversation()
    assert archive.current() is None
    assert archive.keep(turn(1)) and archive.keep(turn(2))
    first = archive.current()
    archive.new_conversation()
    archive.keep(turn(3))
    assert archive.current() not in (None, first)
    assert kept_questions(archive) == [questions(1, 2), questions(3)]


def test_an_opened_conversation_goes_on(archive: Archive) -> None:
    archive.set_privacy(ON)
    archive.keep(turn(1))
    (summary,) = archive.conversations()
    archive.new_conversation()
    archive.keep(turn(2))
    (again,) = archive.open(summary.id)
    assert_same(again.restored(), dataclasses.replace(turn(1), turn_id=-1))
    assert archive.current() == summary.id
    archive.keep(turn(3))
    assert kept_questions(archive) == [questions(2), questions(1, 3)]


def test_a_transcript_reaches_its_turn_wherever_the_talk_has_gone(archive: Archive) -> None:
    archive.set_privacy(ON)
    archive.keep(dataclasses.replace(turn(1), user_text=""))
    archive.new_conversation()
    archive.keep(turn(2))
    assert archive.keep_user_text(1, "said first")
    assert kept_questions(archive) == [["said first"], questions(2)]


def test_a_transcript_that_comes_before_its_turn_is_over_goes_with_it(archive: Archive) -> None:
    archive.set_privacy(ON)
    assert not archive.keep_user_text(1, "said early")
    assert not archive.keep_user_text(2, "as it was typed")
    assert archive.conversations() == ()
    archive.keep(dataclasses.replace(turn(1), user_text=""))
    archive.keep(turn(2))
    assert kept_questions(archive) == [["said early", "question 2?"]]
    archive.keep_user_text(3, "said while history was on")
    archive.set_privacy(OFF)
    archive.set_privacy(ON)
    archive.keep(dataclasses.replace(turn(3), user_text=""))
    assert kept_questions(archive) == [["said early", "question 2?", ""]]


def test_after_deleting_the_open_conversation_another_begins(archive: Archive) -> None:
    archive.set_privacy(ON)
    archive.keep(turn(1))
    current = archive.current()
    assert current is not None
    archive.delete(current)
    assert archive.current() is None
    assert archive.keep_user_text(1, "too late")
    archive.keep(turn(2))
    assert kept_questions(archive) == [questions(2)]


def test_old_turns_go_at_the_start_and_while_the_program_runs(
    archive: Archive, clock: Clock, path: Path, notices: list[StoreNotice]
) -> None:
    archive.set_privacy(ON)
    archive.keep(turn(1))
    archive.close()
    clock.now = STARTED_AT + timedelta(days=8)
    with_limit = PrivacySettings(keep_history=True, retention_days=7)
    archive.set_privacy(with_limit)
    assert archive.conversations() == ()
    # The conversation that is going on has grown old with its only turn; the talk goes on.
    archive.keep(dataclasses.replace(turn(2), started_at=clock.now))
    clock.now += timedelta(days=8)
    archive.keep(dataclasses.replace(turn(3), started_at=clock.now))
    assert kept_questions(archive) == [questions(3)]
    clock.now += timedelta(days=8)
    archive.new_conversation()
    assert archive.conversations() == ()
    assert notices == []


def test_latency_is_summed_up_over_everything_kept(archive: Archive) -> None:
    archive.set_privacy(ON)
    for number in range(2 * len(InferenceMode)):
        archive.new_conversation()
        archive.keep(turn(number))
    found = archive.summaries()
    assert set(found) == set(InferenceMode)
    assert {summary.n for summary in found.values()} == {2}
    assert found[InferenceMode.BOOST].p50_ms == pytest.approx(800)


def test_a_damaged_file_is_set_aside_and_the_finished_turn_is_kept(
    archive: Archive, path: Path, notices: list[StoreNotice]
) -> None:
    archive.set_privacy(ON)
    archive.keep(turn(1))
    archive.close()
    path.write_bytes(b"x" * 5000)
    assert archive.keep(turn(2))
    assert kept_questions(archive) == [questions(2)]
    (notice,) = notices
    assert notice.kind is StoreNoticeKind.HISTORY_BROKEN
    assert notice.kept_as is not None and notice.kept_as.read_bytes() == b"x" * 5000


def test_damage_that_shows_while_the_file_is_open_costs_no_finished_turn(
    archive: Archive, path: Path, notices: list[StoreNotice]
) -> None:
    archive.set_privacy(ON)
    for number in range(5):
        archive.keep(turn(number))
    archive.close()
    archive.conversations()  # opens it
    path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * (path.stat().st_size - 4096))
    assert archive.keep(turn(6))
    assert kept_questions(archive) == [questions(6)]
    assert [notice.kind for notice in notices] == [StoreNoticeKind.HISTORY_BROKEN]
    archive.keep(turn(7))
    assert kept_questions(archive) == [questions(6, 7)]


@pytest.mark.parametrize(
    "use",
    [Archive.conversations, Archive.summaries, lambda archive: archive.open(1), Archive.delete_all],
)
def test_reading_a_damaged_file_with_history_off_makes_no_new_one(
    archive: Archive, path: Path, notices: list[StoreNotice], use: Callable[[Archive], object]
) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 5000)
    assert not use(archive)
    assert [notice.kind for notice in notices] == [StoreNoticeKind.HISTORY_BROKEN]
    assert [file.name for file in path.parent.iterdir()] == [notices[0].kept_as.name]


def test_a_full_disk_is_told_and_the_next_turn_is_kept_again(archive: Archive, path: Path) -> None:
    archive.set_privacy(ON)
    archive.keep(turn(1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(HistoryError, match="full"):
            archive.keep(turn(2, duration_s=30))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert archive.keep(turn(3))
    assert kept_questions(archive) == [questions(1, 3)]


def test_the_sound_of_a_turn_in_the_window_can_be_had_again(archive: Archive) -> None:
    assert not archive.keeps_sound(1)
    archive.set_privacy(ON)
    archive.keep(turn(1))
    archive.keep(turn(2))
    assert archive.keeps_sound(1)
    kept = KeptTurn.of(turn(2)).without_sound(SoundPlace.HISTORY)
    again = kept.with_sound(*archive.sounds(2)).restored()
    np.testing.assert_allclose(again.answer_samples, turn(2).answer_samples, atol=1 / 32768)
    archive.set_privacy(OFF)
    assert archive.keeps_sound(1)
    archive.keep(turn(3))
    assert not archive.keeps_sound(3)


def test_the_sound_of_an_opened_conversation_is_known_by_the_ids_of_its_turns(
    archive: Archive,
) -> None:
    archive.set_privacy(ON)
    for number in (1, 2, 3):
        archive.keep(turn(number))
    (talk,) = archive.conversations()
    opened = archive.open(talk.id)
    assert [archive.keeps_sound(kept.record.turn_id) for kept in opened] == [True] * 3
    assert archive.sounds(-3) == archive.sounds(3) != archive.sounds(-1)
    archive.delete(talk.id)
    with pytest.raises(HistoryError, match="no longer kept"):
        archive.sounds(3)
    with pytest.raises(HistoryError, match="no longer kept"):
        archive.sounds(99)
