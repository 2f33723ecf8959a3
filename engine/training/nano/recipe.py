"""How nano is made, as data: how many clips, how long each part is trained and at what rate.

``making.py`` carries it out. A larger or longer nano is another ``Recipe``, not other code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from engine.config import ModelConfig
from engine.training.nano.prepare import ClipCounts
from engine.training.packing import Task
from engine.training.speech_tokenizer import LEARNING_RATE
from engine.training.stages import STAGES, Stage
from engine.training.tokenizer_batches import BatchSettings
from engine.training.trainer import RunConfig


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage of the LM, how it is run, and how many tokens a batch holds when padded."""

    stage: Stage
    run: RunConfig
    tokens_per_batch: int = 2048


@dataclass(frozen=True, slots=True)
class LMSizes:
    """The sizes of the LM; the size of its vocabulary is that of the text tokenizer."""

    width: int = 192
    intermediate: int = 384
    backbone_layers: int = 16  # deep and thin: the modules gain the more, the longer a pass takes
    depth: int = 10
    heads: int = 4
    kv_heads: int = 2

    def config(self, vocab_size: int, endoftext: int, im_end: int) -> ModelConfig:
        """The model config with a vocabulary of this size."""
        return ModelConfig(
            vocab_size=vocab_size,
            hidden_size=self.width,
            intermediate_size=self.intermediate,
            num_hidden_layers=self.backbone_layers + self.depth,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            num_nextn_predict_layers=self.depth,
            max_position_embeddings=16384,
            tie_word_embeddings=True,
            initializer_range=0.04,
            bos_token_id=endoftext,
            eos_token_id=im_end,
        )


_LANGUAGES: Mapping[str, float] = MappingProxyType({"en": 2.0, "zh": 1.0})
"""English has far more different syllables, and recorded speakers: it is harder to hear."""


_EMPHASIS: Mapping[str, float] = MappingProxyType(
    {"calendar": 2.0, "counting": 2.0, "opposites": 2.0, "talk": 1.6, "spelling": 1.6}
)
"""How much more often than their clips subjects are trained that are learnt late."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that is decided before nano is made; ``clips`` None takes the clips as found."""

    clips: ClipCounts | None
    n_takes: int  # of every training clip as tokens: itself, the others augmented
    speech_tokenizer: RunConfig
    flow: RunConfig
    vocoder: RunConfig
    stages: tuple[StagePlan, ...]  # by number; 0 is the language stage
    sizes: LMSizes = field(default_factory=LMSizes)
    tokenizer_batches: BatchSettings = field(default_factory=BatchSettings)
    n_text: int = 1200
    language_weights: Mapping[str, float] = field(default_factory=lambda: _LANGUAGES)
    emphasis: Mapping[str, float] = field(default_factory=lambda: _EMPHASIS)  # by subject
    workers: int = 2


_LANGUAGE: Mapping[Task, float] = MappingProxyType({Task.TEXT: 1.0})
"""VITA-Audio starts from a text model. Nano has none, and reads before it hears."""

_EVERYTHING: Mapping[Task, float] = MappingProxyType(
    {
        Task.ASR: 2.0,
        Task.TTS: 1.0,
        Task.SPOKEN_QA: 1.8,
        Task.SPOKEN_TEXT: 1.2,
        Task.TEXT_QA: 0.8,
        Task.TEXT: 3.0,  # short ones
    }
)
"""Questions are in every stage, for what nano knows is small and easily lost.

Transcripts have a large share: answers teach hearing too, but only indirectly.
"""

_CONVERSATION: Mapping[Task, float] = MappingProxyType(
    {Task.ASR: 1.0, Task.TTS: 0.5, Task.SPOKEN_QA: 2.2, Task.TEXT_QA: 1.0, Task.TEXT: 2.0}
)

_SPOKEN: Mapping[Task, float] = MappingProxyType(
    {Task.ASR: 0.6, Task.TTS: 0.8, Task.SPOKEN_QA: 2.0, Task.TEXT_QA: 0.6}
)
"""For the modules, which make audio tokens: what is answered in text alone teaches them little."""

_TEXT_WEIGHT = 3.0  # four of five labels are audio tokens, but the text decides what they say
_MANY = 1_000_000  # steps of a run that its minutes end


def nano_stages(minutes: tuple[float, float, float, float, float]) -> tuple[StagePlan, ...]:
    """A stage on text alone, then the four stages, at the rates of a small model from nothing."""
    from_nothing = replace(
        STAGES[0], lr=1e-3, muon_lr_scale=2.0, weight_decay=0.05, text_weight=_TEXT_WEIGHT
    )
    own = (
        replace(from_nothing, number=0, name="language", mixture=_LANGUAGE),
        replace(from_nothing, mixture=_EVERYTHING, listening_weight=1.0),
        replace(STAGES[1], lr=1e-3, muon_lr_scale=2.0, mixture=_SPOKEN, text_weight=_TEXT_WEIGHT),
        replace(STAGES[2], lr=1e-3, muon_lr_scale=2.0, mixture=_SPOKEN, text_weight=_TEXT_WEIGHT),
        replace(
            STAGES[3],
            lr=3e-4,
            muon_lr_scale=2.0,
            mixture=_CONVERSATION,
            text_weight=_TEXT_WEIGHT,
        ),
    )
    return tuple(
        StagePlan(
            stage,
            RunConfig(
                steps=_MANY,
                lr=stage.lr,
                weight_decay=stage.weight_decay,
                floor_fraction=0.03,
                eval_every=250,
                max_minutes=limit,
            ),
        )
        for stage, limit in zip(own, minutes, strict=True)
    )


FULL = Recipe(
    clips=ClipCounts(),
    n_takes=2,
    speech_tokenizer=RunConfig(
        steps=_MANY,
        lr=LEARNING_RATE,
        weight_decay=0.01,
        betas=(0.9, 0.98),
        warmup_fraction=0.02,
        floor_fraction=0.02,
        eval_every=400,
        max_minutes=60.0,
    ),
    flow=RunConfig(
        steps=_MANY,
        lr=1.5e-3,
        weight_decay=0.01,
        betas=(0.9, 0.99),
        eval_every=1000,
        max_minutes=70.0,
    ),
    vocoder=RunConfig(steps=_MANY, lr=8e-4, betas=(0.8, 0.99), eval_every=500, max_minutes=40.0),
    stages=nano_stages((20.0, 120.0, 20.0, 60.0, 60.0)),
)
"""What ``train nano`` makes; its limits add up to seven and a half hours, besides clips and tokens."""


def shortened(recipe: Recipe, steps: int) -> Recipe:
    """The same recipe with a few steps of every part: it shows that all parts fit together."""

    def short(plan: RunConfig) -> RunConfig:
        return replace(plan, steps=steps, max_minutes=None)

    return replace(
        recipe,
        clips=ClipCounts(
            questions=200,
            variations=100,
            strangers=20,
            men=20,
            answer_sentences=20,
            test_questions=20,
            test_sentences=10,
        ),
        speech_tokenizer=short(recipe.speech_tokenizer),
        flow=short(recipe.flow),
        vocoder=short(recipe.vocoder),
        stages=tuple(replace(plan, run=short(plan.run)) for plan in recipe.stages),
    )
