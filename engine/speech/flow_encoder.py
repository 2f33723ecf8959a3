"""The flow decoder's token side: embeddings of audio tokens -> features per token -> per mel frame.

`BlockEncoder` is a conformer encoder without convolution: pre-norm relative-position attention in
which a token sees everything before it and the rest of its own block. `LengthRegulator` stretches
its output to mel frames. Attribute names are those of the released checkpoints; nothing here holds
state between calls.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class FlowEncoderConfig:
    """Sizes of the block-causal token encoder."""

    output_size: int = 512
    attention_heads: int = 8
    linear_units: int = 2048
    num_blocks: int = 6
    block_size: int = 10


def block_mask(n_tokens: int, block_size: int, device: torch.device) -> Tensor:
    """(T, T) bool: token i may look at token j where j <= i or both lie in the same block."""
    index = torch.arange(n_tokens, device=device)
    block_end = (index // block_size + 1) * block_size
    return index[None, :] < block_end[:, None]


def relative_positions(n_tokens: int, width: int, device: torch.device) -> Tensor:
    """(2T-1, D) sinusoids of the distances T-1 ... -(T-1), sine and cosine interleaved."""
    distance = torch.arange(n_tokens - 1, -n_tokens, -1, device=device, dtype=torch.float32)
    even = torch.arange(0, width, 2, device=device, dtype=torch.float32)
    angle = distance[:, None] * torch.exp(even * -(math.log(10000.0) / width))[None, :]
    return torch.stack([angle.sin(), angle.cos()], dim=-1).reshape(2 * n_tokens - 1, width)


class RelativeAttention(nn.Module):
    """Attention with learned content and distance biases (Transformer-XL, section 3.3)."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        assert width % n_heads == 0, (width, n_heads)
        self.n_heads = n_heads
        self.linear_q = nn.Linear(width, width)
        self.linear_k = nn.Linear(width, width)
        self.linear_v = nn.Linear(width, width)
        self.linear_out = nn.Linear(width, width)
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(n_heads, width // n_heads))
        self.pos_bias_v = nn.Parameter(torch.zeros(n_heads, width // n_heads))
        nn.init.xavier_uniform_(self.pos_bias_u)
        nn.init.xavier_uniform_(self.pos_bias_v)

    def forward(self, x: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """x (B, T, D), mask (T, T) bool, positions (2T-1, D) -> (B, T, D)."""
        batch, length, width = x.shape
        head_width = width // self.n_heads

        def heads(t: Tensor) -> Tensor:
            return t.view(t.shape[0], -1, self.n_heads, head_width).transpose(1, 2)

        query, key, value = (heads(f(x)) for f in (self.linear_q, self.linear_k, self.linear_v))
        position_keys = heads(self.linear_pos(positions)[None])  # (1, H, 2T-1, d)
        by_distance = (query + self.pos_bias_v[:, None]) @ position_keys.transpose(-1, -2)
        bias = _by_key(by_distance) * head_width**-0.5  # (B, H, T, T)
        bias = bias.masked_fill(~mask, float("-inf"))
        mixed = F.scaled_dot_product_attention(
            query + self.pos_bias_u[:, None], key, value, attn_mask=bias
        )
        return self.linear_out(mixed.transpose(1, 2).reshape(batch, length, width))


def _by_key(scores: Tensor) -> Tensor:
    """Scores per distance (B, H, T, 2T-1) -> per key (B, H, T, T): query i sees key j at i-j."""
    batch, heads, length, n_distances = scores.shape
    padded = F.pad(scores, (1, 0)).view(batch, heads, n_distances + 1, length)
    return padded[:, :, 1:].reshape(batch, heads, length, n_distances)[..., :length]


class FeedForward(nn.Module):
    """Linear, SiLU, linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.w_1 = nn.Linear(width, hidden)
        self.w_2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        return self.w_2(F.silu(self.w_1(x)))


class EncoderLayer(nn.Module):
    """Pre-norm attention and feed-forward, each with a residual."""

    def __init__(self, config: FlowEncoderConfig) -> None:
        super().__init__()
        self.self_attn = RelativeAttention(config.output_size, config.attention_heads)
        self.feed_forward = FeedForward(config.output_size, config.linear_units)
        self.norm_ff = nn.LayerNorm(config.output_size)
        self.norm_mha = nn.LayerNorm(config.output_size)

    def forward(self, x: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = x + self.self_attn(self.norm_mha(x), mask, positions)
        return x + self.feed_forward(self.norm_ff(x))


class _InputProjection(nn.Module):
    """Linear and LayerNorm under the released key names `out.0`, `out.1`."""

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(input_size, width), nn.LayerNorm(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(x)


class BlockEncoder(nn.Module):
    """Block-causal conformer encoder over the embeddings of audio tokens."""

    def __init__(self, input_size: int, config: FlowEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = _InputProjection(input_size, config.output_size)
        self.encoders = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_blocks))
        self.after_norm = nn.LayerNorm(config.output_size)

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (B, T, input) -> features (B, T, D)."""
        assert x.ndim == 3, x.shape
        length, width = x.shape[1], self.config.output_size
        mask = block_mask(length, self.config.block_size, x.device)
        positions = relative_positions(length, width, x.device).to(x.dtype)
        x = self.embed(x) * math.sqrt(width)
        for layer in self.encoders:
            x = layer(x, mask, positions)
        return self.after_norm(x)


class LengthRegulator(nn.Module):
    """Stretches token features to mel frames (nearest) and smooths them with convolutions."""

    def __init__(self, channels: int, n_convolutions: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(n_convolutions):
            convolution = nn.Conv1d(channels, channels, 3, padding=1)
            layers += [convolution, nn.GroupNorm(1, channels), nn.Mish()]
        self.model = nn.Sequential(*layers, nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor, n_frames: int) -> Tensor:
        """(B, T, C) -> (B, n_frames, C)."""
        stretched = F.interpolate(x.transpose(1, 2), size=n_frames, mode="nearest")
        return self.model(stretched).transpose(1, 2)
