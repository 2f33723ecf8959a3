"""The training data of the speech LM: samples drawn from token rows without end.

``SpeechData`` draws samples of a task, ``BatchSampler`` turns them into batches by a mixture of
tasks. Everything random comes from one ``random.Random`` whose state belongs to the checkpoint.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from engine.chat_template import TEXT_ONLY_SYSTEM, asr_turn, training_ids, tts_turn
from engine.conversation import Conversation, Role, Turn
from engine.errors import TrainingDataError
from engine.text_tokenizer import TextTokenizer
from engine.training.nano.topics import FINAL_MARKS
from engine.training.packing import Batch, Sample, Task, pad, rows_by_length
from engine.training.pool import Pool, Weights
from engine.training.token_store import TokenRow

Reword: TypeAlias = Callable[[str, str, random.Random], str]
"""A question and its language -> the same in other words."""

Exercise: TypeAlias = Callable[[random.Random], tuple[str, str, str]]
"""Draws a question to be read, its answer and their language."""

_TEXT_ONLY = Turn(Role.SYSTEM, TEXT_ONLY_SYSTEM)


@dataclass(frozen=True, slots=True)
class DataOptions:
    """How samples are drawn and how the speech that nano hears is disturbed."""

    answer_voices: Mapping[str, str]  # lang -> the voice of all spoken targets
    ratio: tuple[int, ...] = (1, 10, 4, 10)
    replace_chance: float = 0.03  # of each audio token heard
    drop_chance: float = 0.02
    blur_chance: float = 0.15  # that a token heard turns into one that sounds alike
    alike: Sequence[Sequence[int]] = ()  # per audio token: those that sound most like it
    more_turns_chance: float = 0.15  # that an exchange follows another one
    reword: Reword | None = None
    reword_chance: float = 0.5  # of a typed question
    exercise: Exercise | None = None
    exercise_chance: float = 0.6  # of a text alone
    language_weights: Mapping[str, float] = field(default_factory=dict)  # one each where unnamed
    subject_weights: Mapping[tuple[str, str], float] = field(default_factory=dict)
    own_voice_weight: float = 0.3  # of answers among what is transcribed; other kinds have 1
    max_tokens: int = 512


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A conversation to train on, and what is heard in it, in words."""

    conversation: Conversation
    said: tuple[str, ...] = ()


class SpeechData:
    """Draws training samples of every task from token rows; holds no random state of its own."""

    def __init__(
        self,
        rows: Sequence[TokenRow],
        tokenizer: TextTokenizer,
        options: DataOptions,
        split: str = "train",
    ) -> None:
        """Takes the rows of one split; only held-out questions may look for any answer."""
        self.tokenizer = tokenizer
        self.options = options
        self.too_long = 0  # samples left out because of their length
        own = [row for row in rows if row.split == split]
        self._answers = {
            (row.lang, row.text): row
            for row in (own if split == "train" else rows)
            if row.kind == "answer" and self._is_target(row)
        }
        spoken = [row for row in own if self._is_target(row) and row.kind != "question"]
        questions = [row for row in own if self._answer(row) is not None]
        self.unanswered = sum(row.kind == "question" for row in own) - len(questions)
        pools = {
            Task.ASR: own,
            Task.TTS: spoken,
            Task.SPOKEN_QA: questions,
            Task.SPOKEN_TEXT: questions,
            Task.TEXT_QA: _unique_texts(questions),
            Task.TEXT: _unique_texts([row for row in own if row.kind != "shuffled"]),
        }
        self._pools = {task: Pool(found, _weights(task, options)) for task, found in pools.items()}
        self._builders: dict[Task, Callable[[random.Random], _Drawn]] = {
            Task.ASR: self._asr,
            Task.TTS: self._tts,
            Task.SPOKEN_QA: self._exchanges,
            Task.SPOKEN_TEXT: self._written_answer,
            Task.TEXT_QA: self._typed_exchanges,
            Task.TEXT: self._plain,
        }

    def has(self, task: Task) -> bool:
        """Whether there is anything to draw for a task."""
        return len(self._pools[task]) > 0

    def draw(self, task: Task, rng: random.Random) -> Sample:
        """A random sample of a task."""
        if not self.has(task):
            raise TrainingDataError(f"The token rows hold nothing for the task {task.value}.")
        while True:
            drawn = self._builders[task](rng)
            ids, labels = training_ids(drawn.conversation, self.tokenizer, self.options.ratio)
            if len(ids) <= self.options.max_tokens:
                said = [token for text in drawn.said for token in self.tokenizer.encode(text)]
                return Sample(tuple(ids), tuple(labels), task, tuple(said))
            self.too_long += 1
            if self.too_long > 1000 and self.too_long % 1000 == 0:
                raise TrainingDataError(
                    f"{self.too_long} samples are longer than {self.options.max_tokens} tokens."
                )

    def _asr(self, rng: random.Random) -> _Drawn:
        row = self._pools[Task.ASR].draw(rng)
        answer = Turn(Role.ASSISTANT, row.text)
        return _Drawn(Conversation((asr_turn(self._heard(row, rng)), answer)), (row.text,))

    def _tts(self, rng: random.Random) -> _Drawn:
        row = self._pools[Task.TTS].draw(rng)
        answer = Turn(Role.ASSISTANT, audio_codes=tuple(row.takes[0]))
        return _Drawn(Conversation((tts_turn(row.text), answer)))

    def _exchanges(self, rng: random.Random) -> _Drawn:
        return self._conversation(Task.SPOKEN_QA, rng)

    def _written_answer(self, rng: random.Random) -> _Drawn:
        row = self._pools[Task.SPOKEN_TEXT].draw(rng)
        asked = Turn(Role.USER, audio_codes=self._heard(row, rng))
        answer = Turn(Role.ASSISTANT, row.answer)
        return _Drawn(Conversation((_TEXT_ONLY, asked, answer)), (row.text,))

    def _typed_exchanges(self, rng: random.Random) -> _Drawn:
        return self._conversation(Task.TEXT_QA, rng)

    def _plain(self, rng: random.Random) -> _Drawn:
        """A text as it is, or a typed question that is answered in text."""
        exercise = self.options.exercise
        if exercise is not None and rng.random() < self.options.exercise_chance:
            text, reply, lang = exercise(rng)
            if rng.random() < 0.5:
                text, reply = reply, ""
        else:
            row = self._pools[Task.TEXT].draw(rng)
            text, reply, lang = row.text, row.answer, row.lang
        if not reply:
            return _Drawn(Conversation((Turn(Role.ASSISTANT, text),)))
        asked = Turn(Role.USER, self._typed(text, lang, rng))
        return _Drawn(Conversation((_TEXT_ONLY, asked, Turn(Role.ASSISTANT, reply))))

    def _conversation(self, task: Task, rng: random.Random) -> _Drawn:
        """One exchange, sometimes after others of the same language."""
        questions = [self._pools[task].draw(rng)]
        while rng.random() < self.options.more_turns_chance:
            questions.append(self._pools[task].draw(rng, questions[0].lang))
        turns: list[Turn] = []
        for question in questions:
            answer = self._answer(question)
            assert answer is not None, "the pool holds answered questions only"
            if task is Task.SPOKEN_QA:
                turns.append(Turn(Role.USER, audio_codes=self._heard(question, rng)))
            else:
                turns.append(Turn(Role.USER, self._typed(question.text, question.lang, rng)))
            turns.append(Turn(Role.ASSISTANT, answer.text, tuple(answer.takes[0])))
        spoken = tuple(question.text for question in questions) if task is Task.SPOKEN_QA else ()
        return _Drawn(Conversation(tuple(turns)), spoken)

    def _typed(self, text: str, lang: str, rng: random.Random) -> str:
        """A question as somebody types it, often in small letters and without a question mark."""
        reword = self.options.reword
        if reword is not None and rng.random() < self.options.reword_chance:
            text = reword(text, lang, rng)
        if rng.random() < 0.3:
            text = text.lower()
        return text.rstrip(FINAL_MARKS) if rng.random() < 0.3 else text

    def _is_target(self, row: TokenRow) -> bool:
        """Whether a row is spoken by the voice that answers."""
        return row.voice == self.options.answer_voices.get(row.lang)

    def _answer(self, row: TokenRow) -> TokenRow | None:
        return self._answers.get((row.lang, row.answer)) if row.kind == "question" else None

    def _heard(self, row: TokenRow, rng: random.Random) -> tuple[int, ...]:
        """One take of what a user says, some of its tokens lost or changed as strangers' are."""
        options = self.options
        heard = []
        for code in rng.choice(row.takes):
            chance = rng.random()
            if chance < options.drop_chance:
                continue
            if chance < options.drop_chance + options.replace_chance:
                code = rng.randrange(self.tokenizer.vocabulary.n_audio)
            elif options.alike and rng.random() < options.blur_chance:
                code = rng.choice(options.alike[code])
            heard.append(code)
        return tuple(heard) or tuple(row.takes[0])


class BatchSampler:
    """Padded batches of similar lengths by a mixture of tasks; one owner, resumable exactly.

    Samples are drawn in pools, sorted into rows of similar length and served in random order. The
    batches of one accumulated step share its number of labels as their denominator.
    """

    _BATCHES_PER_POOL = 16

    def __init__(
        self,
        data: SpeechData,
        mixture: Mapping[Task, float],
        tokens_per_batch: int,
        accumulate: int,
        seed: int,
    ) -> None:
        self._data = data
        self._tasks = [task for task in mixture if data.has(task)]
        if not self._tasks:
            raise TrainingDataError("There is nothing to train on for any task of this stage.")
        self._weights = [mixture[task] for task in self._tasks]
        self._tokens = tokens_per_batch
        self._accumulate = accumulate
        self._rng = random.Random(seed)
        self._pool_state = self._rng.getstate()
        self._batches: list[Batch] = []
        self._served = 0

    def next_batch(self) -> Batch:
        """The next batch."""
        if self._served == len(self._batches):
            self._fill()
        self._served += 1
        return self._batches[self._served - 1]

    def state(self) -> dict[str, Any]:
        """Where the sampler stands."""
        return {"pool": self._pool_state, "served": self._served, "filled": bool(self._batches)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes where another sampler of the same data stood."""
        self._rng.setstate(state["pool"])
        self._pool_state, self._batches, self._served = state["pool"], [], 0
        if state["filled"]:
            self._fill()
            self._served = state["served"]

    def _fill(self) -> None:
        """Draws a pool that is a whole number of accumulated steps."""
        self._pool_state = self._rng.getstate()
        self._served = 0
        samples: list[Sample] = []
        wanted = self._tokens * self._BATCHES_PER_POOL * self._accumulate
        while wanted > 0:
            task = self._rng.choices(self._tasks, self._weights)[0]
            samples.append(self._data.draw(task, self._rng))
            wanted -= len(samples[-1].ids)
        groups = rows_by_length([len(sample.ids) for sample in samples], self._tokens)
        self._rng.shuffle(groups)
        padding_id = self._data.tokenizer.vocabulary.endoftext
        self._batches = []
        for start in range(0, len(groups) - len(groups) % self._accumulate, self._accumulate):
            step = [[samples[i] for i in g] for g in groups[start : start + self._accumulate]]
            labels = sum(sample.n_labels for group in step for sample in group)
            share = labels / self._accumulate
            self._batches += [pad(group, padding_id, share) for group in step]


def _weights(task: Task, options: DataOptions) -> Weights:
    """How rows are drawn for a task; nano's own voice is soon understood."""
    kinds = {"answer": options.own_voice_weight} if task is Task.ASR else {}
    return Weights(options.language_weights, kinds, options.subject_weights)


def _unique_texts(rows: Sequence[TokenRow]) -> list[TokenRow]:
    return list({(row.lang, row.kind, row.text): row for row in rows}.values())
