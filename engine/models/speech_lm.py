"""The speech language model: a Qwen2 backbone with MCTP modules that share its norm and head."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.models.attention import rotary_tables
from engine.models.mctp import join
from engine.models.qwen2 import Qwen2Model


class SpeechLM(nn.Module):
    """Weights of the backbone and the MCTP modules, under the names of the released checkpoints.

    It holds weights and nothing else. ``lm_head`` does not exist when embeddings are tied.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width, depth, eps = config.hidden_size, config.depth, config.rms_norm_eps
        self.model = Qwen2Model(config)
        self.mtp_projs = nn.ModuleList(
            nn.Linear(2 * width, width, bias=False) for _ in range(depth)
        )
        self.mtp_embed_norms = nn.ModuleList(nn.RMSNorm(width, eps=eps) for _ in range(depth))
        self.mtp_hidden_norms = nn.ModuleList(nn.RMSNorm(width, eps=eps) for _ in range(depth))
        self.lm_head = (
            None if config.tie_word_embeddings else nn.Linear(width, config.vocab_size, bias=False)
        )

    @property
    def head_weight(self) -> Tensor:
        """The output matrix (V, D): the head's own or the tied embedding."""
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids (B, T) -> embeddings (B, T, D)."""
        embedded: Tensor = self.model.embed_tokens(ids)
        return embedded

    def logits(self, hidden: Tensor) -> Tensor:
        """Post-norm states (..., D) -> logits (..., V)."""
        return F.linear(hidden, self.head_weight)

    def backbone(
        self,
        ids: Tensor,
        position_ids: Tensor | None = None,
        mask: Tensor | None = None,
        embeddings: Tensor | None = None,
    ) -> Tensor:
        """Runs the backbone over ids (B, T); returns the states after the final norm (B, T, D).

        ``position_ids`` (B, T) default to 0..T-1. ``mask`` (B, 1, T, T) is True where a query may
        see a key and replaces the plain causal mask; see ``causal_segment_mask``. ``embeddings``
        (B, T, D) replace those of the ids, where speech is inserted (Plus).
        """
        assert ids.dim() == 2, f"ids must be (B, T), got {tuple(ids.shape)}"
        if position_ids is None:
            position_ids = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0)
        x = self.embed(ids) if embeddings is None else embeddings
        rotary = rotary_tables(position_ids, self.config)
        for layer in self.model.layers[: self.config.n_backbone_layers]:
            x = layer(x, rotary, mask)
        hidden: Tensor = self.model.norm(x)
        return hidden

    def mctp_forward(
        self,
        k: int,
        embeddings: Tensor,
        hidden: Tensor,
        position_ids: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Runs MCTP module ``k`` (1-based); returns its states after the shared norm (B, T, D).

        Row i joins the embedding of token i+k with the state ``hidden`` of the module before
        (the backbone for k = 1) at row i; ``position_ids`` (B, T) are those of the embedded tokens.
        """
        assert 1 <= k <= self.config.depth, f"MCTP module {k} of {self.config.depth}"
        x = join(
            self.mtp_projs[k - 1],
            self.mtp_embed_norms[k - 1],
            self.mtp_hidden_norms[k - 1],
            embeddings,
            hidden,
        )
        layer = self.model.layers[self.config.n_backbone_layers + k - 1]
        states: Tensor = self.model.norm(layer(x, rotary_tables(position_ids, self.config), mask))
        return states


def initialise(model: SpeechLM, generator: torch.Generator) -> SpeechLM:
    """Draws fresh weights: N(0, initializer_range) matrices, zero biases, unit norms."""
    draw(model, model.config.initializer_range, generator)
    return model


@torch.no_grad()
def draw(part: nn.Module, spread: float, generator: torch.Generator) -> None:
    """Draws the weights of one part: N(0, spread) matrices, zero biases, unit norms."""
    for name, parameter in part.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif parameter.dim() == 1:
            parameter.fill_(1.0)
        else:
            parameter.normal_(0.0, spread, generator=generator)
