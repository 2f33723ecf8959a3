"""The speech LLM as a library: no Qt, no audio devices, no threads of its own.

``from engine import SpeechEngine`` and iterate over ``SpeechEngine.respond(request, cancel)``.
Names are resolved when they are first used, so ``import engine`` does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.cancel import CancelToken
    from engine.conversation import Conversation, Role, Turn
    from engine.engine import SpeechEngine
    from engine.errors import EngineError
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
    from engine.modes import InferenceMode
    from engine.requests import ReplyRequest
    from engine.sampling_params import SamplingParams
    from engine.utterance import Utterance

__all__ = [
    "AudioChunk",
    "CancelToken",
    "Conversation",
    "EndReason",
    "EngineError",
    "EngineEvent",
    "EngineFailed",
    "InferenceMode",
    "Loading",
    "ReplyEnded",
    "ReplyRequest",
    "ReplyStats",
    "Role",
    "SamplingParams",
    "SpeechEngine",
    "TextDelta",
    "TimingsMs",
    "Turn",
    "Utterance",
]

_HOME = {
    "CancelToken": "cancel",
    "Conversation": "conversation",
    "EngineError": "errors",
    "InferenceMode": "modes",
    "ReplyRequest": "requests",
    "Role": "conversation",
    "SamplingParams": "sampling_params",
    "SpeechEngine": "engine",
    "Turn": "conversation",
    "Utterance": "utterance",
}


def __getattr__(name: str) -> object:
    """Import a public name from its module on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'events')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
