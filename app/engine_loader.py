"""Loads a model for the engine thread: the one place of the program that imports torch."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from app import paths
from engine import catalogue
from engine.precision import Precision

if TYPE_CHECKING:
    from engine.engine import SpeechEngine


class EngineLoader:
    """Loads models onto one device; ``load`` is called on the engine thread.

    ``precision`` None is for every model the most exact that fits.
    """

    def __init__(
        self,
        device: str = "auto",
        precision: Precision | None = None,
        threads: int | None = None,
    ) -> None:
        self._device = device
        self._precision = precision
        # Half the cores: sound cards, echo canceller and window want to run beside the networks.
        self._threads = threads or max(1, (os.cpu_count() or 2) // 2)

    def load(self, model: str, report: Callable[[str, float | None], None]) -> "SpeechEngine":
        """The engine of a model, warmed up; raises an ``EngineError`` where it cannot be used."""
        entry = catalogue.find(model, paths.models())
        report("Starting the networks", 0.1)
        from engine.engine import SpeechEngine

        report("Reading the model", 0.5)
        engine = SpeechEngine.load(entry.folder, self._device, self._precision, self._threads)
        report("Warming up", 0.8)
        engine.warmup()
        return engine
