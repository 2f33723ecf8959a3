"""The benchmark: every mode is in the report, in the agreed form, with what it ran on."""

import json
from pathlib import Path

import pytest

from app.cli import main
from engine.benchmarks.latency import Spread
from engine.benchmarks.report import random_config
from engine.benchmarks.throughput import benchmark_config

KEYS = {
    "mode",
    "tokens_per_s",
    "first_audio_tokens_ms",
    "first_sound_ms",
    "rtf",
    "ratio_to_vanilla",
    "acceptance_rate",
    "reply_acceptance_rate",
}
MODES = ["vanilla", "balance", "boost", "turbo", "verified"]


def test_a_spread_is_the_median_and_the_range() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([1.0, 2.0, 3.0, 10.0]) == Spread(2.5, 1.0, 10.0)
    assert Spread.of([]) is None


def test_the_reference_size_is_the_benchmark_model() -> None:
    assert random_config(8, 10, 256) == benchmark_config()


def test_a_model_is_measured_in_every_mode(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", "--json", "--repeats", "1", "--tokens", "8"]
    assert main([*arguments, "--device", "cpu", "--model", str(tiny_model)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["device"] == "cpu"
    assert report["model"] == str(tiny_model)
    assert [mode["mode"] for mode in report["modes"]] == MODES
    for mode in report["modes"]:
        assert mode.keys() - {"spread"} == KEYS
        assert mode["tokens_per_s"] > 0
        assert mode["first_sound_ms"] >= mode["first_audio_tokens_ms"] > 0
        assert mode["rtf"] > 0
    assert report["modes"][0]["ratio_to_vanilla"] == 1
    *others, verified = report["modes"]
    for name in ("acceptance_rate", "reply_acceptance_rate"):
        assert 0 <= verified[name] <= 1
        assert {mode[name] for mode in others} == {None}


def test_random_weights_are_measured_without_sound(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "--random", "1+2x32", "--repeats", "1", "--tokens", "8"]
    assert main([*arguments, "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert "random 1+2x32 on cpu" in told
    for mode in MODES:
        assert f"\n{mode} " in told
    assert told.count("% of drafts accepted\n") == 1


@pytest.mark.parametrize("sizes", ["8x256", "8+10x", "big", "0+1x32", "2+2x30"])
def test_sizes_that_make_no_model_are_refused(
    sizes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--random", sizes]) == 2
    assert capsys.readouterr().err.count("\n") == 1
