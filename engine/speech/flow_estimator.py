"""The flow decoder's velocity network: a 1-D U-Net over mel frames with attention at every stage.

Stage = residual convolution block + transformer blocks; down by 2 between stages, up again with
skips. Input channels are noisy mel, mu, speaker and condition side by side. Attribute names are
those of the released checkpoints; lengths need not be even: what the way up makes too much is
cropped to the skip.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TIME_SCALE = 1000.0  # flow time 0..1 is embedded as if it were diffusion steps 0..1000


@dataclass(frozen=True, slots=True)
class FlowEstimatorConfig:
    """Sizes of the U-Net."""

    in_channels: int = 320
    out_channels: int = 80
    channels: tuple[int, ...] = (256, 256)
    attention_head_dim: int = 64
    n_blocks: int = 4
    num_mid_blocks: int = 12
    num_heads: int = 8


class FlowEstimator(nn.Module):
    """Velocity of the flow at a noisy mel, given mu, speaker and condition."""

    def __init__(self, config: FlowEstimatorConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        time_width = channels[0] * 4
        self.time_mlp = _TimeMlp(config.in_channels, time_width)

        def stage(n_in: int, n_out: int, resample: nn.Module | None) -> nn.ModuleList:
            blocks = nn.ModuleList(TransformerBlock(n_out, config) for _ in range(config.n_blocks))
            parts: list[nn.Module] = [ResidualBlock(n_in, n_out, time_width), blocks]
            return nn.ModuleList(parts if resample is None else [*parts, resample])

        inputs = (config.in_channels, *channels[:-1])
        last = len(channels) - 1
        self.down_blocks = nn.ModuleList(
            stage(n_in, n_out, _convolution(n_out) if i == last else _Downsample(n_out))
            for i, (n_in, n_out) in enumerate(zip(inputs, channels, strict=True))
        )
        self.mid_blocks = nn.ModuleList(
            stage(channels[-1], channels[-1], None) for _ in range(config.num_mid_blocks)
        )
        upward = (*reversed(channels), channels[0])
        self.up_blocks = nn.ModuleList(
            stage(
                2 * upward[i],
                upward[i + 1],
                _convolution(upward[i + 1]) if i == last else _Upsample(upward[i + 1]),
            )
            for i in range(len(channels))
        )
        self.final_block = _ConvolutionBlock(channels[0], channels[0])
        self.final_proj = nn.Conv1d(channels[0], config.out_channels, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Mel, mu, speaker, condition (B, in_channels, T) at time (B,) -> velocity (B, 80, T)."""
        assert x.shape[1] == self.config.in_channels, x.shape
        time = self.time_mlp(time)
        skips: list[Tensor] = []
        for residual, transformers, resample in self.down_blocks:  # type: ignore[misc]
            x = _stage(x, time, residual, transformers)
            skips.append(x)
            x = resample(x)
        for residual, transformers in self.mid_blocks:  # type: ignore[misc]
            x = _stage(x, time, residual, transformers)
        for residual, transformers, resample in self.up_blocks:  # type: ignore[misc]
            skip = skips.pop()
            x = torch.cat([x[:, :, : skip.shape[2]], skip], dim=1)
            x = resample(_stage(x, time, residual, transformers))
        return self.final_proj(self.final_block(x))


def _stage(x: Tensor, time: Tensor, residual: nn.Module, transformers: nn.ModuleList) -> Tensor:
    x = residual(x, time)
    if len(transformers) == 0:
        return x
    frames = x.transpose(1, 2)  # (B, T, C)
    for transformer in transformers:
        frames = transformer(frames)
    return frames.transpose(1, 2)


class _TimeMlp(nn.Module):
    """Sinusoids of the flow time, then linear, SiLU, linear."""

    def __init__(self, n_sinusoids: int, width: int) -> None:
        super().__init__()
        self.n_sinusoids = n_sinusoids
        self.linear_1 = nn.Linear(n_sinusoids, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, time: Tensor) -> Tensor:
        """(B,) -> (B, width)."""
        half = self.n_sinusoids // 2
        step = -math.log(10000.0) / (half - 1)
        rates = torch.exp(torch.arange(half, device=time.device, dtype=torch.float32) * step)
        angle = TIME_SCALE * time.float()[:, None] * rates[None, :]
        sinusoids = torch.cat([angle.sin(), angle.cos()], dim=1).to(time.dtype)
        return self.linear_2(F.silu(self.linear_1(sinusoids)))


class _ConvolutionBlock(nn.Module):
    """Convolution of 3 frames, group norm, Mish, under the released key `block`."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv1d(n_in, n_out, 3, padding=1), nn.GroupNorm(8, n_out), nn.Mish()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class ResidualBlock(nn.Module):
    """Two convolution blocks with the time added between them, and a 1x1 skip."""

    def __init__(self, n_in: int, n_out: int, time_width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Mish(), nn.Linear(time_width, n_out))
        self.block1 = _ConvolutionBlock(n_in, n_out)
        self.block2 = _ConvolutionBlock(n_out, n_out)
        self.res_conv = nn.Conv1d(n_in, n_out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x (B, n_in, T), time (B, time_width) -> (B, n_out, T)."""
        hidden = self.block1(x) + self.mlp(time)[:, :, None]
        return self.block2(hidden) + self.res_conv(x)


class _Attention(nn.Module):
    """Full self-attention without biases on query, key and value."""

    def __init__(self, width: int, n_heads: int, head_width: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        inner = n_heads * head_width
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_k = nn.Linear(width, inner, bias=False)
        self.to_v = nn.Linear(width, inner, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(inner, width)])

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        query, key, value = (
            project(x).view(batch, length, self.n_heads, -1).transpose(1, 2)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.to_out[0](mixed.transpose(1, 2).reshape(batch, length, -1))


class _Gelu(nn.Module):
    """Linear and GELU, under the released key `proj`."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.proj(x))


class _FeedForward(nn.Module):
    """Four times wider GELU feed-forward, under the released keys `net.0.proj` and `net.2`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 4 * width
        self.net = nn.Sequential(_Gelu(width, hidden), nn.Identity(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Pre-norm self-attention and feed-forward over frames."""

    def __init__(self, width: int, config: FlowEstimatorConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = _Attention(width, config.num_heads, config.attention_head_dim)
        self.norm3 = nn.LayerNorm(width)
        self.ff = _FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = x + self.attn1(self.norm1(x))
        return x + self.ff(self.norm3(x))


def _convolution(width: int) -> nn.Conv1d:
    return nn.Conv1d(width, width, 3, padding=1)


class _Downsample(nn.Module):
    """Halves the frame rate (key `conv`)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _Upsample(nn.Module):
    """Doubles the frame rate (key `conv`)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(width, width, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)
