"""Text to samples in any voice: espeak and flite as libraries, festival as a waiting process,
networks on ONNX Runtime.

Every clip comes back mono, with its silent ends trimmed to a few hundredths of a second and at one
loudness, so that level and margins are the augmentation's choice and no voice's mark.
"""

import ctypes
import random
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import assert_never

import numpy as np
import soundfile

from engine.training.nano.augment import change_formants
from engine.training.nano.espeak import espeak
from engine.training.nano.network_voices import joe, kokoro
from engine.training.nano.phonemes import pinyin_syllables
from engine.training.nano.voices import SpeechEngineName, Voice

_SPEECH_RMS = 0.08
_PEAK_LIMIT = 0.95
_MARGIN_S = 0.04
_ASCII_MARKS = str.maketrans("，。？！、：；", ",.?!,:;")  # noqa: RUF001


def synthesise(text: str, voice: Voice, rng: random.Random | None = None) -> tuple[np.ndarray, int]:
    """Float32 samples and their sample rate; ``rng`` varies pitch and speed."""
    pitch, rate, liveliness = voice.pitch, voice.rate, 1.0
    if rng is not None:
        pitch *= 2.0 ** rng.gauss(0.0, 0.2)
        rate *= rng.uniform(0.8, 1.25)
        liveliness = rng.uniform(0.5, 1.5)
    match voice.engine:
        case SpeechEngineName.ESPEAK:
            samples, sample_rate = _speak_espeak(text, voice, pitch, rate, liveliness)
        case SpeechEngineName.FLITE:
            samples, sample_rate = _flite().speak(text, voice.code, pitch, rate)
        case SpeechEngineName.FESTIVAL:
            samples, sample_rate = _festival().speak(text, voice.code, pitch, rate)
        case SpeechEngineName.PIPER:
            samples = joe().speak(text, rate, liveliness)
            sample_rate = joe().sample_rate
        case SpeechEngineName.KOKORO:
            samples = kokoro().speak(text, voice.code, rate)
            sample_rate = kokoro().sample_rate
        case _:
            assert_never(voice.engine)
    speech = samples.astype(np.float32) / 32768.0
    if voice.formants != 1.0:
        speech = change_formants(speech, voice.formants)
    return level(trim(speech, sample_rate)), sample_rate


def trim(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """The samples without silence at the ends, but for a short margin."""
    hop = sample_rate // 100
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    loudness = np.sqrt((frames**2).mean(axis=1)) if len(frames) else np.zeros(0)
    loud = np.flatnonzero(loudness > 0.008 * (loudness.max(initial=0.0) + 1e-9))
    if not len(loud):
        return samples
    margin = round(_MARGIN_S * sample_rate)
    return samples[max(0, loud[0] * hop - margin) : (loud[-1] + 1) * hop + margin]


def level(samples: np.ndarray) -> np.ndarray:
    """The samples at the common loudness of speech, never clipped."""
    active = samples[np.abs(samples) > 0.02 * (np.abs(samples).max(initial=0.0) + 1e-9)]
    rms = float(np.sqrt((active**2).mean())) if len(active) else 0.0
    peak = float(np.abs(samples).max(initial=0.0))
    gain = min(_SPEECH_RMS / (rms + 1e-9), _PEAK_LIMIT / (peak + 1e-9))
    return (samples * gain).astype(np.float32)


def _speak_espeak(
    text: str, voice: Voice, pitch: float, rate: float, liveliness: float
) -> tuple[np.ndarray, int]:
    spoken = mandarin_reading(text) if voice.language == "zh" else text
    height = round(50 * pitch)
    spread = round(50 * liveliness)
    samples = espeak().speak(spoken, voice.code, rate, min(max(height, 15), 90), spread)
    return samples, espeak().sample_rate


def mandarin_reading(text: str) -> str:
    """The text as pinyin, a neutral syllable joined to the one before it."""
    reading = ""
    for item in pinyin_syllables(text):
        if not re.fullmatch(r"[a-zê]+[1-5]", item):
            reading += item.translate(_ASCII_MARKS)
        elif item.endswith("5") and reading:
            reading += item
        else:
            reading += " " + item
    return reading.strip()


class _Wave(ctypes.Structure):
    """cst_wave of flite."""

    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("n_samples", ctypes.c_int),
        ("n_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _FliteVoice(ctypes.Structure):
    """The head of cst_voice of flite."""

    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class _Flite:
    """flite's library and the voices loaded so far; one per process."""

    _HELPERS = ("libflite_usenglish.so.1", "libflite_cmulex.so.1")

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
        self._library.flite_init()
        self._helpers = [ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL) for name in self._HELPERS]
        self._library.flite_text_to_wave.restype = ctypes.POINTER(_Wave)
        self._library.flite_text_to_wave.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
        self._library.flite_feat_set_float.argtypes = (
            *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float),
        )
        self._library.delete_wave.argtypes = (ctypes.c_void_p,)
        self._voices: dict[str, object] = {}

    def speak(self, text: str, code: str, pitch: float, rate: float) -> tuple[np.ndarray, int]:
        voice = self._voice(code)
        for feature, value in ((b"f0_shift", pitch), (b"duration_stretch", 1.0 / rate)):
            self._library.flite_feat_set_float(voice.contents.features, feature, value)
        wave = self._library.flite_text_to_wave(text.encode(), voice)
        samples = np.ctypeslib.as_array(wave.contents.samples, (wave.contents.n_samples,)).copy()
        sample_rate = wave.contents.sample_rate
        self._library.delete_wave(wave)
        return samples, sample_rate

    def _voice(self, code: str):  # type: ignore[no-untyped-def]
        if code not in self._voices:
            library = ctypes.CDLL(f"libflite_cmu_us_{code}.so.1", mode=ctypes.RTLD_GLOBAL)
            register = getattr(library, f"register_cmu_us_{code}")
            register.restype = ctypes.POINTER(_FliteVoice)
            self._voices[code] = register(None)
        return self._voices[code]


class _Festival:
    """A festival process that waits for texts; it starts slowly and then speaks fast."""

    _PITCH_HZ = 105

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="festival-")
        self._path = Path(self._folder.name) / "speech.wav"
        self._process = subprocess.Popen(
            ["festival", "--pipe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def speak(self, text: str, code: str, pitch: float, rate: float) -> tuple[np.ndarray, int]:
        clean = re.sub(r'["\\()]', "", text)
        self._send(
            f"(voice_{code}) (Parameter.set 'Duration_Stretch {1.0 / rate:.3f})"
            f" (set! int_lr_params '((target_f0_mean {self._PITCH_HZ * pitch:.1f})"
            " (target_f0_std 14) (model_f0_mean 170) (model_f0_std 34)))"
            f' (utt.save.wave (utt.synth (Utterance Text "{clean}")) "{self._path}" \'riff)'
            ' (format stderr "spoken\\n")\n'
        )
        samples, sample_rate = soundfile.read(self._path, dtype="int16")
        self._path.unlink()
        return samples, sample_rate

    def _send(self, command: str) -> None:
        assert self._process.stdin is not None and self._process.stderr is not None
        self._process.stdin.write(command.encode())
        self._process.stdin.flush()
        while (line := self._process.stderr.readline()) != b"spoken\n":
            if not line or b"error" in line.lower():
                raise OSError(f"festival did not speak: {line.decode(errors='replace').strip()}")


@cache
def _flite() -> _Flite:
    return _Flite()


@cache
def _festival() -> _Festival:
    return _Festival()
