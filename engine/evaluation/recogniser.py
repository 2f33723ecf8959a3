"""An independent ear for English: pocketsphinx with a grammar of everything nano may answer.

The grammar is made from the topics alone. Every slot of an answer takes any value that the slot
has in any answer, a number slot any number to 999, so wrong answers can be said as well as right
ones, and the recogniser is never told which question was asked. A list (counting, spelling) may
lose any of its elements, because that is how a spoken list goes wrong. Without a grammar it takes
any English sentence, by pocketsphinx's own language model.
"""

from collections.abc import Iterable, Sequence
from string import Formatter

import numpy as np
import numpy.typing as npt
import soxr

from engine.evaluation.text_normalise import normalised, units
from engine.training.nano.numerals import NUMBER_WORDS
from engine.training.nano.topics import Topic

SAMPLE_RATE = 16000
_SILENCE_S = 0.15
_PEAK = 0.5
# How likely a list loses elements; at even chances short letters go unheard.
_LOSING = 0.001
# Answers are heard at this share of their speed, pitch and formants with it: so the acoustic model
# fits the answer voice better, and errs half as often.
_SPEED = 0.78

# Said as words where the dictionary spells them out.
_PRONUNCIATIONS = {"baa": ("B AE", "B AA", "B AE AA")}

_DIGITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


class Recogniser:
    """Writes down speech at any sample rate; one thread, one utterance after the other."""

    def __init__(self, grammar: str | None = None) -> None:
        import pocketsphinx

        # The decoder takes what it gets for 16 kHz: more samples a second sound slower to it.
        self._rate = SAMPLE_RATE if grammar is None else round(SAMPLE_RATE / _SPEED)
        if grammar is None:
            self._decoder = pocketsphinx.Decoder(loglevel="FATAL")
        else:
            # The best path through the lattice costs four times as much and hears no better.
            self._decoder = pocketsphinx.Decoder(lm=None, bestpath=False, loglevel="FATAL")
            unknown = [w for w in _words_of(grammar) if self._decoder.lookup_word(w) is None]
            assert not unknown, f"pocketsphinx cannot pronounce {', '.join(unknown)}"
            for word, variants in _PRONUNCIATIONS.items():
                for number, phones in enumerate(variants, start=2):
                    self._decoder.add_word(f"{word}({number})", phones, False)
            self._decoder.add_jsgf_string("answers", grammar)
            self._decoder.activate_search("answers")

    def recognise(self, samples: npt.NDArray[np.float32], sample_rate: int) -> str:
        """What was said, normalised; nothing where nothing fits."""
        if not len(samples):
            return ""
        if sample_rate != self._rate:
            samples = soxr.resample(samples, sample_rate, self._rate)
        loudest = float(np.abs(samples).max())
        if not loudest > 0:
            return ""
        padded = np.pad(samples * (_PEAK / loudest), round(_SILENCE_S * SAMPLE_RATE))
        self._decoder.start_utt()
        self._decoder.process_raw((padded * 32767).astype(np.int16).tobytes(), full_utt=True)
        self._decoder.end_utt()
        best = self._decoder.hyp()
        return normalised(best.hypstr, "en") if best is not None else ""


def answer_grammar(topics: Iterable[Topic]) -> str:
    """All answers of these topics, right and wrong ones, as one JSGF grammar."""
    rules = dict.fromkeys(_rule(topic) for topic in topics)
    return "\n".join(
        (
            "#JSGF V1.0;",
            "grammar answers;",
            f"<digit> = {' | '.join(_DIGITS)};",
            f"<small> = <digit> | {' | '.join(_TEENS)} | ( {' | '.join(_TENS)} ) [ <digit> ];",
            "<number> = zero | <small> | <digit> hundred [ <small> ];",
            f"public <answer> = {' | '.join(rules)};\n",
        )
    )


def _rule(topic: Topic) -> str:
    """The topic's answer with a choice of all values in place of every slot."""
    items = topic.items + topic.held_out
    parts: list[str] = []
    for literal, slot, _, _ in Formatter().parse(topic.answer):
        parts += units(literal, "en")
        if slot:
            parts.append(_choice([item[slot] for item in items]))
    return " ".join(parts)


def _choice(values: Sequence[str]) -> str:
    lists = [[normalised(element, "en") for element in value.split(",")] for value in values]
    if all(_is_list(elements) for elements in lists):
        whole = _any_of(" ".join(elements) for elements in lists)
        losing = _any_of(" ".join(f"[ {e} ]" for e in elements) for elements in _longest(lists))
        return f"( /{1 - _LOSING}/ {whole} | /{_LOSING}/ {losing} )"
    words = [units(value, "en") for value in values]
    if all(NUMBER_WORDS.issuperset(value) for value in words):
        return "<number>"
    return _any_of(" ".join(value) for value in words)


def _is_list(elements: Sequence[str]) -> bool:
    """Whether a value enumerates: numbers or letters, with commas between them."""
    return len(elements) > 1 and all(
        len(element) == 1 or NUMBER_WORDS.issuperset(element.split()) for element in elements
    )


def _longest(lists: Iterable[list[str]]) -> list[list[str]]:
    """The lists that are not a stretch of a longer one."""
    kept: dict[str, list[str]] = {}
    for elements in sorted(lists, key=len, reverse=True):
        line = ",".join(elements)
        if not any(line in longer for longer in kept):
            kept[line] = elements
    return list(kept.values())


def _any_of(choices: Iterable[str]) -> str:
    return f"( {' | '.join(dict.fromkeys(choices))} )"


def _words_of(grammar: str) -> list[str]:
    body = grammar.split(";", 2)[2].replace("<NULL>", "")
    bare = "".join(c if c.isalpha() or c in "'<>" else " " for c in body)
    return [word for word in dict.fromkeys(bare.split()) if "<" not in word]
