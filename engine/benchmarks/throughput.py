"""Tokens per second of every inference mode, and the time to the first audio tokens.

Run it with ``python -m engine.benchmarks.throughput``; without a model folder it takes random
weights. It leaves out the speech tokenizer and the speech decoder.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.checkpoint import load_weights
from engine.config import ModelConfig
from engine.generate import DecodeState, generate
from engine.models.decoder import Decoder
from engine.models.speech_lm import SpeechLM, initialise
from engine.modes import ForwardSchedule, InferenceMode
from engine.sampling_params import SamplingParams

PROMPT_LENGTH = 32
FIRST_AUDIO_TOKENS = 11
"""Tokens to the first sound in Boost and Turbo: a text token, eight audio tokens, two markers."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Throughput:
    """Speed of one mode: the median over the repetitions, the slowest and the fastest."""

    mode: InferenceMode
    tokens_per_s: float
    slowest: float
    fastest: float


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


def nano_config() -> ModelConfig:
    """The size of the built-in model: 16 backbone and 10 MCTP layers, 192 wide."""
    return ModelConfig(
        vocab_size=2304,
        hidden_size=192,
        intermediate_size=384,
        num_hidden_layers=26,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_nextn_predict_layers=10,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
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
) -> list[Throughput]:
    """Greedy tokens per second, prefill included; the modes take turns, so that load hits all."""
    rates: dict[InferenceMode, list[float]] = {mode: [] for mode in modes}
    for repetition in range(repetitions + 1):
        for mode in modes:
            elapsed = _time_reply(decoder, mode, n_tokens, prompt_length, clock)
            if repetition:  # the first round warms up
                rates[mode].append(n_tokens / elapsed)
    return [
        Throughput(mode, statistics.median(values), min(values), max(values))
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
    times = [
        _time_reply(decoder, mode, FIRST_AUDIO_TOKENS, prompt_length, clock)
        for _ in range(repetitions + 1)
    ]
    return 1000 * statistics.median(times[1:])


def _time_reply(
    decoder: Decoder, mode: InferenceMode, n_tokens: int, prompt_length: int, clock: Clock
) -> float:
    schedule = ForwardSchedule(mode.pairs, decoder.config.depth)
    params = SamplingParams(max_new_tokens=n_tokens)
    prompt = [n % decoder.config.vocab_size for n in range(prompt_length)]
    state = DecodeState(decoder, prompt_length + n_tokens)
    start = clock()
    for _ in generate(decoder, prompt, schedule, params, state=state):
        pass
    _synchronise(decoder)
    return clock() - start


def _synchronise(decoder: Decoder) -> None:
    if decoder.device.type == "cuda":
        torch.cuda.synchronize(decoder.device)


def main() -> None:
    """Prints a table for one model and thread count."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=Path, help="a model folder instead of random weights")
    parser.add_argument("--size", choices=("benchmark", "nano"), default="benchmark")
    parser.add_argument("--single", action="store_true", help="weights not exact in half precision")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--cpu-time", action="store_true", help="ignore other load; one thread")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock = time.thread_time if arguments.cpu_time else time.perf_counter
    if arguments.model:
        with torch.device("meta"):
            model = SpeechLM(ModelConfig.from_json(arguments.model / "config.json"))
        load_weights(model, arguments.model)
    else:
        config = benchmark_config() if arguments.size == "benchmark" else nano_config()
        model = random_model(config, stored_in_half=not arguments.single)
    decoder = Decoder(model)
    n_weights = sum(parameter.numel() for parameter in model.parameters())
    print(f"{n_weights / 1e6:.1f} M weights, {arguments.threads} threads, {decoder.dtype}")
    first = first_audio_ms(decoder, clock=clock)
    print(f"first {FIRST_AUDIO_TOKENS} tokens after {PROMPT_LENGTH}: {first:.1f} ms")
    results = throughput(
        decoder, n_tokens=arguments.tokens, repetitions=arguments.repetitions, clock=clock
    )
    vanilla = results[0].tokens_per_s
    for result in results:
        spread = f"{result.slowest:.0f} to {result.fastest:.0f}"
        ratio = f"{result.tokens_per_s / vanilla:.2f}x"
        print(f"{result.mode.value:8} {result.tokens_per_s:8.1f} tokens/s  {ratio}  ({spread})")


if __name__ == "__main__":
    main()
