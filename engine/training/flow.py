"""Trains nano's flow decoder: audio tokens of the answer voices -> their mel.

The flow-matching loss with cosine times, on random crops, so that pieces which start and end within
a sentence are seen, with the leading mel given as the prompt for some of them: that is how the
decoder streams. A direct loss on mu makes a few flow steps enough. What is exported is the moving
average of the weights.

It leaves out the pairs it learns from (`flow_pairs.py`) and the vocoder (`vocoder.py`).
"""

import copy
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.checkpoint import save_weights
from engine.speech.flow import FlowConfig, FlowDecoder, MelScale, estimator_input, mel_frames
from engine.speech.flow_stream import FlowStream, StreamPlan, frame_noise
from engine.training.flow_pairs import Pair
from engine.training.optim import ParameterGroup


@dataclass(frozen=True, slots=True)
class FlowTraining:
    """What the objective and the batches are made of."""

    batch_frames: int = 1800
    crop_tokens: tuple[int, ...] = (8, 12, 16, 16, 16, 24, 32)  # one is drawn per batch
    start_share: float = 0.25  # of crops: from the clip's first token
    end_share: float = 0.15  # of crops: to the clip's last token
    prompt_share: float = 0.7  # of crops longer than a chunk: leading mel given
    prompt_noise: float = 0.1  # on the given mel, as generated mel is not perfect either
    unconditional_share: float = 0.1  # of crops: nothing given, for guidance
    guess_weight: float = 1.0
    average_decay: float = 0.999
    plan: StreamPlan = field(default_factory=StreamPlan)  # how the decoder will stream
    seed: int = 42


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops of equal length; all mel in the network's own scale."""

    tokens: Tensor  # (B, N)
    mel: Tensor  # (B, 80, T)
    condition: Tensor  # (B, 80, T) prompt frames, zero elsewhere
    given: Tensor  # (B, 1, 1) 0 where mu, speaker and condition are left out
    noise: Tensor  # (B, 80, T)
    time: Tensor  # (B,)


class FlowTask:
    """The `Trainable` of the flow decoder; used by the thread that runs the loop."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        held_out: Sequence[Pair],
        config: FlowConfig,
        settings: FlowTraining | None = None,
    ) -> None:
        self.settings = settings or FlowTraining()
        self.config = config
        self.flow = FlowDecoder(config)
        self.average = copy.deepcopy(self.flow).requires_grad_(False)
        # Sorted, so that the clips long enough for a crop are a tail of the list.
        self._pairs = sorted(pairs, key=lambda pair: len(pair.tokens))
        self._lengths = np.array([len(pair.tokens) for pair in self._pairs])
        self._held_out = held_out
        self._n_batches = 0

    def modules(self) -> dict[str, nn.Module]:
        return {"flow": self.flow, "average": self.average}

    def parameter_groups(self) -> list[ParameterGroup]:
        parameters = list(self.flow.parameters())
        return [
            ParameterGroup([p for p in parameters if p.dim() > 1]),
            ParameterGroup([p for p in parameters if p.dim() <= 1], weight_decay=0.0),
        ]

    def next_batch(self) -> Batch:
        """Random crops; the draw depends only on the seed and the batch's number."""
        rng = np.random.default_rng((self.settings.seed, self._n_batches))
        self._n_batches += 1
        n_tokens = min(int(rng.choice(self.settings.crop_tokens)), int(self._lengths[-1]))
        n_frames = mel_frames(n_tokens)
        size = max(1, self.settings.batch_frames // n_frames)
        first = int(np.searchsorted(self._lengths, n_tokens))
        # Longer clips have more to crop from.
        weights = (self._lengths[first:] - n_tokens + self.settings.plan.chunk_tokens).astype(float)
        chosen = first + rng.choice(len(weights), size, p=weights / weights.sum())
        crops = [self._crop(self._pairs[i], n_tokens, rng) for i in chosen]
        tokens = torch.from_numpy(np.stack([tokens for tokens, _ in crops]))
        mel = self.flow.scaled(torch.from_numpy(np.stack([mel for _, mel in crops])))
        mel = mel.transpose(1, 2)  # (B, 80, T)
        noise = torch.from_numpy(rng.standard_normal(mel.shape, dtype=np.float32))
        time = 1.0 - torch.cos(math.pi / 2 * torch.from_numpy(rng.random(size, dtype=np.float32)))
        left_out = rng.random(size) < self.settings.unconditional_share
        device = self.flow.encoder_proj.weight.device
        return Batch(
            tokens=tokens.to(device),
            mel=mel.to(device),
            condition=self._prompts(mel, n_tokens, rng).to(device),
            given=torch.from_numpy(~left_out).float()[:, None, None].to(device),
            noise=noise.to(device),
            time=time.to(device),
        )

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the velocity from noise to mel, plus the absolute error of mu."""
        mu = self.flow.mu(batch.tokens, batch.mel.shape[2])
        speaker = self.flow.speaker(len(batch.mel)) * batch.given[:, :, 0]
        time = batch.time[:, None, None]
        x = (1.0 - time) * batch.noise + time * batch.mel
        given = estimator_input(x, mu * batch.given, speaker, batch.condition * batch.given)
        velocity = self.flow.decoder.estimator(given, batch.time)
        flow_loss = F.mse_loss(velocity, batch.mel - batch.noise)
        guess_loss = F.l1_loss(mu, batch.mel)
        figures = {"flow": flow_loss.item(), "guess": guess_loss.item()}
        return flow_loss + self.settings.guess_weight * guess_loss, figures

    def after_step(self, step: int) -> None:
        """Moves the average; early on it follows faster."""
        weight = max(1.0 - self.settings.average_decay, 1.0 / (1.0 + step / 4))
        with torch.no_grad():
            averaged = list(self.average.parameters())
            torch._foreach_lerp_(averaged, list(self.flow.parameters()), weight)

    def evaluate(self) -> dict[str, float]:
        """Mean absolute error of held-out log-mel: in one go, streamed, and as guessed by mu."""
        device = self.flow.encoder_proj.weight.device
        errors: dict[str, list[float]] = {"mel_l1": [], "streamed_l1": [], "guess_l1": []}
        for pair in self._held_out:
            codes = pair.tokens.tolist()
            tokens = torch.tensor([codes], device=device)
            truth = torch.from_numpy(pair.mel.astype(np.float32)).T[None].to(device)
            n_mels, n_frames = truth.shape[1:]
            noise = frame_noise(self.settings.plan.seed, 0, n_frames, n_mels)[None].to(device)
            stream = FlowStream(self.average, self.settings.plan)
            streamed = torch.cat([stream.push(codes), stream.finish()], dim=1)
            guess = self.average.mu(tokens, n_frames)
            for name, mel in (
                ("mel_l1", self.average.generate(tokens, noise)),
                ("streamed_l1", streamed[None]),
                ("guess_l1", self.average.unscaled(guess)),
            ):
                errors[name].append(F.l1_loss(mel, truth).item())
        return {name: float(np.mean(values)) for name, values in errors.items()}

    def sampler_state(self) -> dict[str, Any]:
        return {"n_batches": self._n_batches}

    def load_sampler_state(self, state: dict[str, Any]) -> None:
        self._n_batches = state["n_batches"]

    def export(self, folder: Path) -> None:
        """Writes the averaged weights in half precision and what config.json says about them."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self.average, folder / "flow.safetensors", torch.float16)
        path = folder / "config.json"
        config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        config["flow"] = self.config.to_json()
        config["stream"] = asdict(self.settings.plan)
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def _crop(
        self, pair: Pair, n_tokens: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        last = len(pair.tokens) - n_tokens
        draw = rng.random()
        if draw < self.settings.start_share:
            start = 0
        elif draw < self.settings.start_share + self.settings.end_share:
            start = last
        else:
            start = int(rng.integers(0, last + 1))
        frame = mel_frames(start)
        tokens = pair.tokens[start : start + n_tokens].astype(np.int64)
        return tokens, pair.mel[frame : frame + mel_frames(n_tokens)].astype(np.float32)

    def _prompts(self, mel: Tensor, n_tokens: int, rng: np.random.Generator) -> Tensor:
        """Leading frames of some crops, slightly disturbed; what follows is at most one chunk."""
        settings = self.settings
        condition = torch.zeros_like(mel)
        for row, truth in zip(condition, mel, strict=True):
            n_new = settings.plan.chunk_tokens
            if rng.random() < 0.5:
                n_new = int(rng.integers(1, settings.plan.chunk_tokens + 1))
            n_prompt = mel_frames(max(0, n_tokens - n_new)) - settings.plan.held_back_frames
            if n_prompt <= 0 or rng.random() >= settings.prompt_share:
                continue
            noise = torch.from_numpy(rng.standard_normal((len(truth), n_prompt), dtype=np.float32))
            row[:, :n_prompt] = truth[:, :n_prompt] + settings.prompt_noise * noise
        return condition


def measure_scale(pairs: Sequence[Pair]) -> MelScale:
    """Mean and spread of the log-mel, for a network that works around zero."""
    some = pairs[:: max(1, len(pairs) // 200)]
    values = np.concatenate([pair.mel.astype(np.float32).ravel() for pair in some])
    return MelScale(round(float(values.mean()), 3), round(float(values.std()), 3))
