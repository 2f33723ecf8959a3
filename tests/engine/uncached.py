"""The truth the cached decoder is compared with: every state computed anew for every token."""

import torch
from torch import Tensor

from engine.models.speech_lm import SpeechLM
from engine.modes import MAIN


@torch.inference_mode()
def uncached_logits(model: SpeechLM, ids: list[int], maker: int) -> Tensor:
    """Logits (V,) of the token after ``ids`` as the main LLM or MCTP module ``maker`` makes it."""
    tokens = torch.tensor([ids])
    length = len(ids) - maker  # states of the backbone that exist when this module's turn comes
    hidden = model.backbone(tokens[:, :length])
    for k in range(MAIN + 1, maker + 1):
        positions = torch.arange(k, length + k).unsqueeze(0)
        hidden = model.mctp_forward(k, model.embed(tokens[:, positions[0]]), hidden, positions)
    return model.logits(hidden[0, -1])
