"""Builds nano's text tokenizer: one small byte-level BPE for English and Mandarin.

English words and single Chinese characters are the largest pieces, so a frequent one is one token
and speech keeps pace with text. Special and audio tokens stand after the text, as in the releases.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from engine.chat_template import ASR_INSTRUCTION, TTS_INSTRUCTION
from engine.conversation import Role
from engine.text_tokenizer import with_audio_tokens
from engine.training.nano.corpus import exchanges
from engine.training.nano.sentences import sentences
from engine.training.nano.voices import LANGUAGES, Split

N_TEXT = 1200
N_AUDIO = 1024

# A word with the space before it, one Chinese character, one digit, marks, white space.
_LETTER = r"[\p{L}&&[^\p{Han}]]"
_STEM = r" ?(?:[Tt]hir|[Ff]our|[Ff]if|[Ss]ix|[Ss]even|[Ee]igh|[Nn]ine)"
_TEENS = rf"{_STEM}(?=teen)|teen"  # "four" + "teen": sums are learnt from parts, as in Mandarin
_PIECES = (
    rf"{_TEENS}|\p{{Han}}| ?{_LETTER}+(?:'{_LETTER}+)?|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+"
)
_FIXED_TEXT_REPEATS = 10_000  # the words of the chat format must each become one token


def build_tokenizer(
    texts: Iterable[str], n_text: int = N_TEXT, n_audio: int = N_AUDIO
) -> Tokenizer:
    """A tokenizer learnt from these texts, with all special and audio tokens in place."""
    base = Tokenizer(BPE())
    base.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    base.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=n_text, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    base.train_from_iterator(_with_fixed_texts(texts), trainer)
    return with_audio_tokens(base, n_audio)


def corpus_texts() -> Iterator[str]:
    """All training texts: questions and answers, and as many general sentences."""
    for lang in LANGUAGES:
        for exchange in exchanges(lang, Split.TRAIN):
            yield exchange.question
            yield exchange.answer
        yield from sentences(lang, Split.TRAIN, 6000)


def write_tokenizer(path: Path, n_text: int = N_TEXT) -> None:
    """Builds nano's tokenizer from its corpus and writes it, whole or not at all."""
    part = path.with_suffix(".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    build_tokenizer(corpus_texts(), n_text).save(str(part))
    part.replace(path)


def _with_fixed_texts(texts: Iterable[str]) -> Iterator[str]:
    fixed = (ASR_INSTRUCTION, TTS_INSTRUCTION, *(role.value for role in Role), "\n")
    for _ in range(_FIXED_TEXT_REPEATS):
        yield from fixed
    yield from texts
