"""SenseVoiceSmall's encoder: stacked filterbank rows to one state per row, and its CTC head.

Layers of attention with a convolutional memory on the values (SAN-M), all of the recording seen at
once. Module names equal the released keys. It leaves out the features (`engine.speech.fbank`), the
words behind the head's ids (`engine.speech.ctc`) and the modules that only training needs.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import CheckpointError

N_QUERIES = 4
"""States put in front of those of the rows: language, event, emotion and writing of numbers."""

_N_QUERY_ROWS = 16
# Rows of the query table: language left open, event, emotion, numbers in words.
_QUERY_ROWS = (0, 1, 2, 15)
_NORM_EPS = 1e-5


@dataclass(frozen=True, slots=True)
class SenseVoiceConfig:
    """Sizes of the encoder, under the names of the released ``encoder_conf``."""

    output_size: int
    attention_heads: int
    linear_units: int
    num_blocks: int
    tp_blocks: int
    kernel_size: int = 11
    input_size: int = 560

    def __post_init__(self) -> None:
        if min(getattr(self, field.name) for field in fields(self)) < 1:
            raise CheckpointError("The speech encoder's config has a size below 1")
        if self.output_size % self.attention_heads or self.input_size % 2:
            raise CheckpointError(
                f"The speech encoder's config cannot share a width of {self.output_size} among "
                f"{self.attention_heads} heads, or take an odd input of {self.input_size}"
            )
        if self.kernel_size % 2 == 0:
            raise CheckpointError("The speech encoder's config asks for an even kernel_size")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "SenseVoiceConfig":
        """Reads a config.json; a key that is unknown or asks for another network is an error."""
        known = {field.name for field in fields(cls)}
        for key, value in values.items():
            if key in known or key in _WITHOUT_EFFECT:
                continue
            if key not in _REQUIRED:
                raise CheckpointError(f"The speech encoder's config has an unknown key: {key}")
            if value != _REQUIRED[key]:
                raise CheckpointError(
                    f"The speech encoder's config has {key}={value!r}, "
                    f"supported is {_REQUIRED[key]!r}"
                )
        try:
            return cls(**{key: value for key, value in values.items() if key in known})
        except TypeError as error:
            raise CheckpointError(f"The speech encoder's config is incomplete: {error}") from error

    @classmethod
    def small(cls) -> "SenseVoiceConfig":
        """The released SenseVoiceSmall."""
        return cls(
            output_size=512, attention_heads=4, linear_units=2048, num_blocks=50, tp_blocks=20
        )

    @classmethod
    def tiny(cls) -> "SenseVoiceConfig":
        """A toy size for tests."""
        return cls(output_size=16, attention_heads=2, linear_units=32, num_blocks=2, tp_blocks=1)


_WITHOUT_EFFECT = frozenset(
    {"dropout_rate", "positional_dropout_rate", "attention_dropout_rate"}  # training only
)
_REQUIRED: dict[str, object] = {
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}


class SenseVoice(nn.Module):
    """Query table, encoder and, where ``n_ctc_ids`` is not 0, the CTC head. Holds weights only."""

    def __init__(self, config: SenseVoiceConfig, n_ctc_ids: int = 0) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(_N_QUERY_ROWS, config.input_size)
        self.encoder = SenseVoiceEncoder(config)
        self.ctc = CTCHead(config.output_size, n_ctc_ids) if n_ctc_ids else None

    def forward(self, rows: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Rows (B, F, 560) of which ``lengths`` (B,) are true -> states (B, F + 4, D)."""
        queries = self.embed.weight[list(_QUERY_ROWS)].expand(rows.shape[0], -1, -1)
        real = None
        if lengths is not None:
            places = torch.arange(rows.shape[1] + N_QUERIES, device=rows.device)
            real = places < lengths[:, None] + N_QUERIES
        states: Tensor = self.encoder(torch.cat((queries, rows), dim=1), real)
        return states


class CTCHead(nn.Module):
    """Scores of the ids of SenseVoice's own vocabulary; id 0 is the blank."""

    def __init__(self, width: int, n_ids: int) -> None:
        super().__init__()
        self.ctc_lo = nn.Linear(width, n_ids)

    def forward(self, states: Tensor) -> Tensor:
        """(..., D) -> logits (..., n_ids)."""
        logits: Tensor = self.ctc_lo(states)
        return logits


class SenseVoiceEncoder(nn.Module):
    """Two stacks of layers with a norm after each; the first layer also changes the width."""

    def __init__(self, config: SenseVoiceConfig) -> None:
        super().__init__()
        self.config = config
        width = config.output_size
        self.encoders0 = nn.ModuleList([_Layer(config, config.input_size)])
        self.encoders = nn.ModuleList(_Layer(config, width) for _ in range(config.num_blocks - 1))
        self.after_norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.tp_encoders = nn.ModuleList(_Layer(config, width) for _ in range(config.tp_blocks))
        self.tp_norm = nn.LayerNorm(width, eps=_NORM_EPS)

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """(B, T, input_size), of which ``real`` (B, T) is True -> (B, T, output_size)."""
        x = x * math.sqrt(self.config.output_size)
        x = x + positions(x.shape[1], self.config.input_size, x.device).to(x.dtype)
        for layer in (*self.encoders0, *self.encoders):
            x = layer(x, real)
        x = self.after_norm(x)
        for layer in self.tp_encoders:
            x = layer(x, real)
        normed: Tensor = self.tp_norm(x)
        return normed


def positions(n_rows: int, width: int, device: torch.device) -> Tensor:
    """Sinusoids of positions from 1 on, (n_rows, width): first all sines, then all cosines."""
    half = width // 2
    steps = torch.arange(half, device=device, dtype=torch.float32)
    frequencies = torch.exp(steps * (-math.log(10000.0) / (half - 1)))
    angles = torch.arange(1, n_rows + 1, device=device).float()[:, None] * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=1)


class _Layer(nn.Module):
    """Pre-norm attention and feed-forward network, each with a residual where widths allow."""

    def __init__(self, config: SenseVoiceConfig, input_size: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(input_size, eps=_NORM_EPS)
        self.self_attn = _Attention(config, input_size)
        self.norm2 = nn.LayerNorm(config.output_size, eps=_NORM_EPS)
        self.feed_forward = _FeedForward(config)

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        """(B, T, input_size) -> (B, T, output_size)."""
        attended: Tensor = self.self_attn(self.norm1(x), real)
        x = x + attended if x.shape == attended.shape else attended
        return x + self.feed_forward(self.norm2(x))


class _Attention(nn.Module):
    """Self-attention plus a memory: a depthwise convolution over time of the values."""

    def __init__(self, config: SenseVoiceConfig, input_size: int) -> None:
        super().__init__()
        width = config.output_size
        self.n_heads = config.attention_heads
        self.linear_q_k_v = nn.Linear(input_size, 3 * width)
        self.linear_out = nn.Linear(width, width)
        self.fsmn_block = nn.Conv1d(
            *(width, width, config.kernel_size),
            padding=config.kernel_size // 2,
            groups=width,
            bias=False,
        )

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        """(B, T, input_size) -> (B, T, output_size); what is not ``real`` (B, T) is not seen."""
        q, k, v = self.linear_q_k_v(x).chunk(3, dim=-1)
        seen = v if real is None else v * real.unsqueeze(-1)
        memory = self.fsmn_block(seen.transpose(1, 2)).transpose(1, 2) + seen
        q, k, v = (part.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for part in (q, k, v))
        mask = None if real is None else real[:, None, None, :]
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # (B, H, T, D / H)
        return self.linear_out(attended.transpose(1, 2).flatten(2)) + memory


class _FeedForward(nn.Module):
    def __init__(self, config: SenseVoiceConfig) -> None:
        super().__init__()
        self.w_1 = nn.Linear(config.output_size, config.linear_units)
        self.w_2 = nn.Linear(config.linear_units, config.output_size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        out: Tensor = self.w_2(F.relu(self.w_1(x)))
        return out
