"""Other wordings keep the sense and stay clear of what is kept for testing."""

import random

import pytest

from engine.training.nano.corpus import draw_exchange, exchanges, sentences
from engine.training.nano.numerals import NUMBER_WORDS
from engine.training.nano.topics import words
from engine.training.nano.voices import LANGUAGES, Split
from engine.training.nano.wordings import reworded, shuffled


@pytest.mark.parametrize("lang", LANGUAGES)
def test_other_wordings_are_many_and_none_is_kept_for_testing(lang: str) -> None:
    rng = random.Random(3)
    kept = {tuple(words(e.question, lang)) for e in exchanges(lang, Split.TEST)}
    asked = [draw_exchange(lang, Split.TRAIN, rng).question for _ in range(600)]
    others = [reworded(question, lang, rng) for question in asked]
    assert kept.isdisjoint(tuple(words(other, lang)) for other in others)
    changed = sum(a != b for a, b in zip(asked, others, strict=True))
    assert changed > 300


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_number_is_lost_in_another_wording(lang: str) -> None:
    rng = random.Random(4)
    sums = [e for e in exchanges(lang, Split.TRAIN) if e.subject == "sums"]
    for exchange in rng.sample(sums, 200):
        other = reworded(exchange.question, lang, rng)
        numbers = [w for w in words(exchange.question, lang) if w in NUMBER_WORDS]
        assert [w for w in words(other, lang) if w in NUMBER_WORDS] == numbers


def test_what_could_be_a_held_out_wording_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter(["Tell me how many legs a spider has.", "So, how many legs does a spider have?"])
    monkeypatch.setattr("engine.training.nano.wordings._reworded", lambda *_: next(taken))
    other = reworded("How many legs does a spider have?", "en", random.Random(0))
    assert other == "So, how many legs does a spider have?"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_shuffled_phrases_hold_training_words_in_no_known_order(lang: str) -> None:
    rng = random.Random(5)
    known = [t for e in exchanges(lang, Split.TRAIN) for t in (e.question, e.answer)]
    known += sentences(lang, Split.TRAIN, 4000)
    vocabulary = {word for text in known for word in words(text, lang)}
    texts = [shuffled(lang, rng) for _ in range(300)]
    for text in texts:
        assert text[-1] in ".。"
        assert 2 <= len(words(text, lang)) <= 20
        assert set(words(text, lang)) <= vocabulary
    whole = {tuple(words(text, lang)) for text in known}
    assert sum(tuple(words(text, lang)) in whole for text in texts) < 10
    assert len(set(texts)) > 290


def test_only_names_keep_their_capitals_inside_of_shuffled_phrases() -> None:
    rng = random.Random(6)
    found = {w.strip(".") for _ in range(400) for w in shuffled("en", rng).split()[1:]}
    assert {"Monday", "Paris", "I"} & found
    assert not {"What", "How", "The", "Tell"} & found
