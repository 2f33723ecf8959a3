"""Laws of the training data: the form of samples, held-out rows stay out, exact resuming."""

import random
from dataclasses import replace

import pytest
import torch

from engine.chat_template import TEXT_ONLY_SYSTEM
from engine.errors import TrainingDataError
from engine.training.data import BatchSampler, SpeechData
from engine.training.packing import IGNORED, Batch, Task
from tests.engine.training.token_rows import OPTIONS, rows, tokenizer

MIXTURE = {Task.ASR: 1.0, Task.TTS: 1.0, Task.SPOKEN_QA: 2.0, Task.TEXT_QA: 0.5, Task.TEXT: 0.2}
UNDISTURBED = replace(OPTIONS, replace_chance=0.0, drop_chance=0.0, more_turns_chance=0.0)


def _data(split: str = "train") -> SpeechData:
    return SpeechData(rows(), tokenizer(), OPTIONS, split)


def _supervised_text(data: SpeechData, task: Task) -> tuple[str, list[int]]:
    sample = data.draw(task, random.Random(3))
    labels = [label for label in sample.labels if label != IGNORED]
    return tokenizer().decode(labels), labels


def test_spoken_targets_carry_text_and_audio_in_the_answer_voice() -> None:
    data = SpeechData(rows(), tokenizer(), UNDISTURBED)
    vocab = tokenizer().vocabulary
    spoken = {tuple(row.takes[0]) for row in rows() if row.voice in OPTIONS.answer_voices.values()}
    for task in (Task.TTS, Task.SPOKEN_QA, Task.TEXT_QA):
        _, labels = _supervised_text(data, task)
        codes = tuple(vocab.audio_code(label) for label in labels if vocab.is_audio(label))
        assert codes in spoken
        assert labels.count(vocab.begin_of_audio) == labels.count(vocab.end_of_audio) > 0


def test_transcripts_are_text_alone() -> None:
    text, labels = _supervised_text(_data(), Task.ASR)
    assert not any(tokenizer().vocabulary.is_audio(label) for label in labels)
    assert text.strip() in {row.text for row in rows()}


def test_held_out_texts_are_never_drawn_for_training() -> None:
    data, rng = _data(), random.Random(0)
    for task in Task:
        for _ in range(40):
            text = tokenizer().decode(data.draw(task, rng).ids)
            assert "four" not in text
            assert "四" not in text


def test_held_out_data_holds_nothing_else() -> None:
    data, rng = _data("test"), random.Random(0)
    for task in (Task.ASR, Task.SPOKEN_QA):
        text = tokenizer().decode(data.draw(task, rng).ids)
        assert "four" in text or "四" in text


def test_a_conversation_of_several_turns_supervises_every_answer() -> None:
    data = SpeechData(rows(), tokenizer(), replace(OPTIONS, more_turns_chance=0.9))
    sample = max((data.draw(Task.TEXT_QA, random.Random(n)) for n in range(9)), key=_n_ends)
    assert _n_ends(sample) > 2


def _n_ends(sample: object) -> int:
    return sample.labels.count(tokenizer().vocabulary.im_end)  # type: ignore[attr-defined]


def test_what_is_heard_is_disturbed_in_training_and_never_emptied() -> None:
    data = SpeechData(rows(), tokenizer(), replace(OPTIONS, drop_chance=1.0))
    sample = data.draw(Task.ASR, random.Random(0))
    assert any(tokenizer().vocabulary.is_audio(token) for token in sample.ids)


def test_samples_that_cannot_be_short_enough_are_reported() -> None:
    data = SpeechData(rows(), tokenizer(), replace(OPTIONS, max_tokens=8))
    with pytest.raises(TrainingDataError):
        data.draw(Task.ASR, random.Random(0))


def test_a_resumed_sampler_goes_on_with_the_same_batches() -> None:
    for served in (0, 1, 20, 33):
        first = BatchSampler(_data(), MIXTURE, 256, 2, seed=1)
        for _ in range(served):
            first.next_batch()
        second = BatchSampler(_data(), MIXTURE, 256, 2, seed=99)
        second.load_state(first.state())
        for _ in range(40):
            assert torch.equal(first.next_batch().ids, second.next_batch().ids)


def test_batches_of_one_step_share_the_number_of_its_labels() -> None:
    sampler = BatchSampler(_data(), MIXTURE, 256, 3, seed=1)
    for _ in range(10):
        step = [sampler.next_batch() for _ in range(3)]
        assert len({batch.n_labels for batch in step}) == 1
        assert sum(map(_count, step)) == pytest.approx(3 * step[0].n_labels)


def test_rows_are_padded_within_the_budget() -> None:
    sampler = BatchSampler(_data(), MIXTURE, 256, 1, seed=1)
    for _ in range(30):
        batch = sampler.next_batch()
        assert batch.ids.numel() <= 256 or batch.ids.shape[0] == 1


def _count(batch: Batch) -> int:
    return int((batch.labels != IGNORED).sum())


def test_what_is_heard_comes_with_its_transcript_and_nothing_else_does() -> None:
    data = SpeechData(rows(), tokenizer(), UNDISTURBED)
    rng = random.Random(3)
    asr = data.draw(Task.ASR, rng)
    answer = [label for label in asr.labels if label != IGNORED]
    assert tokenizer().decode(asr.said) in tokenizer().decode(answer)
    questions = {row.text for row in rows() if row.kind == "question"}
    assert tokenizer().decode(data.draw(Task.SPOKEN_QA, rng).said) in questions
    for task in (Task.TTS, Task.TEXT_QA, Task.TEXT):
        assert data.draw(task, rng).said == ()


def test_blurred_tokens_turn_into_those_that_sound_alike_and_nothing_else() -> None:
    n_audio = tokenizer().vocabulary.n_audio
    alike = [[(code + 1) % n_audio] for code in range(n_audio)]
    options = replace(UNDISTURBED, blur_chance=0.5, alike=alike)
    data = SpeechData(rows(), tokenizer(), options)
    takes = {tuple(take) for row in rows() for take in row.takes}
    vocab = tokenizer().vocabulary
    sample = data.draw(Task.ASR, random.Random(5))
    heard = [vocab.audio_code(token) for token in sample.ids if vocab.is_audio(token)]
    original = min(
        (take for take in takes if len(take) == len(heard)),
        key=lambda take: sum(a != b for a, b in zip(take, heard, strict=True)),
    )
    changes = {(b - a) % n_audio for a, b in zip(original, heard, strict=True)}
    assert changes == {0, 1}


def test_a_question_alone_is_answered_in_text_when_the_system_says_so() -> None:
    data = SpeechData(rows(), tokenizer(), OPTIONS)
    drawn = [data.draw(Task.TEXT, random.Random(n)) for n in range(40)]
    texts = [tokenizer().decode([i for i in s.ids]) for s in drawn]
    asked = [text for text in texts if TEXT_ONLY_SYSTEM in text]
    assert 0 < len(asked) < len(texts)
    assert all("Say" in text.title() and "It is" in text for text in asked)
    assert all(not tokenizer().vocabulary.is_audio(i) for s in drawn for i in s.ids)


def test_a_spoken_question_is_answered_in_text_when_the_system_says_so() -> None:
    data = SpeechData(rows(), tokenizer(), OPTIONS)
    vocab = tokenizer().vocabulary
    for n in range(10):
        sample = data.draw(Task.SPOKEN_TEXT, random.Random(n))
        assert TEXT_ONLY_SYSTEM in tokenizer().decode(list(sample.ids))
        heard = [i for i, label in zip(sample.ids, sample.labels, strict=True) if label == IGNORED]
        answered = [label for label in sample.labels if label != IGNORED]
        assert any(map(vocab.is_audio, heard))
        assert not any(map(vocab.is_audio, answered))
        question = tokenizer().decode(list(sample.said))
        (row,) = {row.answer for row in rows() if row.text == question}
        assert tokenizer().decode(answered).startswith(row)


def test_shuffled_phrases_are_heard_but_not_read() -> None:
    shuffled = replace(rows()[0], text="Two of say.", kind="shuffled", answer="", subject="")
    data = SpeechData((shuffled,), tokenizer(), OPTIONS)
    assert data.has(Task.ASR)
    assert not data.has(Task.TEXT)


def test_typed_questions_come_in_other_words_and_spoken_ones_do_not() -> None:
    options = replace(OPTIONS, reword=lambda text, lang, rng: f"four {lang}", reword_chance=1.0)
    data = SpeechData(rows(), tokenizer(), options)
    typed = data.draw(Task.TEXT_QA, random.Random(0))
    spoken = data.draw(Task.SPOKEN_QA, random.Random(0))
    assert "four" in tokenizer().decode(list(typed.ids))
    assert "four" not in tokenizer().decode(list(spoken.ids))


def test_exercises_are_read_among_other_texts() -> None:
    options = replace(OPTIONS, exercise=lambda rng: ("two one", "three", "en"))
    data = SpeechData(rows(), tokenizer(), options)
    texts = [
        tokenizer().decode(list(data.draw(Task.TEXT, random.Random(n)).ids)) for n in range(60)
    ]
    answered = sum("two one" in text and "three" in text for text in texts)
    alone = sum("three" in text and "two one" not in text and "It is" not in text for text in texts)
    assert answered > 8
    assert alone > 8
    assert sum("It is" in text for text in texts) > 5


def test_own_voice_is_transcribed_less_and_languages_have_their_weights() -> None:
    options = replace(OPTIONS, language_weights={"en": 3.0}, own_voice_weight=0.0)
    data, rng = SpeechData(rows(), tokenizer(), options), random.Random(0)
    drawn = [data.draw(Task.ASR, rng).labels for _ in range(200)]
    texts = [tokenizer().decode([x for x in labels if x != IGNORED]) for labels in drawn]
    assert not any("It is" in text for text in texts)
    assert 120 < sum(text.isascii() for text in texts) < 180
