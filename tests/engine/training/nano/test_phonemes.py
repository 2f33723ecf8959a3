"""Phonemes come from one fixed inventory, and a label says what the voice was given to read."""
# ruff: noqa: RUF001 - phonetic signs and full-width marks are meant

import ctypes.util

import pytest

from engine.training.nano.corpus import exchanges, sentences
from engine.training.nano.phonemes import PHONEMES, phonemes, pinyin_syllables
from engine.training.nano.synthesis import mandarin_reading
from engine.training.nano.voices import Split

needs_espeak = pytest.mark.skipif(
    ctypes.util.find_library("espeak-ng") is None, reason="espeak-ng is not installed"
)


def test_the_inventory_has_no_phoneme_twice() -> None:
    assert len(set(PHONEMES)) == len(PHONEMES)


@needs_espeak
def test_english_is_heard_without_stress_or_allophones() -> None:
    assert phonemes("Water.", "en") == ["w", "ɔː", "t", "ɚ"]
    assert phonemes("Three choices.", "en") == ["θ", "ɹ", "iː", "tʃ", "ɔɪ", "s", "ɪ", "z"]


def test_mandarin_is_initial_final_and_tone() -> None:
    assert phonemes("七加五？", "zh") == [
        *("zh:q", "zh:i", "zh:1", "zh:j", "zh:ia", "zh:1", "zh:u", "zh:3"),
    ]
    assert phonemes("去远", "zh") == ["zh:q", "zh:v", "zh:4", "zh:van", "zh:3"]


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("你好", "ni2 hao3"),
        ("不是", "bu2 shi4"),
        ("一百四十一", "yi4 bai3 si4 shi2 yi1"),
        ("十一加三", "shi2 yi1 jia1 san1"),
        ("一月", "yi1 yue4"),
        ("一个", "yi2 ge4"),
        ("睡觉", "shui4 jiao4"),
        ("那只狗", "na4 zhi1 gou3"),
        ("慢慢地", "man4 man4 de5"),
    ],
)
def test_sandhi_and_readings_follow_speech(text: str, reading: str) -> None:
    assert " ".join(pinyin_syllables(text)) == reading


def test_a_neutral_syllable_leans_on_the_one_before_it() -> None:
    assert mandarin_reading("我们的，好吗？") == "wo3men5de5, hao3ma5?"


@needs_espeak
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_text_of_the_corpus_is_in_the_inventory(lang: str) -> None:
    known = set(PHONEMES)
    answers = list(dict.fromkeys(e.answer for e in exchanges(lang, Split.TRAIN)))[::3]
    for text in (*answers, *sentences(lang, Split.TRAIN)[::4]):
        found = phonemes(text, lang)
        assert found
        assert set(found) <= known
