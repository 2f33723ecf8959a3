"""Scratch memory for one forward over a few new rows, with every view of it made once.

A decoded token is a few hundred operators on small tensors. Allocating their results and slicing
them costs as much as the arithmetic, so results are written into the same memory every time.
"""

import math

import torch

from engine.config import ModelConfig


class Workspace:
    """The intermediate results of a forward over ``n_rows`` rows; overwritten by the next one.

    Invariant: the last column of ``residual`` is sqrt(D * eps), so the Euclidean length of a row is
    sqrt(D * (mean square + eps)), the denominator of RMSNorm times sqrt(D).
    """

    def __init__(
        self, config: ModelConfig, n_rows: int, dtype: torch.dtype, device: torch.device | str
    ) -> None:
        width, n_kv, head_dim = config.hidden_size, config.num_key_value_heads, config.head_dim
        group = config.num_attention_heads // n_kv

        def rows(n_columns: int) -> torch.Tensor:
            return torch.empty(n_rows, n_columns, dtype=dtype, device=device)

        self.n_rows = n_rows
        self.residual = rows(width + 1)
        self.residual[:, width] = math.sqrt(width * config.rms_norm_eps)
        self.x = self.residual[:, :width]
        self.length = rows(1)
        self.normed = rows(width)
        self.projected = rows(width)
        self.gate = rows(config.intermediate_size)
        self.up = rows(config.intermediate_size)
        self.qkv = rows((group + 2) * n_kv * head_dim)
        heads = self.qkv.view(n_rows, group + 2, n_kv, head_dim)
        self.turned = self.qkv[:, : (group + 1) * n_kv * head_dim]  # q and k
        # The same as complex numbers, which exist in single precision only.
        self.turned_pairs = (
            torch.view_as_complex(self.turned.view(n_rows, -1, 2))
            if dtype == torch.float32
            else None
        )
        self.keys_values = heads[:, group:]  # (S, 2, kv_heads, head_dim)
        self.query_heads = heads[:, :group]  # (S, group, kv_heads, head_dim)
        # One row needs no copy to make its groups rows of their own.
        self.query_rows = self.query_heads if n_rows == 1 else torch.empty_like(self.query_heads)
        self.queries = self.query_rows.reshape(1, n_rows * group, n_kv, head_dim).transpose(1, 2)
