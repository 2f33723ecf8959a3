"""Events are immutable, can be sent to another process, and name their turn."""

import dataclasses
import pickle
from typing import get_args

import numpy as np
import pytest

from engine.events import (
    AudioChunk,
    EndReason,
    EngineEvent,
    EngineFailed,
    Loading,
    ReplyEnded,
    ReplyStats,
    TextDelta,
    TimingsMs,
)

STATS = ReplyStats(TimingsMs(encode=1.0, total=9.0), 3, 1, 2, 0.16, "Hi", (4, 5))
EVENTS = [
    Loading(7, "the model"),
    TextDelta(7, "Hi"),
    AudioChunk(7, np.zeros(4, np.float32), 22050, 2),
    ReplyEnded(7, EndReason.STOP, STATS),
    EngineFailed(7, "out of memory"),
]


def test_every_kind_of_event_is_covered_here() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(EngineEvent))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_event_names_its_turn_and_cannot_change(event: EngineEvent) -> None:
    assert event.turn_id == 7
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.turn_id = 8  # type: ignore[misc]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_event_survives_pickling(event: EngineEvent) -> None:
    copy = pickle.loads(pickle.dumps(event))
    assert type(copy) is type(event)
    assert repr(copy) == repr(event)
