"""The Plus variant's way in: how many embeddings, of which sound, and the words of the CTC head."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import CheckpointError, RequestError
from engine.models.projector import Projector
from engine.models.sensevoice import N_QUERIES, SenseVoice, SenseVoiceConfig
from engine.speech.encoder import CTC_VOCABULARY, SpeechEncoder, read_config
from engine.speech.fbank import WIDTH
from tests.fakes import CTC_PIECES, write_pieces, write_statistics

WIDTH_OF_LM = 24


def sound(n_samples: int) -> np.ndarray:
    times = np.arange(n_samples, dtype=np.float32)
    return np.asarray(np.sin(times / 9) * np.sin(times / 900) / 2, dtype=np.float32)


def make_encoder(folder: Path, n_ctc_ids: int = len(CTC_PIECES)) -> SpeechEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SenseVoice(SenseVoiceConfig.tiny(), n_ctc_ids)
        projector = Projector(SenseVoiceConfig.tiny().output_size, WIDTH_OF_LM)
    return SpeechEncoder.load(folder, network, projector)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_statistics(tmp_path / "am.mvn", [-10.0] * WIDTH, [0.2] * WIDTH)
    write_pieces(tmp_path / CTC_VOCABULARY, CTC_PIECES)
    return tmp_path


@pytest.mark.parametrize(("n_samples", "n_rows"), [(400, 1), (1280, 1), (1360, 2), (16000, 17)])
def test_there_is_one_embedding_for_every_60_ms_and_four_more(
    folder: Path, n_samples: int, n_rows: int
) -> None:
    rows = make_encoder(folder).encode(sound(n_samples), 16000).rows
    assert rows.shape == (n_rows + N_QUERIES, WIDTH_OF_LM)
    assert rows.dtype == np.float32


def test_other_sound_has_other_embeddings_and_the_same_the_same(folder: Path) -> None:
    encoder = make_encoder(folder)
    first, again, other = (
        encoder.encode(samples, 16000).rows
        for samples in (sound(8000), sound(8000), sound(8000)[::-1])
    )
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_the_mean_of_the_channels_is_heard_at_any_sample_rate(folder: Path) -> None:
    encoder = make_encoder(folder)
    mono = encoder.encode(sound(16000), 16000).rows
    stereo = np.stack((sound(16000) * 1.5, sound(16000) * 0.5), axis=1)
    np.testing.assert_allclose(encoder.encode(stereo, 16000).rows, mono, atol=1e-3)
    assert encoder.encode(sound(48000), 48000).rows.shape == mono.shape


def test_too_little_sound_is_refused(folder: Path) -> None:
    with pytest.raises(RequestError, match="too short"):
        make_encoder(folder).encode(sound(399), 16000)


def test_the_transcript_is_what_the_head_finds_likeliest_after_the_first_four_states(
    folder: Path,
) -> None:
    encoder = make_encoder(folder)
    said = [4, 4, 0, 4, 7, 3, 7]

    class Head(torch.nn.Module):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            assert len(states) == len(said)
            return torch.nn.functional.one_hot(torch.tensor(said), len(CTC_PIECES))

    encoder._network.ctc = Head()
    n_frames = 6 * len(said)
    assert encoder.can_transcribe
    text = encoder.transcribe(sound(400 + 160 * (n_frames - 1)), 16000)
    assert text == "ma ma mo mo"  # the tag between the last two parts them, and is no word


def test_without_a_head_or_without_its_words_there_is_no_transcript(folder: Path) -> None:
    assert not make_encoder(folder, n_ctc_ids=0).can_transcribe
    (folder / CTC_VOCABULARY).unlink()
    assert not make_encoder(folder).can_transcribe


def test_a_vocabulary_of_another_head_is_refused(folder: Path) -> None:
    told = f"{len(CTC_PIECES)} pieces, the model's CTC head 7"
    with pytest.raises(CheckpointError, match=re.escape(told)):
        make_encoder(folder, n_ctc_ids=7)


def test_without_a_config_the_sizes_are_the_released_ones(tmp_path: Path) -> None:
    assert read_config(tmp_path) == SenseVoiceConfig.small()


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"output_size": 4})])
def test_a_config_that_cannot_be_used_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match="config"):
        read_config(tmp_path)
