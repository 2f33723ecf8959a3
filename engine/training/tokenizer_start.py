"""How the tokenizer's encoder starts: every attention head listens to a small distance in time.

A transformer started at random needs long to find out that neighbouring frames matter most, and CTC
stays on its plateau meanwhile. Here positions have channels of their own, sinusoids of small
amplitude that no layer writes to, and queries are turned by a few frames against keys, so that the
layers begin as something like dilated convolutions. The network is the plain one; training is free
to move on from there.
"""

import math

import torch
from torch import Tensor, nn

from engine.models.whisper_vq import WhisperVQEncoder

_AMPLITUDE = 0.1  # of positions beside contents of about 1: hardly seen by the quantiser
_SHARPNESS = 7.0  # attention score of the wanted distance, in nats above the far ones
_DISTANCES = ((-3, -1, 1, 3), (-6, -2, 2, 6), (-9, -4, 4, 9), (-3, 0, 1, 4))  # frames of 20 ms


def start_encoder(encoder: WhisperVQEncoder) -> None:
    """Sets weights, and keeps the position channels clean by taking out their gradients."""
    config = encoder.config
    head_width = config.d_model // config.encoder_attention_heads
    n_rates = max(1, min(head_width // 3, config.d_model // 12))
    rates = torch.logspace(0.0, -1.3, n_rates)  # radians a frame: 1 down to 0.05
    n_positional = 2 * n_rates
    with torch.no_grad():
        for conv in (encoder.conv1, encoder.conv2):
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(conv.bias)
        encoder.conv2.weight.mul_(1.5)  # what GELU takes away of the spread
        for table in (encoder.embed_positions, encoder.embed_positions2):
            angles = torch.arange(table.num_embeddings)[:, None] * rates
            table.weight.zero_()
            table.weight[:, :n_positional] = _AMPLITUDE * _interleave(angles.cos(), angles.sin())
            table.weight.requires_grad_(False)
        for number, layer in enumerate(encoder.layers):
            layer.self_attn_layer_norm.weight[:n_positional] = 1.0 / _AMPLITUDE
            distances = _DISTANCES[number % len(_DISTANCES)]
            attention = layer.self_attn
            # LayerNorm shifts all channels alike; what is equal in all positional ones is left out
            centred = torch.eye(n_positional) - 1.0 / n_positional
            gain = math.sqrt(_SHARPNESS * math.sqrt(head_width) / n_rates)
            for head in range(config.encoder_attention_heads):
                rows = slice(head * head_width, head * head_width + n_positional)
                turn = _rotation(rates * distances[head % len(distances)])
                for projection, square in (
                    (attention.q_proj, turn @ centred),
                    (attention.k_proj, centred),
                ):
                    projection.weight[rows] *= 0.1
                    projection.weight[rows, :n_positional] = gain * square
            nn.init.zeros_(attention.q_proj.bias)
    writers = [encoder.conv2, *(layer.self_attn.out_proj for layer in encoder.layers)]
    writers += [layer.fc2 for layer in encoder.layers]
    for writer in writers:
        for parameter in (writer.weight, writer.bias):
            parameter.data[:n_positional] = 0.0
            parameter.register_hook(_without_rows(n_positional))


def _without_rows(n: int):  # type: ignore[no-untyped-def]
    def hook(gradient: Tensor) -> Tensor:
        kept = gradient.clone()
        kept[:n] = 0.0
        return kept

    return hook


def _interleave(a: Tensor, b: Tensor) -> Tensor:
    return torch.stack([a, b], dim=-1).flatten(-2)


def _rotation(angles: Tensor) -> Tensor:
    """Block-diagonal: advances each pair (cos, sin) by its angle."""
    square = torch.zeros(2 * len(angles), 2 * len(angles))
    for i, angle in enumerate(angles.tolist()):
        c, s = math.cos(angle), math.sin(angle)
        square[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor([[c, -s], [s, c]])
    return square
