"""The Plus variant's features: their number, their scale, and the file of their statistics."""

import math
from pathlib import Path

import pytest
import torch

from engine.errors import CheckpointError
from engine.speech.fbank import N_MELS, WIDTH, kaldi_fbank, read_cmvn, stacked
from tests.fakes import write_statistics


def noise(n_samples: int) -> torch.Tensor:
    return torch.randn(n_samples, generator=torch.Generator().manual_seed(0)) * 0.1


@pytest.mark.parametrize(("n_samples", "n_frames"), [(400, 1), (559, 1), (560, 2), (16000, 98)])
def test_only_whole_frames_count(n_samples: int, n_frames: int) -> None:
    assert kaldi_fbank(noise(n_samples)).shape == (n_frames, N_MELS)


def test_twice_the_amplitude_is_four_times_the_energy() -> None:
    wave = noise(4000)
    louder = kaldi_fbank(2 * wave) - kaldi_fbank(wave)
    torch.testing.assert_close(louder, torch.full_like(louder, math.log(4)), rtol=0, atol=1e-3)


def test_a_constant_offset_is_not_heard() -> None:
    wave = noise(4000)
    torch.testing.assert_close(kaldi_fbank(wave + 0.25), kaldi_fbank(wave), rtol=0, atol=2e-2)


def test_silence_is_the_floor() -> None:
    assert kaldi_fbank(torch.zeros(400)).unique().tolist() == pytest.approx([math.log(2**-23)])


@pytest.mark.parametrize("hertz", [300, 1000, 3000])
def test_a_tone_sounds_in_the_band_around_it(hertz: int) -> None:
    tone = torch.sin(2 * math.pi * hertz / 16000 * torch.arange(4000)) / 2
    mel = [1127 * math.log(1 + f / 700) for f in (20, hertz, 8000)]
    expected = (mel[1] - mel[0]) / (mel[2] - mel[0]) * (N_MELS + 1) - 1
    assert (kaldi_fbank(tone).argmax(1) - expected).abs().max() <= 1


def test_a_stacked_row_holds_the_frames_around_every_sixth() -> None:
    rows = stacked(torch.arange(20.0)[:, None])
    assert rows[1].tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert rows[0].tolist() == [0, 0, 0, 0, 1, 2, 3]
    assert rows[-1].tolist() == [15, 16, 17, 18, 19, 19, 19]


def test_statistics_are_read_back(tmp_path: Path) -> None:
    shift = [-8.0 - n / 100 for n in range(WIDTH)]
    scale = [0.1 + n / 1e4 for n in range(WIDTH)]
    write_statistics(tmp_path / "am.mvn", shift, scale)
    read = read_cmvn(tmp_path / "am.mvn")
    torch.testing.assert_close(read, (torch.tensor(shift), torch.tensor(scale)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read"),
        (b"\xff\xfe", "cannot read"),
        (b"<AddShift> 2 2 <LearnRateCoef> 0 [ 1 2 ]", "no <Rescale>"),
        (b"<AddShift> <LearnRateCoef> 0 [ 1 ] <Rescale> <LearnRateCoef> 0 [ x ]", "x"),
        (b"<AddShift> <LearnRateCoef> 0 [ 1 ] <Rescale> <LearnRateCoef> 0 [ 1 2 ]", "1 and 2 wide"),
    ],
)
def test_broken_statistics_are_told(tmp_path: Path, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / "am.mvn").write_bytes(content)
    with pytest.raises(CheckpointError, match=told):
        read_cmvn(tmp_path / "am.mvn")
