import time

import pytest

from app.audio.devices import SoundDevice
from app.audio.system_look import system_look
from app.audio.watcher import ChildListing, DeviceWatcher
from tests.app.audio.fake_sounddevice import FakeClock

LISTED = (SoundDevice("Mic", "ALSA", 1, 0, 48000),)


class FakeListing:
    """A list that is ready when a test says so."""

    def __init__(self) -> None:
        self.is_ready = False
        self.is_broken = False
        self.is_abandoned = False

    def result(self) -> tuple[SoundDevice, ...] | None:
        if self.is_broken:
            raise ValueError("exit code 1")
        return LISTED if self.is_ready else None

    def abandon(self) -> None:
        self.is_abandoned = True


class Machine:
    """What the watcher sees of the system."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cards = 1
        self.listings: list[FakeListing] = []
        self.watcher = DeviceWatcher(lambda: self.cards, self.start_listing, self.clock)

    def start_listing(self) -> FakeListing:
        self.listings.append(FakeListing())
        return self.listings[-1]

    def poll(self, seconds: float = 0.25) -> tuple[SoundDevice, ...] | None:
        self.clock.now += seconds
        return self.watcher.poll()


def test_nothing_is_listed_while_nothing_changes() -> None:
    machine = Machine()
    for _ in range(100):
        assert machine.poll() is None
    assert not machine.listings


def test_a_card_that_comes_or_goes_is_noticed_within_two_seconds_and_listed_once() -> None:
    machine = Machine()
    machine.cards = 2
    for _ in range(12):
        assert machine.poll() is None
    (listing,) = machine.listings
    listing.is_ready = True
    assert machine.poll() == LISTED
    assert machine.poll(10.0) is None
    assert len(machine.listings) == 1


def test_whoever_misses_a_device_may_ask() -> None:
    machine = Machine()
    machine.watcher.ask()
    assert machine.poll() is None
    machine.listings[0].is_ready = True
    assert machine.poll() == LISTED


def test_a_listing_that_fails_or_hangs_is_given_up_and_can_be_asked_for_again() -> None:
    machine = Machine()
    machine.watcher.ask()
    machine.poll()
    machine.listings[0].is_broken = True
    assert machine.poll() is None
    machine.watcher.ask()
    machine.poll()
    assert machine.poll(30.0) is None
    assert machine.listings[1].is_abandoned
    machine.watcher.ask()
    machine.poll()
    machine.watcher.close()
    assert machine.listings[2].is_abandoned


def test_another_process_makes_the_list() -> None:
    listing = ChildListing()
    deadline = time.monotonic() + 30.0
    while (listed := listing.result()) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert isinstance(listed, tuple)


def test_a_listing_is_abandoned_without_leaving_a_process() -> None:
    listing = ChildListing()
    listing.abandon()
    with pytest.raises(ValueError, match="exit code"):
        listing.result()


def test_a_look_at_the_system_stays_the_same_while_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    runtime = tmp_path_factory.mktemp("runtime")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    before = system_look()
    assert system_look() == before
    (runtime / "pipewire-0").touch()
    assert system_look() != before
