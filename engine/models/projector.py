"""The Plus variant's projector: states of its encoder as embeddings of the language model."""

from torch import Tensor, nn


class Projector(nn.Module):
    """A norm and two linear layers without biases, under the released names; rows stay rows."""

    def __init__(self, encoder_width: int, width: int) -> None:
        super().__init__()
        self.pre_proj_layernorm = nn.LayerNorm(encoder_width)
        self.mlp = nn.Sequential(
            nn.Linear(encoder_width, width, bias=False),
            nn.GELU(),
            nn.Linear(width, width, bias=False),
        )

    def forward(self, states: Tensor) -> Tensor:
        """(..., D of the encoder) -> (..., D of the language model)."""
        projected: Tensor = self.mlp(self.pre_proj_layernorm(states))
        return projected
