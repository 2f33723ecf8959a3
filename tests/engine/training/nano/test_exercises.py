"""Exercises go beyond the subjects, are right, and leave alone what is kept for testing."""
# ruff: noqa: RUF001 - full-width marks are how Chinese is written

import random

import pytest

from engine.training.nano.corpus import exchanges
from engine.training.nano.exercises import draw_exercise
from engine.training.nano.numerals import english_number, mandarin_number
from engine.training.nano.topics import words
from engine.training.nano.voices import LANGUAGES, Split

NUMBERS = {"en": {english_number(n): n for n in range(300)}}
NUMBERS["zh"] = {mandarin_number(n): n for n in range(300)}
RULES = {
    "plus": lambda a, b: a + b,
    "minus": lambda a, b: a - b,
    "times": lambda a, b: a * b,
    "加": lambda a, b: a + b,
    "减": lambda a, b: a - b,
    "乘": lambda a, b: a * b,
}
IS = {"en": " is ", "zh": "等于"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_results_are_right_and_some_are_beyond_the_subjects(lang: str) -> None:
    rng, largest = random.Random(1), 0
    for _ in range(400):
        exercise = draw_exercise(lang, rng)
        if exercise.subject == "counting":
            continue
        asked, result = exercise.answer.rstrip(".。").lower().split(IS[lang])
        word = next(w for w in RULES if w in asked)
        a, b = (NUMBERS[lang][part.strip()] for part in asked.split(word))
        assert NUMBERS[lang][result] == RULES[word](a, b)
        largest = max(largest, a, b)
    assert largest > 40


@pytest.mark.parametrize("lang", LANGUAGES)
def test_counting_goes_from_the_first_to_the_last_number(lang: str) -> None:
    rng = random.Random(2)
    drawn = (draw_exercise(lang, rng) for _ in range(300))
    counts = [e.answer for e in drawn if e.subject == "counting"]
    assert len(counts) > 20
    for answer in counts:
        said = answer.lower().rstrip(".。").replace("，", ", ").split(", ")
        numbers = [NUMBERS[lang][number] for number in said]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert len(numbers) > 1


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_exercise_gives_a_held_out_answer_away(lang: str) -> None:
    rng = random.Random(3)
    subjects = ("sums", "differences", "products", "counting")
    tested = [e for e in exchanges(lang, Split.TEST) if e.subject in subjects]
    taught = {e.answer for e in exchanges(lang, Split.TRAIN)}
    kept = {tuple(words(e.answer, lang)) for e in tested if e.answer not in taught}
    assert len(kept) > 90
    drawn = {tuple(words(draw_exercise(lang, rng).answer, lang)) for _ in range(6000)}
    assert len(drawn) > 1500
    assert kept.isdisjoint(drawn)
