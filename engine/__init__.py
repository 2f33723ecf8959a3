"""The speech language model as a library: no Qt, no sound devices, no threads.

``import engine`` imports no torch; the names that need it are loaded when first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.engine import ReplyRequest as ReplyRequest
    from engine.engine import SpeechEngine as SpeechEngine

__all__ = ["ReplyRequest", "SpeechEngine"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from engine import engine

        return getattr(engine, name)
    raise AttributeError(f"module 'engine' has no attribute {name!r}")
