"""Audio tokens in, mel frames out, piece by piece, at a cost that does not grow with the reply.

The flow decoder is not causal, so the pieces are cut at fixed token numbers, however the tokens
arrive: every `chunk_tokens` tokens are rendered once, together with a bounded number of earlier
tokens whose mel goes in as the prompt. The last few frames of each piece are held back and
cross-faded into the next one's rendering of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.speech.flow import FlowDecoder, mel_frames

_NOISE_BLOCK = 64  # frames drawn together


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """How a reply is cut into pieces."""

    chunk_tokens: int = 8
    context_tokens: int = 8
    held_back_frames: int = 4
    seed: int = 42

    def __post_init__(self) -> None:
        assert self.chunk_tokens >= 1 and self.context_tokens >= 0, self
        assert 0 <= self.held_back_frames < mel_frames(self.chunk_tokens), self


def frame_noise(seed: int, begin: int, end: int, n_mels: int) -> Tensor:
    """Standard normal noise (n_mels, end - begin); frame t's depends on nothing but seed and t."""
    first, last = begin // _NOISE_BLOCK, -(-end // _NOISE_BLOCK)
    blocks = [torch.zeros(n_mels, 0)]
    for number in range(first, last):
        # The generator reads 32 bits of a seed.
        generator = torch.Generator().manual_seed((seed * 1_000_003 + number) & 0xFFFFFFFF)
        blocks.append(torch.randn(n_mels, _NOISE_BLOCK, generator=generator))
    offset = first * _NOISE_BLOCK
    return torch.cat(blocks, dim=1)[:, begin - offset : end - offset]


class FlowStream:
    """One reply from audio tokens to mel; released frames never change. One thread owns it."""

    def __init__(self, flow: FlowDecoder, plan: StreamPlan) -> None:
        self._flow = flow
        self._plan = plan
        self._device = flow.encoder_proj.weight.device
        empty = torch.zeros(flow.config.output_size, 0, device=self._device)
        self._tokens: list[int] = []  # from the first one that is still needed
        self._first_token = 0
        self._n_rendered = 0  # tokens
        self._mel = empty  # released frames from the first token's on
        self._held = empty  # rendered, not yet released
        self._finished = False
        self.n_computed_frames = 0

    def push(self, codes: Sequence[int]) -> Tensor:
        """Takes the next audio tokens and gives the mel frames (80, n) that became final."""
        assert not self._finished, "push after finish"
        n_codes = self._flow.config.vocab_size
        assert all(0 <= code < n_codes for code in codes), f"audio tokens are below {n_codes}"
        self._tokens.extend(codes)
        pieces = [self._held[:, :0]]
        while self._n_pending >= self._plan.chunk_tokens:
            self._render(self._plan.chunk_tokens)
            pieces.append(self._release(self._plan.held_back_frames))
        return torch.cat(pieces, dim=1)

    def finish(self) -> Tensor:
        """Gives the remaining frames; `mel_frames` of all tokens have then come out."""
        assert not self._finished, "finished twice"
        self._finished = True
        if self._n_pending:
            self._render(self._n_pending)
        return self._release(0)

    @property
    def _n_pending(self) -> int:
        return self._first_token + len(self._tokens) - self._n_rendered

    @torch.inference_mode()
    def _render(self, n_new: int) -> None:
        """Computes the frames of the next tokens and of the held ones before them."""
        begin, end = self._first_token, self._n_rendered + n_new
        first_frame, end_frame = self._frame(begin), self._frame(end)
        noise = frame_noise(self._plan.seed, first_frame, end_frame, len(self._mel))
        mel = self._flow.generate(
            torch.tensor([self._tokens[: end - begin]], device=self._device),
            noise[None].to(self._mel),
            self._mel[None] if self._mel.shape[1] else None,
        )[0]
        self.n_computed_frames += mel.shape[1]
        new = mel[:, self._mel.shape[1] :].clone()
        n_held = self._held.shape[1]
        fade_in = torch.arange(1, n_held + 1, device=self._device) / (n_held + 1)
        new[:, :n_held] = new[:, :n_held] * fade_in + self._held * (1.0 - fade_in)
        self._held = new
        self._n_rendered = end

    def _release(self, keep: int) -> Tensor:
        """Lets go of what is rendered but the last frames, and forgets what is out of reach."""
        n_out = self._held.shape[1] - keep
        released, self._held = self._held[:, :n_out], self._held[:, n_out:]
        begin = max(self._first_token, self._n_rendered - self._plan.context_tokens)
        passed = self._frame(begin) - self._frame(self._first_token)
        self._mel = torch.cat([self._mel, released], dim=1)[:, passed:]
        del self._tokens[: begin - self._first_token]
        self._first_token = begin
        return released

    def _frame(self, token: int) -> int:
        return mel_frames(token, self._flow.config.input_frame_rate)
