"""Tokens per second of every inference mode, and the time to the first audio tokens.

``python main.py bench`` runs it. It leaves out the speech tokenizer and the speech decoder.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from engine.config import ModelConfig
from engine.generate import DecodeState, generate
from engine.models.decoder import Decoder
from engine.models.speech_lm import SpeechLM, initialise
from engine.modes import InferenceMode
from engine.sampling_params import SamplingParams

PROMPT_LENGTH = 32
FIRST_AUDIO_TOKENS = 11
"""Tokens to the first sound in Boost and Turbo: a text token, eight audio tokens, two markers."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Throughput:
    """Speed of one mode: the median over the repetitions, the slowest and the fastest.

    ``acceptance_rate`` is the share of drafts that were accepted; None where none were made.
    """

    mode: InferenceMode
    tokens_per_s: float
    slowest: float
    fastest: float
    acceptance_rate: float | None = None


def benchmark_config() -> ModelConfig:
    """A model of 18.6 million weights: 8 backbone and 10 MCTP layers, 256 wide."""
    return ModelConfig(
        vocab_size=6144,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=18,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_nextn_predict_layers=10,
        max_position_embeddings=4096,
    )


def random_model(config: ModelConfig, stored_in_half: bool = True, seed: int = 0) -> SpeechLM:
    """A model with random weights, rounded as a checkpoint stored in half precision has them."""
    model = initialise(SpeechLM(config), torch.Generator().manual_seed(seed)).eval()
    return model.half().float() if stored_in_half else model


def throughput(
    decoder: Decoder,
    modes: Sequence[InferenceMode] = tuple(InferenceMode),
    n_tokens: int = 256,
    prompt_length: int = PROMPT_LENGTH,
    repetitions: int = 5,
    clock: Clock = time.perf_counter,
    n_warmup_tokens: int | None = None,
) -> list[Throughput]:
    """Greedy tokens per second, prefill included; the modes take turns, so that load hits all.

    The first round only warms up, with ``n_warmup_tokens`` where it need not be a whole reply.
    """
    rates: dict[InferenceMode, list[float]] = {mode: [] for mode in modes}
    accepted: dict[InferenceMode, float | None] = {}
    for repetition in range(repetitions + 1):
        for mode in modes:
            n_made = n_tokens if repetition else n_warmup_tokens or n_tokens
            elapsed, accepted[mode] = _time_reply(decoder, mode, n_made, prompt_length, clock)
            if repetition:
                rates[mode].append(n_tokens / elapsed)
    return [
        Throughput(mode, statistics.median(values), min(values), max(values), accepted[mode])
        for mode, values in rates.items()
    ]


def first_audio_ms(
    decoder: Decoder,
    mode: InferenceMode = InferenceMode.BOOST,
    prompt_length: int = PROMPT_LENGTH,
    repetitions: int = 9,
    clock: Clock = time.perf_counter,
) -> float:
    """Median time from a prompt to the tokens of the first sound, prefill included."""
    return statistics.median(
        first_tokens_ms(decoder, mode, FIRST_AUDIO_TOKENS, prompt_length, repetitions, clock)
    )


def first_tokens_ms(
    decoder: Decoder,
    mode: InferenceMode,
    n_tokens: int,
    prompt_length: int,
    repetitions: int,
    clock: Clock = time.perf_counter,
    n_warmups: int = 1,
) -> list[float]:
    """Times from a prompt to its first tokens, prefill included, after some that do not count."""
    times = [
        _time_reply(decoder, mode, n_tokens, prompt_length, clock)[0]
        for _ in range(n_warmups + repetitions)
    ]
    return [1000 * elapsed for elapsed in times[n_warmups:]]


def _time_reply(
    decoder: Decoder, mode: InferenceMode, n_tokens: int, prompt_length: int, clock: Clock
) -> tuple[float, float | None]:
    """Seconds of one greedy reply, and the share of its drafts that were accepted."""
    schedule = mode.schedule(decoder.config.depth)
    params = SamplingParams(max_new_tokens=n_tokens)
    prompt = [n % decoder.config.vocab_size for n in range(prompt_length)]
    state = DecodeState(decoder, prompt_length + n_tokens)
    start = clock()
    steps = list(generate(decoder, prompt, schedule, params, state=state))
    _synchronise(decoder)
    elapsed = clock() - start
    n_drafts = sum(step.n_drafts for step in steps)
    return elapsed, sum(step.is_accepted for step in steps) / n_drafts if n_drafts else None


def _synchronise(decoder: Decoder) -> None:
    if decoder.device.type == "cuda":
        torch.cuda.synchronize(decoder.device)
