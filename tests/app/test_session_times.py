"""The percentiles of a session are those of its last thousand turns."""

from dataclasses import replace

from app.session_times import SessionTimes
from app.turn_record import Stamps
from engine.modes import InferenceMode
from tests.app.turns_to_keep import turn


def test_only_the_last_thousand_turns_count() -> None:
    times = SessionTimes()
    one = replace(turn(1), mode=InferenceMode.BOOST)
    for number in range(1500):
        wait_s = 9.0 if number < 500 else 0.25
        stamps = Stamps(last_voiced=1.0, first_sample_heard=1.0 + wait_s)
        times.add(replace(one, stamps=stamps))
    (found,) = times.summaries().values()
    assert (found.n, found.p50_ms, found.p95_ms) == (1000, 250.0, 250.0)
