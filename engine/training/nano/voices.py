"""The synthetic voices nano learns from, and those it never hears before it is tested.

A voice is data; ``synthesis.py`` makes it speak. Which voice is for training and which for testing
is fixed here, once and for all: flite ``rms`` and ``awb`` and the espeak variants of
``_TEST_VARIANTS`` are kept for measuring how well nano understands strangers.
"""

import random
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from functools import cache

LANGUAGES = ("en", "zh")

_ENGLISH_ACCENTS = (
    "en-us",
    "en",
    "en-gb-x-rp",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
    "en-us-nyc",
)
# Takes pinyin and Hanzi; the plain `cmn` of Debian 12 spells tones out in English.
_MANDARIN_ACCENTS = ("cmn-latn-pinyin",)

_TRAIN_VARIANTS = (
    *("", "f1", "f2", "f3", "f5", "m1", "m2", "m3", "m4", "m6", "m7", "Alex", "Andrea", "Andy"),
    *("Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Lee", "Marco"),
    *("Mario", "Michael", "Mike", "RicishayMax", "RicishayMax2", "RicishayMax3", "Storm", "adam"),
    *("anika", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed"),
    *("edward", "edward2", "grandma", "grandpa", "gustave", "iven", "iven2", "iven3", "john"),
    *("kaukovalta", "klatt", "klatt2", "klatt3", "marcelo", "michel", "miguel", "norbert", "pablo"),
    *("pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph", "steph3", "travis"),
    *("victor", "zac"),
)
_TEST_VARIANTS = ("f4", "m5", "m8", "Alicia", "steph2", "max", "paul", "linda")
_TEST_ACCENTS = ("en-us", "en-gb-x-rp", "en")

# Of the English training clips this share comes from voices made of human recordings.
_NATURAL_SHARE = 0.45


class SpeechEngineName(Enum):
    """The program that speaks."""

    ESPEAK = "espeak"
    FLITE = "flite"
    FESTIVAL = "festival"
    PIPER = "piper"
    KOKORO = "kokoro"


class Split(StrEnum):
    """Whether something may be learnt from, or only measured on."""

    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Voice:
    """One speaker; pitch, rate and formants are factors around the speaker's own."""

    name: str
    engine: SpeechEngineName
    language: str
    split: Split
    code: str  # what the engine calls it
    pitch: float = 1.0
    rate: float = 1.0
    formants: float = 1.0


def _espeak(accent: str, variant: str, language: str, split: Split) -> Voice:
    code = f"{accent}+{variant}" if variant else accent
    return Voice(f"espeak:{code}", SpeechEngineName.ESPEAK, language, split, code)


def _flite(code: str, split: Split) -> Voice:
    return Voice(f"flite:{code}", SpeechEngineName.FLITE, "en", split, code)


def _calm(voice: Voice) -> Voice:
    """A little slower than the speaker's own rate, as an answer should be."""
    return replace(voice, rate=0.9)


def _festival(code: str) -> Voice:
    return Voice(f"festival:{code}", SpeechEngineName.FESTIVAL, "en", Split.TRAIN, code)


# slt twice: a good recorded voice, and the only one of that quality that may be trained on.
_NATURAL_VOICES = (
    _flite("slt", Split.TRAIN),
    _flite("slt", Split.TRAIN),
    _flite("kal", Split.TRAIN),
    _flite("kal16", Split.TRAIN),
    _festival("kal_diphone"),
    _festival("ked_diphone"),
    _festival("cmu_us_slt_arctic_hts"),
)

# Spoken by networks, at best as fast as they are heard: they have a smaller store of their own.
_JOE = Voice("piper:joe", SpeechEngineName.PIPER, "en", Split.TRAIN, "joe")
_KOKORO_VOICES = tuple(
    Voice(f"kokoro:{code}", SpeechEngineName.KOKORO, "en", Split.TRAIN, code)
    for code in ("jm_kumo", "jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro")
)
_JOE_SHARE = 0.65  # seven times as fast as Kokoro

# No recorded man may be trained on but two old diphone voices and joe; these are slt with a man's
# pitch and vocal tract, which flite speaks as fast as her own.
_MEN = tuple(
    replace(_flite("slt", Split.TRAIN), name=f"flite:slt:{name}", pitch=pitch, formants=formants)
    for name, pitch, formants in (
        ("bass", 0.5, 0.82),
        ("baritone", 0.57, 0.86),
        ("tenor", 0.65, 0.88),
        ("countertenor", 0.75, 0.91),
    )
)

ANSWER_VOICE = {
    "en": _calm(_flite("slt", Split.TRAIN)),
    "zh": _calm(_espeak("cmn-latn-pinyin", "f2", "zh", Split.TRAIN)),
}


@cache
def training_voices(language: str) -> tuple[Voice, ...]:
    """Every voice that nano may learn to understand by hearing it."""
    accents = _ENGLISH_ACCENTS if language == "en" else _MANDARIN_ACCENTS
    robots = tuple(
        _espeak(accent, variant, language, Split.TRAIN)
        for accent in accents
        for variant in _TRAIN_VARIANTS
    )
    if language != "en":
        return robots
    return (*robots, *dict.fromkeys(_NATURAL_VOICES), _JOE, *_KOKORO_VOICES, *_MEN)


@cache
def test_voices(language: str) -> tuple[Voice, ...]:
    """The voices kept for evaluation; no training data is ever made with them."""
    if language == "zh":
        return tuple(_espeak("cmn-latn-pinyin", v, "zh", Split.TEST) for v in _TEST_VARIANTS)
    robots = tuple(
        _espeak(_TEST_ACCENTS[i % len(_TEST_ACCENTS)], variant, "en", Split.TEST)
        for i, variant in enumerate(_TEST_VARIANTS)
    )
    return (_flite("rms", Split.TEST), _flite("awb", Split.TEST), *robots)


def draw_training_voice(language: str, rng: random.Random) -> Voice:
    """A random training voice, recorded speakers far more often than their number says."""
    if language == "en" and rng.random() < _NATURAL_SHARE:
        return rng.choice(_NATURAL_VOICES)
    robots = [v for v in training_voices(language) if v.engine is SpeechEngineName.ESPEAK]
    return rng.choice(robots)


def draw_network_voice(rng: random.Random) -> Voice:
    """A random English training voice of those that networks speak."""
    return _JOE if rng.random() < _JOE_SHARE else rng.choice(_KOKORO_VOICES)


def draw_man(rng: random.Random) -> Voice:
    """A random one of the men that slt is turned into."""
    return rng.choice(_MEN)


def draw_test_voice(language: str, rng: random.Random) -> Voice:
    """A random test voice; half of the English draws are the two recorded speakers."""
    voices = test_voices(language)
    if language == "en" and rng.random() < 0.5:
        return rng.choice(voices[:2])
    return rng.choice([v for v in voices if v.engine is SpeechEngineName.ESPEAK])
