"""The models thread: fetches, checks and removes models while the talk goes on.

It starts with the first thing it is asked for and does one at a time. Nothing large is fetched
before its licences were shown and accepted: ``order`` finds out what they are, ``fetch`` takes the
last order. An error ends what was asked with one event that says so, and the thread goes on.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.errors import AppError
from app.log import logger
from app.ui.ports import (
    ModelEvent,
    ModelFit,
    ModelOffered,
    ModelOutcome,
    ModelProgressed,
    ModelRow,
    ModelsListed,
    ModelWork,
    ModelWorkEnded,
)
from engine.cancel import CancelToken
from engine.download import Hub
from engine.errors import EngineError
from engine.fit import best_precision, fastest, memory_of, verdict
from engine.machine import Machine, machine_with
from engine.model_store import ModelStore, Order, in_gb
from engine.modes import InferenceMode
from engine.precision import automatic_precisions
from engine.releases import RELEASES, Release

_log = logger("model_worker")
# The most exact first, of those that a person would choose.
_STEPS = 500  # of a progress bar: more often than that, nobody sees a change
_NAMED_FAULTS = 3


@dataclass(frozen=True, slots=True)
class _Request:
    """One thing to do; ``act`` is called on the models thread."""

    work: ModelWork | None
    name: str
    act: Callable[[CancelToken], None]
    cancel: CancelToken


class ModelWorker:
    """The window's ``Models``; ``tell`` is called on the models thread and must not block.

    ``hub`` is called on the gui thread, whenever a server may be asked. ``look_at`` says what the
    machine offers; it may import torch.
    """

    def __init__(
        self,
        store: ModelStore,
        hub: Callable[[], Hub],
        tell: Callable[[ModelEvent], None],
        device: str = "auto",
        look_at: Callable[[str], Machine] = lambda device: machine_with(device, measures=False),
    ) -> None:
        self._store = store
        self._hub = hub
        self._tell = tell
        self._device = device
        self._look_at = look_at
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)
        self._last: _Request | None = None
        # The models thread's own.
        self._machine: Machine | None = None
        self._order: tuple[Order, Hub] | None = None

    # What the window asks, on the gui thread.

    def look(self) -> None:
        """Tells what there is of every model."""
        self._post(None, "", lambda cancel: None)

    def order(self, name: str, folder: Path | None) -> None:
        """Finds out what getting a model takes."""
        hub = self._hub()
        self._post(ModelWork.ORDER, name, partial(self._find_out, _named(name), hub, folder))

    def fetch(self) -> None:
        """Gets what was offered last."""
        self._post(ModelWork.FETCH, "", self._fetch)

    def verify(self, name: str) -> None:
        """Checks every file of a model."""
        self._post(ModelWork.VERIFY, name, partial(self._verify, _named(name)))

    def remove(self, name: str) -> None:
        """Removes a model from the disk."""
        self._post(ModelWork.REMOVE, name, partial(self._remove, _named(name)))

    def cancel(self) -> None:
        """Ends what is being done early."""
        if self._last is not None:
            self._last.cancel.cancel()

    def go_offline(self) -> None:
        """Ends what uses the network."""
        if self._last is not None and self._last.work in (ModelWork.ORDER, ModelWork.FETCH):
            self._last.cancel.cancel()

    def shut_down(self, timeout_s: float) -> bool:
        """Ends what is being done and the thread; says whether it ended in time."""
        if not self._thread.is_alive():
            return True
        self._requests.put(None)
        self.cancel()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _post(self, work: ModelWork | None, name: str, act: Callable[[CancelToken], None]) -> None:
        request = _Request(work, name, act, CancelToken())
        if work is not None:
            self._last = request
        self._requests.put(request)
        if self._thread.ident is None:
            self._thread.start()

    # The models thread.

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                request.act(request.cancel)
            except Exception as error:
                self._give_up(request, error)
            if request.work is not ModelWork.ORDER:
                self._tell_all()

    def _give_up(self, request: _Request, error: Exception) -> None:
        if isinstance(error, AppError | EngineError):
            message = str(error)
            _log.info("%s: %s", request.work, message)
        else:
            message = f"an error inside the program ({type(error).__name__}); the log has more"
            _log.error("%s failed", request.work, exc_info=error)
        assert request.work is not None, "looking raises nothing"
        outcome = ModelOutcome.CANCELLED if request.cancel.is_cancelled else ModelOutcome.FAILED
        name = self._ordered_name() if request.work is ModelWork.FETCH else request.name
        self._tell(ModelWorkEnded(request.work, name, outcome, message))

    def _find_out(
        self, release: Release, hub: Hub, folder: Path | None, cancel: CancelToken
    ) -> None:
        self._order = None
        order = self._store.order(release, hub, folder, cancel)
        self._order = order, hub
        self._tell(ModelOffered(order))

    def _fetch(self, cancel: CancelToken) -> None:
        if self._order is None:
            raise AppError("there is nothing to fetch")
        order, hub = self._order
        name = order.release.name
        is_complete = self._store.get(order, hub, self._reporter(ModelWork.FETCH, name), cancel)
        outcome = ModelOutcome.DONE if is_complete else ModelOutcome.CANCELLED
        self._tell(ModelWorkEnded(ModelWork.FETCH, name, outcome))

    def _verify(self, release: Release, cancel: CancelToken) -> None:
        found = self._store.verify(release, self._reporter(ModelWork.VERIFY, release.name), cancel)
        message = "; ".join(map(str, found.faults[:_NAMED_FAULTS]))
        if found.was_cancelled:
            outcome = ModelOutcome.CANCELLED
        else:
            outcome = ModelOutcome.FAULTY if found.faults else ModelOutcome.DONE
        self._tell(ModelWorkEnded(ModelWork.VERIFY, release.name, outcome, message))

    def _remove(self, release: Release, cancel: CancelToken) -> None:
        freed = in_gb(self._store.remove(release))
        self._tell(ModelWorkEnded(ModelWork.REMOVE, release.name, ModelOutcome.DONE, freed))

    def _reporter(self, work: ModelWork, name: str) -> Callable[[int, int], None]:
        last = -1

        def report(done: int, total: int) -> None:
            nonlocal last
            step = _STEPS * done // total if total else 0
            if step != last:
                last = step
                self._tell(ModelProgressed(work, name, done, total))

        return report

    def _tell_all(self) -> None:
        """The list of models; what the machine offers is looked at once."""
        try:
            stocks = self._store.stocks()
        except OSError as error:
            _log.warning("the models folder cannot be read", exc_info=error)
            return
        if self._machine is None:
            self._tell(ModelsListed(tuple(ModelRow(stock, None) for stock in stocks)))
            try:
                self._machine = self._look_at(self._device)
            except Exception as error:
                _log.warning("the machine could not be looked at", exc_info=error)
                return
        machine = self._machine
        self._tell(
            ModelsListed(tuple(ModelRow(stock, fit_of(stock.release, machine)) for stock in stocks))
        )

    def _ordered_name(self) -> str:
        return "" if self._order is None else self._order[0].release.name


def fit_of(release: Release, machine: Machine) -> ModelFit:
    """How a release fits a machine."""
    memories = {
        precision: memory_of(release, precision, machine.is_gpu).total
        for precision in automatic_precisions(machine.is_gpu)
    }
    precision = best_precision(memories, machine.free)
    needed = memories[precision]
    found = verdict(needed, machine.free)
    bandwidth = machine.processor.bandwidth
    speeds = fastest(release.config, precision, bandwidth) if bandwidth else ()
    boost = next((each for each in speeds if each.mode is InferenceMode.BOOST), None)
    return ModelFit(
        machine.processor.name,
        precision,
        found,
        needed,
        machine.free,
        None if boost is None else boost.tokens_per_s,
    )


def _named(name: str) -> Release:
    return next(release for release in RELEASES if release.name == name)
