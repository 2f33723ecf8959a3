"""Which voices may be learnt from, and which are kept for testing for good."""

import random

import pytest

from engine.training.nano.voices import (
    ANSWER_VOICE,
    LANGUAGES,
    SpeechEngineName,
    Split,
    draw_man,
    draw_network_voice,
    draw_test_voice,
    draw_training_voice,
    test_voices,
    training_voices,
)

test_voices.__test__ = False  # a function of the program, not a test


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_test_voice_is_trained_on(lang: str) -> None:
    assert {v.code for v in training_voices(lang)}.isdisjoint(v.code for v in test_voices(lang))
    assert all(v.split is Split.TRAIN for v in training_voices(lang))
    assert all(v.split is Split.TEST for v in test_voices(lang))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_espeak_variant_kept_for_testing_is_kept_in_every_accent(lang: str) -> None:
    def variants(voices: tuple) -> set[str]:  # type: ignore[type-arg]
        robots = [v for v in voices if v.engine is SpeechEngineName.ESPEAK]
        return {v.code.partition("+")[2] for v in robots}

    assert len(variants(test_voices(lang))) >= 5
    assert variants(training_voices(lang)).isdisjoint(variants(test_voices(lang)))


def test_the_two_reserved_speakers_are_test_voices() -> None:
    reserved = {"flite:rms", "flite:awb"}
    assert reserved <= {v.name for v in test_voices("en")}
    assert reserved.isdisjoint(v.name for v in training_voices("en"))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_draws_stay_in_their_split_and_repeat_with_their_seed(lang: str) -> None:
    for number in range(100):
        voice = draw_training_voice(lang, random.Random(number))
        assert voice in training_voices(lang)
        assert voice == draw_training_voice(lang, random.Random(number))
        assert draw_test_voice(lang, random.Random(number)) in test_voices(lang)


def test_men_have_a_lower_pitch_and_longer_vocal_tracts_than_the_voice_they_come_from() -> None:
    drawn = {draw_man(random.Random(number)) for number in range(100)}
    assert drawn <= set(training_voices("en"))
    assert {man.code for man in drawn} == {"slt"}
    assert all(man.pitch < man.formants < 1.0 for man in drawn)


def test_networks_speak_in_several_training_voices() -> None:
    drawn = {draw_network_voice(random.Random(number)) for number in range(100)}
    assert drawn <= set(training_voices("en"))
    assert len(drawn) == 6


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_answer_voice_is_a_training_voice(lang: str) -> None:
    assert ANSWER_VOICE[lang].name in {voice.name for voice in training_voices(lang)}
