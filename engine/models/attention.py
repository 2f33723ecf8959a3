"""Grouped-query attention with half-rotation RoPE, as in Qwen2.

The networks here are the plain, uncached form used for training and as the truth the cached
decoder is compared with.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import ModelConfig

Rotary = tuple[Tensor, Tensor]


def rotary_tables(position_ids: Tensor, config: ModelConfig) -> Rotary:
    """Cosines and sines of the RoPE angles, each (..., head_dim) float32, for any position ids."""
    half = torch.arange(0, config.head_dim, 2, device=position_ids.device, dtype=torch.float32)
    frequencies = 1.0 / (config.rope_theta ** (half / config.head_dim))  # (head_dim / 2,)
    angles = position_ids.to(torch.float32).unsqueeze(-1) * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """Applies RoPE to ``x`` (B, H, T, head_dim) with tables (B, T, head_dim)."""
    cos, sin = (table.to(x.dtype).unsqueeze(-3) for table in rotary)  # (B, 1, T, head_dim)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def causal_segment_mask(position_ids: Tensor) -> Tensor:
    """Boolean mask (B, 1, T, T), True where a query may see a key, for packed samples.

    A new sample begins wherever the position is not the one before plus one.
    """
    assert position_ids.dim() == 2, f"position_ids must be (B, T), got {tuple(position_ids.shape)}"
    starts = position_ids[:, 1:] != position_ids[:, :-1] + 1
    segment = F.pad(starts.long().cumsum(dim=1), (1, 0))  # (B, T)
    same = segment.unsqueeze(2) == segment.unsqueeze(1)
    return same.tril().unsqueeze(1)


class Attention(nn.Module):
    """Causal grouped-query self-attention; q, k and v have biases, the output has none."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_heads = config.num_attention_heads
        self.n_kv_heads = config.num_key_value_heads
        self.head_dim = config.head_dim
        width, kv_width = config.hidden_size, config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(width, width, bias=True)
        self.k_proj = nn.Linear(width, kv_width, bias=True)
        self.v_proj = nn.Linear(width, kv_width, bias=True)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, rotary: Rotary, mask: Tensor | None) -> Tensor:
        """(B, T, D) -> (B, T, D); ``mask`` (B, 1, T, T) True = visible, None = plain causal."""
        q = self._heads(self.q_proj(x), self.n_heads)
        k = self._heads(self.k_proj(x), self.n_kv_heads)
        v = self._heads(self.v_proj(x), self.n_kv_heads)
        attended = F.scaled_dot_product_attention(
            rotate(q, rotary),
            rotate(k, rotary),
            v,
            attn_mask=mask,
            is_causal=mask is None,
            enable_gqa=self.n_heads != self.n_kv_heads,
        )  # (B, H, T, head_dim)
        return self.o_proj(attended.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor, n_heads: int) -> Tensor:
        return x.unflatten(-1, (n_heads, self.head_dim)).transpose(1, 2)
