"""How long a listener waits: from the end of a question to the first sound, and for every chunk."""

import time
from dataclasses import dataclass

from engine.conversation import Conversation
from engine.engine import SpeechEngine
from engine.events import ReplyEnded, ReplyStats, acceptance_rate
from engine.modes import InferenceMode
from engine.requests import ReplyRequest
from engine.speech.decoder import SpeechDecoder
from engine.utterance import Utterance

_GROUP_SIZE = 8
_NEIGHBOURS = 2
_LONG_REPLIES = 3


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of repeated measurements, and the range they fell in."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread | None":
        """The spread of the values; None where there is none."""
        return cls.over(values) if values else None

    @classmethod
    def over(cls, values: list[float]) -> "Spread":
        """The spread of at least one value."""
        ordered = sorted(values)
        middle = len(ordered) // 2
        median = (ordered[middle] + ordered[-1 - middle]) / 2
        return cls(median, ordered[0], ordered[-1])


@dataclass(frozen=True, slots=True)
class Latency:
    """What one mode takes for a spoken question; None where its replies had no sound.

    ``acceptance_rate`` is the share of all replies' drafts that were accepted; None without drafts.
    """

    first_audio_tokens_ms: Spread | None
    first_sound_ms: Spread | None
    real_time_factor: Spread | None
    acceptance_rate: float | None = None


def measure_latency(
    engine: SpeechEngine, question: Utterance, mode: InferenceMode, repeats: int
) -> Latency:
    """Asks the same question again and again; all times count from the end of the question."""
    replies = [_ask(engine, question, mode) for _ in range(repeats)]

    def spread(stage: str) -> Spread | None:
        values = [getattr(reply.timings_ms, stage) for reply in replies]
        return Spread.of([value for value in values if value is not None])

    return Latency(
        spread("first_audio_tokens"),
        spread("first_audio"),
        Spread.of(
            [
                reply.timings_ms.total / 1000 / reply.audio_seconds
                for reply in replies
                if reply.timings_ms.total is not None and reply.audio_seconds > 0
            ]
        ),
        acceptance_rate(replies),
    )


def chunk_costs_ms(decoder: SpeechDecoder, chunks: tuple[int, ...] = (10, 100)) -> dict[int, float]:
    """What decoding chunk number n of a long reply takes.

    The best of it and its neighbours in several replies, for a busy machine slows any of them.
    """
    costs: dict[int, list[float]] = {n: [] for n in chunks}
    for _ in range(_LONG_REPLIES):
        stream = decoder.stream()
        for index in range(max(chunks) + _NEIGHBOURS + 1):
            codes = tuple(range(index % _GROUP_SIZE, index % _GROUP_SIZE + _GROUP_SIZE))
            started = time.perf_counter()
            stream.push(codes)
            cost = 1000 * (time.perf_counter() - started)
            for n in chunks:
                if abs(index - n) <= _NEIGHBOURS:
                    costs[n].append(cost)
    return {n: min(found) for n, found in costs.items()}


def _ask(engine: SpeechEngine, question: Utterance, mode: InferenceMode) -> ReplyStats:
    engine.forget()  # else a question asked again finds its prompt computed
    request = ReplyRequest(0, Conversation(), question, mode, engine.default_params)
    for event in engine.respond(request):
        if isinstance(event, ReplyEnded):
            return event.stats
    raise AssertionError("a reply ends with ReplyEnded")
