"""The truth the cached decoder is compared with: every state computed anew for every token."""

import torch
from torch import Tensor

from engine.models.speech_lm import SpeechLM
from engine.modes import MAIN


@torch.inference_mode()
def uncached_logits(
    model: SpeechLM, ids: list[int], maker: int, prompt_embeddings: Tensor | None = None
) -> Tensor:
    """Logits (V,) of the token after ``ids`` as the main LLM or MCTP module ``maker`` makes it.

    The backbone, and it alone, hears ``prompt_embeddings`` (1, P, D) in place of the first ids.
    """
    tokens = torch.tensor([ids])
    length = len(ids) - maker  # states of the backbone that exist when this module's turn comes
    embeddings = model.embed(tokens[:, :length])
    if prompt_embeddings is not None:
        embeddings[:, : prompt_embeddings.shape[1]] = prompt_embeddings[:, :length]
    hidden = model.backbone(tokens[:, :length], embeddings=embeddings)
    for k in range(MAIN + 1, maker + 1):
        positions = torch.arange(k, length + k).unsqueeze(0)
        hidden = model.mctp_forward(k, model.embed(tokens[:, positions[0]]), hidden, positions)
    return model.logits(hidden[0, -1])
