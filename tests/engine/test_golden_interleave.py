"""Interleaving, chat format, labels and packing order equal the reference, id for id."""

import json
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from engine.chat_template import IGNORED_LABEL, SPOKEN_CHAT_SYSTEM, prompt_ids, training_ids
from engine.conversation import Conversation, Role, SpeechEmbeddings, Turn
from engine.errors import TrainingDataError
from engine.interleave import DEFAULT_RATIO, interleave
from engine.models.sensevoice import N_QUERIES
from engine.text_tokenizer import TextTokenizer, with_audio_tokens
from engine.vocab import AUDIO_TAG, BASE_SPECIALS, Vocabulary, added_specials
from tests.golden_data import golden

VARIANTS = {"glm4voice": False, "sensevoice_glm4voice": True}


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((golden("interleave") / "interleave.json").read_text("utf-8"))
    return data


@pytest.fixture(scope="module")
def tokenizers(
    stored: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, TextTokenizer]:
    folder = golden("interleave")
    return {
        variant: build_tokenizer(
            folder / "tokenizer_base.json",
            n_audio(stored, variant),
            plus,
            tmp_path_factory.mktemp(variant),
        )
        for variant, plus in VARIANTS.items()
    }


def n_audio(stored: dict[str, Any], variant: str) -> int:
    result = stored["results"][variant]
    return int(result["vocab"] - result["ids"]["<|audio_0|>"])


def build_tokenizer(base: Path, n_audio: int, plus: bool, folder: Path) -> TextTokenizer:
    tokenizer = with_audio_tokens(Tokenizer.from_file(str(base)), n_audio, plus)
    tokenizer.save(str(folder / "tokenizer.json"))
    return TextTokenizer.load(folder)


def embeddings(n_frames: int) -> SpeechEmbeddings:
    return SpeechEmbeddings(np.zeros((n_frames + N_QUERIES, 1), dtype=np.float32))


def conversation(stored: dict[str, Any], name: str, vocab: Vocabulary) -> Conversation:
    """A stored sample as turns: in Plus only answers are discrete, users' audio is frames."""
    sample = stored["samples"][name]
    recordings = iter(sample["audios"] or ())
    turns = []
    for message in sample["messages"]:
        role = Role(message["role"])
        text, tag, after = message["content"].partition(AUDIO_TAG)
        assert not after, "every stored recording stands at the end of its message"
        if not tag:
            turns.append(Turn(role, text))
            continue
        recording = next(recordings)
        if vocab.plus and role is not Role.ASSISTANT:
            frames = stored["frames_contiguous"][recording]
            turns.append(Turn(role, text, embeddings=embeddings(frames)))
        else:
            turns.append(Turn(role, text, tuple(stored["codes"][recording])))
    return Conversation(tuple(turns))


def context_positions(ids: list[int], vocab: Vocabulary) -> list[int]:
    return [index for index, token_id in enumerate(ids) if token_id == vocab.context_of_audio]


def stored_positions(audio_indices: list[Any]) -> list[int]:
    """The second of the stored (batch, position) pairs, over all recordings."""
    recordings = chain.from_iterable(positions for _, positions in audio_indices)
    return list(chain.from_iterable(recordings))


@pytest.mark.parametrize("variant", VARIANTS)
def test_vocabulary_equals_the_reference(
    stored: dict[str, Any], tokenizers: dict[str, TextTokenizer], variant: str
) -> None:
    result = stored["results"][variant]
    vocab = tokenizers[variant].vocabulary
    names = [*BASE_SPECIALS, *added_specials(vocab.plus)]
    ids = {name: vocab.endoftext + index for index, name in enumerate(names)}
    ids |= {f"<|audio_{code}|>": vocab.audio_id(code) for code in range(vocab.n_audio)}
    assert list(BASE_SPECIALS) == stored["base_specials"]
    assert list(added_specials(vocab.plus)) == result["added_specials"]
    assert {name: ids.get(name) for name in result["ids"]} == result["ids"]
    assert vocab.n_ids == result["vocab"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_training_ids_and_labels_equal_the_reference(
    stored: dict[str, Any], tokenizers: dict[str, TextTokenizer], variant: str
) -> None:
    tokenizer = tokenizers[variant]
    cases = stored["results"][variant]["cases"]
    assert cases
    for key, case in cases.items():
        ratio_name, sample = key.split("/")
        ratio = stored["ratios"][ratio_name] or DEFAULT_RATIO
        dialogue = conversation(stored, sample, tokenizer.vocabulary)
        ids, labels = training_ids(dialogue, tokenizer, ratio)
        assert ids == case["input_ids"], key
        assert labels == case["labels"], key
        expected = stored_positions(case["audio_indices"])
        assert context_positions(ids, tokenizer.vocabulary) == expected, key


def test_interleaver_units_equal_the_reference(stored: dict[str, Any]) -> None:
    """All but the span without audio, of which the reference loses text and which we refuse."""
    units = stored["results"]["text_audio_interval_units"]
    vocab = Vocabulary(base_size=units["start"], n_audio=4096)
    first_audio = int(units["audio_ids"].rstrip("."))

    def translate(token_id: int) -> int:
        if token_id >= first_audio:
            return vocab.audio_id(token_id - first_audio)
        tags = {units["start"]: vocab.begin_of_audio, units["end"]: vocab.end_of_audio}
        return tags.get(token_id, token_id)

    for case in units["cases"]:
        text = list(range(1, case["n_text"] + 1))
        audio = [vocab.audio_id(code) for code in range(case["n_audio"])]
        ids = [*text, vocab.begin_of_audio, *audio, vocab.end_of_audio]
        ratio = case["ratio"] or DEFAULT_RATIO
        if not audio:
            with pytest.raises(TrainingDataError):
                interleave(ids, vocab, ratio)
            continue
        assert interleave(ids, vocab, ratio) == [translate(i) for i in case["out"]], case


def test_plus_prompt_equals_the_reference(
    stored: dict[str, Any], tokenizers: dict[str, TextTokenizer]
) -> None:
    """The release's own prompt: a system text, and a newline before the recording."""
    case = stored["results"]["add_audio_input_contiguous"]
    tokenizer = tokenizers["sensevoice_glm4voice"]
    question = Turn(Role.USER, "\n", embeddings=embeddings(case["n_lfr_frames"]))
    turns = (Turn(Role.SYSTEM, SPOKEN_CHAT_SYSTEM), question)
    ids = prompt_ids(Conversation(turns), tokenizer)
    assert ids == case["after"]
    positions = context_positions(ids, tokenizer.vocabulary)
    assert positions == stored_positions(case["audio_indices"])


def test_packed_batch_is_the_samples_one_after_another(
    stored: dict[str, Any], tokenizers: dict[str, TextTokenizer]
) -> None:
    packed = stored["results"]["packed_boost_asr_tts_sqa_text"]
    tokenizer = tokenizers["glm4voice"]
    pad = tokenizer.vocabulary.endoftext
    bounds = [0, *packed["actual_seq_len"]]
    names = ["asr", "tts", "sqa", "text_only"]
    for name, (start, end) in zip(names, pairwise(bounds), strict=True):
        dialogue = conversation(stored, name, tokenizer.vocabulary)
        ids, labels = training_ids(dialogue, tokenizer, stored["ratios"]["boost"])
        padding = end - start - len(ids)
        assert packed["input_ids"][start:end] == ids + [pad] * padding
        assert packed["labels"][start:end] == labels + [IGNORED_LABEL] * padding
        assert packed["position_ids"][start:end] == list(range(end - start))
