"""The sizes that are measured with random weights: Qwen2.5's, and those of the speech parts."""

from engine.config import ModelConfig
from engine.models.whisper_vq import WhisperVQConfig
from engine.modes import InferenceMode

N_MODULES = 10
_VOCABULARY = 168_072  # Qwen2.5's with the special and the 16384 audio tokens


def _qwen(
    width: int, inner: int, layers: int, heads: int, kv_heads: int, tied: bool = False
) -> ModelConfig:
    """A Qwen2.5 with ten MCTP modules."""
    return ModelConfig(
        vocab_size=_VOCABULARY,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers + N_MODULES,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        num_nextn_predict_layers=N_MODULES,
        rope_theta=1e6,
        tie_word_embeddings=tied,
    )


QWEN_SIZES = {
    "0.5b": _qwen(896, 4864, 24, 14, 2, tied=True),
    "1.5b": _qwen(1536, 8960, 28, 12, 2, tied=True),
    "3b": _qwen(2048, 11008, 36, 16, 2, tied=True),
    "7b": _qwen(3584, 18944, 28, 28, 4),
    "14b": _qwen(5120, 13824, 48, 40, 8),
    "32b": _qwen(5120, 27648, 64, 40, 8),
    "72b": _qwen(8192, 29568, 80, 64, 8),
}
"""The published sizes; the number of layers counts the MCTP layers."""

FULL_SPEECH_TOKENIZER = WhisperVQConfig(
    d_model=1280,
    encoder_attention_heads=20,
    encoder_ffn_dim=5120,
    quantize_position=16,
    quantize_vocab_size=16384,
    num_mel_bins=128,
)
"""The released speech tokenizer's sizes."""

FIRST_CHUNK_TOKENS = {
    InferenceMode.VANILLA: 11,
    InferenceMode.BALANCE: 16,
    InferenceMode.BOOST: 11,
    InferenceMode.TURBO: 11,
    InferenceMode.VERIFIED: 11,
}
"""Tokens until eight audio tokens are there: a text token and a block with its two marks.

In Balance the first block has two audio tokens, and three text tokens and six more follow.
"""
