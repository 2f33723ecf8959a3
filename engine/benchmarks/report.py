"""One benchmark run as data, as a table and as JSON: every mode, with what it ran on."""

import json
import resource
import statistics
from dataclasses import dataclass, replace

import torch

from engine.benchmarks.latency import Latency, Spread, chunk_costs_ms, measure_latency
from engine.benchmarks.throughput import (
    FIRST_AUDIO_TOKENS,
    PROMPT_LENGTH,
    Throughput,
    benchmark_config,
    first_audio_ms,
    random_model,
    throughput,
)
from engine.config import ModelConfig
from engine.device import automatic_precision, choose_device, compute_dtype, processor_name
from engine.engine import SpeechEngine
from engine.models.decoder import Decoder
from engine.modes import InferenceMode
from engine.precision import Precision
from engine.utterance import Utterance

_INTERMEDIATE_PER_WIDTH = 3


@dataclass(frozen=True, slots=True)
class ModeReport:
    """What one mode does; figures of sound are None where there is none.

    ``acceptance_rate`` is the share of drafts that were accepted while tokens/s were measured,
    ``reply_acceptance_rate`` that in the replies; None where no drafts are made.
    """

    mode: InferenceMode
    tokens_per_s: Spread
    ratio_to_vanilla: float
    first_audio_tokens_ms: Spread | None
    first_sound_ms: Spread | None = None
    real_time_factor: Spread | None = None
    acceptance_rate: float | None = None
    reply_acceptance_rate: float | None = None

    def to_dict(self) -> dict[str, object]:
        """The medians, and the lowest and highest of each under ``spread``."""
        spreads = {
            "tokens_per_s": self.tokens_per_s,
            "first_audio_tokens_ms": self.first_audio_tokens_ms,
            "first_sound_ms": self.first_sound_ms,
            "rtf": self.real_time_factor,
        }
        return {
            "mode": self.mode.value,
            **{name: spread and round(spread.median, 3) for name, spread in spreads.items()},
            "ratio_to_vanilla": round(self.ratio_to_vanilla, 3),
            "acceptance_rate": _rounded(self.acceptance_rate),
            "reply_acceptance_rate": _rounded(self.reply_acceptance_rate),
            "spread": {
                name: [round(spread.lowest, 3), round(spread.highest, 3)]
                for name, spread in spreads.items()
                if spread is not None
            },
        }

    @property
    def drafts(self) -> list[str]:
        """What became of the mode's drafts, as lines to read; none where it makes none."""
        if self.acceptance_rate is None:
            return []
        line = f"{self.mode.value}: {self.acceptance_rate:.0%} of drafts accepted"
        if self.reply_acceptance_rate is not None:
            line += f" (tokens/s), {self.reply_acceptance_rate:.0%} (replies)"
        return [line]


@dataclass(frozen=True, slots=True)
class BenchReport:
    """A whole run: what ran where, each mode, and what a chunk of sound costs as a reply grows."""

    model: str
    device: str
    processor: str
    dtype: str
    threads: int
    counted_from: str
    modes: tuple[ModeReport, ...]
    chunk_costs_ms: dict[int, float]
    peak_memory_mb: float

    def to_json(self) -> str:
        """The report as one line of JSON."""
        return json.dumps(
            {
                "device": self.device,
                "processor": self.processor,
                "dtype": self.dtype,
                "threads": self.threads,
                "model": self.model,
                "counted_from": self.counted_from,
                "modes": [mode.to_dict() for mode in self.modes],
                "chunk_costs_ms": {n: round(cost, 2) for n, cost in self.chunk_costs_ms.items()},
                "peak_memory_mb": round(self.peak_memory_mb),
            }
        )

    def to_text(self) -> str:
        """The report as a table; ranges are those of the repetitions."""
        lines = [
            f"{self.model} on {self.device} ({self.processor}), {self.dtype}, "
            f"{self.threads} threads; median (lowest to highest)",
            f"first audio tokens and first sound in ms, counted from {self.counted_from}",
            "",
            f"{'mode':8} {'tokens/s':>20} {'ratio':>6} {'first audio tokens':>20} "
            f"{'first sound':>20} {'real-time factor':>20}",
        ]
        for mode in self.modes:
            lines.append(
                f"{mode.mode.value:8} {cell(mode.tokens_per_s, 0):>20} "
                f"{mode.ratio_to_vanilla:5.2f}x {cell(mode.first_audio_tokens_ms, 0):>20} "
                f"{cell(mode.first_sound_ms, 0):>20} {cell(mode.real_time_factor, 2):>20}"
            )
        lines.append("")
        for mode in self.modes:
            lines += mode.drafts
        for n, cost in self.chunk_costs_ms.items():
            lines.append(f"decoding chunk {n} of a reply: {cost:.1f} ms")
        lines.append(f"peak memory: {self.peak_memory_mb:.0f} MB")
        return "\n".join(lines)


def bench_engine(
    engine: SpeechEngine, name: str, question: Utterance, repeats: int, n_tokens: int
) -> BenchReport:
    """Every mode answers the same spoken question, and generates ``n_tokens`` of anything."""
    engine.warmup()
    rates = throughput(engine.lm, n_tokens=n_tokens, repetitions=repeats)
    latencies = [measure_latency(engine, question, rate.mode, repeats) for rate in rates]
    modes = tuple(map(_with_latency, rates, _ratios(rates), latencies))
    start = f"the end of a question of {question.duration_s:.1f} s"
    costs = chunk_costs_ms(engine.speech_decoder)
    return _report(name, engine.lm, start, modes, costs)


def bench_random(
    n_layers: int,
    depth: int,
    width: int,
    device_name: str,
    threads: int | None,
    repeats: int,
    n_tokens: int,
    precision: Precision | None = None,
) -> BenchReport:
    """A language model of random weights; no sound, and the first tokens count from the prompt."""
    if threads is not None:
        torch.set_num_threads(threads)
    config = random_config(n_layers, depth, width)
    device = choose_device(device_name)
    precision = precision or automatic_precision(config, device)
    decoder = Decoder(random_model(config).to(device, compute_dtype(precision, device)), precision)
    rates = throughput(decoder, n_tokens=n_tokens, repetitions=repeats)
    modes = []
    for rate, ratio in zip(rates, _ratios(rates), strict=True):
        first = Spread.of([first_audio_ms(decoder, rate.mode) for _ in range(repeats)])
        modes.append(
            ModeReport(rate.mode, _spread(rate), ratio, first, acceptance_rate=rate.acceptance_rate)
        )
    start = f"a prompt of {PROMPT_LENGTH} tokens to the {FIRST_AUDIO_TOKENS}th new one"
    return _report(f"random {n_layers}+{depth}x{width}", decoder, start, tuple(modes), {})


def random_config(n_layers: int, depth: int, width: int) -> ModelConfig:
    """The benchmark's model at another size."""
    return replace(
        benchmark_config(),
        hidden_size=width,
        intermediate_size=_INTERMEDIATE_PER_WIDTH * width,
        num_hidden_layers=n_layers + depth,
        num_nextn_predict_layers=depth,
    )


def _with_latency(rate: Throughput, ratio: float, latency: Latency) -> ModeReport:
    return ModeReport(
        rate.mode,
        _spread(rate),
        ratio,
        latency.first_audio_tokens_ms,
        latency.first_sound_ms,
        latency.real_time_factor,
        rate.acceptance_rate,
        latency.acceptance_rate,
    )


def _ratios(rates: list[Throughput]) -> list[float]:
    vanilla = statistics.fmean(
        rate.tokens_per_s for rate in rates if rate.mode is InferenceMode.VANILLA
    )
    return [rate.tokens_per_s / vanilla for rate in rates]


def _spread(rate: Throughput) -> Spread:
    return Spread(rate.tokens_per_s, rate.slowest, rate.fastest)


def _report(
    name: str,
    decoder: Decoder,
    counted_from: str,
    modes: tuple[ModeReport, ...],
    chunk_costs: dict[int, float],
) -> BenchReport:
    return BenchReport(
        model=name,
        device=str(decoder.device),
        processor=processor_name(decoder.device),
        dtype=str(decoder.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        counted_from=counted_from,
        modes=modes,
        chunk_costs_ms=chunk_costs,
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def cell(spread: Spread | None, digits: int) -> str:
    """A figure with its range, for a table."""
    if spread is None:
        return "-"
    numbers = (spread.median, spread.lowest, spread.highest)
    median, lowest, highest = (f"{number:.{digits}f}" for number in numbers)
    return f"{median} ({lowest} to {highest})"
