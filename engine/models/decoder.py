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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.fit import LARGEST_TABLE_BYTES
from engine.models.attention import rotary_tables
from engine.models.kv_cache import KVCache, LayerCache
from engine.models.matrices import prepare
from engine.models.planes import RowsTimesMatrix
from engine.models.qwen2 import DecoderLayer
from engine.models.speech_lm import SpeechLM
from engine.models.workspace import Workspace
from engine.precision import Precision

Filler = Callable[[nn.Module, str], None]
"""Gives the weights of a module memory and values; told how their names in the model begin."""


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
    embed: Callable[[Tensor, Workspace], Tensor]  # ids (S,) -> embedding half of the input (S, D)
    hidden_norm: Tensor  # (D,)
    hidden_half: RowsTimesMatrix
    layer: _Layer


class Decoder:
    """Immutable weights for generating; what changes lives in the ``KVCache`` passed in.

    ``precision`` says which matrices are quantised; None keeps all as they are. With ``fill``, the
    model has no weights: they come layer by layer, and each layer gives its memory back as soon as
    it is arranged, so that a quantised model never lies whole in a wider form. Its methods are to
    be called under ``torch.inference_mode``.
    """

    @torch.inference_mode()
    def __init__(
        self, model: SpeechLM, precision: Precision | None = None, fill: Filler | None = None
    ) -> None:
        self.config: ModelConfig = model.config
        self.precision, self._fill = precision, fill
        config = self.config
        with self._filled(model, "model.embed_tokens"):
            self._embedding = model.model.embed_tokens.weight.detach()
        self.dtype, self.device = self._embedding.dtype, self._embedding.device
        with self._filled(model, *(() if model.lm_head is None else ("lm_head",))):
            head = self._embedding if model.lm_head is None else model.lm_head.weight.detach()
            self._head = self._matrix(head)
        self._group = config.num_attention_heads // config.num_key_value_heads
        self._n_turned_heads = config.num_attention_heads + config.num_key_value_heads
        layers = []
        for n, layer in enumerate(model.model.layers):
            with self._filled(model, f"model.layers.{n}"):
                layers.append(self._prepare_layer(layer))
        self._backbone = layers[: config.n_backbone_layers]
        self._modules = []
        for k, layer in enumerate(layers[config.n_backbone_layers :]):
            with self._filled(
                model, f"mtp_projs.{k}", f"mtp_embed_norms.{k}", f"mtp_hidden_norms.{k}"
            ):
                self._modules.append(self._prepare_module(model, k, layer))
        with self._filled(model, "model.norm"):
            self._norm = self._prepare_norm(model.model.norm)
        positions = torch.arange(config.max_position_embeddings, device=self.device)
        cos, sin = rotary_tables(positions, config)
        half = config.head_dim // 2
        self._turns = torch.complex(cos[:, :half], sin[:, :half])  # (P, head_dim / 2)

    def main_step(
        self, ids: Tensor, cache: KVCache, inserted: Sequence[tuple[int, Tensor]] = ()
    ) -> Tensor:
        """Feeds new token ids (S,) to the backbone; returns their states after the norm (S, D).

        ``inserted`` are first rows and the embeddings (N, D) that take the places of those of the
        ids from there on. The states stay valid until the next step with the same cache.
        """
        start, n_new = cache.length(0), ids.shape[0]
        work, mask = cache.workspace(n_new), cache.causal_mask(start, n_new)
        turns = self._turns_of(start, n_new)
        work.x.copy_(F.embedding(ids, self._embedding))
        for first, embeddings in inserted:
            work.x[first : first + len(embeddings)] = embeddings
        for layer, layer_cache in zip(self._backbone, cache.append(0, n_new), strict=True):
            self._run_layer(layer, work, turns, layer_cache, mask)
        return self._rms_norm(work, self._norm)

    def mctp_step(self, k: int, ids: Tensor, hidden: Tensor, cache: KVCache) -> Tensor:
        """Feeds MCTP module ``k`` (1-based); returns its states after the norm (S, D).

        ``ids`` (S,) are the tokens it joins with ``hidden`` (S, D), the states of the level before
        at the entries that this level does not hold yet. Of the last module, which feeds no other,
        only the last state is computed: (1, D). The states stay valid until the next step with the
        same cache.
        """
        start, n_new = cache.length(k), ids.shape[0]
        assert hidden.shape[0] == n_new, f"{hidden.shape[0]} states for {n_new} tokens"
        work, mask = cache.workspace(n_new), cache.causal_mask(start, n_new)
        turns = self._turns_of(start + k, n_new)
        module = self._modules[k - 1]
        (layer_cache,) = cache.append(k, n_new)
        work.x.copy_(hidden)
        module.hidden_half(self._rms_norm(work, module.hidden_norm), None, work.projected)
        torch.add(work.projected, module.embed(ids, work), out=work.x)
        tail = cache.workspace(1) if k == self.config.depth and n_new > 1 else None
        self._run_layer(module.layer, work, turns, layer_cache, mask, tail)
        return self._rms_norm(tail or work, self._norm)

    def logits(self, hidden: Tensor) -> Tensor:
        """Post-norm states (S, D) -> logits (S, V)."""
        return self._head(hidden, None, hidden.new_empty(hidden.shape[0], self.config.vocab_size))

    def released_keys(self, keys: Tensor) -> Tensor:
        """Cached keys (..., head_dim) with their components in the order of the released model."""
        return torch.cat((keys[..., 0::2], keys[..., 1::2]), dim=-1)

    def _run_layer(
        self,
        layer: _Layer,
        work: Workspace,
        turns: Tensor,
        cache: LayerCache,
        mask: Tensor | None,
        tail: Workspace | None = None,
    ) -> None:
        """One decoder layer on the new rows ``work.x`` (S, D), in place.

        With ``tail``, only the last row goes past the keys and values, and the result is there.
        """
        layer.qkv(self._rms_norm(work, layer.input_norm), layer.qkv_bias, work.qkv)
        self._turn(work, turns)
        cache.room.copy_(work.keys_values)
        if tail is not None:
            tail.x.copy_(work.x[-1:])
            tail.query_heads.copy_(work.query_heads[-1:])
            work, mask = tail, None  # the newest token sees every entry
        elif work.n_rows > 1:
            work.query_rows.copy_(work.query_heads)
        attended = F.scaled_dot_product_attention(work.queries, cache.keys, cache.values, mask)
        attended = attended.transpose(1, 2).reshape(work.normed.shape)  # (S, D)
        work.x.add_(layer.output(attended, None, work.projected))
        normed = self._rms_norm(work, layer.post_attention_norm)
        layer.gate(normed, None, work.gate)
        layer.up(normed, None, work.up)
        F.silu(work.gate, inplace=True).mul_(work.up)
        work.x.add_(layer.down(work.gate, None, work.projected))

    def _turn(self, work: Workspace, turns: Tensor) -> None:
        """Applies RoPE to q and k in place, with ``turns`` (S, pairs) from ``_turns_of``."""
        if work.turned_pairs is not None:
            work.turned_pairs.mul_(turns)
            return
        pairs = work.turned.float().view(*turns.shape, 2)
        torch.view_as_complex(pairs).mul_(turns)
        work.turned.copy_(pairs.flatten(1))

    def _turns_of(self, position: int, n_new: int) -> Tensor:
        """RoPE turns of rows from ``position`` on, for all pairs of q and k: (S, pairs)."""
        turns = self._turns.narrow(0, position, n_new).unsqueeze(1)
        return turns.expand(-1, self._n_turned_heads, -1).flatten(1)

    def _rms_norm(self, work: Workspace, weight: Tensor) -> Tensor:
        """RMSNorm of ``work.x`` into ``work.normed``, with a weight from ``_prepare_norm``."""
        if self.dtype != torch.float32:
            return F.rms_norm(work.x, weight.shape, weight, self.config.rms_norm_eps)
        torch.linalg.vector_norm(work.residual, 2, 1, True, out=work.length)
        return torch.mul(work.x, weight, out=work.normed).div_(work.length)

    @contextmanager
    def _filled(self, model: SpeechLM, *names: str) -> Iterator[None]:
        """Inside, these parts of the model have their weights; those that came for it go again."""
        if self._fill is None:
            yield
            return
        for name in names:
            self._fill(model.get_submodule(name), f"{name}.")
        yield
        for name in names:
            model.get_submodule(name).to("meta")

    def _matrix(self, weight: Tensor) -> RowsTimesMatrix:
        return prepare(weight, self.precision)

    def _prepare_norm(self, norm: nn.RMSNorm) -> Tensor:
        """The weight for ``_rms_norm``, which holds sqrt(D) as well in single precision."""
        scale = math.sqrt(self.config.hidden_size) if self.dtype == torch.float32 else 1.0
        return norm.weight * scale

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
            qkv=self._matrix(torch.cat((queries(q.weight), keys(k.weight), v.weight))),
            qkv_bias=torch.cat((queries(q.bias).flatten(), keys(k.bias).flatten(), v.bias)),
            output=self._matrix(output.transpose(1, 2).flatten(1)),
            post_attention_norm=self._prepare_norm(layer.post_attention_layernorm),
            gate=self._matrix(mlp.gate_proj.weight),
            up=self._matrix(mlp.up_proj.weight),
            down=self._matrix(mlp.down_proj.weight),
        )

    def _prepare_module(self, model: SpeechLM, k: int, layer: _Layer) -> _Module:
        embed_half, hidden_half = model.mtp_projs[k].weight.chunk(2, dim=1)
        embedding = self._embedding
        if embedding.nbytes <= LARGEST_TABLE_BYTES:
            table = F.linear(model.mtp_embed_norms[k](embedding), embed_half)

            def embed(ids: Tensor, work: Workspace) -> Tensor:
                return F.embedding(ids, table)
        else:
            matrix, weight = self._matrix(embed_half), self._prepare_norm(model.mtp_embed_norms[k])

            def embed(ids: Tensor, work: Workspace) -> Tensor:
                work.x.copy_(F.embedding(ids, embedding))
                return matrix(self._rms_norm(work, weight), None, torch.empty_like(work.normed))

        return _Module(
            embed=embed,
            hidden_norm=self._prepare_norm(model.mtp_hidden_norms[k]),
            hidden_half=self._matrix(hidden_half),
            layer=layer,
        )
