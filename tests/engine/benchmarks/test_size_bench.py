"""A published size is measured with random weights, beside what the memory's bandwidth allows."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.cli import main
from engine.benchmarks import __main__ as sweep
from engine.benchmarks import size_bench
from engine.benchmarks.latency import Spread
from engine.benchmarks.random_lm import random_decoder
from engine.benchmarks.random_speech import (
    measure_speech,
    random_speech_decoder,
    random_tokenizer,
)
from engine.benchmarks.size_bench import SizeRun, bench_size
from engine.benchmarks.sizes import FIRST_CHUNK_TOKENS, QWEN_SIZES
from engine.config import ModelConfig
from engine.errors import RequestError
from engine.fit import GIB, language_model_bytes, reply_bytes
from engine.modes import InferenceMode
from engine.precision import Precision
from engine.releases import RELEASES, parameter_count
from tests.fakes import FLOW, HIFT, SPEECH_TOKENIZER

CPU = torch.device("cpu")
TINY = {"tiny": replace(ModelConfig.tiny(), num_hidden_layers=12, num_nextn_predict_layers=10)}
# What the models are called after, without MCTP modules, in billions.
PUBLISHED = {"0.5b": 0.5, "1.5b": 1.5, "3b": 3.1, "7b": 7.6, "14b": 14.8, "32b": 32.8, "72b": 72.7}


def test_the_sizes_are_those_they_are_called_after() -> None:
    assert QWEN_SIZES.keys() == PUBLISHED.keys()
    for name, config in QWEN_SIZES.items():
        backbone = replace(
            config, num_hidden_layers=config.n_backbone_layers, num_nextn_predict_layers=0
        )
        assert parameter_count(backbone) / 1e9 == pytest.approx(PUBLISHED[name], rel=0.07)
        assert config.depth == 10
    assert QWEN_SIZES["7b"] == RELEASES[0].config


def test_every_matrix_of_every_size_can_be_quantised() -> None:
    for config in QWEN_SIZES.values():
        for n_in in (config.hidden_size, config.intermediate_size):
            assert Precision.INT8.group(n_in) in (128, 256)
            assert Precision.INT4.group(n_in) == 64


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT4])
def test_the_largest_fits_one_gpu_quantised(precision: Precision) -> None:
    assert language_model_bytes(QWEN_SIZES["72b"], precision) < 100 * GIB
    assert language_model_bytes(QWEN_SIZES["72b"], Precision.BF16) > 139 * GIB


@pytest.mark.parametrize("mode", [mode for mode in InferenceMode if mode is not mode.VERIFIED])
def test_the_first_chunk_ends_with_eight_audio_tokens(mode: InferenceMode) -> None:
    """Text and audio tokens in the order of training, blocks with their two marks."""
    blocks = [(1, 2), (3, 6)] if mode is InferenceMode.BALANCE else [(1, 8)]
    assert sum(audio for _, audio in blocks) == 8
    assert FIRST_CHUNK_TOKENS[mode] == sum(text + 1 + audio + 1 for text, audio in blocks)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT4])
def test_every_mode_is_measured_against_the_floor(precision: Precision) -> None:
    run = SizeRun("tiny", "cpu", precision, repeats=2, n_tokens=12, with_speech=False)
    report = bench_size(run, TINY)
    assert [mode.mode for mode in report.modes] == list(InferenceMode)
    assert (report.precision, report.device, report.speech) == (precision.value, "cpu", None)
    for mode in report.modes:
        first, rate = mode.first_chunk_ms, mode.tokens_per_s
        assert first.measured.lowest <= first.measured.median <= first.measured.highest
        if mode.mode.is_verified:
            assert (first.floor, rate.share) == (None, None)
            continue
        schedule = mode.mode.schedule(10)
        read = reply_bytes(TINY["tiny"], precision, schedule, 32, 12)
        assert rate.floor == pytest.approx(12 * report.copy_bytes_per_s / read)
        assert first.floor is not None and first.share is not None and rate.share is not None
        assert rate.share == pytest.approx(rate.measured.median / rate.floor)
        assert first.share == pytest.approx(first.floor / first.measured.median)
    told = json.loads(report.to_json())
    assert [mode["mode"] for mode in told["modes"]] == [mode.value for mode in InferenceMode]
    assert told["torch_version"] == torch.__version__
    assert f"{precision.value} computed in" in report.to_text()


def test_a_size_that_is_not_known_is_refused() -> None:
    with pytest.raises(RequestError, match=r"0\.5b, 1\.5b"):
        bench_size(SizeRun("8b"))


def test_the_first_sound_is_all_its_parts() -> None:
    """One second passes from each look at the clock to the next."""
    ticks = itertools.count()
    times = measure_speech(
        random_decoder(TINY["tiny"], Precision.FP32, CPU),
        random_tokenizer(CPU, SPEECH_TOKENIZER),
        random_speech_decoder(CPU, FLOW, HIFT),
        repeats=2,
        question_s=0.5,
        clock=lambda: float(next(ticks)),
    )
    assert times.encoder_ms == times.decoder_ms == Spread(1000, 1000, 1000)
    assert times.first_sound_ms == Spread(3000, 3000, 3000)


def test_the_command_measures_a_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[SizeRun] = []

    def bench(run: SizeRun) -> size_bench.SizeReport:
        asked.append(run)
        return bench_size(replace(run, size="tiny", with_speech=False), TINY)

    monkeypatch.setattr(size_bench, "bench_size", bench)
    arguments = ["bench", "--size", "7b", "--random", "--device", "cpu", "--precision", "int8"]
    assert main([*arguments, "--tokens", "3", "--repeats", "1", "--json"]) == 0
    assert asked == [SizeRun("7b", "cpu", Precision.INT8, 1, 3)]
    assert json.loads(capsys.readouterr().out)["precision"] == "int8"


@pytest.mark.parametrize(
    "arguments", [["--size", "7b"], ["--size", "7b", "--random", "8+10x256"], ["--random"]]
)
def test_a_size_and_its_random_weights_belong_together(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_sweep_goes_on_after_a_run_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bench(run: SizeRun) -> size_bench.SizeReport:
        if run.size == "72b":
            raise torch.OutOfMemoryError("no room")
        return bench_size(replace(run, size="tiny"), TINY)

    monkeypatch.setattr(sweep, "bench_size", bench)
    arguments = ["--device", "cpu", "--tokens", "3", "--repeats", "1", "--no-speech"]
    assert sweep.main([str(tmp_path), "--runs", "72b:int8", "0.5b:fp32", *arguments]) == 1
    assert "72b-int8: OutOfMemoryError: no room" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.5b-fp32.json", "0.5b-fp32.txt"]
