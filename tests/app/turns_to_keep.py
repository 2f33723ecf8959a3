"""Turns for tests of what is kept: every field filled, and all of them different."""

from datetime import UTC, datetime, timedelta

import numpy as np

from app.turn_record import Origin, Outcome, Stamps, TurnRecord
from engine.events import ReplyStats, TimingsMs
from engine.modes import InferenceMode

MODES = tuple(InferenceMode)
STARTED_AT = datetime(2031, 5, 7, 12, 30, 5, 123457, tzinfo=UTC)


def tone(n_samples: int, sample_rate: int, frequency: float) -> np.ndarray:
    times = np.arange(n_samples) / sample_rate
    return (0.4 * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def turn(number: int, duration_s: float = 0.2) -> TurnRecord:
    """A spoken turn with sound; its words, times and tokens tell its number."""
    stamps = Stamps(*(1000.0 + number + 0.1 * n for n in range(10)))
    stats = ReplyStats(
        timings_ms=TimingsMs(1.5, 2.5, 3.5, None, 5.5, 6.5),
        n_tokens=40 + number,
        n_text_tokens=10,
        n_audio_tokens=30 + number,
        audio_seconds=2.4,
        text=f"answer {number} in full",
        audio_codes=(number, 1, 2),
        question_codes=(3, number),
        n_drafts=60 + number,
        n_drafts_accepted=50 + number,
        n_context_tokens=900 + number,
        context_limit=8192,
        n_forgotten=number,
    )
    return TurnRecord(
        turn_id=number,
        started_at=STARTED_AT + timedelta(minutes=number),
        origin=Origin.SPOKEN,
        mode=MODES[number % len(MODES)],
        model="nano",
        seed=2**63 - 1 - number,
        user_text=f"question {number}?",
        answer_text=f"answer {number} in full",
        outcome=Outcome.COMPLETE,
        stamps=stamps,
        stats=stats,
        underruns=number,
        waited_ms=12.5 + number,
        user_samples=tone(round(16000 * duration_s), 16000, 200 + number),
        answer_samples=tone(round(22050 * duration_s), 22050, 300 + number),
        answer_sample_rate=22050,
    )


def typed_turn(number: int) -> TurnRecord:
    """A turn with nothing but words, as a typed question to a model that failed leaves it."""
    return TurnRecord(
        turn_id=number,
        started_at=STARTED_AT + timedelta(minutes=number),
        origin=Origin.TYPED,
        mode=InferenceMode.VANILLA,
        model="/models/\u6a21\u578b",
        seed=None,
        user_text="\u4f60\u597d \u00e4\n\x00 'quoted' \U0001f600",
        answer_text="",
        outcome=Outcome.FAILED,
        stamps=Stamps(),
    )


def assert_same(kept: TurnRecord, record: TurnRecord) -> None:
    """All fields are equal; sound is, to 16 bits."""
    for name in TurnRecord.__dataclass_fields__:
        was, now = getattr(record, name), getattr(kept, name)
        if isinstance(was, np.ndarray):
            assert now.dtype == np.float32
            np.testing.assert_allclose(now, was, atol=1 / 32768, err_msg=name)
        else:
            assert now == was, name
