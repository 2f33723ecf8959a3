"""Laws of the HiFT vocoder: its stream equals one go, its source goes on, its parts agree."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.errors import CheckpointError
from engine.speech.vocoder import (
    HiFT,
    HiFTConfig,
    VocoderStream,
    draw_noise,
    draw_phases,
    stream_context,
)

_FRAMES = 75


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture(scope="module")
def vocoder() -> HiFT:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = HiFT(HiFTConfig.tiny())
    with torch.no_grad():
        made.f0_predictor.classifier.weight.mul_(200)
        made.f0_predictor.classifier.bias.fill_(100)
    return made


@pytest.fixture(scope="module")
def mel() -> Tensor:
    return torch.randn(1, 80, _FRAMES, generator=_generator()) * 2 - 4


@pytest.fixture(scope="module")
def whole(vocoder: HiFT, mel: Tensor) -> Tensor:
    with torch.inference_mode():
        return vocoder(mel, _generator())[0]


def _pieces(vocoder: HiFT, mel: Tensor, sizes: list[int]) -> list[np.ndarray]:
    stream = VocoderStream(vocoder, _generator())
    parts, begin = [], 0
    for size in sizes:
        parts.append(stream.push(mel[0, :, begin : begin + size]))
        begin += size
    assert begin == mel.shape[2]
    return [*parts, stream.finish()]


@pytest.mark.parametrize(
    "sizes",
    [[1] * 75, [2] * 37 + [1], [8] * 9 + [3], [75], [0, 75, 0], [7, 1, 33, 0, 29, 5], [3, 72]],
    ids=["1", "2", "8", "one", "empty", "odd", "short-first"],
)
def test_pieces_equal_one_go(vocoder: HiFT, mel: Tensor, whole: Tensor, sizes: list[int]) -> None:
    samples = np.concatenate(_pieces(vocoder, mel, sizes))
    assert samples.dtype == np.float32
    assert len(samples) == _FRAMES * vocoder.config.hop
    np.testing.assert_allclose(samples, whole.numpy(), atol=1e-4)


@pytest.mark.parametrize("n_frames", [1, 2, 5, 20])
def test_short_replies_come_out_whole(vocoder: HiFT, mel: Tensor, n_frames: int) -> None:
    samples = np.concatenate(_pieces(vocoder, mel[..., :n_frames], [n_frames]))
    with torch.inference_mode():
        expected = vocoder(mel[..., :n_frames], _generator())[0]
    np.testing.assert_allclose(samples, expected.numpy(), atol=1e-4)


def test_a_reply_without_frames_has_no_samples(vocoder: HiFT) -> None:
    assert VocoderStream(vocoder, _generator()).finish().shape == (0,)


def test_samples_come_exactly_the_look_ahead_behind(vocoder: HiFT, mel: Tensor) -> None:
    stream = VocoderStream(vocoder, _generator())
    behind = stream.look_ahead_frames
    for n_frames in range(1, _FRAMES + 1):
        samples = stream.push(mel[0, :, n_frames - 1 : n_frames])
        assert len(samples) == (vocoder.config.hop if n_frames > behind else 0)


def test_each_piece_runs_a_bounded_window(
    vocoder: HiFT, mel: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    decode = vocoder.decode

    def counted(mel: Tensor, source: Tensor) -> Tensor:
        lengths.append(mel.shape[2])
        return decode(mel, source)

    monkeypatch.setattr(vocoder, "decode", counted)
    _pieces(vocoder, mel, [5] * 15)
    context = stream_context(vocoder.config)
    assert max(lengths) <= context.left + 5 + context.look_ahead


@pytest.mark.parametrize(
    "config",
    [
        HiFTConfig.tiny(),
        HiFTConfig.nano(),
        replace(HiFTConfig.tiny(), resblock_kernel_sizes=(3, 7, 11)),
        replace(HiFTConfig.tiny(), upsample_rates=(4, 4), upsample_kernel_sizes=(8, 8)),
    ],
    ids=["tiny", "nano", "wide", "slow"],
)
def test_the_context_covers_what_a_frame_depends_on_and_hardly_more(config: HiFTConfig) -> None:
    """Gradients show the true reach; the bound may exceed it by one frame of rounding."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = HiFT(config).double()
    context = stream_context(config)
    n_frames = context.left + 1 + context.right + 8
    middle = context.left + 4
    mel = torch.zeros(1, 80, n_frames, dtype=torch.float64, requires_grad=True)
    source = torch.rand(1, 1, n_frames * config.hop, dtype=torch.float64, requires_grad=True)
    samples = network.decode(mel, source)[0, middle * config.hop : (middle + 1) * config.hop]
    samples.square().sum().backward()
    assert mel.grad is not None and source.grad is not None
    by_frame = source.grad.view(n_frames, config.hop).abs().sum(1) + mel.grad[0].abs().sum(0)
    touched = by_frame.nonzero()[:, 0]
    assert context.left - 1 <= middle - int(touched.min()) <= context.left
    assert context.right - 1 <= int(touched.max()) - middle <= context.right


def test_source_in_pieces_equals_one_go(vocoder: HiFT) -> None:
    config = vocoder.config
    f0 = torch.linspace(0, 300, 30)[None]
    phases = draw_phases(config, 1, _generator())
    noise = draw_noise(config, 1, 30, _generator())
    whole, _ = vocoder.source(f0, phases, noise)
    cut = 11 * config.hop
    first, cycles = vocoder.source(f0[:, :11], phases, noise[:, :cut])
    second, _ = vocoder.source(f0[:, 11:], phases, noise[:, cut:], cycles)
    torch.testing.assert_close(torch.cat([first, second], dim=2), whole, atol=1e-5, rtol=0)


def test_noise_drawn_in_pieces_equals_one_draw() -> None:
    config, generator = HiFTConfig.tiny(), _generator()
    pieces = [draw_noise(config, 1, n_frames, generator) for n_frames in (1, 7, 2)]
    assert torch.equal(torch.cat(pieces, dim=1), draw_noise(config, 1, 10, _generator()))


def test_the_source_keeps_its_pitch_in_a_long_reply(vocoder: HiFT) -> None:
    """A phase summed in float32 is off by a thousandth of a cycle by then."""
    config = vocoder.config
    n_frames, hertz = 3000, 217.3
    f0 = torch.full((1, n_frames), hertz)
    noise = torch.zeros(1, 1, config.n_sines).expand(1, n_frames * config.hop, -1)
    _, cycles = vocoder.source(f0, torch.zeros(1, config.n_sines), noise)
    true = float(f0[0, 0]) * n_frames * config.hop / config.sampling_rate
    assert abs(math.remainder(float(cycles) - true, 1.0)) < 1e-4


def test_folded_weights_change_nothing(vocoder: HiFT, mel: Tensor, whole: Tensor) -> None:
    folded = HiFT(vocoder.config)
    folded.load_state_dict(vocoder.state_dict())
    folded.fold()
    assert folded.state_dict().keys() == vocoder.state_dict().keys()
    with torch.inference_mode():
        torch.testing.assert_close(folded(mel, _generator())[0], whole, atol=1e-5, rtol=0)


def test_snake_has_the_gradient_of_its_formula() -> None:
    from engine.speech.vocoder import _Snake

    snake = _Snake(3).double()
    with torch.no_grad():
        snake.alpha.copy_(torch.tensor([0.5, 1.0, 2.0]))
    x = torch.randn(2, 3, 5, dtype=torch.float64, generator=_generator(), requires_grad=True)
    alpha = snake.alpha.detach().clone().requires_grad_()
    plain = x + (x * alpha[:, None]).sin().square() / alpha[:, None]
    expected = torch.autograd.grad(plain.pow(3).sum(), (x, alpha))
    made = torch.autograd.grad(snake(x).pow(3).sum(), (x, snake.alpha))
    torch.testing.assert_close(made, expected)


def test_samples_stay_within_the_limit(vocoder: HiFT) -> None:
    loud = torch.full((1, 80, 4), 40.0)
    with torch.inference_mode():
        samples = vocoder(loud, _generator())
    assert samples.isfinite().all() and samples.abs().max() <= vocoder.config.audio_limit


def test_config_survives_json_and_refuses_unknown_keys() -> None:
    config = HiFTConfig.nano()
    assert HiFTConfig.from_json(config.to_json()) == config
    with pytest.raises(CheckpointError, match="colour"):
        HiFTConfig.from_json({**config.to_json(), "colour": 1})
