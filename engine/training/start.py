"""What a language model is taught with that starts from nothing: which sounds are alike.

Fresh embeddings make the audio tokens so many unrelated symbols, and most of a short training goes
into finding out which of them sound alike. The speech tokenizer knows: its codebook holds a vector
for each. Nothing of this is needed for a model that starts from trained weights.
"""

import torch
from torch import Tensor

from engine.models.speech_lm import SpeechLM
from engine.vocab import Vocabulary


@torch.no_grad()
def sounding_alike(codebook: Tensor, n_each: int = 8) -> list[list[int]]:
    """For each vector of a codebook (N, D) the numbers of those nearest to it, without its own."""
    distances = torch.cdist(codebook, codebook)  # (N, N)
    distances.fill_diagonal_(torch.inf)
    found: list[list[int]] = distances.topk(n_each, largest=False).indices.tolist()
    return found


@torch.no_grad()
def place_audio_tokens(model: SpeechLM, vocabulary: Vocabulary, codebook: Tensor) -> None:
    """Sets the embeddings of the audio tokens to the codebook's vectors (N, D), at their own size.

    The vectors are centred and scaled to the spread of fresh embeddings; where the model has
    another width, a random rotation brings them to it, which keeps their distances.
    """
    table = model.model.embed_tokens.weight  # (V, D)
    assert codebook.shape[0] == vocabulary.n_audio, (
        f"{codebook.shape[0]} vectors for {vocabulary.n_audio} audio tokens"
    )
    vectors = codebook.to(table) - codebook.to(table).mean(0)
    if vectors.shape[1] != table.shape[1]:
        rotation = torch.empty(vectors.shape[1], table.shape[1])
        torch.nn.init.orthogonal_(rotation, generator=torch.Generator().manual_seed(0))
        vectors = vectors @ rotation.to(table)
    vectors *= model.config.initializer_range / vectors.square().mean().sqrt()
    first = vocabulary.audio_0
    table[first : first + vocabulary.n_audio] = vectors
