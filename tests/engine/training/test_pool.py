"""Laws of the pool: what is named is drawn by its weight, whatever the number of rows."""

import random
from collections import Counter

import pytest

from engine.training.pool import Pool, Weights
from engine.training.token_store import TokenRow


def _row(lang: str, kind: str = "question", subject: str = "sums") -> TokenRow:
    return TokenRow("text", lang, "voice", kind, "train", ((1, 2),), subject)


def _shares(pool: Pool, what: str, n: int = 4000) -> dict[str, float]:
    rng = random.Random(0)
    counts = Counter(getattr(pool.draw(rng), what) for _ in range(n))
    return {name: count / n for name, count in counts.items()}


def test_languages_kinds_and_subjects_are_drawn_alike_whatever_their_number_of_rows() -> None:
    rows = [_row("en")] * 50 + [_row("zh")] + [_row("en", "sentence")] + [_row("en", subject="x")]
    pool = Pool(rows, Weights())
    assert len(pool) == 53
    assert _shares(pool, "lang") == pytest.approx({"en": 0.5, "zh": 0.5}, abs=0.03)
    assert _shares(pool, "kind")["sentence"] == pytest.approx(0.25, abs=0.03)
    assert _shares(pool, "subject")["x"] == pytest.approx(0.125, abs=0.03)


def test_weights_shift_the_draws_on_each_level() -> None:
    rows = [_row("en"), _row("zh"), _row("en", "answer"), _row("en", subject="x")]
    weights = Weights({"en": 3.0}, {"answer": 0.5}, {("en", "x"): 4.0})
    pool = Pool(rows, weights)
    assert _shares(pool, "lang")["en"] == pytest.approx(0.75, abs=0.03)
    assert _shares(pool, "kind")["answer"] == pytest.approx(0.75 / 3, abs=0.03)
    assert _shares(pool, "subject")["x"] == pytest.approx(0.75 * 2 / 3 * 0.8, abs=0.03)


def test_a_language_can_be_asked_for() -> None:
    pool = Pool([_row("en"), _row("zh")], Weights({"en": 100.0}))
    rng = random.Random(0)
    assert {pool.draw(rng, "zh").lang for _ in range(50)} == {"zh"}
