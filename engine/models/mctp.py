"""The input of an MCTP module: the next token's embedding joined with the state before it.

An MCTP module is this projection, one decoder layer, and the norm and head it shares with the
backbone (VITA-Audio, section 3.2). Its weights live in ``SpeechLM`` under the released names.
"""

import torch
from torch import Tensor, nn


def join(
    projection: nn.Linear,
    embed_norm: nn.RMSNorm,
    hidden_norm: nn.RMSNorm,
    embeddings: Tensor,
    hidden: Tensor,
) -> Tensor:
    """Projects [norm(embeddings), norm(hidden)], each (B, T, D), to the layer input (B, T, D)."""
    assert embeddings.shape == hidden.shape, (
        f"embeddings {tuple(embeddings.shape)} and states {tuple(hidden.shape)} must match"
    )
    joined: Tensor = projection(torch.cat((embed_norm(embeddings), hidden_norm(hidden)), dim=-1))
    return joined
