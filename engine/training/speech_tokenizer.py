"""Trains nano's speech tokenizer: audio tokens that keep what was said and drop who said it.

Log-mel -> encoder -> one vector per 80 ms -> quantised -> phonemes by CTC, the way GLM-4-Voice's
tokenizer was supervised by transcripts; the log-mel of clean answer clips is rebuilt with a small
weight, so that duration and melody survive. The heads are used in training only. `TokenizerTask` is
run by `engine.training.trainer`; `engine.training.nano.making` does so with the recipe's numbers.

It leaves out making the clips (`engine.training.nano`) and batching them (`tokenizer_batches`).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.checkpoint import save_weights
from engine.models.whisper_vq import FRAMES_PER_TOKEN, WhisperVQConfig, WhisperVQEncoder
from engine.training.optim import ParameterGroup
from engine.training.tokenizer_batches import Batch, ClipBatches, LabelledClip
from engine.training.vector_quantiser import EmaQuantiser

LEARNING_RATE = 2e-3
_MUON_LR_SCALE = 1.5  # of the matrices of the layers
SUB_FRAMES = 4  # CTC steps per audio token: 50 a second, enough for the fastest speech
_HELD_OUT_BATCH = 16
_POSITIONS_AMPLITUDE = 0.1


@dataclass(frozen=True, slots=True)
class TokenizerObjective:
    """When quantising starts, and how much each term counts beside CTC.

    A codebook made before the states tell phonemes apart holds learning up, so it waits for the
    CTC loss per phoneme to fall; then the share of clips that are quantised grows from 0 to 1.
    """

    quantise_below_ctc: float = 0.6
    quantise_from_step: int = 2500  # at the latest
    ramp_steps: int = 150
    reseed_every: int = 20
    commitment_weight: float = 0.25
    mel_weight: float = 0.2


class TokenizerHeads(nn.Module):
    """What is predicted from the audio tokens: phonemes at 50 Hz and the log-mel at 100 Hz."""

    def __init__(self, width: int, n_phonemes: int, n_mels: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(width, width, kernel_size=3, padding=1)
        self.expand = nn.Linear(width, SUB_FRAMES * width)
        self.refine = nn.Conv1d(width, width, kernel_size=3, padding=1)
        self.norm = nn.LayerNorm(width)
        self.phonemes = nn.Linear(width, 1 + n_phonemes)  # 0 is CTC's blank
        self.mel = nn.Linear(width, FRAMES_PER_TOKEN * n_mels)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) -> phoneme logits (B, 4 T, 1 + P), log-mel (B, n_mels, 8 T)."""
        mixed = tokens + F.gelu(self.mix(tokens.transpose(1, 2))).transpose(1, 2)
        frames = self.expand(mixed).unflatten(-1, (SUB_FRAMES, -1)).flatten(1, 2)
        frames = frames + F.gelu(self.refine(frames.transpose(1, 2))).transpose(1, 2)
        mel = self.mel(mixed).unflatten(-1, (FRAMES_PER_TOKEN, -1)).flatten(1, 2).transpose(1, 2)
        return self.phonemes(self.norm(frames)), mel


class TokenizerTask:
    """The `Trainable` of the speech tokenizer; used by the thread that runs the loop."""

    def __init__(
        self,
        config: WhisperVQConfig,
        batches: ClipBatches,
        held_out: Sequence[LabelledClip],
        inventory: Sequence[str],
        objective: TokenizerObjective | None = None,
    ) -> None:
        self.config = config
        self.encoder = WhisperVQEncoder(config)
        _start(self.encoder)
        self.heads = TokenizerHeads(config.d_model, len(inventory), config.num_mel_bins)
        self._quantiser = EmaQuantiser(self.encoder)
        self._batches = batches
        self._held_out = held_out
        self._inventory = tuple(inventory)
        self._objective = objective or TokenizerObjective()
        self._seen: list[tuple[Tensor, Tensor | None]] = []  # this step's vectors and their codes
        self._vectors: list[Tensor] = []  # of the latest steps, for the first codebook
        self._recent_ctc = float("inf")
        self._step = 0
        self._ramp = 0  # steps since quantising started

    def modules(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "heads": self.heads}

    def parameter_groups(self) -> list[ParameterGroup]:
        layers = [matrix for matrix in self.encoder.layers.parameters() if matrix.dim() == 2]
        others = [
            parameter
            for module in self.modules().values()
            for parameter in module.parameters()
            if parameter.requires_grad and all(parameter is not matrix for matrix in layers)
        ]
        return [
            ParameterGroup(layers, _MUON_LR_SCALE, orthogonal=True),
            ParameterGroup([parameter for parameter in others if parameter.dim() > 1]),
            ParameterGroup([each for each in others if each.dim() <= 1], weight_decay=0.0),
        ]

    def next_batch(self) -> Batch:
        return self._batches.draw().to(self._device)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """CTC over phonemes, plus small terms for commitment and for the rebuilt log-mel."""
        objective = self._objective
        hidden, real = self._encode(batch)
        codes = hidden[real]
        figures: dict[str, float] = {}
        total = hidden.new_zeros(())
        ids = None
        seen = codes.detach()
        if self._quantiser.started:
            quantised, ids, commitment = self._quantiser.quantise(codes)
            share = min(1.0, self._ramp / objective.ramp_steps)
            drawn = torch.rand(len(real), 1, device=real.device) < share  # whole clips
            chosen = drawn.expand_as(real)[real]
            codes = torch.where(chosen[:, None], quantised, codes)
            total = total + objective.commitment_weight * commitment
            figures["commitment"] = commitment.item()
        self._seen.append((seen, ids))
        logits, mel = self.heads(torch.zeros_like(hidden).masked_scatter(real[..., None], codes))
        ctc = _ctc(logits, batch)
        total = total + ctc
        figures["ctc"] = ctc.item()
        self._recent_ctc = min(self._recent_ctc, 10.0) * 0.95 + 0.05 * figures["ctc"]
        if bool(batch.rebuild.any()):
            counted = _mask(batch.n_frames, mel.shape[2]) & batch.rebuild[:, None]  # (B, 8 T)
            error = (mel - batch.target_mel).abs().mean(1)[counted].mean()
            total = total + objective.mel_weight * error
            figures["mel"] = error.item()
        return total, figures

    def after_step(self, step: int) -> None:
        """Moves the codebook; makes the first one when the warm-up of the encoder is over."""
        self._step = step
        seen, self._seen = self._seen, []
        if not seen:
            return
        vectors = torch.cat([each for each, _ in seen])
        if self._quantiser.started:
            self._ramp += 1
            self._quantiser.update(vectors, torch.cat([ids for _, ids in seen if ids is not None]))
            if step % self._objective.reseed_every == 0:
                self._quantiser.reseed(vectors)
            return
        self._vectors.append(vectors)
        wanted = 10 * self.config.quantize_vocab_size
        while sum(map(len, self._vectors[1:])) >= wanted:
            del self._vectors[0]
        objective = self._objective
        ripe = self._recent_ctc < objective.quantise_below_ctc
        if ripe or step >= objective.quantise_from_step:
            self._quantiser.start(torch.cat(self._vectors))
            self._vectors.clear()

    def evaluate(self) -> dict[str, float]:
        """Held-out phoneme error rate by group, and how the codes are used."""
        counts: dict[str, tuple[int, int]] = {}
        used: list[Tensor] = []
        for start in range(0, len(self._held_out), _HELD_OUT_BATCH):
            clips = self._held_out[start : start + _HELD_OUT_BATCH]
            batch = self._batches.plain(clips).to(self._device)
            hidden, real = self._encode(batch)
            if self._quantiser.started:
                ids = self.encoder.quantise(hidden)
                used.append(ids[real])
                hidden = self.encoder.codebook(ids)
            logits, _ = self.heads(hidden * real[..., None])
            for clip, row, n in zip(clips, logits, batch.n_tokens.tolist(), strict=True):
                heard = greedy_phonemes(row[: n * SUB_FRAMES], self._inventory)
                wrong, total = counts.get(clip.group, (0, 0))
                wrong += edit_distance(heard, clip.phonemes)
                counts[clip.group] = wrong, total + len(clip.phonemes)
        figures = {f"per_{group}": wrong / total for group, (wrong, total) in counts.items()}
        figures["per"] = sum(w for w, _ in counts.values()) / sum(n for _, n in counts.values())
        if used:
            figures |= _code_usage(torch.cat(used), self.config.quantize_vocab_size)
        return figures

    def sampler_state(self) -> dict[str, Any]:
        return {
            "step": self._step,
            "place": self._batches.place,
            "vectors": self._vectors,
            "recent_ctc": self._recent_ctc,
            "ramp": self._ramp,
        }

    def load_sampler_state(self, state: dict[str, Any]) -> None:
        self._batches.move_to(state["place"])
        self._step = state["step"]
        self._vectors = list(state["vectors"])
        self._recent_ctc = state["recent_ctc"]
        self._ramp = state["ramp"]

    def export(self, folder: Path) -> None:
        """Writes the tokenizer alone, in the released layout and half precision."""
        if not self._quantiser.started:  # a run that ended early
            self._quantiser.start(torch.cat(self._vectors))
        folder.mkdir(parents=True, exist_ok=True)
        config = {**asdict(self.config), "pooling_position": self.config.quantize_position}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_weights(self.encoder, folder / "model.safetensors", torch.float16)

    @property
    def _device(self) -> torch.device:
        return self.encoder.conv1.weight.device

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """States (B, T, D) and which of them are of the clips (B, T)."""
        hidden = self.encoder(batch.mel, _mask(batch.n_frames, batch.mel.shape[2]))
        return hidden, _mask(batch.n_tokens, hidden.shape[1])


def _start(encoder: WhisperVQEncoder) -> None:
    """Positions are Whisper's sinusoids, small beside contents of about one, and stay so."""
    rates = torch.logspace(0.0, -3.0, encoder.config.d_model // 2)  # radians a frame
    for table in (encoder.embed_positions, encoder.embed_positions2):
        angles = torch.arange(table.num_embeddings)[:, None] * rates
        table.weight.data = _POSITIONS_AMPLITUDE * torch.cat([angles.sin(), angles.cos()], dim=1)
        table.weight.requires_grad_(False)
    for conv in (encoder.conv1, encoder.conv2):
        nn.init.kaiming_normal_(conv.weight)
        nn.init.zeros_(conv.bias)


def greedy_phonemes(logits: Tensor, inventory: Sequence[str]) -> list[str]:
    """The best path of one clip, (steps, 1 + P), with repeats and blanks taken out."""
    best = logits.argmax(-1).unique_consecutive().tolist()
    return [inventory[number - 1] for number in best if number]


def edit_distance(heard: Sequence[str], meant: Sequence[str]) -> int:
    """How many insertions, deletions and substitutions lie between two sequences."""
    row = list(range(len(meant) + 1))
    for i, symbol in enumerate(heard, start=1):
        diagonal, row[0] = row[0], i
        for j, wanted in enumerate(meant, start=1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (symbol != wanted))
            diagonal, row[j] = row[j], best
    return row[-1]


def _ctc(logits: Tensor, batch: Batch) -> Tensor:
    """CTC loss per phoneme, so that its size does not depend on the clips' lengths."""
    total = F.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1),
        batch.phonemes,
        batch.n_tokens * SUB_FRAMES,
        batch.n_phonemes,
        reduction="sum",
        zero_infinity=True,
    )
    return total / batch.n_phonemes.sum()


def _code_usage(ids: Tensor, n_codes: int) -> dict[str, float]:
    counts = torch.bincount(ids, minlength=n_codes)
    share = counts[counts > 0] / counts.sum()
    perplexity = (-(share * share.log()).sum()).exp().item()
    return {"codes_used": len(share) / n_codes, "code_perplexity": perplexity}


def _mask(lengths: Tensor, n: int) -> Tensor:
    """(B,) -> (B, n), true inside each length."""
    return torch.arange(n, device=lengths.device) < lengths[:, None]
