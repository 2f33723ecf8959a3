"""espeak-ng in this process: speech and phonemes from its library, no program started."""

import ctypes
from functools import cache

import numpy as np

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: samples go to the callback before espeak_Synth returns
_UTF8 = 1
_IPA_APART = 0x02 | (ord("_") << 8)  # IPA, phonemes set apart by "_"
_RATE, _PITCH, _RANGE = 1, 3, 4
_NORMAL_WORDS_PER_MINUTE = 175
_SLOWEST, _FASTEST = 80, 400


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Espeak:
    """The one espeak instance a process can hold; not for use from several threads."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.sample_rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
        if self.sample_rate <= 0:
            raise OSError("espeak-ng does not start: is the package espeak-ng-data installed?")
        self._pieces: list[np.ndarray] = []
        self._callback = _Callback(self._keep)
        self._library.espeak_SetSynthCallback(self._callback)
        self._voice = ""

    def speak(self, text: str, voice: str, rate: float, pitch: int, pitch_range: int) -> np.ndarray:
        """The text as int16 samples; rate is a factor, pitch and its range are 0 to 99."""
        self._set_voice(voice)
        words_per_minute = round(_NORMAL_WORDS_PER_MINUTE * rate)
        words_per_minute = min(max(words_per_minute, _SLOWEST), _FASTEST)
        for parameter, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        data = text.encode() + b"\0"
        self._pieces = []
        failed = self._library.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None)
        if failed or not self._pieces:
            raise OSError(f"espeak-ng did not speak {text!r}")
        return np.concatenate(self._pieces)

    def phonemes(self, text: str, voice: str) -> list[str]:
        """One string of IPA per clause."""
        self._set_voice(voice)
        rest = ctypes.pointer(ctypes.c_char_p(text.encode()))
        clauses = []
        while rest.contents.value:
            clause = self._library.espeak_TextToPhonemes(rest, _UTF8, _IPA_APART)
            clauses.append((clause or b"").decode())
        return clauses

    def _set_voice(self, voice: str) -> None:
        if voice == self._voice:
            return
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise OSError(f"espeak-ng has no voice {voice!r}")
        self._voice = voice

    def _keep(
        self,
        samples: "ctypes._Pointer[ctypes.c_short]",
        count: int,
        _events: int | None,
    ) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


@cache
def espeak() -> Espeak:
    """This process's espeak, started on first use."""
    return Espeak()
