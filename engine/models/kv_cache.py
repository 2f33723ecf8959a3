"""The preallocated key-value cache, with one length for the backbone and one per MCTP module."""

import torch
from torch import Tensor

from engine.config import ModelConfig


class KVCache:
    """Keys (after RoPE) and values of one conversation; the decoder writes, nobody else does.

    Level 0 is the backbone, level k is MCTP module k. The levels lag behind one another, so each
    has its own length. Entry i of level k belongs to token i + k and carries that RoPE position.
    """

    def __init__(
        self,
        config: ModelConfig,
        capacity: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._n_backbone_layers = config.n_backbone_layers
        self._lengths = [0] * (config.depth + 1)
        kv_heads = config.num_key_value_heads
        shape = (config.num_hidden_layers, 2 * kv_heads, capacity, config.head_dim)
        self._entries = torch.empty(shape, dtype=dtype, device=device)

    @property
    def capacity(self) -> int:
        """How many entries every level can hold."""
        return self._entries.shape[2]

    def length(self, level: int) -> int:
        """Number of entries of one level."""
        return self._lengths[level]

    def append(self, level: int, n_new: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Makes room for ``n_new`` entries; returns, per layer of the level, room and contents.

        Room (2 * kv_heads, n_new, head_dim) is where the keys, then the values, are to be written;
        contents (2 * kv_heads, length, head_dim) are all entries with the room included.
        """
        start = self._lengths[level]
        stop = start + n_new
        assert stop <= self.capacity, f"{stop} entries in a cache for {self.capacity}"
        self._lengths[level] = stop
        layers = self._layers(level)
        return layers[:, :, start:stop].unbind(0), layers[:, :, :stop].unbind(0)

    def entries(self, level: int) -> Tensor:
        """Keys then values of one level, (layers, 2 * kv_heads, length, head_dim)."""
        return self._layers(level)[:, :, : self._lengths[level]]

    def truncate(self, n_tokens: int) -> None:
        """Forgets every entry that belongs to, or was computed from, tokens past ``n_tokens``."""
        for level, length in enumerate(self._lengths):
            self._lengths[level] = min(length, max(0, n_tokens - level))

    def reset(self) -> None:
        """Forgets everything; the memory stays."""
        self.truncate(0)

    def grow(self, capacity: int) -> None:
        """Makes room for ``capacity`` entries per level and keeps what is there."""
        if capacity <= self.capacity:
            return
        old = self._entries
        self._entries = old.new_empty((old.shape[0], old.shape[1], capacity, old.shape[3]))
        kept = max(self._lengths)
        self._entries[:, :, :kept] = old[:, :, :kept]

    def _layers(self, level: int) -> Tensor:
        if level == 0:
            return self._entries[: self._n_backbone_layers]
        return self._entries[self._n_backbone_layers + level - 1].unsqueeze(0)
