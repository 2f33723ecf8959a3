"""The throughput benchmark: every mode is timed, by the clock it is given."""

import itertools

import torch

from engine.benchmarks.throughput import (
    benchmark_config,
    first_audio_ms,
    random_model,
    throughput,
)
from engine.config import ModelConfig
from engine.models.decoder import Decoder
from engine.models.matrices import is_exact_in_half_precision
from engine.models.speech_lm import SpeechLM
from engine.modes import InferenceMode
from engine.training.nano.recipe import LMSizes
from tests.engine.agreeing import agreeing_model


def test_every_mode_is_timed_and_the_first_round_does_not_count() -> None:
    decoder = Decoder(random_model(ModelConfig.tiny()))
    ticks = itertools.count()  # one second passes from each look at the clock to the next
    results = throughput(decoder, n_tokens=12, repetitions=2, clock=lambda: float(next(ticks)))
    assert [result.mode for result in results] == list(InferenceMode)
    assert {result.tokens_per_s for result in results} == {12.0}
    assert next(ticks) == 2 * len(InferenceMode) * 3
    for result in results:
        assert (result.acceptance_rate is not None) == result.mode.is_verified


def test_the_share_of_accepted_drafts_is_that_of_the_model() -> None:
    decoder = Decoder(agreeing_model(0, 0.02))
    (result,) = throughput(decoder, (InferenceMode.VERIFIED,), n_tokens=13, repetitions=1)
    assert result.acceptance_rate == 1.0


def test_the_first_audio_tokens_are_timed_in_milliseconds() -> None:
    decoder = Decoder(random_model(ModelConfig.tiny()))
    ticks = itertools.count()
    assert first_audio_ms(decoder, repetitions=1, clock=lambda: float(next(ticks))) == 1000.0


def test_random_weights_are_those_of_a_checkpoint_in_half_precision() -> None:
    stored, single = (random_model(ModelConfig.tiny(), half) for half in (True, False))
    assert all(is_exact_in_half_precision(weight) for weight in stored.parameters())
    assert not all(is_exact_in_half_precision(weight) for weight in single.parameters())


def test_the_benchmark_size_is_the_published_one() -> None:
    with torch.device("meta"):
        models = SpeechLM(benchmark_config()), SpeechLM(LMSizes().config(2304, 0, 1))
    counts = [sum(parameter.numel() for parameter in model.parameters()) for model in models]
    assert round(counts[0] / 1e6, 1) == 18.6
    assert counts[1] < 15e6
