"""Audio tokens -> mel spectrogram by conditional flow matching.

`FlowDecoder.generate` encodes the tokens to mu (a first guess of the mel), then follows the flow
from noise to mel in a few Euler steps. Mel frames that are already known go in as the prompt: they
condition the rest. It keeps nothing between calls; `decoder.py` streams with it. Speaker vectors
are left out: released and built-in models alike run with the zero vector, so the speaker is the
bias of its layer.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import CheckpointError
from engine.speech.flow_encoder import BlockEncoder, FlowEncoderConfig, LengthRegulator
from engine.speech.flow_estimator import FlowEstimator, FlowEstimatorConfig
from engine.speech.mel import HOP, SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class LengthRegulatorConfig:
    """Sizes of the convolutions between tokens and frames: one convolution per sampling ratio."""

    channels: int = 80
    sampling_ratios: tuple[int, ...] = (1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class FlowMatchingConfig:
    """How the flow is followed at inference; `temperature` scales the noise it starts from."""

    inference_cfg_rate: float = 0.7
    n_timesteps: int = 10
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class MelScale:
    """The network works on (mel - mean) / std; the defaults leave the mel as it is."""

    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True, slots=True)
class FlowConfig:
    """Sizes and switches of the flow decoder; the defaults are the released ones."""

    input_size: int = 512
    output_size: int = 80
    spk_embed_dim: int = 192
    vocab_size: int = 16384
    input_frame_rate: float = 12.5
    encoder: FlowEncoderConfig = field(default_factory=FlowEncoderConfig)
    length_regulator: LengthRegulatorConfig = field(default_factory=LengthRegulatorConfig)
    cfm: FlowMatchingConfig = field(default_factory=FlowMatchingConfig)
    estimator: FlowEstimatorConfig = field(default_factory=FlowEstimatorConfig)
    mel_scale: MelScale = field(default_factory=MelScale)

    def __post_init__(self) -> None:
        assert self.length_regulator.channels == self.output_size, self.length_regulator
        assert self.estimator.in_channels == 4 * self.output_size, "x, mu, speaker, condition"

    @classmethod
    def nano(cls) -> "FlowConfig":
        """The built-in model's sizes."""
        return cls(
            input_size=192,
            spk_embed_dim=1,
            vocab_size=1024,
            encoder=FlowEncoderConfig(
                192, attention_heads=4, linear_units=512, num_blocks=3, block_size=8
            ),
            cfm=FlowMatchingConfig(inference_cfg_rate=0.0, n_timesteps=4, temperature=0.3),
            estimator=FlowEstimatorConfig(
                channels=(64, 64), attention_head_dim=32, n_blocks=1, num_mid_blocks=2, num_heads=2
            ),
            mel_scale=MelScale(mean=-5.5, std=2.2),
        )

    @classmethod
    def tiny(cls) -> "FlowConfig":
        """A toy for tests, with every part of the real thing."""
        return cls(
            input_size=16,
            spk_embed_dim=4,
            vocab_size=16,
            encoder=FlowEncoderConfig(
                16, attention_heads=2, linear_units=32, num_blocks=1, block_size=8
            ),
            cfm=FlowMatchingConfig(n_timesteps=2),
            estimator=FlowEstimatorConfig(
                channels=(16, 16), attention_head_dim=8, n_blocks=1, num_mid_blocks=1, num_heads=2
            ),
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "FlowConfig":
        """Reads the `flow` part of a speech decoder's config.json; an unknown key is an error."""
        parts: dict[str, type] = {
            "encoder": FlowEncoderConfig,
            "length_regulator": LengthRegulatorConfig,
            "cfm": FlowMatchingConfig,
            "estimator": FlowEstimatorConfig,
            "mel_scale": MelScale,
        }
        values = {k: _from_json(parts[k], v, k) if k in parts else v for k, v in data.items()}
        return _from_json(cls, values, "flow")

    def to_json(self) -> dict[str, Any]:
        """The same config as plain values for a JSON file."""
        return asdict(self)


def _from_json(kind: type, data: Mapping[str, Any], name: str) -> Any:
    unknown = sorted(set(data) - {f.name for f in fields(kind)})
    if unknown:
        raise CheckpointError(f"unknown settings of the {name} decoder: {', '.join(unknown)}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def mel_frames(n_tokens: int, token_rate: float = 12.5) -> int:
    """Mel frames of the first n tokens, truncated in float32 as the released models do."""
    seconds = torch.tensor(n_tokens, dtype=torch.float32) / token_rate
    return int(seconds * SAMPLE_RATE / HOP)


class FlowDecoder(nn.Module):
    """Audio tokens -> mel; weights only, safe to share between streams of one thread."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.input_embedding = nn.Embedding(config.vocab_size, config.input_size)
        self.spk_embed_affine_layer = nn.Linear(config.spk_embed_dim, config.output_size)
        self.encoder = BlockEncoder(config.input_size, config.encoder)
        self.encoder_proj = nn.Linear(config.encoder.output_size, config.output_size)
        self.decoder = FlowMatching(config.cfm, config.estimator)
        regulator = config.length_regulator
        self.length_regulator = LengthRegulator(regulator.channels, len(regulator.sampling_ratios))

    def encode(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N) -> features per token (B, N, D)."""
        assert tokens.ndim == 2, tokens.shape
        return self.encoder(self.input_embedding(tokens))

    def mu(self, tokens: Tensor, n_frames: int) -> Tensor:
        """Tokens (B, N) -> a first guess of the scaled mel (B, 80, n_frames)."""
        features = self.encoder_proj(self.encode(tokens))
        return self.length_regulator(features, n_frames).transpose(1, 2)

    def speaker(self, batch: int) -> Tensor:
        """The speaker channels of the zero vector (B, 80)."""
        return self.spk_embed_affine_layer.bias.expand(batch, -1)

    def scaled(self, mel: Tensor) -> Tensor:
        """Log-mel -> the domain the network works in."""
        return (mel - self.config.mel_scale.mean) / self.config.mel_scale.std

    def unscaled(self, mel: Tensor) -> Tensor:
        """The domain the network works in -> log-mel."""
        return mel * self.config.mel_scale.std + self.config.mel_scale.mean

    def condition(self, prompt_mel: Tensor | None, like: Tensor) -> Tensor:
        """Scaled prompt frames first, zeros after, shaped as `like` (B, 80, T)."""
        condition = torch.zeros_like(like)
        if prompt_mel is not None:
            assert prompt_mel.shape[2] <= like.shape[2], (prompt_mel.shape, like.shape)
            condition[:, :, : prompt_mel.shape[2]] = self.scaled(prompt_mel)
        return condition

    def generate(
        self,
        tokens: Tensor,
        noise: Tensor,
        prompt_mel: Tensor | None = None,
        n_steps: int | None = None,
    ) -> Tensor:
        """Tokens (B, N), noise (B, 80, T), known leading frames (B, 80, P) -> log-mel (B, 80, T).

        T is taken from the noise. The first P frames of the result re-render the prompt.
        """
        assert noise.ndim == 3 and noise.shape[1] == self.config.output_size, noise.shape
        mu = self.mu(tokens, noise.shape[2])
        condition = self.condition(prompt_mel, noise)
        mel = self.decoder(noise, mu, self.speaker(noise.shape[0]), condition, n_steps)
        return self.unscaled(mel)


class FlowMatching(nn.Module):
    """Euler steps along the velocity on a cosine grid, with classifier-free guidance."""

    def __init__(self, config: FlowMatchingConfig, estimator: FlowEstimatorConfig) -> None:
        super().__init__()
        self.config = config
        self.estimator = FlowEstimator(estimator)

    def forward(
        self,
        noise: Tensor,
        mu: Tensor,
        speaker: Tensor,
        condition: Tensor,
        n_steps: int | None = None,
    ) -> Tensor:
        """noise, mu, condition (B, 80, T), speaker (B, 80) -> mel (B, 80, T)."""
        grid = time_grid(n_steps or self.config.n_timesteps)
        x = noise * self.config.temperature
        for start, end in pairwise(grid):
            x = x + (end - start) * self._velocity(x, mu, speaker, condition, start)
        return x

    def _velocity(
        self, x: Tensor, mu: Tensor, speaker: Tensor, condition: Tensor, time: float
    ) -> Tensor:
        given = estimator_input(x, mu, speaker, condition)
        rate = self.config.inference_cfg_rate
        if rate == 0.0:
            return self.estimator(given, given.new_full((given.shape[0],), time))
        n_mels = x.shape[1]
        without = torch.cat([x, torch.zeros_like(given[:, n_mels:])], dim=1)
        both = torch.cat([given, without])
        velocity = self.estimator(both, both.new_full((both.shape[0],), time))
        conditional, unconditional = velocity.chunk(2)
        return (1.0 + rate) * conditional - rate * unconditional


def time_grid(n_steps: int) -> list[float]:
    """Flow times 1 - cos(pi t / 2) of n steps from 0 to 1: small steps first."""
    assert n_steps >= 1, n_steps
    return [1.0 - math.cos(math.pi / 2 * i / n_steps) for i in range(n_steps + 1)]


def estimator_input(x: Tensor, mu: Tensor, speaker: Tensor, condition: Tensor) -> Tensor:
    """The estimator's channels in their order: noisy mel, mu, speaker, condition (B, 320, T)."""
    return torch.cat([x, mu, speaker[:, :, None].expand_as(x), condition], dim=1)
