"""A toy corpus of token rows and its tokenizer, for the tests of data and training."""

import random
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.text_tokenizer import TextTokenizer
from engine.training.data import DataOptions
from engine.training.nano.text_tokenizer import build_tokenizer
from engine.training.token_store import TokenRow

N_AUDIO = 64
OPTIONS = DataOptions(answer_voices={"en": "slt", "zh": "f2"})
_WORDS = {"en": ("one", "two", "three", "four"), "zh": ("一", "二", "三", "四")}


@cache
def tokenizer() -> TextTokenizer:
    """A tokenizer of few text and audio tokens."""
    texts = [row.text for row in rows()]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        build_tokenizer(texts, n_text=300, n_audio=N_AUDIO).save(str(path))
        return TextTokenizer.load(path)


@cache
def rows() -> tuple[TokenRow, ...]:
    """Questions in two voices and takes, answers and sentences of both splits and languages."""
    rng = random.Random(1)
    found = []
    for lang, words in _WORDS.items():
        for word in words:
            split = "test" if word in ("four", "四") else "train"
            question, answer = f"Say {word}?", f"It is {word}, {word}."
            for voice in ("a", "b"):
                takes = _takes(rng, 2)
                found.append(
                    TokenRow(question, lang, voice, "question", split, takes, "say", answer)
                )
            voice = OPTIONS.answer_voices[lang]
            found.append(TokenRow(answer, lang, voice, "answer", split, _takes(rng, 1)))
            found.append(TokenRow(f"A {word} so.", lang, voice, "sentence", split, _takes(rng, 1)))
    return tuple(found)


def _takes(rng: random.Random, n: int) -> tuple[tuple[int, ...], ...]:
    return tuple(
        tuple(rng.randrange(N_AUDIO) for _ in range(rng.randrange(9, 30))) for _ in range(n)
    )
