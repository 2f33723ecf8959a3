"""History: what was added is there after any fault, and what was deleted is nowhere."""

import dataclasses
import json
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from app import history
from app.history import History, HistoryDamaged, HistoryError
from app.kept_turn import Side, SoundPlace
from app.set_aside import StoreNoticeKind
from tests.app.turns_to_keep import STARTED_AT, assert_same, tone, turn, typed_turn


def a_day() -> date:
    return date(2031, 5, 7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "history.db"


@pytest.fixture
def kept(path: Path) -> Iterator[History]:
    with History(path) as opened:
        yield opened


def content(path: Path) -> bytes:
    """Every byte of the history on the disk."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


def test_a_turn_comes_back_as_it_was(path: Path) -> None:
    records = [turn(1), typed_turn(2), dataclasses.replace(turn(3), stats=None, seed=None)]
    with History(path) as kept:
        conversation = kept.start_conversation("nano", STARTED_AT)
        for record in records:
            kept.add(conversation, record)
    with History(path) as kept:
        for again, record in zip(kept.turns(conversation), records, strict=True):
            assert_same(again.restored(), record)


def test_a_turn_kept_before_there_were_drafts_comes_back_without(path: Path) -> None:
    with History(path) as kept:
        conversation = kept.start_conversation("nano", STARTED_AT)
        kept.add(conversation, turn(1))
    with closing(sqlite3.connect(path)) as connection, connection:
        (stats,) = connection.execute("SELECT stats FROM turns").fetchone()
        older = {name: value for name, value in json.loads(stats).items() if "draft" not in name}
        connection.execute("UPDATE turns SET stats = ?", (json.dumps(older),))
    with History(path) as kept:
        (again,) = kept.turns(conversation)
    expected = turn(1).stats
    assert expected is not None
    assert again.record.stats == dataclasses.replace(expected, n_drafts=0, n_drafts_accepted=0)


def test_sound_beyond_full_scale_is_cut_and_empty_sound_is_none(kept: History) -> None:
    loud, empty = 3 * tone(800, 16000, 500), np.zeros(0, np.float32)
    conversation = kept.start_conversation("nano", STARTED_AT)
    kept.add(conversation, dataclasses.replace(turn(1), user_samples=loud, answer_samples=empty))
    (again,) = kept.turns(conversation)
    np.testing.assert_allclose(again.sound(Side.QUESTION)[0], loud.clip(-1, 1), atol=1e-4)
    assert again.question_s == 0.05
    assert not again.has_sound(Side.ANSWER)


def test_text_that_is_no_unicode_is_kept_readable(kept: History) -> None:
    conversation = kept.start_conversation("nano\ud800", STARTED_AT)
    kept.add(conversation, dataclasses.replace(turn(1), user_text="half \ud83d a pair"))
    assert kept.turns(conversation)[0].record.user_text == "half ? a pair"


def test_the_list_shows_conversations_with_turns_latest_first(kept: History) -> None:
    first = kept.start_conversation("nano", STARTED_AT)
    second = kept.start_conversation("nano", STARTED_AT + timedelta(hours=1))
    kept.start_conversation("nano", STARTED_AT + timedelta(hours=2))
    assert kept.conversations() == ()
    for number in (1, 2):
        kept.add(second, turn(number))
    kept.add(first, turn(3))
    listed = kept.conversations()
    assert [summary.id for summary in listed] == [first, second]
    assert [summary.n_turns for summary in listed] == [1, 2]
    assert [summary.title for summary in listed] == ["question 3?", "question 1?"]
    assert listed[1].started_at == STARTED_AT + timedelta(hours=1)


def test_a_title_is_the_first_words_there_are_in_one_short_line(kept: History) -> None:
    unheard = dataclasses.replace(turn(1), user_text="")
    silent = dataclasses.replace(turn(2), user_text="  ", answer_text="")
    long = dataclasses.replace(turn(3), user_text="\n words" * 50)
    for record in (unheard, silent, long):
        kept.add(kept.start_conversation("nano", STARTED_AT), record)
    last, middle, first = kept.conversations()
    assert first.title == "answer 1 in full"
    assert middle.title == ""
    assert last.title.startswith("words words") and last.title.endswith("...")
    assert len(last.title) <= 80


def test_a_transcript_may_come_after_its_turn(kept: History) -> None:
    conversation = kept.start_conversation("nano", STARTED_AT)
    row = kept.add(conversation, dataclasses.replace(turn(1), user_text=""))
    kept.add(conversation, turn(2))
    kept.set_user_text(row, "seven plus five")
    assert [again.record.user_text for again in kept.turns(conversation)] == [
        "seven plus five",
        "question 2?",
    ]
    kept.delete(conversation)
    kept.set_user_text(row, "too late")
    assert kept.turns(conversation) == ()


def test_latency_is_told_without_words_or_sound(kept: History) -> None:
    conversation = kept.start_conversation("nano", STARTED_AT)
    for number in range(5):
        kept.add(conversation, turn(number))
    rows = kept.latency_rows()
    assert [row.mode for row in rows] == [turn(number).mode for number in range(5)]
    assert [row.stamps for row in rows] == [turn(number).stamps for number in range(5)]
    assert {row.model for row in rows} == {"nano"}


@pytest.mark.parametrize("way", ["delete", "delete_all", "apply_retention"])
def test_what_is_deleted_leaves_the_disk_at_once(kept: History, path: Path, way: str) -> None:
    conversation = kept.start_conversation("nano", STARTED_AT)
    for number in range(100, 108):
        row = kept.add(conversation, turn(number))
    kept.set_user_text(row, "a transcript that came late")
    ((sound,),) = kept._rows("SELECT answer FROM sounds WHERE turn = ?", row)
    words = (b"question 1", b"answer 1", b"in full", b"a transcript", b"audio_codes", sound[-400:])
    assert all(word in content(path) for word in words)
    match way:
        case "delete":
            kept.delete(conversation)
        case "delete_all":
            kept.delete_all()
        case _:
            kept.apply_retention(1, STARTED_AT + timedelta(days=30))
    assert not any(word in content(path) for word in words)
    assert path.stat().st_size < 40_000  # the tables alone
    assert kept.conversations() == ()
    assert kept.turns(conversation) == ()


def test_deleting_one_conversation_leaves_the_others(kept: History) -> None:
    ids = [kept.start_conversation("nano", STARTED_AT) for _ in range(3)]
    for number, conversation in enumerate(ids):
        kept.add(conversation, turn(number))
    kept.delete(ids[1])
    assert [summary.id for summary in kept.conversations()] == [ids[2], ids[0]]
    assert_same(kept.turns(ids[0])[0].restored(), turn(0))
    assert_same(kept.turns(ids[2])[0].restored(), turn(2))


def test_a_deletion_that_another_program_holds_up_is_told(kept: History, path: Path) -> None:
    conversation = kept.start_conversation("nano", STARTED_AT)
    kept.add(conversation, turn(1))
    kept._connection.execute("PRAGMA busy_timeout = 10")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM turns").fetchall()
    with pytest.raises(HistoryError, match="another program is reading"):
        kept.delete(conversation)
    reader.close()
    assert kept.conversations() == ()


def test_retention_removes_turns_that_are_too_old_and_conversations_left_empty(
    kept: History,
) -> None:
    old = kept.start_conversation("nano", STARTED_AT - timedelta(days=9))
    long = kept.start_conversation("nano", STARTED_AT - timedelta(days=9))
    new = kept.start_conversation("nano", STARTED_AT)
    long_ago = STARTED_AT - timedelta(days=8)
    kept.add(old, dataclasses.replace(turn(1), started_at=long_ago))
    kept.add(long, dataclasses.replace(turn(2), started_at=long_ago))
    kept.add(long, turn(3))
    now = STARTED_AT + timedelta(minutes=3)
    assert kept.apply_retention(None, now) == 0
    assert kept.apply_retention(9, now) == 0
    assert kept.apply_retention(7, now) == 2
    assert [(summary.id, summary.n_turns) for summary in kept.conversations()] == [(long, 1)]
    kept.add(new, turn(4))  # it had no turn yet, and is young
    with pytest.raises(HistoryError, match="no longer there"):
        kept.add(old, turn(5))


def test_only_this_user_can_read_the_files(kept: History, path: Path) -> None:
    kept.start_conversation("nano", STARTED_AT)
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def fill(path: Path) -> None:
    with History(path) as kept:
        conversation = kept.start_conversation("nano", STARTED_AT)
        for number in range(8):
            kept.add(conversation, turn(number))


def damage(kind: str, path: Path) -> None:
    match kind:
        case "text":
            path.write_text("What is seven plus five?\n" * 500)
        case "zeros":
            path.write_bytes(bytes(path.stat().st_size))
        case "header":
            path.write_bytes(b"x" * 100 + path.read_bytes()[100:])
        case "cut off":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "noise":
            noise = np.random.default_rng(0).bytes(path.stat().st_size - 100)
            path.write_bytes(path.read_bytes()[:100] + noise)
        case "table":
            with sqlite3.connect(path) as other:
                other.execute("DROP TABLE sounds")
            other.close()
        case "column":
            with sqlite3.connect(path) as other:
                other.execute("ALTER TABLE turns RENAME COLUMN seed TO grain")
            other.close()
        case "foreign":
            path.unlink()
            with sqlite3.connect(path) as other:
                other.execute("CREATE TABLE bookmarks(url)")
            other.close()
        case _:
            raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind", ["text", "zeros", "header", "cut off", "noise", "table", "column", "foreign"]
)
def test_a_damaged_file_is_set_aside_whole_and_a_new_one_begun(path: Path, kind: str) -> None:
    fill(path)
    damage(kind, path)
    before = path.read_bytes()
    kept, notice = History.open(path, a_day)
    with kept:
        assert notice is not None
        assert notice.kind is StoreNoticeKind.HISTORY_BROKEN
        assert notice.kept_as == path.with_name("history.broken-2031-05-07.db")
        assert notice.kept_as.read_bytes() == before
        assert str(notice.kept_as) in notice.message
        assert kept.conversations() == ()
        kept.add(kept.start_conversation("nano", STARTED_AT), turn(1))
        assert len(kept.conversations()) == 1


def test_turns_that_are_only_in_the_write_ahead_log_are_not_lost_with_a_damaged_file(
    path: Path,
) -> None:
    with History(path) as kept:
        conversation = kept.start_conversation("nano", STARTED_AT)
        kept.add(conversation, turn(1))
        kept._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept.add(conversation, turn(2))
        copies = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    for name, copied in copies.items():
        path.with_name(name).write_bytes(copied)
    damage("noise", path)
    kept, notice = History.open(path, a_day)
    kept.close()
    assert notice is not None and b"question 2?" in content(path)


def test_a_write_ahead_log_goes_with_its_file(path: Path) -> None:
    fill(path)
    path.write_bytes(b"x" * 5000)
    log = path.with_name("history.db-wal")
    log.write_bytes(b"words that were not yet in the file")
    kept, notice = History.open(path, a_day)
    kept.close()
    assert notice is not None and notice.kept_as is not None
    aside = notice.kept_as.with_name(notice.kept_as.name + "-wal")
    assert aside.read_bytes() == b"words that were not yet in the file"


def test_damage_that_shows_later_is_told_as_such(path: Path) -> None:
    fill(path)
    kept, notice = History.open(path)
    assert notice is None
    with kept:
        kept._connection.execute("UPDATE turns SET mode = 'warp' WHERE turn_id = 3")
        with pytest.raises(HistoryDamaged, match="a turn in it cannot be read"):
            kept.turns(1)


def test_a_sound_that_is_damaged_costs_no_words(kept: History) -> None:
    conversation = kept.start_conversation("nano", STARTED_AT)
    kept.add(conversation, turn(1))
    kept._connection.execute("UPDATE sounds SET answer = x'0102'")
    (again,) = kept.turns(conversation)
    assert again.record.answer_text == "answer 1 in full"
    assert not again.has_sound(Side.ANSWER)
    assert again.has_sound(Side.QUESTION)


def test_a_newer_file_is_set_aside_untouched(path: Path) -> None:
    fill(path)
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {history.VERSION + 1}")
    other.close()
    before = path.read_bytes()
    kept, notice = History.open(path)
    kept.close()
    assert notice is not None
    assert notice.kind is StoreNoticeKind.HISTORY_NEWER
    assert notice.kept_as == path.with_name("history.newer.db")
    assert notice.kept_as.read_bytes() == before


def test_a_file_that_is_only_in_use_is_not_set_aside(path: Path) -> None:
    fill(path)
    with History(path) as kept:
        kept._connection.execute("PRAGMA busy_timeout = 10")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HistoryError, match="another program is using it") as caught:
            kept.start_conversation("nano", STARTED_AT)
        assert not isinstance(caught.value, HistoryDamaged)
        other.close()
        kept.start_conversation("nano", STARTED_AT)
    assert [file.name for file in path.parent.iterdir()] == ["history.db"]


def test_a_full_disk_costs_only_the_turn_that_did_not_fit(kept: History, path: Path) -> None:
    conversation = kept.start_conversation("nano", STARTED_AT)
    kept.add(conversation, turn(1))
    noise = np.random.default_rng(0).uniform(-1, 1, 300_000).astype(np.float32)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limits[1]))
    try:
        with pytest.raises(HistoryError, match="full"):
            kept.add(conversation, dataclasses.replace(turn(2), answer_samples=noise))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [again.record.turn_id for again in kept.turns(conversation)] == [1]
    kept.add(conversation, turn(3))
    assert [again.record.turn_id for again in kept.turns(conversation)] == [1, 3]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError):
        History(tmp_path / "file" / "history.db")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(HistoryError, match=r"folder\.db"):
        History(tmp_path / "folder.db")


def test_another_thread_is_refused_and_the_file_not_blamed(kept: History) -> None:
    errors: list[Exception] = []

    def use() -> None:
        try:
            kept.conversations()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert [type(error) for error in errors] == [sqlite3.ProgrammingError]


def test_an_empty_file_is_a_new_history(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    kept, notice = History.open(path)
    kept.close()
    assert notice is None


def test_the_file_is_safe_against_power_cuts_and_shrinks(kept: History) -> None:
    assert kept._rows("PRAGMA synchronous") == [(2,)]  # FULL
    assert kept._rows("PRAGMA journal_mode") == [("wal",)]
    assert kept._rows("PRAGMA auto_vacuum") == [(2,)]  # INCREMENTAL
    assert kept._rows("PRAGMA secure_delete") == [(1,)]


def test_a_long_conversation_opens_with_its_newest_sound_and_the_rest_can_be_had(
    kept: History,
) -> None:
    conversation = kept.start_conversation("nano", STARTED_AT)
    rows = [kept.add(conversation, turn(number)) for number in range(6)]  # 0.4 s of sound each
    turns = kept.turns(conversation, longest_sound_s=1.0)
    places = [again.place for again in turns]
    assert places == [SoundPlace.HISTORY] * 4 + [SoundPlace.MEMORY] * 2
    assert kept.row_ids(conversation) == tuple(rows)
    first = turns[0]
    assert (first.question, first.answer) == (b"", b"")
    assert first.sound_s == pytest.approx(0.4)
    assert_same(first.with_sound(*kept.sounds(rows[0])).restored(), turn(0))
    kept.delete(conversation)
    with pytest.raises(HistoryError, match="no longer kept"):
        kept.sounds(rows[0])
