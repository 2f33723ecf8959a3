"""Measures a Qwen2.5 size with ten MCTP modules and random weights: the paper's two figures.

``python main.py bench --size 7b --random`` runs it, ``python -m engine.benchmarks`` several sizes.
Whatever the weights are, a step reads the same bytes, so speed needs no released model; what is
said means nothing, and Verified mode accepts few drafts.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from engine.benchmarks.latency import Spread
from engine.benchmarks.random_lm import random_decoder
from engine.benchmarks.size_report import AgainstFloor, SizedMode, SizeReport, SpeechTimes
from engine.benchmarks.sizes import FIRST_CHUNK_TOKENS, QWEN_SIZES
from engine.benchmarks.throughput import PROMPT_LENGTH, Throughput, first_tokens_ms, throughput
from engine.config import ModelConfig
from engine.device import automatic_precision, choose_device, processor_name
from engine.errors import RequestError
from engine.fit import decoder_bytes, reply_bytes
from engine.machine import copy_bandwidth
from engine.models.decoder import Decoder
from engine.models.planes import has_operator
from engine.precision import Precision

REPLY_TOKENS = 4096
REPEATS = 3
_WARMUP_TOKENS = 64


@dataclass(frozen=True, slots=True)
class SizeRun:
    """What is to be measured; ``precision`` None is the most exact that fits."""

    size: str
    device: str = "auto"
    precision: Precision | None = None
    repeats: int = REPEATS
    n_tokens: int = REPLY_TOKENS
    with_speech: bool = True


def bench_size(run: SizeRun, sizes: Mapping[str, ModelConfig] = QWEN_SIZES) -> SizeReport:
    """Builds the model on the device and measures every mode.

    Raises ``RequestError`` for a size or a device that is not there.
    """
    if run.size not in sizes:
        raise RequestError(f"there is no size {run.size!r}; known are {', '.join(sizes)}")
    device, config = choose_device(run.device), sizes[run.size]
    precision = run.precision or automatic_precision(config, device)
    bandwidth = copy_bandwidth(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    before, started = _allocated(device), time.perf_counter()
    decoder = random_decoder(config, precision, device)
    after, build_s = _allocated(device), time.perf_counter() - started
    rates = throughput(
        decoder,
        n_tokens=run.n_tokens,
        repetitions=run.repeats,
        n_warmup_tokens=min(run.n_tokens, _WARMUP_TOKENS),
    )
    modes = tuple(_sized(decoder, precision, rate, bandwidth, run) for rate in rates)
    speech = _speech(decoder, device, run.repeats) if run.with_speech else None
    is_gpu = device.type == "cuda"
    return SizeReport(
        size=run.size,
        device=str(device),
        processor=processor_name(device),
        torch_version=torch.__version__,
        dtype=str(decoder.dtype).removeprefix("torch."),
        precision=precision.value,
        has_operator=not precision.is_quantised or has_operator(decoder.device, decoder.dtype),
        threads=torch.get_num_threads(),
        repeats=run.repeats,
        prompt_tokens=PROMPT_LENGTH,
        reply_tokens=run.n_tokens,
        copy_bytes_per_s=bandwidth,
        weight_bytes=decoder_bytes(config, precision),
        allocated_bytes=after - before if is_gpu else None,
        peak_bytes=torch.cuda.max_memory_allocated(device) if is_gpu else None,
        build_s=build_s,
        modes=modes,
        speech=speech,
    )


def _sized(
    decoder: Decoder, precision: Precision, rate: Throughput, bandwidth: float, run: SizeRun
) -> SizedMode:
    """One mode beside what the bandwidth allows."""
    n_first = FIRST_CHUNK_TOKENS[rate.mode]
    first = Spread.over(first_tokens_ms(decoder, rate.mode, n_first, PROMPT_LENGTH, run.repeats))
    measured = Spread(rate.tokens_per_s, rate.slowest, rate.fastest)
    if rate.mode.is_verified:
        first_chunk, tokens = (AgainstFloor(spread, None, None) for spread in (first, measured))
        return SizedMode(rate.mode, n_first, first_chunk, tokens, rate.acceptance_rate)
    schedule = rate.mode.schedule(decoder.config.depth)

    def least_s(n_tokens: int) -> float:
        read = reply_bytes(decoder.config, precision, schedule, PROMPT_LENGTH, n_tokens)
        return read / bandwidth

    first_floor, rate_floor = 1000 * least_s(n_first), run.n_tokens / least_s(run.n_tokens)
    return SizedMode(
        rate.mode,
        n_first,
        AgainstFloor(first, first_floor, first_floor / first.median),
        AgainstFloor(measured, rate_floor, measured.median / rate_floor),
        rate.acceptance_rate,
    )


def _speech(decoder: Decoder, device: torch.device, repeats: int) -> SpeechTimes:
    # It needs packages beside torch, which a machine that measures language models may lack.
    from engine.benchmarks import random_speech

    return random_speech.measure_speech(
        decoder,
        random_speech.random_tokenizer(device),
        random_speech.random_speech_decoder(device),
        repeats,
    )


def _allocated(device: torch.device) -> int:
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
