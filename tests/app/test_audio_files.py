"""Sound files: whatever is readable is read, whatever is not is named, and nothing is lost."""

import os
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.audio_files import check_destination, read_utterance, write_audio
from app.errors import OutputError, UsageError
from app.whole_file import write_whole
from engine.errors import AudioFileError


def tone(duration_s: float, sample_rate: int) -> np.ndarray:
    times = np.arange(round(duration_s * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * 220 * times)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_any_format_rate_and_channel_count_is_read(
    tmp_path: Path, suffix: str, sample_rate: int, n_channels: int
) -> None:
    path = tmp_path / f"x{suffix}"
    samples = np.stack([tone(0.3, sample_rate)] * n_channels, axis=1)
    soundfile.write(path, samples, sample_rate)
    utterance = read_utterance(path)
    assert utterance.sample_rate == sample_rate
    assert utterance.samples.dtype == np.float32
    assert utterance.samples.shape == (round(0.3 * sample_rate),)
    assert np.abs(utterance.samples).max() == pytest.approx(0.5, abs=0.1)


def test_stereo_is_the_mean_of_both_channels(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    left = tone(0.2, 16000)
    soundfile.write(path, np.stack([left, 0 * left], axis=1), 16000, subtype="FLOAT")
    np.testing.assert_allclose(read_utterance(path).samples, left / 2, atol=1e-7)


@pytest.mark.parametrize("duration_s", [0.1, 600])
def test_very_short_and_very_long_clips_are_read(tmp_path: Path, duration_s: float) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, tone(duration_s, 8000), 8000)
    assert read_utterance(path).duration_s == pytest.approx(duration_s)


def write_bad_file(kind: str, path: Path) -> None:
    sound = tone(0.5, 16000)
    match kind:
        case "missing":
            pass
        case "folder":
            path.mkdir()
        case "no bytes":
            path.write_bytes(b"")
        case "no samples":
            soundfile.write(path, sound[:0], 16000)
        case "text":
            path.write_text("What is seven plus five?\n" * 20)
        case "noise":
            path.write_bytes(np.random.default_rng(0).bytes(4000))
        case "silence":
            soundfile.write(path, 0 * sound, 16000)
        case "offset":
            soundfile.write(path, 0 * sound + 0.25, 16000, subtype="FLOAT")
        case "nan":
            sound[100] = np.nan
            soundfile.write(path, sound, 16000, subtype="FLOAT")
        case "infinite":
            sound[100] = np.inf
            soundfile.write(path, sound, 16000, subtype="FLOAT")
        case "cut wav":
            soundfile.write(path, sound, 16000)
            path.write_bytes(path.read_bytes()[:3000])
        case "cut header":
            soundfile.write(path, sound, 16000)
            path.write_bytes(path.read_bytes()[:30])
        case "cut flac":
            soundfile.write(path, sound, 16000, format="FLAC")
            path.write_bytes(path.read_bytes()[:-2000])
        case _:
            raise AssertionError(kind)


BAD_FILES = {
    "missing": "no such file",
    "folder": "is a folder",
    "no bytes": "empty",
    "no samples": "empty",
    "text": "not a readable",
    "noise": "not a readable",
    "silence": "silent",
    "offset": "silent",
    "nan": "not numbers",
    "infinite": "not numbers",
    "cut wav": "cut off",
    "cut header": "cut off",
    "cut flac": "not a readable|cut off",
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "question.wav"
    write_bad_file(kind, path)
    with pytest.raises(AudioFileError, match=BAD_FILES[kind]) as caught:
        read_utterance(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 0x7FFF0000, 0xFFFFFFFF])
def test_a_wav_written_to_a_pipe_has_no_length_and_is_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, tone(0.3, 16000), 16000)
    content = bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", length)
    content[40:44] = struct.pack("<I", length or 0xFFFFFFFF)
    path.write_bytes(content)
    assert read_utterance(path).duration_s == pytest.approx(0.3)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    write_audio(path, tone(0.3, 22050), 22050)
    np.testing.assert_allclose(read_utterance(path).samples, tone(0.3, 22050), atol=1e-4)
    assert [child.name for child in tmp_path.iterdir()] == ["x.wav"]


def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"x\.wav: cannot be written"):
            write_whole(path, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert [child.name for child in tmp_path.iterdir()] == ["x.wav"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_is_written_to_and_not_replaced() -> None:
    with pytest.raises(OutputError, match="No space left"):
        write_audio(Path("/dev/full"), tone(1, 16000), 16000)
    assert Path("/dev/full").is_char_device()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link.wav"
    link.symlink_to(tmp_path / "x.wav")
    write_audio(link, tone(0.1, 16000), 16000)
    assert link.is_symlink()
    assert (tmp_path / "x.wav").is_file()


def test_a_destination_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    check_destination(tmp_path / "x.wav")
    with pytest.raises(UsageError, match="must end in"):
        check_destination(tmp_path / "x.doc")
    with pytest.raises(OutputError, match="folder does not exist"):
        check_destination(tmp_path / "no" / "x.wav")
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(OutputError, match="may not be written"):
            check_destination(tmp_path / "x.wav")
