"""HiFT vocoder: mel frames to samples, with a harmonic source and an inverse-STFT head.

A small network reads the fundamental frequency (F0) off the mel; a bank of sines follows it; the
generator shapes that source into speech. ``HiFT`` is the network with its steps as separate
functions. ``VocoderStream`` runs it in pieces with the result of one go. Its training lives in
``engine.training.vocoder``.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import CheckpointError

_MAX_LOG_MAGNITUDE = math.log(100.0)
_LAST_SLOPE = 0.01
_F0_LAYERS = 5


@dataclass(frozen=True, slots=True)
class IstftConfig:
    """Sizes of the inverse STFT that ends the generator."""

    n_fft: int = 16
    hop: int = 4


@dataclass(frozen=True, slots=True)
class HiFTConfig:
    """Sizes of a HiFT vocoder, under the names its checkpoints use."""

    in_channels: int = 80
    base_channels: int = 512
    nb_harmonics: int = 8
    sampling_rate: int = 22050
    nsf_alpha: float = 0.1
    nsf_sigma: float = 0.003
    nsf_voiced_threshold: float = 10.0
    upsample_rates: tuple[int, ...] = (8, 8)
    upsample_kernel_sizes: tuple[int, ...] = (16, 16)
    istft: IstftConfig = IstftConfig()
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilations: tuple[int, ...] = (1, 3, 5)
    source_resblock_kernel_sizes: tuple[int, ...] = (7, 11)
    lrelu_slope: float = 0.1
    audio_limit: float = 0.99
    f0_cond_channels: int = 512

    @property
    def hop(self) -> int:
        """Samples per mel frame."""
        return math.prod(self.upsample_rates) * self.istft.hop

    @property
    def n_sines(self) -> int:
        """The fundamental and its harmonics."""
        return self.nb_harmonics + 1

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "HiFTConfig":
        """The config written in a checkpoint; an unknown key is an error."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise CheckpointError(f"unknown vocoder settings: {', '.join(sorted(unknown))}")
        known = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        if "istft" in known:
            known["istft"] = IstftConfig(**known["istft"])
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """The same config as plain values for a JSON file."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def nano(cls) -> "HiFTConfig":
        """The built-in vocoder: light enough for one CPU core."""
        return cls(
            base_channels=96,
            f0_cond_channels=64,
            nsf_voiced_threshold=40.0,
            resblock_kernel_sizes=(3, 7),
            source_resblock_kernel_sizes=(7, 7),
        )

    @classmethod
    def tiny(cls) -> "HiFTConfig":
        """A toy for tests, with every part of the real thing."""
        return cls(base_channels=16, f0_cond_channels=8, resblock_kernel_sizes=(3, 5))


class HiFT(nn.Module):
    """The vocoder network; holds weights only, every draw and phase is an argument."""

    def __init__(self, config: HiFTConfig) -> None:
        super().__init__()
        self.config = config
        n_bins = config.istft.n_fft + 2  # real and imaginary, or magnitude and phase
        self.f0_predictor = _F0Predictor(config.in_channels, config.f0_cond_channels)
        self.m_source = _SourceMixer(config.n_sines)
        self.conv_pre = _NormedConv(config.in_channels, config.base_channels, 7)
        self.ups = nn.ModuleList()
        self.source_downs = nn.ModuleList()
        self.source_resblocks = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        width = config.base_channels
        for stage, rate in enumerate(config.upsample_rates):
            self.ups.append(
                _NormedUpsample(width, width // 2, config.upsample_kernel_sizes[stage], rate)
            )
            width //= 2
            self.source_downs.append(_source_down(n_bins, width, _source_stride(config, stage)))
            kernel = config.source_resblock_kernel_sizes[stage]
            self.source_resblocks.append(_ResBlock(width, kernel, config.resblock_dilations))
            for kernel in config.resblock_kernel_sizes:
                self.resblocks.append(_ResBlock(width, kernel, config.resblock_dilations))
        self.conv_post = _NormedConv(width, n_bins, 7)

    def fold(self) -> None:
        """Compute each normalised weight once, for inference; call after loading the weights."""
        for module in self.modules():
            if isinstance(module, _WeightNorm):
                module.fold()

    def predict_f0(self, mel: Tensor) -> Tensor:
        """F0 in Hz (B, T) of mel (B, 80, T)."""
        f0: Tensor = self.f0_predictor(mel)
        return f0

    def source(
        self, f0: Tensor, phases: Tensor, noise: Tensor, cycles: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Source samples (B, 1, N) for f0 (B, T), and the cycles at their end to go on from.

        ``phases`` (B, H) in radians are added to each sine, ``noise`` (B, N, H) is standard
        normal, ``cycles`` (B,) is where the fundamental stands before the first sample.
        """
        config = self.config
        assert noise.shape == (len(f0), f0.shape[1] * config.hop, config.n_sines), noise.shape
        per_sample = f0.repeat_interleave(config.hop, dim=1)  # (B, N)
        # Float64: one cycle must stay resolved after minutes of speech.
        turns = (per_sample.double() / config.sampling_rate).cumsum(dim=1)
        if cycles is not None:
            turns = turns + cycles[:, None]
        turns = turns % 1.0
        harmonics = torch.arange(1, config.n_sines + 1, device=f0.device)
        angle = 2 * math.pi * turns.to(f0.dtype)[..., None] * harmonics + phases[:, None]
        voiced = (per_sample > config.nsf_voiced_threshold)[..., None]
        spread = torch.where(voiced, config.nsf_sigma, config.nsf_alpha / 3)
        sines = config.nsf_alpha * angle.sin() * voiced + spread * noise  # (B, N, H)
        mixed: Tensor = self.m_source(sines)
        return mixed.transpose(1, 2), turns[:, -1]

    def decode(self, mel: Tensor, source: Tensor) -> Tensor:
        """Samples (B, N) for mel (B, 80, T) and source (B, 1, N)."""
        config = self.config
        assert source.shape == (len(mel), 1, mel.shape[2] * config.hop), source.shape
        n_fft, hop = config.istft.n_fft, config.istft.hop
        window = torch.hann_window(n_fft, device=mel.device, dtype=mel.dtype)
        spectrum = torch.stft(source[:, 0], n_fft, hop, window=window, return_complex=True)
        injected = torch.cat([spectrum.real, spectrum.imag], dim=1)  # (B, n_fft + 2, N / hop + 1)
        x = self.conv_pre(mel)
        n_kernels = len(config.resblock_kernel_sizes)
        for stage, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, config.lrelu_slope))
            if stage == len(self.ups) - 1:
                x = F.pad(x, (1, 0), mode="reflect")
            x = x + self.source_resblocks[stage](self.source_downs[stage](injected))
            blocks = self.resblocks[stage * n_kernels : (stage + 1) * n_kernels]
            x = sum(block(x) for block in blocks) / n_kernels
        x = self.conv_post(F.leaky_relu(x, _LAST_SLOPE))
        log_magnitude, phase = x.split(n_fft // 2 + 1, dim=1)
        # Clamped before the exponential: clamping after it would let the gradient overflow.
        magnitude = log_magnitude.clamp_max(_MAX_LOG_MAGNITUDE).exp()
        samples = torch.istft(torch.polar(magnitude, phase.sin()), n_fft, hop, window=window)
        return samples.clamp(-config.audio_limit, config.audio_limit)

    def forward(self, mel: Tensor, generator: torch.Generator) -> Tensor:
        """Samples (B, N) for mel (B, 80, T), in one go."""
        phases = draw_phases(self.config, len(mel), generator).to(mel.device)
        noise = draw_noise(self.config, len(mel), mel.shape[2], generator).to(mel.device)
        source, _ = self.source(self.predict_f0(mel), phases, noise)
        return self.decode(mel, source)


def draw_phases(config: HiFTConfig, batch: int, generator: torch.Generator) -> Tensor:
    """Starting phases (B, H): zero for the fundamental, uniform for its harmonics."""
    phases = (torch.rand(batch, config.n_sines, generator=generator) * 2 - 1) * math.pi
    phases[:, 0] = 0
    return phases


def draw_noise(config: HiFTConfig, batch: int, n_frames: int, generator: torch.Generator) -> Tensor:
    """Source noise (B, N, H); for B = 1 drawing in pieces gives what one draw gives."""
    return torch.randn(batch, n_frames * config.hop, config.n_sines, generator=generator)


class VocoderStream:
    """Turns a growing mel spectrogram into samples, each computed from its full context.

    Samples equal those of one go over the whole mel with the same generator state; they come
    ``look_ahead_frames`` behind the mel and are final. Each push recomputes a fixed number of
    context frames, so its cost does not grow with the reply. Owned by one thread.
    """

    def __init__(self, vocoder: HiFT, generator: torch.Generator) -> None:
        self._vocoder = vocoder
        self._generator = generator
        self._context = stream_context(vocoder.config)
        weight = vocoder.conv_pre.weight_v
        self._mel = weight.new_zeros(1, vocoder.config.in_channels, 0)
        self._source = weight.new_zeros(1, 1, 0)
        self._phases = draw_phases(vocoder.config, 1, generator).to(weight)
        self._cycles = weight.new_zeros(1, dtype=torch.float64)
        # Frame numbers: where the buffers begin, and how far source and samples have come.
        self._begin = 0
        self._n_source = 0
        self._n_emitted = 0
        self._finished = False

    @property
    def look_ahead_frames(self) -> int:
        """How many mel frames after a frame must be there before its samples come out."""
        return self._context.look_ahead

    def push(self, mel: Tensor) -> NDArray[np.float32]:
        """Take mel frames (80, n), n >= 0, and give the samples that became final."""
        assert not self._finished, "push after finish"
        assert mel.dim() == 2 and mel.shape[0] == self._mel.shape[1], mel.shape
        self._mel = torch.cat([self._mel, mel[None].to(self._mel)], dim=2)
        return self._advance()

    def finish(self) -> NDArray[np.float32]:
        """Give the remaining samples; 256 have then come out for every frame."""
        assert not self._finished, "finished twice"
        self._finished = True
        return self._advance()

    @torch.inference_mode()
    def _advance(self) -> NDArray[np.float32]:
        n_mel = self._begin + self._mel.shape[2]
        self._extend_source(n_mel if self._finished else n_mel - self._context.f0)
        end = n_mel if self._finished else self._n_source - self._context.right
        if end <= self._n_emitted:
            return np.zeros(0, dtype=np.float32)
        hop = self._vocoder.config.hop
        begin = max(0, self._n_emitted - self._context.left)
        stop = self._n_source
        window = self._vocoder.decode(
            self._mel[:, :, begin - self._begin : stop - self._begin],
            self._source[:, :, (begin - self._begin) * hop :],
        )
        samples = window[0, (self._n_emitted - begin) * hop : (end - begin) * hop]
        self._n_emitted = end
        self._forget()
        return samples.float().cpu().numpy()

    def _extend_source(self, end: int) -> None:
        """Make the source up to frame ``end``, going on from phase and noise so far."""
        n_frames = end - self._n_source
        if n_frames <= 0:
            return
        vocoder = self._vocoder
        begin = max(self._begin, self._n_source - self._context.f0)
        f0 = vocoder.predict_f0(self._mel[:, :, begin - self._begin :])
        f0 = f0[:, self._n_source - begin : end - begin]
        noise = draw_noise(vocoder.config, 1, n_frames, self._generator).to(f0)
        source, self._cycles = vocoder.source(f0, self._phases, noise, self._cycles)
        self._source = torch.cat([self._source, source], dim=2)
        self._n_source = end

    def _forget(self) -> None:
        """Drop the frames that no later sample depends on."""
        keep = max(0, self._n_emitted - max(self._context.left, self._context.f0))
        self._mel = self._mel[:, :, keep - self._begin :].clone()
        self._source = self._source[:, :, (keep - self._begin) * self._vocoder.config.hop :].clone()
        self._begin = keep


@dataclass(frozen=True, slots=True)
class StreamContext:
    """How far the network sees, in mel frames.

    ``f0``: either way of the F0 predictor; ``left`` and ``right``: of the generator.
    """

    f0: int
    left: int
    right: int

    @property
    def look_ahead(self) -> int:
        """Frames between the newest mel frame and the newest final sample."""
        return self.f0 + self.right


def stream_context(config: HiFTConfig) -> StreamContext:
    """Follow one frame of samples back through the generator to the frames it depends on."""
    n_fft, hop = config.istft.n_fft, config.istft.hop
    frame = 1 << 16  # any frame far from the edges
    low, high = frame * config.hop, (frame + 1) * config.hop - 1
    # An STFT frame j covers the samples from j * hop - n_fft / 2 on.
    low, high = -((n_fft // 2 - 1 - low) // hop), (high + n_fft // 2) // hop
    low, high = low - 3, high + 3  # conv_post
    source_low, source_high = low, high
    for stage in reversed(range(len(config.upsample_rates))):
        reach = max(_reach(kernel, config) for kernel in config.resblock_kernel_sizes)
        low, high = low - reach, high + reach
        reach = _reach(config.source_resblock_kernel_sizes[stage], config)
        stride = _source_stride(config, stage)
        kernel, padding = (1, 0) if stride == 1 else (2 * stride, stride // 2)
        source_low = min(source_low, (low - reach) * stride - padding)
        source_high = max(source_high, (high + reach) * stride - padding + kernel - 1)
        if stage == len(config.upsample_rates) - 1:
            low, high = low - 1, high - 1  # the reflected first step
        rate, kernel = config.upsample_rates[stage], config.upsample_kernel_sizes[stage]
        padding = (kernel - rate) // 2
        low, high = -((kernel - 1 - padding - low) // rate), (high + padding) // rate
    low, high = low - 3, high + 3  # conv_pre
    source_low = (source_low * hop - n_fft // 2) // config.hop
    source_high = (source_high * hop + n_fft // 2 - 1) // config.hop
    return StreamContext(
        f0=_F0_LAYERS,
        left=frame - min(low, source_low),
        right=max(high, source_high) - frame,
    )


def _reach(kernel: int, config: HiFTConfig) -> int:
    """How many steps a residual block sees either way."""
    return sum((dilation + 1) * (kernel // 2) for dilation in config.resblock_dilations)


def _source_stride(config: HiFTConfig, stage: int) -> int:
    """Source STFT frames per step of a stage."""
    return math.prod(config.upsample_rates[stage + 1 :])


def _source_down(n_bins: int, width: int, stride: int) -> nn.Conv1d:
    if stride == 1:
        return nn.Conv1d(n_bins, width, 1)
    return nn.Conv1d(n_bins, width, 2 * stride, stride, padding=stride // 2)


class _WeightNorm(nn.Module):
    """A convolution weight as direction ``weight_v`` and length ``weight_g`` per first index."""

    folded: Tensor | None

    def __init__(self, shape: tuple[int, int, int], n_out: int, fan_in: int) -> None:
        super().__init__()
        bound = fan_in**-0.5
        self.weight_v = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.weight_g = nn.Parameter(torch.empty(shape[0], 1, 1))
        if not self.weight_v.is_meta:  # where there is memory, it starts as the same weight
            self.weight_g.data = _lengths(self.weight_v.detach())
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.register_buffer("folded", None, persistent=False)

    def weight(self) -> Tensor:
        if self.folded is not None:
            return self.folded
        return self.weight_v * (self.weight_g / _lengths(self.weight_v))

    def fold(self) -> None:
        self.folded = None
        self.folded = self.weight().detach()


def _lengths(weight: Tensor) -> Tensor:
    """The length of a weight (A, B, K) at each first index, (A, 1, 1)."""
    return torch.linalg.vector_norm(weight, dim=(1, 2), keepdim=True)


class _NormedConv(_WeightNorm):
    """A convolution that keeps the length."""

    def __init__(self, n_in: int, n_out: int, kernel: int, dilation: int = 1) -> None:
        super().__init__((n_out, n_in, kernel), n_out, n_in * kernel)
        self._dilation = dilation
        self._padding = dilation * (kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(x, self.weight(), self.bias, 1, self._padding, self._dilation)


class _NormedUpsample(_WeightNorm):
    """A transposed convolution that multiplies the length by ``rate``."""

    def __init__(self, n_in: int, n_out: int, kernel: int, rate: int) -> None:
        super().__init__((n_in, n_out, kernel), n_out, n_in * kernel // rate)
        self._rate = rate
        self._padding = (kernel - rate) // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose1d(x, self.weight(), self.bias, self._rate, self._padding)


class _Snake(nn.Module):
    """x + sin^2(alpha x) / alpha, one alpha per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        snaked: Tensor = _SnakeFunction.apply(x, self.alpha[:, None])
        return snaked


class _SnakeFunction(torch.autograd.Function):
    """Snake and its gradient in few passes over memory, where half the training time went."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor) -> Tensor:
        y = (x * alpha).sin_().square_().div_(alpha + 1e-9).add_(x)
        ctx.save_for_backward(x, alpha, y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, alpha, y = ctx.saved_tensors
        slope = (x * (2 * alpha)).sin_().mul_(gradient)  # d/dx is 1 + sin(2 alpha x)
        # d/dalpha is (x sin(2 alpha x) - sin^2(alpha x) / alpha) / alpha
        bend = (y - x).mul_(gradient).sum(dim=(0, 2))
        alpha_gradient = ((slope * x).sum(dim=(0, 2)) - bend)[:, None] / (alpha + 1e-9)
        return slope.add_(gradient), alpha_gradient


class _ResBlock(nn.Module):
    """Dilated convolutions, each followed by a plain one and added to its input."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_NormedConv(width, width, kernel, d) for d in dilations)
        self.convs2 = nn.ModuleList(_NormedConv(width, width, kernel) for _ in dilations)
        self.activations1 = nn.ModuleList(_Snake(width) for _ in dilations)
        self.activations2 = nn.ModuleList(_Snake(width) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for snake1, conv1, snake2, conv2 in zip(
            self.activations1, self.convs1, self.activations2, self.convs2, strict=True
        ):
            x = x + conv2(snake2(conv1(snake1(x))))
        return x


class _F0Predictor(nn.Module):
    """Convolutions over mel frames that end in one frequency per frame."""

    def __init__(self, n_in: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for layer in range(_F0_LAYERS):
            layers += [_NormedConv(n_in if layer == 0 else width, width, 3), nn.ELU()]
        self.condnet = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, 1)

    def forward(self, mel: Tensor) -> Tensor:
        hidden = self.condnet(mel).transpose(1, 2)  # (B, T, C)
        f0: Tensor = self.classifier(hidden).squeeze(-1).abs()
        return f0


class _SourceMixer(nn.Module):
    """Weighs the sines into one source signal."""

    def __init__(self, n_sines: int) -> None:
        super().__init__()
        self.l_linear = nn.Linear(n_sines, 1)

    def forward(self, sines: Tensor) -> Tensor:
        mixed: Tensor = self.l_linear(sines).tanh()
        return mixed
