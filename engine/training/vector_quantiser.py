"""How the tokenizer's codebook is learnt: running means of the vectors nearest to each code.

Started by k-means on real vectors, then moved by exponential averages (van den Oord et al. 2017,
appendix A.1); codes that nothing falls on are placed on real vectors again.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.models.whisper_vq import WhisperVQEncoder

_KMEANS_ROUNDS = 6
_DEAD_SHARE = 0.03  # of the mean count: below it a code is re-seeded
_SMOOTHING = 1e-3  # vectors added to each count, so that a mean is never 0 / 0


class EmaQuantiser:
    """Quantises with, and moves, the codebook inside an encoder; all state is in its buffers."""

    def __init__(self, encoder: WhisperVQEncoder) -> None:
        self._encoder = encoder
        self._decay = encoder.config.quantize_ema_decay
        encoder.codebook.weight.requires_grad_(False)

    @property
    def started(self) -> bool:
        """Whether there is a codebook; before, vectors pass unchanged."""
        return bool(self._encoder.ema_count.sum() > 0)

    def quantise(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, D) -> straight-through codes (N, D), ids (N,), commitment per unit of variance."""
        ids = self._encoder.quantise(vectors.detach())
        codes = self._encoder.codebook(ids)
        variance = vectors.detach().var(0).mean().clamp(min=1e-6)
        commitment = F.mse_loss(vectors, codes) / variance
        return vectors + (codes - vectors).detach(), ids, commitment

    @torch.no_grad()
    def start(self, vectors: Tensor) -> None:
        """Makes the first codebook by k-means on these vectors."""
        encoder = self._encoder
        n_codes = encoder.config.quantize_vocab_size
        encoder.codebook.weight.copy_(vectors[_draw(n_codes, len(vectors))])
        for _ in range(_KMEANS_ROUNDS):
            counts, sums = self._sums(vectors, encoder.quantise(vectors))
            empty = counts == 0
            means = sums / counts.clamp(min=1)[:, None]
            means[empty] = vectors[_draw(int(empty.sum()), len(vectors))]
            encoder.codebook.weight.copy_(means)
        encoder.ema_count.fill_(1.0)
        encoder.ema_weight.copy_(encoder.codebook.weight)

    @torch.no_grad()
    def update(self, vectors: Tensor, ids: Tensor) -> None:
        """Moves every code a little towards the mean of the vectors that fell on it."""
        encoder = self._encoder
        counts, sums = self._sums(vectors, ids)
        encoder.ema_count.lerp_(counts, 1.0 - self._decay)
        encoder.ema_weight.lerp_(sums, 1.0 - self._decay)
        means = encoder.ema_weight / (encoder.ema_count + _SMOOTHING)[:, None]
        alive = encoder.ema_count > 10 * _SMOOTHING
        encoder.codebook.weight.copy_(torch.where(alive[:, None], means, encoder.codebook.weight))

    @torch.no_grad()
    def reseed(self, vectors: Tensor) -> int:
        """Puts every code that is hardly used on one of these vectors; how many there were."""
        encoder = self._encoder
        mean_count = encoder.ema_count.mean()
        dead = (encoder.ema_count < _DEAD_SHARE * mean_count).nonzero()[:, 0]
        dead = dead[: len(vectors)]
        chosen = vectors[_draw(len(dead), len(vectors))]
        encoder.codebook.weight[dead] = chosen
        encoder.ema_count[dead] = 0.5 * mean_count
        encoder.ema_weight[dead] = 0.5 * mean_count * chosen
        return len(dead)

    def _sums(self, vectors: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        encoder = self._encoder
        counts = torch.zeros_like(encoder.ema_count)
        counts.index_add_(0, ids, torch.ones_like(ids, dtype=counts.dtype))
        sums = torch.zeros_like(encoder.ema_weight)
        sums.index_add_(0, ids, vectors.to(sums.dtype))
        return counts, sums


def _draw(n_drawn: int, n_vectors: int) -> Tensor:
    """Indices of drawn vectors, each at most once where there are enough."""
    repeats = -(-n_drawn // n_vectors) if n_drawn else 1
    return torch.cat([torch.randperm(n_vectors) for _ in range(repeats)])[:n_drawn]
