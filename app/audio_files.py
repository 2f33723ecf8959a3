"""Sound files in and out: any WAV, FLAC or OGG is read, and what is written is written whole."""

import io
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.errors import OutputError, UsageError
from app.whole_file import is_special, write_whole
from engine.errors import AudioFileError, RequestError
from engine.utterance import Utterance

_FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
# Programs that write WAV to a pipe put a placeholder for the length they cannot know.
_UNKNOWN_LENGTH = 0x7FFF0000


def read_utterance(path: Path) -> Utterance:
    """The sound of a file as one channel at the file's own sample rate."""
    import soundfile

    if path.is_dir():
        raise AudioFileError(f"{path}: is a folder, not a sound file")
    if not path.exists():
        raise AudioFileError(f"{path}: no such file")
    try:
        if path.stat().st_size == 0:
            raise AudioFileError(f"{path}: the file is empty")
        _check_complete(path)
        with soundfile.SoundFile(path) as file:
            expected = file.frames
            samples = file.read(dtype="float32", always_2d=True)  # (frames, channels)
            sample_rate = int(file.samplerate)
    except soundfile.LibsndfileError as error:
        raise AudioFileError(f"{path}: not a readable WAV, FLAC or OGG file") from error
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read: {error.strerror}") from error
    if len(samples) < expected:
        raise AudioFileError(f"{path}: the file is cut off")
    try:
        return Utterance.checked(samples.mean(axis=1, dtype=np.float32), sample_rate)
    except RequestError as error:
        raise AudioFileError(f"{path}: {error}") from error


def _check_complete(path: Path) -> None:
    """Raises where a RIFF file promises more sound than it holds: the decoder would not say."""
    size = path.stat().st_size
    with path.open("rb") as file:
        riff, _, wave = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
        if riff != b"RIFF" or wave != b"WAVE":
            return
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            if length < _UNKNOWN_LENGTH and file.tell() + length > size:
                raise AudioFileError(
                    f"{path}: the file is cut off: {size - file.tell()} of {length} bytes are there"
                )
            if name == b"data":
                return
            file.seek(length + length % 2, os.SEEK_CUR)
    raise AudioFileError(f"{path}: the file is cut off before its sound")


def check_destination(path: Path, suffixes: Sequence[str] = tuple(_FORMATS)) -> None:
    """Raises early where ``path`` could not be written, before anything is generated for it."""
    if path.suffix.lower() not in suffixes and not is_special(path):
        raise UsageError(f"{path}: the name must end in {_either(suffixes)}")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder")
    if not path.resolve().parent.is_dir():
        raise OutputError(f"{path}: its folder does not exist")
    if not os.access(path.resolve().parent, os.W_OK):
        raise OutputError(f"{path}: its folder may not be written to")


def write_audio(path: Path, samples: npt.NDArray[np.float32], sample_rate: int) -> None:
    """Writes 16-bit sound; the old file stays until the new one is complete on the disk."""
    import soundfile

    kind = _FORMATS.get(path.suffix.lower(), "WAV")
    buffer = io.BytesIO()
    subtype = "VORBIS" if kind == "OGG" else "PCM_16"
    soundfile.write(buffer, samples, sample_rate, format=kind, subtype=subtype)
    write_whole(path, buffer.getvalue())


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
