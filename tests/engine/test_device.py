"""The device and the precision are chosen once and a wrong wish is refused."""

import warnings

import pytest
import torch

from engine import device as device_module
from engine.config import ModelConfig
from engine.device import automatic_precision, choose_device, compute_dtype, processor_name
from engine.errors import RequestError
from engine.fit import GIB
from engine.precision import Precision
from engine.releases import RELEASES


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def one_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)


@pytest.mark.usefixtures("no_cuda")
def test_without_cuda_the_cpu_computes_in_single_precision() -> None:
    assert choose_device() == torch.device("cpu")
    precision = automatic_precision(ModelConfig.tiny(), torch.device("cpu"))
    assert compute_dtype(precision, torch.device("cpu")) == torch.float32


@pytest.mark.usefixtures("one_cuda_device")
def test_a_cuda_device_is_preferred_and_computes_in_half_precision() -> None:
    assert choose_device() == torch.device("cuda")
    assert choose_device("cuda:0") == torch.device("cuda:0")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.usefixtures("one_cuda_device")
@pytest.mark.parametrize(
    ("free_gib", "expected"),
    [(24, Precision.BF16), (15.5, Precision.INT8), (11.6, Precision.INT4), (4, Precision.INT4)],
)
def test_the_7b_takes_what_the_card_has_room_for(
    free_gib: float, expected: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the speech parts beside it, as they are released."""
    monkeypatch.setattr(device_module, "memory_of", lambda _: (0, int(free_gib * GIB)))
    beside = 4 * sum(part.n_parameters for part in RELEASES[0].parts[1:])
    cuda = torch.device("cuda")
    assert automatic_precision(RELEASES[0].config, cuda, 0, beside) is expected


def test_where_memory_is_not_known_the_most_exact_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_module, "memory_of", lambda _: (0, 0))
    found = automatic_precision(RELEASES[0].config, torch.device("cpu"))
    assert found is Precision.FP32


@pytest.mark.usefixtures("one_cuda_device")
def test_quantised_weights_compute_in_what_the_device_has(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    assert compute_dtype(Precision.INT4, cuda) == torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert compute_dtype(Precision.INT4, cuda) == torch.float16
    assert compute_dtype(Precision.INT4, torch.device("cpu")) == torch.bfloat16


@pytest.mark.usefixtures("one_cuda_device")
@pytest.mark.parametrize("wanted", ["cuda:1", "xpu", "a toaster"])
def test_a_device_that_is_not_here_is_refused(wanted: str) -> None:
    with pytest.raises(RequestError):
        choose_device(wanted)


@pytest.mark.usefixtures("no_cuda")
def test_cuda_is_refused_where_there_is_none() -> None:
    with pytest.raises(RequestError, match="use cpu"):
        choose_device("cuda")


def test_the_processor_has_a_name() -> None:
    assert processor_name(torch.device("cpu")).strip()


@pytest.mark.usefixtures("no_cuda")
def test_a_torch_without_cuda_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    with pytest.raises(RequestError, match="torch was installed without CUDA; use cpu"):
        choose_device("cuda")


@pytest.mark.usefixtures("no_cuda")
def test_a_missing_driver_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    with pytest.raises(RequestError, match="no NVIDIA GPU with its driver was found; use cpu"):
        choose_device("cuda:0")


def test_what_torch_warns_of_an_old_driver_becomes_part_of_the_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_available() -> bool:
        warnings.warn(
            "CUDA initialization: The NVIDIA driver on your system is too old (found version "
            "9000). (Triggered internally at CUDAFunctions.cpp:109.)",
            stacklevel=1,
        )
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    with pytest.raises(RequestError) as caught:
        choose_device("cuda")
    assert str(caught.value) == (
        "there is no device 'cuda' here: CUDA initialization: The NVIDIA driver on your system "
        "is too old (found version 9000); use cpu"
    )
