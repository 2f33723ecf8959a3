"""The models thread does one thing at a time, tells how it went, and goes on after an error."""

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import AppError
from app.model_worker import ModelWorker, fit_of
from app.ui.ports import (
    ModelEvent,
    ModelOffered,
    ModelOutcome,
    ModelProgressed,
    ModelsListed,
    ModelWork,
    ModelWorkEnded,
)
from engine.download import Hub
from engine.fit import GIB, Verdict
from engine.machine import Machine
from engine.model_store import ModelStore, State
from engine.precision import Precision
from engine.processors import Processor, known_gpu
from engine.releases import RELEASES
from tests.hub_server import HubServer
from tests.release_files import repositories

pytestmark = pytest.mark.enable_socket

BOOST = RELEASES[0]


def gpu(name: str) -> Machine:
    found = known_gpu(name)
    assert found is not None
    return Machine(found, True, False, found.memory, 64 * GIB, 60 * GIB)


class Live:
    """A worker on its thread, and what it told."""

    def __init__(self, root: Path, address: str, is_offline: bool = False) -> None:
        self.told: queue.SimpleQueue[ModelEvent] = queue.SimpleQueue()
        self.threads: set[str] = set()
        self.is_offline = is_offline
        self.worker = ModelWorker(
            ModelStore(root),
            lambda: Hub(address, self.is_offline, patience_s=(0, 0)),
            self._tell,
            look_at=lambda device: gpu("RTX 4090"),
        )

    def _tell(self, event: ModelEvent) -> None:
        self.threads.add(threading.current_thread().name)
        self.told.put(event)

    def until(self, kind: type) -> ModelEvent:
        """The next event of a kind; what comes before it is passed over."""
        while True:
            event = self.told.get(timeout=60)
            if isinstance(event, kind):
                return event


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer(repositories()) as running:
        yield running


@pytest.fixture
def live(server: HubServer, tmp_path: Path) -> Iterator[Live]:
    running = Live(tmp_path / "models", server.address)
    yield running
    assert running.worker.shut_down(30)


def ended(live: Live) -> ModelWorkEnded:
    event = live.until(ModelWorkEnded)
    assert isinstance(event, ModelWorkEnded)
    return event


def test_looking_tells_what_is_there_and_whether_it_fits(live: Live) -> None:
    live.worker.look()
    first, second = live.until(ModelsListed), live.until(ModelsListed)
    assert isinstance(first, ModelsListed) and isinstance(second, ModelsListed)
    assert [row.stock.release for row in first.rows] == list(RELEASES)
    assert {row.fit for row in first.rows} == {None}
    assert all(row.fit is not None and row.fit.device == "RTX 4090" for row in second.rows)
    assert live.threads == {"models"}


def test_a_model_is_offered_fetched_checked_and_removed(live: Live) -> None:
    live.worker.order(BOOST.name, None)
    offer = live.until(ModelOffered)
    assert isinstance(offer, ModelOffered) and offer.order.release is BOOST
    live.worker.fetch()
    progressed = live.until(ModelProgressed)
    assert isinstance(progressed, ModelProgressed)
    assert (progressed.work, progressed.name) == (ModelWork.FETCH, BOOST.name)
    assert ended(live) == ModelWorkEnded(ModelWork.FETCH, BOOST.name, ModelOutcome.DONE)
    listed = live.until(ModelsListed)
    assert isinstance(listed, ModelsListed) and listed.rows[0].stock.state is State.COMPLETE
    live.worker.verify(BOOST.name)
    assert ended(live).outcome is ModelOutcome.DONE
    live.worker.remove(BOOST.name)
    assert ended(live).outcome is ModelOutcome.DONE


def test_damage_is_told_with_the_file(live: Live, tmp_path: Path) -> None:
    live.worker.order(BOOST.name, None)
    live.worker.fetch()
    assert ended(live).outcome is ModelOutcome.DONE
    shard = "model-00002-of-00002.safetensors"
    path = tmp_path / "models" / "parts" / "VITA-Audio-Boost" / shard
    path.write_bytes(path.read_bytes()[:-1])
    live.worker.verify(BOOST.name)
    event = ended(live)
    assert event.outcome is ModelOutcome.FAULTY
    assert shard in event.message and "cut off" in event.message


@pytest.mark.parametrize("end", [ModelWorker.cancel, ModelWorker.go_offline])
def test_what_is_being_fetched_can_be_ended(
    live: Live, server: HubServer, end: Callable[[ModelWorker], None]
) -> None:
    go_on = threading.Event()

    def wait(name: str) -> None:
        end(live.worker)
        go_on.wait(30)

    live.worker.order(BOOST.name, None)
    live.until(ModelOffered)
    server.before_block = wait
    live.worker.fetch()
    live.worker.look()  # asking for a look meanwhile must not take the switch away
    threading.Timer(1, go_on.set).start()
    event = ended(live)
    assert (event.work, event.outcome) == (ModelWork.FETCH, ModelOutcome.CANCELLED)


def test_going_offline_ends_no_check_of_what_is_there(live: Live) -> None:
    live.worker.order(BOOST.name, None)
    live.worker.fetch()
    assert ended(live).outcome is ModelOutcome.DONE
    live.worker.verify(BOOST.name)
    live.worker.go_offline()
    assert ended(live) == ModelWorkEnded(ModelWork.VERIFY, BOOST.name, ModelOutcome.DONE)


def test_an_error_is_told_and_the_next_thing_is_done(live: Live, server: HubServer) -> None:
    live.is_offline = True
    live.worker.order(BOOST.name, None)
    event = ended(live)
    assert (event.work, event.outcome) == (ModelWork.ORDER, ModelOutcome.FAILED)
    assert "while offline" in event.message
    live.worker.fetch()
    assert "nothing to fetch" in ended(live).message
    live.is_offline = False
    live.worker.order(BOOST.name, None)
    assert isinstance(live.until(ModelOffered), ModelOffered)


def test_an_error_inside_the_program_is_told_without_its_insides(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(ModelStore, "verify", fail)
    live.worker.verify(BOOST.name)
    event = ended(live)
    assert event.outcome is ModelOutcome.FAILED
    assert "ZeroDivisionError" in event.message and "secret" not in event.message


def test_a_machine_that_cannot_be_looked_at_leaves_the_list(tmp_path: Path) -> None:
    def fail(device: str) -> Machine:
        raise AppError("no driver")

    told: queue.SimpleQueue[ModelEvent] = queue.SimpleQueue()
    worker = ModelWorker(ModelStore(tmp_path), Hub, told.put, look_at=fail)
    worker.look()
    event = told.get(timeout=60)
    assert isinstance(event, ModelsListed) and event.rows[0].fit is None
    assert worker.shut_down(30)
    assert told.empty()


def test_a_worker_that_was_asked_nothing_has_nothing_to_end(tmp_path: Path) -> None:
    assert ModelWorker(ModelStore(tmp_path), Hub, print).shut_down(0)


@pytest.mark.parametrize(
    ("name", "precision", "verdict"),
    [
        ("H200", Precision.BF16, Verdict.FITS),
        ("RTX 3060", Precision.INT4, Verdict.FITS),
        ("RTX 3080", Precision.INT4, Verdict.TOO_LARGE),
    ],
)
def test_the_most_exact_precision_that_fits_is_told(
    name: str, precision: Precision, verdict: Verdict
) -> None:
    fit = fit_of(BOOST, gpu(name))
    assert (fit.precision, fit.verdict) == (precision, verdict)
    assert fit.tokens_per_s is not None and fit.tokens_per_s > 20
    assert (fit.needed <= fit.free) == (verdict is not Verdict.TOO_LARGE)


def test_without_a_gpu_single_precision_comes_first() -> None:
    processor = Processor("A processor", 128 * GIB, 0.0)
    machine = Machine(processor, False, False, 120 * GIB, 128 * GIB, 120 * GIB)
    fit = fit_of(BOOST, machine)
    assert (fit.precision, fit.verdict, fit.tokens_per_s) == (Precision.FP32, Verdict.FITS, None)
