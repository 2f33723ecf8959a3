"""The silence that ends a turn: short after a finished phrase, long after a hesitation."""

from collections.abc import Iterable

import pytest

from app.turns.endpoint import Endpoint
from app.turns.turn_events import Frame
from tests.app.turns.speech import frames


def after(sound: Iterable[Frame]) -> Endpoint:
    endpoint = Endpoint()
    position = 0
    for frame in sound:
        position += frame.n_samples
        endpoint.hear_voice(frame, position)
    return endpoint


def wait_ms(sound: Iterable[Frame], patience: float = 0.5) -> int:
    return after(sound).wait(patience) // 16


FINISHED = ((1.0, 0.9, -20), (0.16, 0.9, -32))
BROKEN_OFF = ((0.3, 0.9, -20), (0.3, 0.9, -26), (0.3, 0.9, -22))
HELD = ((0.6, 0.9, -26), (0.5, 0.9, -20))


def test_a_phrase_that_dies_away_ends_sooner_than_one_that_breaks_off() -> None:
    assert wait_ms(frames(*FINISHED)) == 450
    assert wait_ms(frames(*BROKEN_OFF)) == 1200
    assert wait_ms(frames(*HELD)) == 1200


def test_between_the_two_the_wait_follows_the_fall() -> None:
    waits = [wait_ms(frames((1.0, 0.9, -20), (0.16, 0.9, -20 - fall))) for fall in range(12)]
    assert waits == sorted(waits, reverse=True)
    assert len(set(waits)) > 5


@pytest.mark.parametrize("sound", [FINISHED, BROKEN_OFF])
def test_patience_lengthens_every_wait(sound: tuple[tuple[float, float, float], ...]) -> None:
    waits = [wait_ms(frames(*sound), patience / 4) for patience in range(5)]
    assert waits == sorted(set(waits))


def test_a_single_word_is_no_hesitation_though_it_holds_its_level() -> None:
    assert wait_ms(frames((0.3, 0.9, -20))) == 825
    assert wait_ms(frames((0.2, 0.9, -20), (0.16, 0.9, -32))) == 450


def test_who_hesitated_before_is_given_more_time() -> None:
    endpoint = after(frames(*FINISHED))
    waits = []
    for _ in range(6):
        waits.append(endpoint.wait(0.5) // 16)
        endpoint.hesitated()
    assert waits == [450, 637, 825, 1012, 1200, 1200]


def test_the_voice_ends_where_it_was_last_loud_enough_to_be_heard() -> None:
    endpoint = after(frames((1.0, 0.9, -20), (0.096, 0.9, -65)))
    assert endpoint.last_audible == len(list(frames((1.0, 0.9)))) * 512
