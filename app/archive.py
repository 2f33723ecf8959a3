"""What becomes of finished turns: they are kept if the user wants that, and else nothing is.

While history is off no file is made and none is written to; conversations that were kept before can
still be read and deleted. Where the file turns out to be damaged it is set aside, the user is told,
and the next turn begins a new one, so that no finished turn waits for a person to mend it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from app.history import (
    ConversationSummary,
    History,
    HistoryDamaged,
    HistoryError,
    HistoryNewer,
    retire,
)
from app.kept_turn import KeptTurn
from app.latency import Summary, summaries
from app.set_aside import StoreNotice
from app.settings import PrivacySettings
from app.turn_record import TurnRecord
from engine.modes import InferenceMode

_T = TypeVar("_T")


def _now() -> datetime:
    return datetime.now(UTC)


class Archive:
    """The conversations a user keeps, and the one that is going on; belongs to one thread.

    It is off until ``set_privacy`` turns it on. What cannot be done raises ``HistoryError``.
    """

    def __init__(
        self,
        path: Path,
        tell: Callable[[StoreNotice], None],
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._path = path
        self._tell = tell
        self._now = now
        self._privacy = PrivacySettings()
        self._history: History | None = None
        self._conversation: int | None = None
        self._rows: dict[int, int] = {}  # by turn_id: where the turns in the window are kept
        self._early: dict[int, str] = {}  # by turn_id: transcripts of turns that are going on

    def set_privacy(self, privacy: PrivacySettings) -> None:
        """Keeps turns from now on, or no more, and drops those that are older than wanted."""
        self._privacy = privacy
        if not privacy.keep_history:
            self._early.clear()
        self._forget_old()

    def new_conversation(self) -> None:
        """The next turn begins a conversation."""
        self._conversation = None
        self._forget_old()

    def keep(self, record: TurnRecord) -> bool:
        """Adds a finished turn to the conversation; tells whether it was, and is on the disk."""
        text = self._early.pop(record.turn_id, "")
        if not self._privacy.keep_history:
            return False
        whole = record if record.user_text else replace(record, user_text=text)
        self._use(lambda history: self._add(history, whole), may_make=True)
        self._forget_old()
        return True

    def keep_user_text(self, turn_id: int, text: str) -> bool:
        """Adds the transcript of a turn; tells whether the turn was kept before.

        One that comes while its turn is still going on waits for it.
        """
        row = self._rows.get(turn_id)
        if not self._privacy.keep_history:
            return False
        if row is None:
            self._early[turn_id] = text
            return False
        self._use(lambda history: history.set_user_text(row, text))
        return True

    def current(self) -> int | None:
        """The conversation that turns are added to; None where the next turn begins one."""
        return self._conversation if self._privacy.keep_history else None

    def conversations(self) -> tuple[ConversationSummary, ...]:
        """Every kept conversation, the one that was talked in last first."""
        return self._use(lambda history: history.conversations()) or ()

    def open(self, conversation_id: int) -> tuple[KeptTurn, ...]:
        """The turns of one, to which the next ones are added.

        They get negative ids, which no turn of this run has.
        """
        found = self._use(lambda history: history.turns(conversation_id)) or ()
        rows = self._use(lambda history: history.row_ids(conversation_id)) or ()
        self._conversation = conversation_id if found else None
        self._rows = {turn_id: row for turn_id, row in self._rows.items() if turn_id > 0}
        self._rows |= {-number: row for number, row in enumerate(rows, start=1)}
        return tuple(
            replace(kept, record=replace(kept.record, turn_id=-number))
            for number, kept in enumerate(found, start=1)
        )

    def keeps_sound(self, turn_id: int) -> bool:
        """Whether a turn of this run, or of the conversation opened last, was kept."""
        return turn_id in self._rows

    def sounds(self, turn_id: int) -> tuple[bytes, bytes]:
        """Question and answer of such a turn as FLAC; ``HistoryError`` where it was deleted."""
        row = self._rows.get(turn_id)
        found = None if row is None else self._use(lambda history: history.sounds(row))
        if found is None:
            raise HistoryError("This turn is no longer kept, nor is its sound")
        return found

    def delete(self, conversation_id: int) -> None:
        """Removes one for good."""
        if conversation_id == self._conversation:
            self._conversation = None
        self._use(lambda history: history.delete(conversation_id))

    def delete_all(self) -> None:
        """Removes every conversation for good."""
        self._conversation = None
        self._use(lambda history: history.delete_all())

    def summaries(self) -> Mapping[InferenceMode, Summary]:
        """Mouth to ear of every mode, over all that is kept."""
        return summaries(self._use(lambda history: history.latency_rows()) or ())

    def close(self) -> None:
        """Ends the use of the file."""
        if self._history is not None:
            self._history.close()
            self._history = None

    def _add(self, history: History, record: TurnRecord) -> None:
        # It may have grown too old, or been deleted, since its last turn.
        if self._conversation is None or not history.has(self._conversation):
            self._conversation = history.start_conversation(record.model, record.started_at)
        self._rows[record.turn_id] = history.add(self._conversation, record)

    def _forget_old(self) -> None:
        days = self._privacy.retention_days
        if days is not None:
            self._use(lambda history: history.apply_retention(days, self._now()))

    def _use(self, act: Callable[[History], _T], may_make: bool = False) -> _T | None:
        """What ``act`` returns; None where there is no file, and none is to be made.

        A file that is damaged is set aside first, and then there is none.
        """
        for _ in range(2):
            try:
                if self._history is None:
                    if not may_make and not self._path.exists():
                        return None
                    self._history = History(self._path)
                return act(self._history)
            except (HistoryDamaged, HistoryNewer) as error:
                self.close()
                notice = retire(self._path, error)
            self._conversation = None
            self._rows.clear()
            self._tell(notice)
        raise AssertionError("a new file cannot be damaged")
