"""The speech tokenizer's network: a block-causal Whisper encoder, pooled and vector-quantised.

Module names equal the released checkpoint's keys. Only the layers up to the quantiser exist. It
leaves out features (`engine.speech.frontend`) and learning (`engine.training.speech_tokenizer`).
"""

from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import CheckpointError

FRAMES_PER_TOKEN = 8  # mel frames of 10 ms in one audio token: stride 2, then pooling by 4


@dataclass(frozen=True, slots=True)
class WhisperVQConfig:
    """Sizes of the tokenizer, under the released config's names."""

    d_model: int
    encoder_attention_heads: int
    encoder_ffn_dim: int
    quantize_position: int
    quantize_vocab_size: int
    num_mel_bins: int
    quantize_causal_block_size: int = 200
    pooling_kernel_size: int = 4
    max_source_positions: int = 1500
    encoder_causal_convolution: bool = True
    quantize_ema_decay: float = 0.99
    quantize_commit_coefficient: float = 0.25

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "WhisperVQConfig":
        """Reads a config.json; a key that is unknown or asks for another network is an error."""
        known = {field.name for field in fields(cls)}
        for key, value in values.items():
            if key in known or key in _WITHOUT_EFFECT:
                continue
            if key == "pooling_position":
                wanted = values.get("quantize_position")
            elif key in _REQUIRED:
                wanted = _REQUIRED[key]
            else:
                raise CheckpointError(f"The speech tokenizer's config has an unknown key: {key}")
            if value != wanted:
                raise CheckpointError(
                    f"The speech tokenizer's config has {key}={value!r}, supported is {wanted!r}"
                )
        try:
            return cls(**{key: value for key, value in values.items() if key in known})
        except TypeError as error:
            raise CheckpointError(
                f"The speech tokenizer's config is incomplete: {error}"
            ) from error

    @classmethod
    def nano(cls) -> "WhisperVQConfig":
        """The built-in model's tokenizer."""
        return cls(
            d_model=192,
            encoder_attention_heads=4,
            encoder_ffn_dim=768,
            quantize_position=6,
            quantize_vocab_size=1024,
            num_mel_bins=80,
        )

    @classmethod
    def tiny(cls) -> "WhisperVQConfig":
        """A toy size for tests."""
        return cls(
            d_model=16,
            encoder_attention_heads=2,
            encoder_ffn_dim=32,
            quantize_position=2,
            quantize_vocab_size=32,
            num_mel_bins=20,
            quantize_causal_block_size=40,
            max_source_positions=400,
        )


class WhisperVQEncoder(nn.Module):
    """Log-mel to one state per 80 ms, and the nearest codebook entry of each.

    Holds weights only. ``ema_count`` and ``ema_weight`` are the codebook's running sums; they are
    part of the checkpoint and unused at inference.
    """

    ema_count: Tensor
    ema_weight: Tensor

    def __init__(self, config: WhisperVQConfig) -> None:
        super().__init__()
        self.config = config
        width, n_codes = config.d_model, config.quantize_vocab_size
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, kernel_size=3)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2)
        self.embed_positions = nn.Embedding(config.max_source_positions, width)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.quantize_position))
        self.codebook = nn.Embedding(n_codes, width)
        n_pooled = config.max_source_positions // config.pooling_kernel_size
        self.embed_positions2 = nn.Embedding(n_pooled, width)
        self.register_buffer("ema_count", torch.zeros(n_codes))
        self.register_buffer("ema_weight", torch.zeros(n_codes, width))

    def forward(self, mel: Tensor, mel_mask: Tensor | None = None) -> Tensor:
        """Pre-quantisation states: log-mel (B, n_mels, T), true frames (B, T) -> (B, T/8, D)."""
        config = self.config
        assert mel.shape[1] == config.num_mel_bins, f"not (B, n_mels, T): {mel.shape}"
        assert mel.shape[2] % FRAMES_PER_TOKEN == 0, f"frames do not fill audio tokens: {mel.shape}"
        assert mel.shape[2] <= 2 * config.max_source_positions, f"piece too long: {mel.shape}"
        padding = (2, 0) if config.encoder_causal_convolution else (1, 1)
        hidden = F.gelu(self.conv1(F.pad(mel, padding)))
        hidden = F.gelu(self.conv2(F.pad(hidden, padding))).transpose(1, 2)  # (B, T/2, D)
        n_frames = hidden.shape[1]
        hidden = hidden + self.embed_positions.weight[:n_frames]
        frame_mask = None if mel_mask is None else mel_mask[:, ::2].bool()
        bias = attention_bias(n_frames, config.quantize_causal_block_size, frame_mask, hidden)
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return hidden.unflatten(1, (-1, config.pooling_kernel_size)).mean(2)

    def quantise(self, hidden: Tensor) -> Tensor:
        """The nearest code by squared distance, (..., D) -> (...)."""
        codebook = self.codebook.weight
        # |x - c|^2 without |x|^2, which is the same for every code
        distance = codebook.square().sum(-1) - 2.0 * (hidden @ codebook.T)
        return distance.argmin(-1)


def attention_bias(
    n_frames: int, block_size: int, frame_mask: Tensor | None, like: Tensor
) -> Tensor | None:
    """What is added to attention scores: keys earlier or in the same block are seen, not padding.

    None where every frame sees every other; frame_mask is (B, T), the result (B or 1, 1, T, T).
    """
    if n_frames <= block_size and (frame_mask is None or bool(frame_mask.all())):
        return None
    index = torch.arange(n_frames, device=like.device)
    seen = (index[None, :] // block_size) <= (index[:, None] // block_size)  # (T query, T key)
    seen = seen[None, None]
    if frame_mask is not None:
        seen = seen & frame_mask[:, None, None, :]
    bias = torch.zeros(seen.shape, dtype=like.dtype, device=like.device)
    return bias.masked_fill_(~seen, torch.finfo(like.dtype).min)


class _Attention(nn.Module):
    """Multi-head self-attention; the key projection has no bias, as in Whisper."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        q, k, v = (
            projection(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)  # (B, H, T, D/H)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class _Layer(nn.Module):
    """One pre-LN transformer layer."""

    def __init__(self, config: WhisperVQConfig) -> None:
        super().__init__()
        width = config.d_model
        self.self_attn = _Attention(width, config.encoder_attention_heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, config.encoder_ffn_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x), bias)
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


_REQUIRED: dict[str, Any] = {
    "pooling_type": "avg",
    "quantize_causal_encoder": False,
    "encoder_causal_attention": False,
    "quantize_encoder_only": True,
    "scale_embedding": False,
    "activation_function": "gelu",
}

# Keys of a full Whisper config that change nothing up to the quantiser at inference.
_WITHOUT_EFFECT = frozenset(
    (
        *("activation_dropout", "apply_spec_augment", "architectures", "attention_dropout"),
        *("begin_suppress_tokens", "bos_token_id", "classifier_proj_size"),
        *("decoder_attention_heads", "decoder_ffn_dim", "decoder_layerdrop", "decoder_layers"),
        *("decoder_start_token_id", "dropout", "encoder_layerdrop", "encoder_layers"),
        *("eos_token_id", "forced_decoder_ids", "init_std", "is_encoder_decoder"),
        *("mask_feature_length", "mask_feature_min_masks", "mask_feature_prob"),
        *("mask_time_length", "mask_time_min_masks", "mask_time_prob", "max_length"),
        *("max_target_positions", "median_filter_width", "model_type", "num_hidden_layers"),
        *("pad_token_id", "quantize_loss_scale", "quantize_restart_interval"),
        *("skip_language_detection", "suppress_tokens", "torch_dtype", "transformers_version"),
        *("use_cache", "use_weighted_layer_sum", "vocab_size"),
    )
)
