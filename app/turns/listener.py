"""``Listener``: from the microphone's sound and the talk keys to what the dialogue has to know.

Each block goes through the echo canceller, the voice detection and the turn detector; when a turn
ends or pauses, its utterance is cut out of the history of the sound. While all is quiet, blocks are
only kept: the canceller, which also suppresses noise, costs more than all the rest together. As
soon as there may be voice, or sound is played that the microphone hears too, it treats what was
kept, and goes on from there.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias, assert_never

import numpy as np
import numpy.typing as npt

from app.dialogue_events import QuestionPaused, QuestionSpoken
from app.settings import TurnSettings
from app.turns.echo_presence import EchoPresence
from app.turns.turn_detector import LONGEST_TURN, TurnDetector
from app.turns.turn_events import (
    SAMPLE_RATE,
    DetectorEvent,
    DetectorInput,
    SoftPause,
    SpeechDropped,
    SpeechEnded,
    SpeechResumed,
    SpeechStarted,
)
from app.turns.utterances import SoundHistory
from app.turns.vad import SpeechProbability
from engine.errors import RequestError
from engine.utterance import Utterance

if TYPE_CHECKING:
    from app.audio.echo import EchoCanceller

Samples = npt.NDArray[np.float32]
# 600 ms: more than the pre-roll of a turn that begins when there may be voice.
_KEPT_BLOCKS = 30

ListenerEvent: TypeAlias = SpeechStarted | SpeechDropped | QuestionPaused | QuestionSpoken


class Listener:
    """The ear of the dialogue, and part of its thread. ``utc_now`` dates the questions."""

    def __init__(
        self, settings: TurnSettings, vad: SpeechProbability, utc_now: Callable[[], datetime]
    ) -> None:
        self.echo_canceller: EchoCanceller | None = None
        self._vad = vad
        self._detector = TurnDetector(settings)
        self._history = SoundHistory()
        self._utc_now = utc_now
        self._earlier_start: int | None = None
        self._echo_presence = EchoPresence()
        self._untreated: deque[Samples] = deque(maxlen=_KEPT_BLOCKS)

    @property
    def is_on(self) -> bool:
        """Whether the user is speaking, or holds the key."""
        return self._detector.is_on

    def hear(self, samples: Samples, stamp: float, far: Samples | None) -> list[ListenerEvent]:
        """Takes a block whose last sample was captured at ``stamp``.

        ``far`` is what the speaker played meanwhile; None while it is silent.
        """
        samples = self._treated(samples, far)
        self._history.push(samples, stamp)
        events = []
        for frame in self._vad.push(samples):
            events += self.told(frame)
        return events

    def told(self, happening: DetectorInput) -> list[ListenerEvent]:
        """Takes a key, or whatever else the turn detector knows."""
        return self._in_words(self._detector.step(happening))

    def configure(self, settings: TurnSettings) -> list[ListenerEvent]:
        """Takes turns another way; what is being said is dropped."""
        return self._in_words(self._detector.configure(settings))

    def go_on_from(self, start_sample: int) -> None:
        """What is being said is the rest of an utterance that began here."""
        self._earlier_start = start_sample

    def _treated(self, samples: Samples, far: Samples | None) -> Samples:
        """The block without echo and noise, or as it is while nobody needs it."""
        canceller = self.echo_canceller
        if canceller is None:
            return samples
        if far is None:
            self._echo_presence.restart()
        else:
            self._echo_presence.push(samples, far)
            far = far if self._echo_presence.is_heard else None
        if far is None and not self._detector.is_on and not self._vad.is_gate_open:
            self._untreated.append(samples)
            return samples
        if self._untreated:
            self._history.replace_last(canceller.near(np.concatenate(self._untreated)))
            self._untreated.clear()
        if far is not None:
            canceller.far(far)
        return canceller.near(samples)

    def _in_words(self, events: list[DetectorEvent]) -> list[ListenerEvent]:
        told: list[ListenerEvent] = []
        for event in events:
            match event:
                case SpeechStarted():
                    self._earlier_start = None
                    told.append(event)
                case SpeechDropped():
                    told.append(event)
                case SpeechResumed():
                    pass
                case SoftPause():
                    told += self._paused(event)
                case SpeechEnded():
                    told.append(self._ended(event))
                case _:
                    assert_never(event)
        return told

    def _paused(self, event: SoftPause) -> list[ListenerEvent]:
        span = self._span(event)
        try:
            return [QuestionPaused(self._cut(span), span)]
        except RequestError:
            return []  # nothing worth encoding yet

    def _ended(self, event: SpeechEnded) -> ListenerEvent:
        span = self._span(event)
        try:
            utterance = self._cut(span)
        except RequestError:  # not even noise: the microphone is muted
            return SpeechDropped(was_wanted=True)
        last_voiced_at = self._history.time_of(event.last_voiced_sample)
        return QuestionSpoken(utterance, span, last_voiced_at, self._utc_now())

    def _span(self, event: SoftPause | SpeechEnded) -> tuple[int, int]:
        start = event.start_sample if self._earlier_start is None else self._earlier_start
        return max(start, event.end_sample - LONGEST_TURN), event.end_sample

    def _cut(self, span: tuple[int, int]) -> Utterance:
        return Utterance.checked(self._history.cut(*span), SAMPLE_RATE)
