"""A ``TurnRecord`` as the history's table holds it, and back: plain values, JSON and FLAC.

Sound is kept as 16-bit FLAC, about half the size of a WAV of it. numpy is imported where sound is
touched, so that the window does not wait for it.
"""

from __future__ import annotations

import dataclasses
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.errors import AppError
from app.turn_record import Origin, Outcome, Stamps, TurnRecord
from engine.events import ReplyStats, TimingsMs
from engine.modes import InferenceMode

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    Samples: TypeAlias = NDArray[np.float32]  # (N,)

USER_SAMPLE_RATE = 16000
"""The sample rate of every question."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TurnRow:
    """The columns of one turn, in the order of the table; sound is kept beside it."""

    turn_id: int
    started_us: int  # since 1970, UTC
    origin: str
    mode: str
    model: str
    seed: int | None
    user_text: str
    answer_text: str
    outcome: str
    stamps: str  # JSON
    stats: str | None  # JSON
    underruns: int
    waited_ms: float
    answer_sample_rate: int


class DamagedSound(AppError):
    """A kept sound cannot be decoded any more."""

    def __init__(self) -> None:
        super().__init__("This sound is damaged and cannot be played")


COLUMNS = tuple(item.name for item in dataclasses.fields(TurnRow))
"""The names of a turn's columns."""


def to_row(record: TurnRecord) -> TurnRow:
    """The record without its sound."""
    return TurnRow(
        turn_id=record.turn_id,
        started_us=to_microseconds(record.started_at),
        origin=record.origin.value,
        mode=record.mode.value,
        model=storable(record.model),
        seed=record.seed,
        user_text=storable(record.user_text),
        answer_text=storable(record.answer_text),
        outcome=record.outcome.value,
        stamps=json.dumps(dataclasses.asdict(record.stamps)),
        stats=None if record.stats is None else json.dumps(dataclasses.asdict(record.stats)),
        underruns=record.underruns,
        waited_ms=record.waited_ms,
        answer_sample_rate=record.answer_sample_rate,
    )


def to_record(row: TurnRow) -> TurnRecord:
    """The record a row was made from, without its sound.

    Raises ``ValueError``, ``TypeError`` or ``KeyError`` where the row holds no such thing.
    """
    return TurnRecord(
        turn_id=row.turn_id,
        started_at=from_microseconds(row.started_us),
        origin=Origin(row.origin),
        mode=InferenceMode(row.mode),
        model=row.model,
        seed=row.seed,
        user_text=row.user_text,
        answer_text=row.answer_text,
        outcome=Outcome(row.outcome),
        stamps=to_stamps(row.stamps),
        stats=None if row.stats is None else _to_stats(row.stats),
        underruns=row.underruns,
        waited_ms=row.waited_ms,
        answer_sample_rate=row.answer_sample_rate,
    )


def to_flac(samples: Samples, sample_rate: int) -> bytes:
    """The sound, rounded to 16 bits."""
    import numpy as np
    import soundfile

    if samples.size == 0:  # no FLAC file can be without sound
        return b""
    buffer = io.BytesIO()
    clipped = np.clip(samples, -1.0, 1.0)
    soundfile.write(buffer, clipped, sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def from_flac(content: bytes) -> Samples:
    """The sound in a FLAC file; raises ``DamagedSound`` where there is none."""
    import numpy as np
    import soundfile

    if not content:
        return np.zeros(0, np.float32)
    try:
        samples, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise DamagedSound from error
    return np.asarray(samples, np.float32)


FLAC_HEADER = 42
"""The bytes at the beginning of a FLAC file that tell how long it is."""


def flac_duration_s(header: bytes) -> float:
    """How long the sound is whose ``FLAC_HEADER`` this is; 0 where there is none at all.

    Raises ``DamagedSound`` where it is no such header.
    """
    if not header:
        return 0.0
    # STREAMINFO comes first: sizes of blocks and frames, then 20 bits of sample rate, 8 of the
    # samples' form, and 36 of their number.
    packed = int.from_bytes(header[18:26])
    sample_rate, n_samples = packed >> 44, packed & (1 << 36) - 1
    is_whole = len(header) >= FLAC_HEADER and header[:4] == b"fLaC" and header[4] & 0x7F == 0
    if not (is_whole and sample_rate and n_samples):
        raise DamagedSound
    return n_samples / sample_rate


def to_stamps(content: str) -> Stamps:
    """The stamps in a JSON text."""
    return Stamps(**_known(Stamps, json.loads(content)))


def to_microseconds(moment: datetime) -> int:
    """The moment as a whole number that sorts as time does."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(number: int) -> datetime:
    """The moment, in UTC."""
    return _EPOCH + timedelta(microseconds=number)


def storable(text: str) -> str:
    """The text with half surrogate pairs, which no file can hold, replaced."""
    return text.encode("utf-8", "replace").decode()


def _to_stats(content: str) -> ReplyStats:
    tree = _known(ReplyStats, json.loads(content))
    timings = TimingsMs(**_known(TimingsMs, tree["timings_ms"]))
    codes = {name: tuple(tree[name]) for name in ("audio_codes", "question_codes")}
    return ReplyStats(**{**tree, **codes, "timings_ms": timings})


def _known(kind: type, tree: dict[str, Any]) -> dict[str, Any]:
    """What of ``tree`` the class ``kind`` has a field for, so that later fields do not disturb."""
    return {item.name: tree[item.name] for item in dataclasses.fields(kind) if item.name in tree}
