"""What a model takes and how fast it can be, counted from sizes, agrees with the networks."""

from dataclasses import replace

import pytest

from engine.checkpoint import without_weights
from engine.config import ModelConfig
from engine.fit import (
    CONTEXT_TOKENS,
    GIB,
    Verdict,
    context_limit,
    disk_bytes,
    fastest,
    kv_cache_bytes,
    language_model_bytes,
    memory_of,
    reply_bytes,
    shorter_context,
    step_bytes,
    verdict,
)
from engine.generate import DecodeState
from engine.model_folder import Part
from engine.models.decoder import Decoder
from engine.models.speech_lm import SpeechLM
from engine.models.whisper_vq import WhisperVQEncoder
from engine.modes import InferenceMode
from engine.precision import Precision, precisions_on
from engine.processors import GPUS, known_gpu
from engine.releases import RELEASES, parameter_count, release_of
from engine.speech.flow import FlowConfig, FlowDecoder
from engine.speech.vocoder import HiFT, HiFTConfig
from tests.release_layout import SIZES

BOOST = RELEASES[0]


def n_stored(module: object) -> int:
    return sum(tensor.numel() for tensor in module.state_dict().values())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig.tiny(),
        replace(ModelConfig.tiny(), tie_word_embeddings=True),
        BOOST.config,
        RELEASES[2].config,
    ],
)
def test_parameters_are_counted_as_the_network_has_them(config: ModelConfig) -> None:
    with without_weights():
        counted = n_stored(SpeechLM(config))
    assert parameter_count(config) == counted
    assert language_model_bytes(config, Precision.FP32) == 4 * counted
    assert language_model_bytes(config, Precision.BF16) == 2 * counted


def test_the_speech_parts_are_counted_as_the_networks_have_them() -> None:
    full = SIZES["7b"]
    with without_weights():
        tokenizer = n_stored(WhisperVQEncoder(full.speech_tokenizer))
        decoder = n_stored(FlowDecoder(FlowConfig())) + n_stored(HiFT(HiFTConfig()))
    counts = {part.part: part.n_parameters for part in BOOST.parts}
    assert counts[Part.SPEECH_TOKENIZER] == tokenizer
    assert counts[Part.SPEECH_DECODER] == decoder


def test_the_published_figures_come_out() -> None:
    """10.3 B parameters, 20.6 GB in bf16, 78 KB of keys and values for each token."""
    assert parameter_count(BOOST.config) == pytest.approx(10.3e9, rel=0.005)
    assert language_model_bytes(BOOST.config, Precision.BF16) == pytest.approx(20.6e9, rel=0.005)
    config = replace(BOOST.config, num_nextn_predict_layers=0)
    assert kv_cache_bytes(config, Precision.BF16, 1) == 77_824


def test_the_cache_is_counted_as_it_is_allocated() -> None:
    config = replace(ModelConfig.tiny(), max_position_embeddings=4096)
    state = DecodeState(Decoder(SpeechLM(config)), capacity=512)
    allocated = state.cache._entries.nbytes + sum(rows.nbytes for rows in state._states)
    assert kv_cache_bytes(config, Precision.FP32, 512) == allocated


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_less_precision_takes_less_memory_and_is_faster(release) -> None:  # type: ignore[no-untyped-def]
    order = (Precision.FP32, Precision.BF16, Precision.INT8, Precision.INT4)
    totals = [memory_of(release, precision, is_gpu=True).total for precision in order]
    assert totals == sorted(totals, reverse=True)
    speeds = [fastest(release.config, precision, 1e12)[0].tokens_per_s for precision in order]
    assert speeds == sorted(speeds)
    same = memory_of(release, Precision.FP16, is_gpu=True)
    assert same == memory_of(release, Precision.BF16, is_gpu=True)


def test_without_a_gpu_nothing_is_quantised() -> None:
    assert precisions_on(is_gpu=True) == tuple(Precision)
    assert precisions_on(is_gpu=False) == (Precision.FP32, Precision.BF16)


def test_quantised_weights_have_their_scales() -> None:
    config = BOOST.config
    bf16 = language_model_bytes(config, Precision.BF16)
    embedding = 2 * config.vocab_size * config.hidden_size
    int8 = language_model_bytes(config, Precision.INT8) - embedding
    int4 = language_model_bytes(config, Precision.INT4) - embedding
    assert int8 / (bf16 - embedding) == pytest.approx(0.5 + 4 / 256, rel=0.002)
    assert int4 / (bf16 - embedding) == pytest.approx(0.25 + 4 / 2 / 64, rel=0.002)


@pytest.mark.parametrize(
    ("gib", "precision", "expected"),
    [
        (80, Precision.BF16, Verdict.FITS),
        (24, Precision.BF16, Verdict.TIGHT),
        (16, Precision.BF16, Verdict.TOO_LARGE),
        (16, Precision.INT8, Verdict.TIGHT),
        (12, Precision.INT4, Verdict.FITS),
        (8, Precision.INT4, Verdict.TOO_LARGE),
    ],
)
def test_what_fits_which_card(gib: int, precision: Precision, expected: Verdict) -> None:
    needed = memory_of(BOOST, precision, is_gpu=True).total
    assert verdict(needed, gib * GIB) is expected


def test_between_fitting_and_not_it_is_tight() -> None:
    assert verdict(90, 100) is Verdict.FITS
    assert verdict(100, 100) is Verdict.TIGHT
    assert verdict(101, 100) is Verdict.TOO_LARGE


def test_memory_is_itemised_and_adds_up() -> None:
    memory = memory_of(BOOST, Precision.BF16, is_gpu=True, n_tokens=4096)
    parts = (memory.language_model, memory.speech_parts, memory.kv_cache)
    assert memory.total == sum(parts) + memory.activations + memory.runtime
    assert min(parts) > 0
    twice = memory_of(BOOST, Precision.BF16, is_gpu=True, n_tokens=8192)
    assert twice.kv_cache == 2 * memory.kv_cache
    assert twice.language_model == memory.language_model


def test_a_plus_model_keeps_its_encoder_within_the_language_model_and_has_no_tokenizer() -> None:
    plain, plus = (
        memory_of(release, Precision.BF16, is_gpu=True) for release in (BOOST, RELEASES[3])
    )
    assert plus.language_model - plain.language_model == 2 * (221_145_952 + 14_681_088)
    assert plain.speech_parts - plus.speech_parts == 4 * 364_587_264


def test_the_floor_of_each_mode_follows_its_rhythm() -> None:
    config, bandwidth = BOOST.config, 4.8e12
    main = step_bytes(config, Precision.BF16, 0, 4096)
    module = step_bytes(config, Precision.BF16, 1, 4096)
    speed = {entry.mode: entry.tokens_per_s for entry in fastest(config, Precision.BF16, bandwidth)}
    assert speed[InferenceMode.VANILLA] == pytest.approx(bandwidth / main)
    assert speed[InferenceMode.TURBO] == pytest.approx(11 * bandwidth / (main + 10 * module))
    boost = 14 * bandwidth / (4 * main + 10 * module)
    assert speed[InferenceMode.BOOST] == speed[InferenceMode.BALANCE] == pytest.approx(boost)
    assert 300 < speed[InferenceMode.VANILLA] < 350


def test_a_reply_reads_what_its_steps_read() -> None:
    config = BOOST.config
    schedule = InferenceMode.TURBO.schedule(config.depth)
    read = reply_bytes(config, Precision.INT8, schedule, prompt_length=32, n_tokens=12)
    main = [step_bytes(config, Precision.INT8, 0, 32 + n) for n in (0, 11)]
    modules = [step_bytes(config, Precision.INT8, n, 32 + n) for n in range(1, 11)]
    assert read == sum(main) + sum(modules)


def test_a_shared_embedding_is_kept_beside_a_quantised_head() -> None:
    config = replace(BOOST.config, tie_word_embeddings=True)
    own = replace(config, tie_word_embeddings=False)
    assert language_model_bytes(config, Precision.INT4) == language_model_bytes(own, Precision.INT4)
    assert language_model_bytes(config, Precision.BF16) < language_model_bytes(own, Precision.BF16)


def test_without_modules_all_modes_are_vanilla() -> None:
    speeds = fastest(RELEASES[2].config, Precision.BF16, 1e12)
    assert len({speed.tokens_per_s for speed in speeds}) == 1


def test_speech_is_as_fast_as_its_tokens() -> None:
    (vanilla, *_) = fastest(BOOST.config, Precision.BF16, 4e12)
    assert vanilla.real_time_factor == pytest.approx(21.875 / vanilla.tokens_per_s)


def test_the_disk_holds_what_is_converted_too() -> None:
    assert disk_bytes(BOOST) == BOOST.n_bytes + 4 * (111_166_208 + 20_460_591)
    assert BOOST.n_bytes == pytest.approx(22.6e9, rel=0.01)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rtx 4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A100-PCIE-40GB", "A100 40GB"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", "RTX 4070 Ti SUPER"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("auto", None),
        ("cuda:0", None),
        ("RTX", None),
    ],
)
def test_a_gpu_is_known_by_its_short_and_its_full_name(name: str, expected: str | None) -> None:
    found = known_gpu(name)
    assert (found and found.name) == expected


def test_the_table_of_gpus_makes_sense() -> None:
    assert len({gpu.name for gpu in GPUS}) == len(GPUS)
    for gpu in GPUS:
        assert known_gpu(gpu.name) == gpu
        assert gpu.memory >= 10 * GIB and 2.5e11 <= gpu.bandwidth <= 1e13


def test_every_release_is_found_by_its_name() -> None:
    for release in RELEASES:
        assert release_of(release.name) is release
        assert release.config.vocab_size == 168072
        assert release.config.depth in (0, 10)


def test_a_conversation_holds_what_room_was_counted_for_and_never_more() -> None:
    per_token = kv_cache_bytes(BOOST.config, Precision.BF16, 1)

    def limit(free: int) -> int:
        return context_limit(BOOST.config, Precision.BF16, free)

    assert limit(80 * GIB) == CONTEXT_TOKENS
    assert limit(8000 * per_token) == 4000
    assert limit(100 * per_token) == 2048
    assert limit(0) == CONTEXT_TOKENS  # nobody knows
    short = replace(BOOST.config, max_position_embeddings=1024)
    assert context_limit(short, Precision.BF16, 100 * per_token) == 1024


def test_full_memory_halves_what_is_held_down_to_what_a_question_needs() -> None:
    assert shorter_context(8192, 6000) == 3000
    assert shorter_context(8192, 512) == 2048
    assert shorter_context(1024, 512) == 1024
