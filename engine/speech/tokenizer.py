"""Samples to audio tokens, 12.5 a second: features, network and codebook of a loaded checkpoint.

The whole utterance is seen at once, in pieces of 30 seconds as the network was trained.
"""

import json
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor

from engine.checkpoint import load_weights, without_weights
from engine.errors import CheckpointError, RequestError
from engine.models.whisper_vq import FRAMES_PER_TOKEN, WhisperVQConfig, WhisperVQEncoder
from engine.speech.frontend import HOP, SAMPLE_RATE, whisper_log_mel

PIECE_S = 30
_SAMPLES_PER_TOKEN = HOP * FRAMES_PER_TOKEN


class SpeechTokenizer:
    """Turns speech into audio tokens; holds no state between calls, so any thread may call it."""

    def __init__(self, encoder: WhisperVQEncoder) -> None:
        self._encoder = encoder.eval()

    @classmethod
    def load(
        cls,
        folder: Path | str,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> "SpeechTokenizer":
        """Reads config.json and the weights of a ``speech_tokenizer`` folder."""
        path = Path(folder) / "config.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot read the speech tokenizer's {path}: {error}") from error
        if not isinstance(values, dict):
            raise CheckpointError(f"{path} does not hold a config")
        with without_weights():
            encoder = WhisperVQEncoder(WhisperVQConfig.from_json(values))
        load_weights(encoder, folder, dtype=dtype, device=device)
        return cls(encoder)

    @property
    def codebook(self) -> torch.Tensor:
        """The vector of every audio token, (n_codes, D)."""
        return self._encoder.codebook.weight.detach()

    @property
    def n_codes(self) -> int:
        """How many different audio tokens there are."""
        return self._encoder.config.quantize_vocab_size

    def encode(self, samples: np.ndarray, sample_rate: int) -> list[int]:
        """The audio tokens of samples (N,) or (N, channels), of which the first channel is read."""
        mono = np.asarray(samples, dtype=np.float32)
        if mono.ndim == 2:
            mono = mono[:, 0]
        assert mono.ndim == 1, f"samples are (N,) or (N, channels), not {mono.shape}"
        if not len(mono):
            raise RequestError("there is no sound to listen to: the recording is empty")
        if sample_rate != SAMPLE_RATE:
            mono = soxr.resample(mono, sample_rate, SAMPLE_RATE)
        wave = torch.from_numpy(np.ascontiguousarray(mono))
        pieces = wave.split(PIECE_S * SAMPLE_RATE)
        # The reference pads every piece to the first one's length before its spectra.
        padded = _whole_tokens(len(pieces[0])) * _SAMPLES_PER_TOKEN
        return [code for piece in pieces for code in self._encode_piece(piece, padded)]

    @torch.no_grad()
    def _encode_piece(self, piece: Tensor, n_padded: int) -> list[int]:
        like = self._encoder.conv1.weight
        wave = torch.zeros(1, n_padded, device=like.device)
        wave[0, : len(piece)] = piece
        n_frames = _whole_tokens(len(piece)) * FRAMES_PER_TOKEN
        mel = whisper_log_mel(wave, self._encoder.config.num_mel_bins)[..., :n_frames]
        real = torch.arange(n_frames, device=like.device) < -(-len(piece) // HOP)
        hidden = self._encoder(mel.to(like.dtype), real[None])
        codes: list[int] = self._encoder.quantise(hidden)[0].tolist()
        return codes


def _whole_tokens(n_samples: int) -> int:
    """Audio tokens that this many samples begin."""
    return -(-n_samples // _SAMPLES_PER_TOKEN)
