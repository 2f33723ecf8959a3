from dataclasses import replace

import torch

from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM, initialise
from engine.training.start import place_audio_tokens, sounding_alike
from engine.vocab import Vocabulary


def _placed(codebook: torch.Tensor) -> tuple[torch.Tensor, ModelConfig]:
    vocabulary = Vocabulary(base_size=60, n_audio=len(codebook))
    config = replace(ModelConfig.tiny(), vocab_size=vocabulary.size)
    model = initialise(SpeechLM(config), torch.Generator().manual_seed(1))
    place_audio_tokens(model, vocabulary, codebook)
    first = vocabulary.audio_0
    return model.model.embed_tokens.weight[first : first + len(codebook)].detach(), config


def test_audio_tokens_keep_the_codebooks_distances_at_the_spread_of_fresh_embeddings() -> None:
    width = ModelConfig.tiny().hidden_size
    for codebook_width in (width // 2, width):
        codebook = 5.0 + torch.randn(24, codebook_width, generator=torch.Generator().manual_seed(2))
        table, config = _placed(codebook)
        spread = table.square().mean().sqrt().item()
        assert abs(spread - config.initializer_range) < 1e-3 * config.initializer_range
        ratio = torch.cdist(table, table)[0, 1:] / torch.cdist(codebook, codebook)[0, 1:]
        torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=1e-3, atol=0.0)


def test_sounds_alike_are_the_nearest_vectors_and_never_the_sound_itself() -> None:
    codebook = torch.tensor([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.2, 5.0], [0.0, 0.3]])
    assert sounding_alike(codebook, 2) == [[1, 4], [0, 4], [3, 4], [2, 4], [0, 1]]
