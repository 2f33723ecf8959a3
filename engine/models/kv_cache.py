"""The preallocated key-value cache, with one length for the backbone and one per MCTP module."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from engine.config import ModelConfig
from engine.models.workspace import Workspace

_KEPT_ROWS = 32  # new rows for which scratch memory and mask are kept


class LayerCache(NamedTuple):
    """One layer's part of the cache during one forward."""

    room: Tensor
    """(S, 2, kv_heads, head_dim), where the new keys and values are to be written."""
    keys: Tensor
    """(1, kv_heads, T, head_dim), all keys with the room included."""
    values: Tensor
    """(1, kv_heads, T, head_dim), all values with the room included."""


class KVCache:
    """Keys (after RoPE) and values of one conversation; the decoder writes, nobody else does.

    It also lends the decoder its scratch memory.

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
        self._lengths = [0] * (config.depth + 1)
        self._config = config
        self._group = config.num_attention_heads // config.num_key_value_heads
        self._workspaces: dict[int, Workspace] = {}
        # Keys and values of layer n are [n, 0] and [n, 1].
        shape = (config.num_hidden_layers, 2, config.num_key_value_heads, capacity, config.head_dim)
        self._hold(torch.empty(shape, dtype=dtype, device=device))

    @property
    def capacity(self) -> int:
        """How many entries every level can hold."""
        return self._entries.shape[3]

    def length(self, level: int) -> int:
        """Number of entries of one level."""
        return self._lengths[level]

    def append(self, level: int, n_new: int) -> list["LayerCache"]:
        """Makes room for ``n_new`` entries in every layer of one level."""
        start = self._lengths[level]
        stop = start + n_new
        assert stop <= self.capacity, f"{stop} entries in a cache for {self.capacity}"
        self._lengths[level] = stop
        rooms = self._rooms[level].narrow(1, start, n_new).unbind(0)
        contents = self._contents[level].narrow(3, 0, stop).unbind(0)
        return list(map(LayerCache, rooms, contents[0::2], contents[1::2]))

    def entries(self, level: int) -> tuple[Tensor, Tensor]:
        """Keys and values of one level, each (layers, kv_heads, length, head_dim)."""
        keys, values = self._layers(level)[:, :, :, : self._lengths[level]].unbind(1)
        return keys, values

    def workspace(self, n_rows: int) -> Workspace:
        """Scratch memory for a forward over ``n_rows`` new entries; kept where there are few."""
        if (known := self._workspaces.get(n_rows)) is not None:
            return known
        made = Workspace(self._config, n_rows, self._entries.dtype, self._entries.device)
        if n_rows <= _KEPT_ROWS:
            self._workspaces[n_rows] = made
        return made

    def causal_mask(self, start: int, n_new: int) -> Tensor | None:
        """Additive mask (S * group, start + S) for new rows after ``start`` entries.

        A row is repeated for every query head that shares a key-value head; one row needs no mask.
        """
        if n_new == 1:
            return None
        n_rows = n_new * self._group
        if n_new <= _KEPT_ROWS:
            first = self._mask.shape[1] - _KEPT_ROWS - start
            return self._mask[:n_rows, first : first + start + n_new]
        return self._make_mask(start, n_new)

    def truncate(self, n_tokens: int) -> None:
        """Forgets every entry that belongs to, or was computed from, tokens past ``n_tokens``."""
        for level, length in enumerate(self._lengths):
            self._lengths[level] = min(length, max(0, n_tokens - level))

    def shorten(self, level: int, length: int) -> None:
        """Forgets the entries of one level past the first ``length``, to be computed again."""
        assert length <= self._lengths[level], f"{length} entries of {self._lengths[level]}"
        self._lengths[level] = length

    def reset(self) -> None:
        """Forgets everything; the memory stays."""
        self.truncate(0)

    def grow(self, capacity: int) -> None:
        """Makes room for ``capacity`` entries per level and keeps what is there."""
        if capacity <= self.capacity:
            return
        old = self._entries
        self._hold(old.new_empty((*old.shape[:3], capacity, old.shape[4])))
        kept = max(self._lengths)
        self._entries[:, :, :, :kept] = old[:, :, :, :kept]

    def _hold(self, entries: Tensor) -> None:
        """Takes the memory and prepares views of it; made for every token they would cost much."""
        self._entries = entries
        levels = [self._layers(level) for level in range(len(self._lengths))]
        self._rooms = [level.permute(0, 3, 1, 2, 4) for level in levels]
        self._mask = self._make_mask(self.capacity, _KEPT_ROWS)
        self._contents = [level.flatten(0, 1).unsqueeze(1) for level in levels]

    def _make_mask(self, n_seen: int, n_new: int) -> Tensor:
        """Zero where a row may look, minus infinity for the entries after its own."""
        mask = self._entries.new_full((n_new, n_seen + n_new), -math.inf)
        return mask.triu(n_seen + 1).repeat_interleave(self._group, dim=0)

    def _layers(self, level: int) -> Tensor:
        if level == 0:
            return self._entries[: self._config.n_backbone_layers]
        return self._entries[self._config.n_backbone_layers + level - 1].unsqueeze(0)
