"""Random models whose MCTP modules agree with their backbone as often as a test wants."""

import dataclasses

import torch

from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM

TINY = ModelConfig.tiny()
SMALL_VOCABULARY = dataclasses.replace(
    TINY,
    vocab_size=5,
    hidden_size=8,
    intermediate_size=8,
    num_hidden_layers=3,
    num_attention_heads=2,
    num_nextn_predict_layers=2,
)
"""Five tokens, one backbone layer and two modules, so that every short reply can be listed."""


@torch.no_grad()
def agreeing_model(seed: int, noise: float, config: ModelConfig = TINY) -> SpeechLM:
    """Backbone and modules name the same follower of the last token, up to ``noise``.

    A tiny model's drafts are nearly all accepted at 0.1, four of five at 0.15, one of five at 0.2.
    """
    generator = torch.Generator().manual_seed(seed)
    model = SpeechLM(config)
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        else:
            parameter.normal_(0, noise, generator=generator)
    embedding = model.model.embed_tokens.weight.normal_(0, 1, generator=generator)
    assert model.lm_head is not None
    model.lm_head.weight.copy_(embedding[torch.randperm(len(embedding), generator=generator)])
    for projection in model.mtp_projs:
        projection.weight[:, : config.hidden_size] += torch.eye(config.hidden_size)
    return model.eval()
