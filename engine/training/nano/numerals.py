"""Numbers as they are said: nothing in nano's texts is written in digits. Pure."""

_ENGLISH_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_ENGLISH_TENS = (*("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),)
_MANDARIN_DIGITS = "零一二三四五六七八九"

NUMBER_WORDS = frozenset(
    (*_ENGLISH_SMALL, *_ENGLISH_TENS, "hundred", *_MANDARIN_DIGITS, "十", "百")
)


def english_number(number: int) -> str:
    """0 to 999 in words, e.g. "one hundred forty four"."""
    assert 0 <= number < 1000, number
    if number >= 100:
        hundreds = f"{_ENGLISH_SMALL[number // 100]} hundred"
        return f"{hundreds} {english_number(number % 100)}" if number % 100 else hundreds
    if number < 20:
        return _ENGLISH_SMALL[number]
    tens = _ENGLISH_TENS[number // 10 - 2]
    return f"{tens} {_ENGLISH_SMALL[number % 10]}" if number % 10 else tens


def mandarin_number(number: int) -> str:
    """0 to 999 in Hanzi, e.g. "一百零八"."""
    assert 0 <= number < 1000, number
    hundreds, tens, ones = number // 100, number // 10 % 10, number % 10
    said = f"{_MANDARIN_DIGITS[hundreds]}百" if hundreds else ""
    if tens:
        said += "十" if tens == 1 and not hundreds else f"{_MANDARIN_DIGITS[tens]}十"
    elif hundreds and ones:
        said += "零"
    return said + _MANDARIN_DIGITS[ones] if ones or not number else said
