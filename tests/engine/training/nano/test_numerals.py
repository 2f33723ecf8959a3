"""Numbers are said as people say them."""

import pytest

from engine.training.nano.numerals import english_number, mandarin_number


@pytest.mark.parametrize(
    ("number", "english", "mandarin"),
    [
        (0, "zero", "零"),
        (10, "ten", "十"),
        (13, "thirteen", "十三"),
        (20, "twenty", "二十"),
        (42, "forty two", "四十二"),
        (100, "one hundred", "一百"),
        (108, "one hundred eight", "一百零八"),
        (110, "one hundred ten", "一百一十"),
        (144, "one hundred forty four", "一百四十四"),
    ],
)
def test_a_number_is_said_in_words(number: int, english: str, mandarin: str) -> None:
    assert english_number(number) == english
    assert mandarin_number(number) == mandarin


def test_no_two_numbers_sound_alike() -> None:
    assert len({english_number(n) for n in range(1000)}) == 1000
    assert len({mandarin_number(n) for n in range(1000)}) == 1000
