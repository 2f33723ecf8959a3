"""The conversations a user keeps, in one SQLite file; there is none unless history is on.

A turn is on the disk when ``add`` returns: it survives a crash of the program and of the machine.
What is deleted is overwritten, in the file and in its write-ahead log. A file that cannot be read,
or that a newer version of the program wrote, is set aside, and a new one begun.
"""

import dataclasses
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from app.errors import AppError
from app.kept_turn import KeptTurn, SoundPlace
from app.log import logger
from app.set_aside import StoreNotice, StoreNoticeKind, set_aside
from app.sound_shelf import LONGEST_SOUND_S
from app.turn_record import Stamps, TurnRecord
from app.turn_rows import (
    COLUMNS,
    FLAC_HEADER,
    DamagedSound,
    TurnRow,
    flac_duration_s,
    from_microseconds,
    storable,
    to_microseconds,
    to_record,
    to_row,
    to_stamps,
)
from engine.modes import InferenceMode

VERSION = 1
"""The version of the tables; raised when an older program could not read them."""

_APPLICATION_ID = 0x5061726C  # "Parl", so that another program's database is not taken for ours
_MAGIC = b"SQLite format 3\x00"
_COMPANIONS = ("-wal", "-shm", "-journal")
_TITLE_LENGTH = 80

# Sound lies apart from the words, so that a list of conversations reads no sound.
_SCHEMA = f"""
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, started_us INTEGER NOT NULL
) STRICT;
CREATE TABLE turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
    turn_id INTEGER NOT NULL, started_us INTEGER NOT NULL, origin TEXT NOT NULL, mode TEXT NOT NULL,
    model TEXT NOT NULL, seed INTEGER, user_text TEXT NOT NULL, answer_text TEXT NOT NULL,
    outcome TEXT NOT NULL, stamps TEXT NOT NULL, stats TEXT, underruns INTEGER NOT NULL,
    waited_ms REAL NOT NULL, answer_sample_rate INTEGER NOT NULL
) STRICT;
CREATE INDEX turns_of_conversation ON turns(conversation);
CREATE TABLE sounds (
    turn INTEGER PRIMARY KEY REFERENCES turns(id) ON DELETE CASCADE,
    question BLOB NOT NULL, answer BLOB NOT NULL
) STRICT;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""


class HistoryError(AppError):
    """A conversation could not be read or kept; the message says why."""


class HistoryDamaged(HistoryError):
    """The file itself is damaged: it is to be set aside by ``retire``."""


class HistoryNewer(HistoryError):
    """A newer version of the program wrote the file: it is to be set aside by ``retire``."""


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A kept conversation in a list; ``title`` is how it begins, empty where that is not known."""

    id: int
    title: str
    started_at: datetime  # UTC
    n_turns: int


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """What one kept turn tells about speed, without its words."""

    mode: InferenceMode
    model: str
    stamps: Stamps


def retire(
    path: Path, error: HistoryDamaged | HistoryNewer, today: Callable[[], date] = date.today
) -> StoreNotice:
    """Sets a file aside that cannot be used, whole and unchanged, and tells where it lies now.

    Nobody may have it open. Raises ``HistoryError`` where the folder does not allow it.
    """
    if isinstance(error, HistoryNewer):
        kind, label = StoreNoticeKind.HISTORY_NEWER, "newer"
    else:
        kind, label = StoreNoticeKind.HISTORY_BROKEN, f"broken-{today().isoformat()}"
    kept_as = set_aside(path, label, _COMPANIONS)
    if kept_as is None:
        raise HistoryError(f"{path}: cannot be used ({error}), nor be moved out of the way")
    logger("history").warning("set aside: %s", kind.value)
    return StoreNotice(kind, str(error), kept_as)


class History:
    """The kept conversations; belongs to the thread that opened it."""

    def __init__(self, path: Path) -> None:
        """Opens the file or makes it; ``open`` also copes with a damaged one."""
        self._path = path
        with self._reported():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Made here for this user's eyes only; SQLite gives its other files the same mode.
            with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb") as file:
                start = file.read(len(_MAGIC))
            # Told before SQLite sees it, which would tidy up the write-ahead log.
            if start and start != _MAGIC:
                raise HistoryDamaged(f"{path}: the file is not a database")
            self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            with self._reported():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def open(
        cls, path: Path, today: Callable[[], date] = date.today
    ) -> tuple["History", StoreNotice | None]:
        """The history in the file; one that cannot be used is set aside, and a new one begun."""
        try:
            return cls(path), None
        except (HistoryDamaged, HistoryNewer) as error:
            notice = retire(path, error, today)
            return cls(path), notice

    def close(self) -> None:
        """Ends the use of the file, which is then complete without its write-ahead log."""
        self._connection.close()

    def __enter__(self) -> "History":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start_conversation(self, model: str, started_at: datetime) -> int:
        """The id of a new conversation, which shows in the list with its first turn."""
        values = (storable(model), to_microseconds(started_at))
        with self._transaction() as sql:
            row = sql.execute("INSERT INTO conversations(model, started_us) VALUES (?, ?)", values)
            assert row.lastrowid is not None
            return row.lastrowid

    def has(self, conversation_id: int) -> bool:
        """Whether a conversation is there, with or without turns."""
        return bool(self._rows("SELECT 1 FROM conversations WHERE id = ?", conversation_id))

    def add(self, conversation_id: int, record: TurnRecord) -> int:
        """Keeps a finished turn, which is on the disk when this returns; tells the row's id."""
        kept = KeptTurn.of(record)
        row = to_row(record)
        names, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
        with self._transaction() as sql:
            added = sql.execute(
                f"INSERT INTO turns(conversation, {names}) VALUES (?, {marks})",
                (conversation_id, *dataclasses.astuple(row)),
            )
            assert added.lastrowid is not None
            sounds = (added.lastrowid, kept.question, kept.answer)
            sql.execute("INSERT INTO sounds VALUES (?, ?, ?)", sounds)
            return added.lastrowid

    def set_user_text(self, row_id: int, text: str) -> None:
        """Adds the transcript of a kept turn; nothing happens where it was deleted meanwhile."""
        with self._transaction() as sql:
            sql.execute("UPDATE turns SET user_text = ? WHERE id = ?", (storable(text), row_id))

    def conversations(self) -> tuple[ConversationSummary, ...]:
        """Every conversation that has turns, the one that was talked in last first."""
        first_words = (
            "SELECT trim({0}) FROM turns WHERE conversation = c.id AND trim({0}) != '' "
            "ORDER BY id LIMIT 1"
        )
        question, answer = (first_words.format(name) for name in ("user_text", "answer_text"))
        found = self._rows(
            f"SELECT c.id, coalesce(({question}), ({answer}), ''), c.started_us, count(*) "
            "FROM conversations c JOIN turns t ON t.conversation = c.id "
            "GROUP BY c.id ORDER BY max(t.id) DESC"
        )
        return tuple(
            ConversationSummary(row_id, _title(text), from_microseconds(started_us), n_turns)
            for row_id, text, started_us, n_turns in found
        )

    def turns(
        self, conversation_id: int, longest_sound_s: float = LONGEST_SOUND_S
    ) -> tuple[KeptTurn, ...]:
        """The turns of a conversation in order; none where it is no longer there.

        The newest ones come with their sound, up to ``longest_sound_s`` of it; that of the others
        stays here, for ``sounds``.
        """
        names = ", ".join(f"t.{name}" for name in COLUMNS)
        headers = ", ".join(
            f"substr(s.{side}, 1, {FLAC_HEADER})" for side in ("question", "answer")
        )
        found = self._rows(
            f"SELECT t.id, {headers}, {names} FROM turns t JOIN sounds s ON s.turn = t.id "
            "WHERE t.conversation = ? ORDER BY t.id DESC",
            conversation_id,
        )
        turns: list[KeptTurn] = []
        with self._decoded():
            for row_id, question, answer, *columns in found:
                kept = _kept_turn(to_record(TurnRow(*columns)), question, answer)
                longest_sound_s -= kept.sound_s
                if longest_sound_s >= 0 or not turns:
                    kept = kept.with_sound(*self.sounds(row_id))
                turns.append(kept)
        return tuple(reversed(turns))

    def row_ids(self, conversation_id: int) -> tuple[int, ...]:
        """The rows of those turns, for ``sounds``, in the same order."""
        found = self._rows(
            "SELECT id FROM turns WHERE conversation = ? ORDER BY id", conversation_id
        )
        return tuple(row_id for (row_id,) in found)

    def sounds(self, row_id: int) -> tuple[bytes, bytes]:
        """Question and answer of a kept turn as FLAC.

        Raises ``HistoryError`` where it was deleted.
        """
        found = self._rows("SELECT question, answer FROM sounds WHERE turn = ?", row_id)
        if not found:
            raise HistoryError("This turn is no longer kept, nor is its sound")
        ((question, answer),) = found
        return question, answer

    def latency_rows(self) -> tuple[LatencyRow, ...]:
        """Mode, model and stamps of every kept turn, oldest first."""
        found = self._rows("SELECT mode, model, stamps FROM turns ORDER BY id")
        with self._decoded():
            return tuple(
                LatencyRow(InferenceMode(mode), model, to_stamps(stamps))
                for mode, model, stamps in found
            )

    def delete(self, conversation_id: int) -> None:
        """Removes a conversation for good."""
        with self._transaction() as sql:
            sql.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))
        self._erase()

    def delete_all(self) -> None:
        """Removes every conversation for good."""
        with self._transaction() as sql:
            sql.execute("DELETE FROM conversations")
        self._erase()

    def apply_retention(self, days: int | None, now: datetime) -> int:
        """Removes the turns that began more than ``days`` days ago; tells how many they were."""
        if days is None:
            return 0
        oldest = to_microseconds(now - timedelta(days=days))
        with self._transaction() as sql:
            n_removed = sql.execute("DELETE FROM turns WHERE started_us < ?", (oldest,)).rowcount
            sql.execute(
                "DELETE FROM conversations WHERE started_us < ? "
                "AND id NOT IN (SELECT conversation FROM turns)",
                (oldest,),
            )
        if n_removed:
            self._erase()
        return n_removed

    def _prepare(self) -> None:
        """Reads what the file is, makes the tables in an empty one, and sets how it is used."""
        sql = self._connection
        sql.execute("PRAGMA temp_store = MEMORY")
        sql.execute("PRAGMA foreign_keys = ON")
        sql.execute("PRAGMA secure_delete = ON")
        ((version,),) = self._rows("PRAGMA user_version")
        ((application_id,),) = self._rows("PRAGMA application_id")
        ((n_tables,),) = self._rows("SELECT count(*) FROM sqlite_schema")
        is_new = not (version or application_id or n_tables)
        if not is_new and application_id != _APPLICATION_ID:
            raise HistoryDamaged("it is not a history of Parley")
        if version > VERSION:
            raise HistoryNewer(f"version {version}, this program knows {VERSION}")
        if is_new:
            sql.execute("PRAGMA auto_vacuum = INCREMENTAL")
        sql.execute("PRAGMA journal_mode = WAL")
        sql.execute("PRAGMA synchronous = FULL")
        if is_new:
            with self._transaction() as transaction:
                for statement in _SCHEMA.split(";"):
                    transaction.execute(statement)
            return
        for table in ("conversations", "turns"):  # not the sounds: that would read all of the file
            ((told, *_), *_) = self._rows(f"PRAGMA quick_check({table})")
            if told != "ok":
                raise HistoryDamaged("its tables are damaged")
        try:
            sql.execute(f"SELECT id, conversation, {', '.join(COLUMNS)} FROM turns LIMIT 0")
            sql.execute("SELECT turn, question, answer FROM sounds LIMIT 0")
            sql.execute("SELECT id, model, started_us FROM conversations LIMIT 0")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            raise HistoryDamaged("it lacks a table or a column") from error

    def _erase(self) -> None:
        """Takes what was deleted off the disk: out of the file, and out of the write-ahead log."""
        with self._reported():  # as a script, for `execute` stops after the first page
            self._connection.executescript("PRAGMA incremental_vacuum")
        ((is_busy, *_),) = self._rows("PRAGMA wal_checkpoint(TRUNCATE)")
        if is_busy:
            raise HistoryError(
                f"{self._path}: deleted, but another program is reading the file, so the words "
                "leave the disk only when Parley is closed"
            )

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._reported():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done inside happens, and is on the disk, or nothing does."""
        with self._reported():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have ended it already
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turns the world's faults into ``HistoryError``; none of them quotes what is kept."""
        try:
            yield
        except OSError as error:
            raise HistoryError(f"{self._path}: {error.strerror}") from error
        except sqlite3.Error as error:
            # The lowest eight bits are SQLite's primary code; the others tell where it happened.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in _REASONS:
                raise
            kind = HistoryDamaged if code in _DAMAGE else HistoryError
            raise kind(f"{self._path}: {_REASONS[code]}") from error

    @contextmanager
    def _decoded(self) -> Iterator[None]:
        """What a row holds and this program cannot have written is damage."""
        try:
            yield
        except (ValueError, TypeError, KeyError) as error:
            raise HistoryDamaged(f"{self._path}: a turn in it cannot be read") from error


_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REASONS = {
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written, or is full",
    sqlite3.SQLITE_READONLY: "may not be written to",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "may not be used",
    sqlite3.SQLITE_AUTH: "may not be used",
    sqlite3.SQLITE_BUSY: "another program is using it",
    sqlite3.SQLITE_LOCKED: "another program is using it",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_CONSTRAINT: "the conversation is no longer there",
}


def _kept_turn(record: TurnRecord, question: bytes, answer: bytes) -> KeptTurn:
    """The turn by the headers of its sounds, which stay in the history.

    A sound that is damaged is left out, for the words are worth having without it.
    """
    durations_s = []
    for header in (question, answer):
        try:
            durations_s.append(flac_duration_s(header))
        except DamagedSound:
            logger("history").warning("a kept sound is damaged and was left out")
            durations_s.append(0.0)
    question_s, answer_s = durations_s
    return KeptTurn(record, b"", b"", question_s, answer_s, SoundPlace.HISTORY)


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_LENGTH else line[: _TITLE_LENGTH - 3].rstrip() + "..."
