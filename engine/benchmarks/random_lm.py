"""A language model of full size with random weights, drawn on its device part by part."""

from dataclasses import dataclass, field

import torch
from torch import nn

from engine.checkpoint import without_weights
from engine.config import ModelConfig
from engine.device import compute_dtype
from engine.models.decoder import Decoder
from engine.models.speech_lm import SpeechLM, draw
from engine.precision import Precision


@dataclass
class RandomWeights:
    """Draws the weights of one part of a model after the other, in place of a checkpoint."""

    spread: float
    dtype: torch.dtype
    device: torch.device
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.generator = torch.Generator(self.device).manual_seed(0)

    def fill(self, part: nn.Module, prefix: str = "") -> None:
        """Gives a part without weights memory on the device and fresh values."""
        part.to(self.dtype).to_empty(device=self.device)
        draw(part, self.spread, self.generator)


def random_decoder(config: ModelConfig, precision: Precision, device: torch.device) -> Decoder:
    """A language model of random weights that only its device ever held, layer by layer."""
    with without_weights():
        model = SpeechLM(config)
    dtype = compute_dtype(precision, device)
    source = RandomWeights(config.initializer_range, dtype, device)
    return Decoder(model, precision, source.fill)
