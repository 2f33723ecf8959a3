"""Cached decoding: the weights of a ``SpeechLM`` re-arranged for a few rows at a time.

The arithmetic is that of ``SpeechLM.backbone`` and ``SpeechLM.mctp_forward``; a test holds both
equal. What differs is only arrangement:

- q, k and v are one matrix;
- each pair of q or k components that RoPE turns together lies side by side, so turning them is one
  complex product; attention scores do not depend on the order of components;
- query heads are ordered so that the heads sharing a key-value head become rows of one product, and
  the output projection takes its columns in the same order;
- the embedding half of an MCTP projection is a table with one row per token when that is small.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.models.attention import rotary_tables
from engine.models.kv_cache import KVCache, LayerCache
from engine.models.matrices import RowsTimesMatrix, prepare
from engine.models.qwen2 import DecoderLayer
from engine.models.speech_lm import SpeechLM

_LARGEST_TABLE_BYTES = 8 << 20  # for each MCTP module
_MASK_ROWS = 32  # new tokens for which the causal mask is cut from a prepared one


@dataclass(frozen=True, slots=True)
class _Layer:
    input_norm: Tensor  # (D,)
    qkv: RowsTimesMatrix
    qkv_bias: Tensor
    output: RowsTimesMatrix
    post_attention_norm: Tensor  # (D,)
    gate: RowsTimesMatrix
    up: RowsTimesMatrix
    down: RowsTimesMatrix


@dataclass(frozen=True, slots=True)
class _Module:
    embed: Callable[[Tensor], Tensor]  # ids (S,) -> the embedding half of the projection (S, D)
    hidden_norm: Tensor  # (D,)
    hidden_half: RowsTimesMatrix
    layer: _Layer


class Decoder:
    """Immutable weights for generating; what changes lives in the ``KVCache`` passed in.

    Its methods are to be called under ``torch.inference_mode``.
    """

    @torch.inference_mode()
    def __init__(self, model: SpeechLM) -> None:
        self.config: ModelConfig = model.config
        config = self.config
        self._embedding = model.model.embed_tokens.weight.detach()
        self.dtype, self.device = self._embedding.dtype, self._embedding.device
        self._is_plain_cpu = self.device.type == "cpu" and self.dtype == torch.float32
        self._group = config.num_attention_heads // config.num_key_value_heads
        self._kv_shape = (config.num_key_value_heads, config.head_dim)
        self._n_turned_heads = config.num_attention_heads + config.num_key_value_heads
        layers = [self._prepare_layer(layer) for layer in model.model.layers]
        self._backbone = layers[: config.n_backbone_layers]
        self._modules = [
            self._prepare_module(model, k, layer)
            for k, layer in enumerate(layers[config.n_backbone_layers :])
        ]
        self._norm = self._prepare_norm(model.model.norm)
        self._head = prepare(model.head_weight.detach())
        self._norm_floor = torch.tensor(math.sqrt(config.hidden_size * config.rms_norm_eps))
        positions = torch.arange(config.max_position_embeddings, device=self.device)
        cos, sin = rotary_tables(positions, config)
        half = config.head_dim // 2
        self._turns = torch.complex(cos[:, :half], sin[:, :half])  # (P, head_dim / 2)
        self._triangle = self._causal_triangle(_MASK_ROWS)

    def main_step(self, ids: Tensor, cache: KVCache) -> Tensor:
        """Feeds new token ids (S,) to the backbone; returns their states after the norm (S, D)."""
        start, n_new = cache.length(0), ids.shape[0]
        turns, mask = self._turns_of(start, n_new), self._mask(start, n_new)
        x = F.embedding(ids, self._embedding)
        for layer, layer_cache in zip(self._backbone, cache.append(0, n_new), strict=True):
            x = self._run_layer(layer, x, turns, layer_cache, mask)
        return self._rms_norm(x, self._norm)

    def mctp_step(self, k: int, ids: Tensor, hidden: Tensor, cache: KVCache) -> Tensor:
        """Feeds MCTP module ``k`` (1-based); returns its states after the norm (S, D).

        ``ids`` (S,) are the tokens it joins with ``hidden`` (S, D), the states of the level before
        at the entries that this level does not hold yet. Of the last module, whose states feed no
        other, only the last state is computed: (1, D).
        """
        start, n_new = cache.length(k), ids.shape[0]
        assert hidden.shape[0] == n_new, f"{hidden.shape[0]} states for {n_new} tokens"
        module = self._modules[k - 1]
        turns, mask = self._turns_of(start + k, n_new), self._mask(start, n_new)
        (layer_cache,) = cache.append(k, n_new)
        x = module.hidden_half(self._rms_norm(hidden, module.hidden_norm), None)
        x = x.add_(module.embed(ids))
        x = self._run_layer(module.layer, x, turns, layer_cache, mask, k == self.config.depth)
        return self._rms_norm(x, self._norm)

    def logits(self, hidden: Tensor) -> Tensor:
        """Post-norm states (S, D) -> logits (S, V)."""
        return self._head(hidden, None)

    def released_keys(self, keys: Tensor) -> Tensor:
        """Cached keys (..., head_dim) with their components in the order of the released model."""
        return torch.cat((keys[..., 0::2], keys[..., 1::2]), dim=-1)

    def _run_layer(
        self,
        layer: _Layer,
        x: Tensor,
        turns: Tensor,
        cache: LayerCache,
        mask: Tensor | None,
        only_last: bool = False,
    ) -> Tensor:
        """One decoder layer on new rows ``x`` (S, D), which it overwrites; (S, D) or (1, D)."""
        group, n_new = self._group, x.shape[0]
        qkv = layer.qkv(self._rms_norm(x, layer.input_norm), layer.qkv_bias)
        self._turn(qkv, turns)
        heads = qkv.view(n_new, group + 2, *self._kv_shape)
        cache.room.copy_(heads[:, group:])
        queries = heads[:, :group]
        if n_new > 1 and only_last:
            x, queries = x[-1:], queries[-1:]
            mask = None  # the newest token sees all entries
        elif n_new > 1:
            queries = queries.reshape(1, n_new * group, *self._kv_shape)
        attended = F.scaled_dot_product_attention(
            queries.transpose(1, 2), cache.keys, cache.values, mask
        )  # (1, kv_heads, S * group, head_dim)
        x = x.add_(layer.output(attended.transpose(1, 2).reshape(x.shape), None))
        normed = self._rms_norm(x, layer.post_attention_norm)
        gated = F.silu(layer.gate(normed, None)).mul_(layer.up(normed, None))
        return x.add_(layer.down(gated, None))

    def _turn(self, qkv: Tensor, turns: Tensor) -> None:
        """Applies RoPE in place to the q and k part of rows (S, (H + 2 * kv_heads) * head_dim)."""
        n_new, n_turned = turns.shape
        turned = qkv[:, : 2 * n_turned]
        pairs = turned.float().view(n_new, n_turned, 2)
        torch.view_as_complex(pairs).mul_(turns)
        if qkv.dtype != torch.float32:
            turned.copy_(pairs.flatten(1))

    def _turns_of(self, position: int, n_new: int) -> Tensor:
        """RoPE turns of rows from ``position`` on, for all pairs of q and k: (S, N)."""
        return self._turns.narrow(0, position, n_new).repeat(1, self._n_turned_heads)

    def _rms_norm(self, x: Tensor, weight: Tensor) -> Tensor:
        """RMSNorm of rows (S, D) with a weight from ``_prepare_norm``."""
        if not self._is_plain_cpu:
            return F.rms_norm(x, weight.shape, weight, self.config.rms_norm_eps)
        # x / sqrt(mean(x^2) + eps) = sqrt(D) * x / hypot(|x|, sqrt(D * eps)), in four operators.
        length = torch.linalg.vector_norm(x, 2, 1, True)
        return (x * weight).div_(torch.hypot(length, self._norm_floor))

    def _prepare_norm(self, norm: nn.RMSNorm) -> Tensor:
        """The weight for ``_rms_norm``, which holds sqrt(D) as well on the CPU."""
        scale = math.sqrt(self.config.hidden_size) if self._is_plain_cpu else 1.0
        return norm.weight * scale

    def _mask(self, start: int, n_new: int) -> Tensor | None:
        """Additive causal mask (S * group, start + S) for new rows after ``start`` entries."""
        if n_new == 1:
            return None
        triangle = self._triangle if n_new <= _MASK_ROWS else self._causal_triangle(n_new)
        return F.pad(triangle[: n_new * self._group, :n_new], (start, 0))

    def _causal_triangle(self, n_new: int) -> Tensor:
        """Minus infinity above the diagonal, every row repeated for the heads of a group."""
        full = torch.full((n_new, n_new), -math.inf, dtype=self.dtype, device=self.device)
        return full.triu(1).repeat_interleave(self._group, dim=0)

    def _prepare_layer(self, layer: DecoderLayer) -> _Layer:
        attention, mlp, config = layer.self_attn, layer.mlp, self.config
        n_kv, pairs = config.num_key_value_heads, config.head_dim // 2

        def queries(tensor: Tensor) -> Tensor:
            split = tensor.view(n_kv, self._group, 2, pairs, -1)
            return split.permute(1, 0, 3, 2, 4).reshape(config.hidden_size, -1)

        def keys(tensor: Tensor) -> Tensor:
            return tensor.view(n_kv, 2, pairs, -1).transpose(1, 2).reshape(tensor.shape[0], -1)

        q, k, v = attention.q_proj, attention.k_proj, attention.v_proj
        output = attention.o_proj.weight.unflatten(1, (n_kv, self._group, config.head_dim))
        return _Layer(
            input_norm=self._prepare_norm(layer.input_layernorm),
            qkv=prepare(torch.cat((queries(q.weight), keys(k.weight), v.weight))),
            qkv_bias=torch.cat((queries(q.bias).flatten(), keys(k.bias).flatten(), v.bias)),
            output=prepare(output.transpose(1, 2).flatten(1)),
            post_attention_norm=self._prepare_norm(layer.post_attention_layernorm),
            gate=prepare(mlp.gate_proj.weight),
            up=prepare(mlp.up_proj.weight),
            down=prepare(mlp.down_proj.weight),
        )

    def _prepare_module(self, model: SpeechLM, k: int, layer: _Layer) -> _Module:
        embed_half, hidden_half = model.mtp_projs[k].weight.chunk(2, dim=1)
        embed_norm, embedding = model.mtp_embed_norms[k], self._embedding
        if embedding.nbytes <= _LARGEST_TABLE_BYTES:
            table = F.linear(embed_norm(embedding), embed_half)

            def embed(ids: Tensor) -> Tensor:
                return F.embedding(ids, table)
        else:
            matrix, weight = prepare(embed_half), self._prepare_norm(embed_norm)

            def embed(ids: Tensor) -> Tensor:
                return matrix(self._rms_norm(F.embedding(ids, embedding), weight), None)

        return _Module(
            embed=embed,
            hidden_norm=self._prepare_norm(model.mtp_hidden_norms[k]),
            hidden_half=prepare(hidden_half),
            layer=layer,
        )
