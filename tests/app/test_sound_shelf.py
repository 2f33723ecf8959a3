"""Ten minutes of sound stay in memory, whatever the number of turns."""

from app.sound_shelf import LONGEST_SOUND_S, SoundShelf


def test_the_oldest_turns_go_when_there_is_more_sound_than_may_stay() -> None:
    shelf = SoundShelf(30.0)
    assert [shelf.put(turn_id, 10.0) for turn_id in (1, 2, 3)] == [(), (), ()]
    assert shelf.put(4, 10.0) == (1,)
    assert shelf.put(5, 20.0) == (2, 3)
    assert shelf.put(6, 0.0) == ()


def test_the_newest_turn_stays_however_long_it_is() -> None:
    shelf = SoundShelf(30.0)
    shelf.put(1, 5.0)
    assert shelf.put(2, 100.0) == (1,)
    assert shelf.put(3, 1.0) == (2,)


def test_a_turn_that_was_taken_out_takes_no_room() -> None:
    shelf = SoundShelf(30.0)
    shelf.put(1, 20.0)
    shelf.drop(1)
    shelf.drop(7)
    assert shelf.put(2, 20.0) == ()


def test_two_hours_leave_as_much_as_ten_minutes() -> None:
    shelf = SoundShelf()
    held: dict[int, float] = {}
    for turn_id in range(480):
        held[turn_id] = 15.0
        for oldest in shelf.put(turn_id, 15.0):
            del held[oldest]
        assert sum(held.values()) <= LONGEST_SOUND_S == 600
    assert len(held) == 40
