"""Turns out of frames and keys: when they begin, what they hold, when they end."""

import random
from collections.abc import Iterable

import pytest

from app.settings import TalkMode, TurnSettings
from app.turns.turn_detector import LONGEST_TURN, POST_ROLL, PRE_ROLL, TurnDetector, TurnState
from app.turns.turn_events import (
    DetectorEvent,
    DetectorInput,
    EndedByHand,
    Forget,
    Frame,
    KeyDown,
    KeyUp,
    Playback,
    SoftPause,
    SpeechDropped,
    SpeechEnded,
    SpeechResumed,
    SpeechStarted,
    Tapped,
)
from tests.app.turns.speech import frames

MS = 16
HANDS_FREE = TurnSettings(talk_mode=TalkMode.HANDS_FREE)


def run(
    detector: TurnDetector, *happenings: DetectorInput | Iterable[Frame]
) -> list[DetectorEvent]:
    events: list[DetectorEvent] = []
    for happening in happenings:
        if isinstance(happening, Iterable):
            for frame in happening:
                events += detector.step(frame)
        else:
            events += detector.step(happening)
    return events


def kinds(events: list[DetectorEvent]) -> list[type[DetectorEvent]]:
    return [type(event) for event in events]


def the_end(events: list[DetectorEvent]) -> SpeechEnded:
    (ended,) = (event for event in events if isinstance(event, SpeechEnded))
    return ended


def silence(seconds: float) -> Iterable[Frame]:
    return frames((seconds, 0))


def voice(seconds: float, level_db: float = -20) -> Iterable[Frame]:
    return frames((seconds, 0.9, level_db))


@pytest.mark.parametrize(
    ("settings", "before", "after"),
    [
        (TurnSettings(TalkMode.HOLD), [KeyDown()], [KeyUp()]),
        (TurnSettings(TalkMode.TAP), [Tapped()], [Tapped()]),
        (HANDS_FREE, [], []),
    ],
)
def test_hold_tap_and_hands_free_give_the_same_events_for_the_same_words(
    settings: TurnSettings, before: list[DetectorInput], after: list[DetectorInput]
) -> None:
    detector = TurnDetector(settings)
    events = run(detector, silence(1), *before, voice(1), silence(0.1), *after, silence(2))
    assert kinds(events) == [SpeechStarted, SoftPause, SpeechEnded]
    assert events[0].start_sample <= 1000 * MS - 300 * MS  # type: ignore[union-attr]
    ended = the_end(events)
    assert ended.start_sample == events[0].start_sample  # type: ignore[union-attr]
    assert ended.end_sample >= 2000 * MS
    assert abs(ended.last_voiced_sample - 2000 * MS) <= 32 * MS
    assert detector.state is TurnState.QUIET


@pytest.mark.parametrize("length_s", [0.064, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("way", list(TalkMode))
def test_no_word_is_too_short(way: TalkMode, length_s: float) -> None:
    detector = TurnDetector(TurnSettings(way))
    keys: dict[TalkMode, tuple[list[DetectorInput], list[DetectorInput]]] = {
        TalkMode.HOLD: ([KeyDown()], [KeyUp()]),
        TalkMode.TAP: ([Tapped()], [Tapped()]),
        TalkMode.HANDS_FREE: ([], []),
    }
    before, after = keys[way]
    events = run(detector, silence(1), *before, voice(length_s), *after, silence(3))
    assert kinds(events)[0] is SpeechStarted
    assert the_end(events).end_sample - the_end(events).start_sample >= length_s * 16000


def test_a_turn_holds_300_ms_before_the_key_and_400_ms_after_it() -> None:
    detector = TurnDetector(TurnSettings())
    ended = the_end(run(detector, silence(1), KeyDown(), voice(1), KeyUp(), voice(2)))
    assert PRE_ROLL >= 300 * MS
    assert POST_ROLL == 400 * MS
    down = len(list(silence(1))) * 512
    up = down + len(list(voice(1))) * 512
    assert ended.start_sample == down - PRE_ROLL
    assert up + POST_ROLL <= ended.end_sample <= up + POST_ROLL + 512


def test_a_key_let_go_long_after_the_last_word_ends_the_turn_at_once() -> None:
    detector = TurnDetector(TurnSettings())
    run(detector, silence(1), KeyDown(), voice(1))
    (pause,) = run(detector, silence(1))
    (ended,) = run(detector, KeyUp())
    assert isinstance(pause, SoftPause)
    assert isinstance(ended, SpeechEnded)
    assert (pause.start_sample, pause.end_sample) == (ended.start_sample, ended.end_sample)
    assert ended.end_sample == ended.last_voiced_sample + POST_ROLL


def test_a_held_key_ends_no_turn_however_long_the_pause() -> None:
    events = run(TurnDetector(TurnSettings()), KeyDown(), voice(1), silence(9), voice(1))
    assert kinds(events) == [SpeechStarted, SoftPause, SpeechResumed]


def test_the_key_pressed_again_at_once_goes_on_with_the_turn() -> None:
    detector = TurnDetector(TurnSettings())
    events = run(detector, KeyDown(), voice(1), KeyUp(), silence(0.2), KeyDown(), voice(1))
    assert kinds(events) == [SpeechStarted]
    assert kinds(run(detector, KeyUp(), silence(1))) == [SoftPause, SpeechEnded]


def test_a_tapped_turn_ends_by_itself_when_the_second_tap_is_forgotten() -> None:
    events = run(TurnDetector(TurnSettings(TalkMode.TAP)), Tapped(), voice(1), silence(3))
    assert kinds(events) == [SpeechStarted, SoftPause, SpeechEnded]


@pytest.mark.parametrize("wait_s", [0.5, 1.8])
def test_a_tapped_turn_survives_a_thinking_pause(wait_s: float) -> None:
    detector = TurnDetector(TurnSettings(TalkMode.TAP))
    events = run(detector, Tapped(), voice(1), silence(wait_s), voice(1))
    assert SpeechEnded not in kinds(events)


def test_a_key_without_a_voice_says_that_nothing_was_heard() -> None:
    events = run(TurnDetector(TurnSettings()), KeyDown(), silence(1), KeyUp(), silence(1))
    assert events[1:] == [SpeechDropped(was_wanted=True)]
    tapped = run(TurnDetector(TurnSettings(TalkMode.TAP)), Tapped(), silence(9))
    assert tapped[1:] == [SpeechDropped(was_wanted=True)]


@pytest.mark.parametrize("way", [TalkMode.HOLD, TalkMode.TAP])
def test_without_a_key_nothing_begins(way: TalkMode) -> None:
    assert run(TurnDetector(TurnSettings(way)), voice(3), silence(3)) == []


def test_a_click_is_no_speech_and_a_wavering_voice_is_one_turn() -> None:
    assert run(TurnDetector(HANDS_FREE), silence(1), frames((0.032, 0.9)), silence(2)) == []
    wavering = frames((0.2, 0.9), (0.1, 0.4), (0.2, 0.9), (0.1, 0.4), (0.2, 0.6))
    events = run(TurnDetector(HANDS_FREE), wavering, silence(3))
    assert kinds(events) == [SpeechStarted, SoftPause, SpeechEnded]


def test_over_a_sounding_answer_a_voice_must_be_surer() -> None:
    faint = list(frames((1, 0.55)))
    assert SpeechStarted in kinds(run(TurnDetector(HANDS_FREE), faint))
    assert run(TurnDetector(HANDS_FREE), Playback(True), faint) == []
    over = run(TurnDetector(HANDS_FREE), Playback(True), faint, Playback(False), faint)
    assert kinds(over) == [SpeechStarted]


def test_a_sounding_answer_gives_way_to_the_first_frame_that_is_surely_voice() -> None:
    sure = list(frames((0.032, 0.9)))
    assert kinds(run(TurnDetector(HANDS_FREE), Playback(True), sure)) == [SpeechStarted]
    assert run(TurnDetector(HANDS_FREE), sure, silence(1)) == []


def test_a_voice_that_breaks_for_a_moment_at_its_beginning_is_noticed() -> None:
    stop = frames((0.032, 0.8), (0.032, 0.2), (0.032, 0.8))
    assert kinds(run(TurnDetector(HANDS_FREE), stop)) == [SpeechStarted]
    knocks = frames((0.032, 0.8), (0.096, 0.0), (0.032, 0.8), (0.096, 0.0))
    assert run(TurnDetector(HANDS_FREE), knocks) == []


def test_sensitivity_decides_how_faint_a_voice_may_be() -> None:
    faint = list(frames((1, 0.4)))
    low = TurnDetector(TurnSettings(TalkMode.HANDS_FREE, sensitivity=0.2))
    high = TurnDetector(TurnSettings(TalkMode.HANDS_FREE, sensitivity=0.9))
    assert run(low, faint) == []
    assert kinds(run(high, faint)) == [SpeechStarted]


def test_a_turn_ends_where_its_last_soft_pause_said() -> None:
    events = run(TurnDetector(HANDS_FREE), voice(1), silence(0.3), voice(1), silence(3))
    assert kinds(events) == [SpeechStarted, SoftPause, SpeechResumed, SoftPause, SpeechEnded]
    pause, ended = events[-2:]
    assert isinstance(pause, SoftPause)
    assert isinstance(ended, SpeechEnded)
    assert (pause.start_sample, pause.end_sample) == (ended.start_sample, ended.end_sample)


def test_a_turn_ended_by_hand_still_holds_its_last_word() -> None:
    detector = TurnDetector(HANDS_FREE)
    ended = the_end(run(detector, voice(1), EndedByHand(), voice(0.2), silence(1)))
    assert ended.end_sample >= 1400 * MS
    detector = TurnDetector(HANDS_FREE)
    run(detector, voice(1), silence(0.3))
    assert kinds(run(detector, EndedByHand())) == [SpeechEnded]
    assert run(TurnDetector(HANDS_FREE), EndedByHand(), silence(1)) == []


def test_a_forgotten_turn_and_one_whose_way_changes_are_dropped() -> None:
    detector = TurnDetector(HANDS_FREE)
    run(detector, voice(1))
    assert run(detector, Forget()) == [SpeechDropped(was_wanted=False)]
    run(detector, voice(1))
    assert detector.configure(TurnSettings()) == [SpeechDropped(was_wanted=False)]
    assert run(detector, Forget(), voice(1), silence(2)) == []


def test_the_longest_turn_is_cut_off() -> None:
    events = run(TurnDetector(TurnSettings()), KeyDown(), voice(61))
    ended = the_end(events)
    assert ended.end_sample - ended.start_sample <= LONGEST_TURN + 512


def test_any_order_of_sound_and_keys_gives_turns_that_begin_and_end_in_order() -> None:
    draw = random.Random(0)
    keys: list[DetectorInput] = [KeyDown(), KeyUp(), Tapped(), EndedByHand(), Forget()]
    keys += [Playback(True), Playback(False)]
    for _ in range(200):
        detector = TurnDetector(TurnSettings(draw.choice(list(TalkMode)), draw.random()))
        is_on = is_paused = False
        last_end = 0
        for _ in range(40):
            probability = draw.choice((0.0, 0.3, 0.9))
            happening = draw.choice([draw.choice(keys), Frame(probability, 512, -30.0)])
            n_frames = draw.randrange(1, 40) if isinstance(happening, Frame) else 1
            for event in run(detector, *[happening] * n_frames):
                match event:
                    case SpeechStarted():
                        assert not is_on
                        is_on, is_paused = True, False
                    case SoftPause():
                        assert is_on and not is_paused
                        is_paused = True
                    case SpeechResumed():
                        assert is_on and is_paused
                        is_paused = False
                    case SpeechEnded():
                        assert is_on
                        assert event.start_sample < event.end_sample
                        assert event.start_sample < event.last_voiced_sample <= event.end_sample
                        assert event.end_sample > last_end
                        is_on, last_end = False, event.end_sample
                    case SpeechDropped():
                        assert is_on
                        is_on = False
        run(detector, KeyUp(), silence(9))
        assert detector.state is TurnState.QUIET
