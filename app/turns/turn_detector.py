"""``TurnDetector``: where a spoken turn begins and ends, by key or by ear, with the same events.

Pure: no clock and no device; time is counted in samples at 16 kHz, by the frames that are pushed.

A turn begins with a key (held or tapped), or in hands-free talk with voice that lasts long enough
to be no click. It holds a pre-roll, since the first sound comes before the key or the decision. A
turn of any length counts. It ends

- by the key: 400 ms after it was let go or tapped again, or sooner once the voice has been silent
  for 400 ms. A tapped turn also ends after 2 s of silence, for who forgets the second tap;
- in hands-free talk: after a silence that depends on how the phrase sounded (``endpoint.py``).

Before the end is decided, a ``SoftPause`` tells where the turn would be cut if it were to end
there; the turn is cut just there unless the voice resumes, so what is computed on a pause is valid.
"""

from collections import deque
from enum import Enum
from typing import assert_never

from app.settings import TalkMode, TurnSettings
from app.turns.endpoint import Endpoint
from app.turns.turn_events import (
    SAMPLE_RATE,
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

_MS = SAMPLE_RATE // 1000

PRE_ROLL = 350 * _MS
POST_ROLL = 400 * _MS
LONGEST_TURN = 60 * SAMPLE_RATE
"""A turn is ended here however it was begun; no history of the sound needs to be longer."""

# What follows the last voice in hands-free talk: enough for a closing consonant.
_TAIL = 200 * _MS
_TAP_SILENCE = 2000 * _MS
_TAP_NOTHING_SAID = 8000 * _MS
# Voice of this length is no click; a gap as short as that in it is still part of it.
_ONSET = 60 * _MS
_ONSET_GAP = 40 * _MS
# What the echo canceller leaves of an answer was found to be voice with 0.46 at most. So while an
# answer sounds, a single frame that is surely voice is enough: it must be silenced soon.
_OVER_PLAYBACK_MARGIN = 0.15
_SURE = 0.85
_HYSTERESIS = 0.15
# With the key down the user says that this is speech: the faintest trace of voice counts.
_TRACE = 0.1


class TurnState(Enum):
    """Where in a turn the detector is."""

    QUIET = "quiet"
    STARTING = "starting"
    SPEAKING = "speaking"
    STOPPING = "stopping"


class TurnDetector:
    """Takes frames and keys in order and gives the events of turns; belongs to the dialogue thread.

    Between ``SpeechStarted`` and ``SpeechEnded`` or ``SpeechDropped`` a turn is on, and no other
    begins. ``SoftPause`` and ``SpeechResumed`` alternate within it.
    """

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self._now = 0
        self._is_playing = False
        # The frames of the last pre-roll, and where each ends.
        self._recent: deque[tuple[int, Frame]] = deque()
        self._become_quiet()

    @property
    def state(self) -> TurnState:
        """Where in a turn we are."""
        return self._state

    @property
    def is_on(self) -> bool:
        """Whether a turn has begun and not ended."""
        return self._state in (TurnState.SPEAKING, TurnState.STOPPING)

    def configure(self, settings: TurnSettings) -> list[DetectorEvent]:
        """Takes turns another way; one that is on is dropped."""
        self._settings = settings
        return self.step(Forget())

    def step(self, happening: DetectorInput) -> list[DetectorEvent]:
        """What follows from the next thing that happens."""
        match happening:
            case Frame():
                return self._hear(happening)
            case KeyDown():
                return self._begin_by_key(TalkMode.HOLD)
            case KeyUp():
                return self._let_go(TalkMode.HOLD)
            case Tapped():
                if self.is_on and self._released_at is None:
                    return self._let_go(self._way)
                return self._begin_by_key(TalkMode.TAP)
            case EndedByHand():
                return self._let_go(self._way)
            case Forget():
                return self._drop(was_wanted=False)
            case Playback(is_on):
                self._is_playing = is_on
                return []
            case _:
                assert_never(happening)

    def _become_quiet(self) -> None:
        self._state = TurnState.QUIET
        self._way = TalkMode.HANDS_FREE
        self._start = 0
        self._voice_end: int | None = None  # None until voice is heard in this turn
        self._onset = 0
        self._released_at: int | None = None
        self._is_paused = False
        self._endpoint = Endpoint()

    def _begin_by_key(self, way: TalkMode) -> list[DetectorEvent]:
        if self.is_on:  # the key takes over a turn that is on, or goes on after its release
            self._way, self._released_at = way, None
            self._state = TurnState.SPEAKING
            return self._resume()
        self._become_quiet()
        self._way = way
        self._state = TurnState.SPEAKING
        self._start = max(0, self._now - PRE_ROLL)
        for end, frame in self._recent:
            if frame.probability >= _TRACE:
                self._hear_voice(frame, end)
        return [SpeechStarted(self._start, by_key=True)]

    def _let_go(self, way: TalkMode) -> list[DetectorEvent]:
        if not self.is_on or self._way is not way or self._released_at is not None:
            return []
        if way is TalkMode.HANDS_FREE:
            if self._is_paused and self._voice_end is not None:
                return self._end(self._voice_end + _TAIL)
            self._way = TalkMode.TAP  # the last word is still to come, as after any key
        self._released_at = self._now
        self._state = TurnState.STOPPING
        return self._continue_by_key()

    def _hear(self, frame: Frame) -> list[DetectorEvent]:
        begin, self._now = self._now, self._now + frame.n_samples
        self._recent.append((self._now, frame))
        while self._recent[0][0] <= self._now - PRE_ROLL:
            self._recent.popleft()
        if not self.is_on:
            if self._settings.talk_mode is not TalkMode.HANDS_FREE:
                return []
            return self._listen_for_voice(frame, begin)
        events = []
        if frame.probability >= self._keep_threshold():
            self._hear_voice(frame, self._now)
            events = self._resume()
            if self._released_at is None:
                self._state = TurnState.SPEAKING
        if self._now - self._start >= LONGEST_TURN:
            return events + self._end(self._now)
        if self._way is TalkMode.HANDS_FREE:
            return events + self._continue_by_ear()
        return events + self._continue_by_key()

    def _listen_for_voice(self, frame: Frame, begin: int) -> list[DetectorEvent]:
        """Hands-free, no turn on: begins one when voice has lasted long enough."""
        threshold = self._start_threshold()
        if self._state is TurnState.QUIET:
            if frame.probability < threshold:
                return []
            self._state = TurnState.STARTING
            self._start = max(0, begin - PRE_ROLL)
        if frame.probability >= threshold - _HYSTERESIS:
            self._onset += frame.n_samples
            self._hear_voice(frame, self._now)
        elif self._voice_end is None or self._now - self._voice_end > _ONSET_GAP:
            self._become_quiet()
            return []
        is_sure = self._is_playing and frame.probability >= _SURE
        if self._onset < _ONSET and not is_sure:
            return []
        self._state = TurnState.SPEAKING
        return [SpeechStarted(self._start, by_key=False)]

    def _hear_voice(self, frame: Frame, end: int) -> None:
        self._voice_end = end
        self._endpoint.hear_voice(frame, end)

    def _continue_by_ear(self) -> list[DetectorEvent]:
        assert self._voice_end is not None, "a hands-free turn begins with voice"
        silence = self._now - self._voice_end
        if silence == 0:
            return []
        self._state = TurnState.STOPPING
        events = self._pause() if silence >= _TAIL else []
        if silence >= self._endpoint.wait(self._settings.patience):
            events += self._end(self._voice_end + _TAIL)
        return events

    def _continue_by_key(self) -> list[DetectorEvent]:
        released_at, voice_end = self._released_at, self._voice_end
        events = []
        if voice_end is not None and self._now - voice_end >= POST_ROLL:
            events = self._pause()
            if released_at is not None or (
                self._way is TalkMode.TAP and self._now - voice_end >= _TAP_SILENCE
            ):
                return events + self._end(voice_end + POST_ROLL)
        if released_at is not None and self._now - released_at >= POST_ROLL:
            return events + self._end(self._now)
        if (
            self._way is TalkMode.TAP
            and voice_end is None
            and self._now - self._start >= _TAP_NOTHING_SAID
        ):
            return events + self._drop(was_wanted=True)
        return events

    def _pause(self) -> list[DetectorEvent]:
        if self._is_paused:
            return []
        assert self._voice_end is not None
        self._is_paused = True
        return [SoftPause(self._start, self._voice_end + self._tail())]

    def _resume(self) -> list[DetectorEvent]:
        if not self._is_paused:
            return []
        self._is_paused = False
        self._endpoint.hesitated()
        return [SpeechResumed()]

    def _end(self, end_sample: int) -> list[DetectorEvent]:
        if self._voice_end is None:
            return self._drop(was_wanted=True)
        last_voiced = min(self._endpoint.last_audible, end_sample)
        ended = SpeechEnded(self._start, end_sample, last_voiced)
        self._become_quiet()
        return [ended]

    def _drop(self, was_wanted: bool) -> list[DetectorEvent]:
        was_on = self.is_on
        self._become_quiet()
        return [SpeechDropped(was_wanted)] if was_on else []

    def _tail(self) -> int:
        return _TAIL if self._way is TalkMode.HANDS_FREE else POST_ROLL

    def _start_threshold(self) -> float:
        threshold = 0.75 - 0.5 * self._settings.sensitivity
        return threshold + (_OVER_PLAYBACK_MARGIN if self._is_playing else 0.0)

    def _keep_threshold(self) -> float:
        if self._way is not TalkMode.HANDS_FREE:
            return _TRACE
        return 0.75 - 0.5 * self._settings.sensitivity - _HYSTERESIS
