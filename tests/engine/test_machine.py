"""What the machine offers is looked up where it can be, and measured only where that is wanted."""

import pytest
import torch

from engine import machine
from engine.errors import RequestError
from engine.machine import copy_bandwidth, machine_with, memory_of_this_machine


def test_this_machine_has_memory_and_not_all_of_it_is_taken() -> None:
    total, free = memory_of_this_machine()
    assert 1 << 28 < free <= total < 1 << 46


def test_a_known_gpu_need_not_be_here() -> None:
    found = machine_with("RTX 3090")
    assert (found.processor.name, found.is_gpu, found.is_measured) == ("RTX 3090", True, False)
    assert found.free == found.processor.memory == 24 << 30
    assert found.processor.bandwidth == 936e9
    assert found.ram > 0


def test_the_processor_is_measured_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "copy_bandwidth", lambda device: 2e10)
    found = machine_with("cpu")
    assert (found.is_gpu, found.is_measured, found.processor.bandwidth) == (False, True, 2e10)
    assert found.processor.memory == found.ram
    assert found.free == pytest.approx(found.free_ram)
    unmeasured = machine_with("cpu", measures=False)
    assert (unmeasured.is_measured, unmeasured.processor.bandwidth) == (False, 0.0)


def test_copying_has_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_COPIED_BYTES", 1 << 20)
    assert 1e6 < copy_bandwidth(torch.device("cpu")) < 1e13


@pytest.mark.parametrize("name", ["abacus", "cuda:99", "RTX"])
def test_a_device_that_is_neither_here_nor_known_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match="RTX 4090"):
        machine_with(name)
