"""Trains the HiFT vocoder on the answer voices: spectral and F0 losses, no discriminator.

``VocoderTraining`` is a task for ``trainer.run``, ``StoredClips`` are clips it can learn from, and
``export`` writes the decoder folder's vocoder files. The harmonic source follows F0 measured on the
audio while the F0 predictor learns to read it off the mel. Leaves out adversarial losses.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.checkpoint import save_weights
from engine.speech.mel import HOP, SAMPLE_RATE, SILENCE, mel_spectrogram
from engine.speech.vocoder import HiFT, HiFTConfig, draw_noise, draw_phases
from engine.training.nano.clips import ClipStore
from engine.training.optim import ParameterGroup
from engine.training.pitch import estimate_f0

Samples = NDArray[np.float32]

_CROP_FRAMES = 40
_MARGIN_FRAMES = 2  # whose samples the outermost mel frames also cover
_STFT_SIZES = (512, 1024, 2048)
_STFT_FLOOR = 1e-3
_MEL_WEIGHT = 2.0
_F0_WEIGHT = 0.02  # per Hz
_IMPERFECT_SHARE = 0.5
_MOST_NOISE = 0.3
# The F0 predictor's output starts near speech instead of near zero hertz.
_F0_START_HZ = 120.0
_F0_START_SPREAD = 60.0


@dataclass(frozen=True, slots=True)
class VocoderBatch:
    """Crops of equal length: the mel the vocoder sees, the F0 and the samples it should make."""

    mel: Tensor  # (B, 80, T)
    f0: Tensor  # (B, T)
    samples: Tensor  # (B, T * 256)


class StoredClips(Sequence[Samples]):
    """Some clips of a store as samples at 22050 Hz, read when they are asked for."""

    def __init__(self, store: ClipStore, indices: Sequence[int]) -> None:
        self._store = store
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, number: Any) -> Any:
        index = self._indices[number]
        samples = self._store.samples(index)
        if self._store.sample_rate(index) == SAMPLE_RATE:
            return samples
        return soxr.resample(samples, self._store.sample_rate(index), SAMPLE_RATE)


class VocoderTraining:
    """A task for ``trainer.run``: crops of clips in, one vocoder out."""

    def __init__(
        self,
        vocoder: HiFT,
        clips: Sequence[Samples],
        held_out: Sequence[Samples],
        batch_size: int = 8,
        seed: int = 42,
    ) -> None:
        assert len(clips) and len(held_out), (len(clips), len(held_out))
        self._vocoder = vocoder
        self._clips = clips
        self._held_out = held_out
        self._batch_size = batch_size
        self._generator = torch.Generator().manual_seed(seed)
        self._f0: dict[int, Tensor] = {}
        with torch.no_grad():
            vocoder.f0_predictor.classifier.weight.mul_(_F0_START_SPREAD)
            vocoder.f0_predictor.classifier.bias.fill_(_F0_START_HZ)

    def modules(self) -> dict[str, nn.Module]:
        """The vocoder."""
        return {"hift": self._vocoder}

    def parameter_groups(self) -> list[ParameterGroup]:
        """Everything, at one rate."""
        return [ParameterGroup(list(self._vocoder.parameters()))]

    def next_batch(self) -> VocoderBatch:
        """Random crops of random clips, about half of them with an imperfect mel."""
        clean, samples, f0 = zip(*(self._crop() for _ in range(self._batch_size)), strict=True)
        mel = imperfect(torch.stack(clean), self._generator)
        device = self._vocoder.conv_pre.weight_v.device
        return VocoderBatch(
            mel.to(device), torch.stack(f0).to(device), torch.stack(samples).to(device)
        )

    def loss(self, batch: VocoderBatch) -> tuple[Tensor, dict[str, float]]:
        """Spectral distance of the made samples plus the F0 predictor's error."""
        vocoder, config = self._vocoder, self._vocoder.config
        n_items, n_frames = batch.f0.shape
        phases = draw_phases(config, n_items, self._generator).to(batch.mel)
        noise = draw_noise(config, n_items, n_frames, self._generator).to(batch.mel)
        source, _ = vocoder.source(batch.f0, phases, noise)
        made = vocoder.decode(batch.mel, source)
        stft = stft_distance(made, batch.samples)
        mel = F.l1_loss(mel_spectrogram(made), mel_spectrogram(batch.samples))
        f0 = F.l1_loss(vocoder.predict_f0(batch.mel), batch.f0)
        total = stft + _MEL_WEIGHT * mel + _F0_WEIGHT * f0
        return total, {
            "stft": stft.item(),
            "mel": mel.item(),
            "f0_hz": f0.item(),
        }

    def after_step(self, step: int) -> None:
        """Nothing changes between steps."""

    def evaluate(self) -> dict[str, float]:
        """STOI, mel distance and F0 errors on the held-out clips, with the predicted F0."""
        figures = [evaluate_clip(self._vocoder, samples) for samples in self._held_out]
        return {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}

    def sampler_state(self) -> dict[str, Any]:
        """Where the random draws stand."""
        return {"generator": self._generator.get_state()}

    def load_sampler_state(self, state: dict[str, Any]) -> None:
        """Go on drawing from there."""
        self._generator.set_state(state["generator"])

    def _crop(self) -> tuple[Tensor, Tensor, Tensor]:
        """The mel (80, T), samples (N,) and F0 (T,) of a random place in a random clip."""
        number = self._draw(len(self._clips))
        samples = torch.from_numpy(self._clips[number])
        if number not in self._f0:
            self._f0[number] = torch.from_numpy(estimate_f0(samples.numpy()))
        n_frames = len(samples) // HOP
        begin = self._draw(max(1, n_frames - _CROP_FRAMES + 1))
        f0 = self._f0[number][begin : begin + _CROP_FRAMES]
        first = (begin - _MARGIN_FRAMES) * HOP
        last = (begin + _CROP_FRAMES + _MARGIN_FRAMES) * HOP
        around = samples[max(0, first) : min(last, n_frames * HOP)]
        around = F.pad(around, (max(0, -first), max(0, last - n_frames * HOP)))
        mel = mel_spectrogram(around[None])[0, :, _MARGIN_FRAMES:-_MARGIN_FRAMES]
        margin = _MARGIN_FRAMES * HOP
        return mel, around[margin:-margin], F.pad(f0, (0, _CROP_FRAMES - len(f0)))

    def _draw(self, below: int) -> int:
        return int(torch.randint(below, (), generator=self._generator))


def imperfect(mel: Tensor, generator: torch.Generator) -> Tensor:
    """Mels (B, 80, T) of which some are blurred and noisy, as a flow decoder's are."""
    n_items = len(mel)
    chosen = torch.rand(n_items, 1, 1, generator=generator) < _IMPERFECT_SHARE
    amount = torch.rand(n_items, 1, 1, generator=generator)
    blurred = F.avg_pool2d(F.pad(mel[:, None], (1, 1, 1, 1), mode="replicate"), 3, 1)[:, 0]
    noise = torch.randn(mel.shape, generator=generator)
    spoiled = mel.lerp(blurred, 0.7 * amount) + _MOST_NOISE * amount * noise
    return torch.where(chosen, spoiled.clamp_min(SILENCE), mel)


def stft_distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Spectral convergence plus log-magnitude distance, mean over resolutions; of (B, N)."""
    total = made.new_zeros(())
    for size in _STFT_SIZES:
        window = torch.hann_window(size, device=made.device)
        ours, theirs = (_magnitude(samples, size, window) for samples in (made, wanted))
        difference = (theirs - ours).flatten(1).norm(dim=1)
        convergence = difference / theirs.flatten(1).norm(dim=1).clamp_min(1.0)
        total = total + convergence.mean() + F.l1_loss(ours.log(), theirs.log())
    return total / len(_STFT_SIZES)


@torch.no_grad()
def evaluate_clip(vocoder: HiFT, samples: Samples) -> dict[str, float]:
    """How close the vocoder comes to samples at 22050 Hz, given only their mel."""
    from pystoi import stoi

    wanted = torch.from_numpy(samples[: len(samples) // HOP * HOP])[None]
    mel = mel_spectrogram(wanted)
    generator = torch.Generator().manual_seed(0)
    device = vocoder.conv_pre.weight_v.device
    made = vocoder(mel.to(device), generator).cpu()
    heard = vocoder.predict_f0(mel.to(device))[0].cpu().numpy()
    truth = estimate_f0(samples)
    voiced = (truth > 0) & (heard > vocoder.config.nsf_voiced_threshold)
    wrong = (truth > 0) != (heard > vocoder.config.nsf_voiced_threshold)
    error = np.abs(heard - truth)[voiced] / truth[voiced]
    return {
        "stoi": float(stoi(wanted[0].numpy(), made[0].numpy(), SAMPLE_RATE)),
        "mel_l1": float(F.l1_loss(mel_spectrogram(made), mel)),
        "f0_error": float(np.median(error)) if voiced.any() else 1.0,
        "voicing_error": float(wrong.mean()),
    }


def export(vocoder: HiFT, folder: Path) -> None:
    """Write ``hift.safetensors`` and its part of ``config.json`` into a speech decoder folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(vocoder, folder / "hift.safetensors", torch.float16)
    path = folder / "config.json"
    values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    values["hift"] = vocoder.config.to_json()
    part = path.with_suffix(".part")
    part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    os.replace(part, path)


def nano_vocoder(seed: int = 42) -> HiFT:
    """The built-in vocoder, untrained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HiFT(HiFTConfig.nano())


def _magnitude(samples: Tensor, size: int, window: Tensor) -> Tensor:
    spectrum = torch.stft(samples, size, size // 4, window=window, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return power.clamp_min(_STFT_FLOOR**2).sqrt()
