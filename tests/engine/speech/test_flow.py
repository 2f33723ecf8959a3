"""Laws of the flow decoder that need no reference data, and of reading a decoder from disk."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.checkpoint import save_weights
from engine.errors import CheckpointError
from engine.speech.decoder import SpeechDecoder
from engine.speech.flow import FlowConfig, FlowDecoder, FlowMatchingConfig, mel_frames, time_grid
from engine.speech.flow_encoder import block_mask
from engine.speech.vocoder import HiFT, HiFTConfig


@pytest.fixture(scope="module")
def flow() -> FlowDecoder:
    torch.manual_seed(0)
    return FlowDecoder(FlowConfig.tiny()).eval()


def test_frames_of_tokens_are_truncated_in_single_precision() -> None:
    assert [mel_frames(n) for n in (0, 1, 8, 20, 90)] == [0, 6, 55, 137, 620]
    exact = [int(n * 22050 * 2 / (25 * 256)) for n in range(4000)]
    ours = [mel_frames(n) for n in range(4000)]
    assert [n for n in range(4000) if ours[n] != exact[n]] == [3392, 3776]


def test_a_token_sees_the_past_and_its_own_block() -> None:
    mask = block_mask(5, 2, torch.device("cpu")).int().tolist()
    assert mask == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
    ]


@torch.inference_mode()
def test_earlier_blocks_do_not_change_when_tokens_follow(flow: FlowDecoder) -> None:
    tokens = torch.arange(24)[None] % 16
    torch.testing.assert_close(flow.encode(tokens)[:, :8], flow.encode(tokens[:, :8]))


@torch.inference_mode()
def test_a_batch_equals_its_rows(flow: FlowDecoder) -> None:
    tokens, noise = torch.arange(20).view(2, 10) % 16, torch.randn(2, 80, mel_frames(10))
    both = flow.generate(tokens, noise)
    for row in range(2):
        alone = flow.generate(tokens[row : row + 1], noise[row : row + 1])
        torch.testing.assert_close(both[row : row + 1], alone, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_guidance_of_rate_zero_leaves_out_the_second_pass(flow: FlowDecoder) -> None:
    """And equals the limit of small rates, where the second pass is run."""
    results = []
    for rate in (0.0, 1e-9):
        cfm = replace(flow.config.cfm, inference_cfg_rate=rate)
        other = FlowDecoder(replace(flow.config, cfm=cfm)).eval()
        other.load_state_dict(flow.state_dict())
        noise = torch.randn(1, 80, 34, generator=torch.Generator().manual_seed(1))
        results.append(other.generate(torch.arange(5)[None], noise))
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_mel_scale_changes_the_domain_and_not_the_shape(flow: FlowDecoder) -> None:
    mel = torch.randn(1, 80, 9)
    torch.testing.assert_close(flow.unscaled(flow.scaled(mel)), mel)


def test_time_runs_from_noise_to_mel_with_small_steps_first() -> None:
    grid = time_grid(4)
    steps = [b - a for a, b in pairwise(grid)]
    assert grid[0] == 0.0 and abs(grid[-1] - 1.0) < 1e-12
    assert steps == sorted(steps)


def test_configs_survive_json_and_unknown_settings_are_errors() -> None:
    for config in (FlowConfig(), FlowConfig.nano(), FlowConfig.tiny()):
        assert FlowConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(CheckpointError, match="surprise"):
        FlowConfig.from_json({"surprise": 1})
    with pytest.raises(CheckpointError, match="surprise"):
        FlowConfig.from_json({"cfm": {"surprise": 1}})


def test_nano_is_small() -> None:
    n_weights = sum(p.numel() for p in FlowDecoder(FlowConfig.nano()).parameters())
    assert n_weights < 2_400_000  # all of nano has to stay below 32 MiB
    assert FlowMatchingConfig().n_timesteps == 10  # the released setting stays the default


def _write(folder: Path, config: dict[str, Any]) -> None:
    torch.manual_seed(0)
    save_weights(FlowDecoder(FlowConfig.tiny()), folder / "flow.safetensors", torch.float16)
    save_weights(HiFT(HiFTConfig.tiny()), folder / "hift.safetensors", torch.float16)
    (folder / "config.json").write_text(json.dumps(config))


def _parts() -> dict[str, Any]:
    return {"flow": FlowConfig.tiny().to_json(), "hift": HiFTConfig.tiny().to_json()}


def test_a_decoder_is_read_from_its_folder_and_speaks(tmp_path: Path) -> None:
    _write(tmp_path, {**_parts(), "stream": {"chunk_tokens": 4, "held_back_frames": 2}})
    decoder = SpeechDecoder.load(tmp_path)
    assert (decoder.sample_rate, decoder.token_rate, decoder.n_codes) == (22050, 12.5, 16)
    samples = decoder.stream().push([1, 2, 3, 4])
    assert samples.dtype == np.float32 and len(samples) > 0


@pytest.mark.parametrize("extra", [{"surprise": 1}, {"stream": {"surprise": 1}}])
def test_unknown_settings_of_a_decoder_are_errors(tmp_path: Path, extra: dict[str, Any]) -> None:
    _write(tmp_path, {**_parts(), **extra})
    with pytest.raises(CheckpointError, match="surprise"):
        SpeechDecoder.load(tmp_path)


def test_a_missing_or_half_config_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        SpeechDecoder.load(tmp_path)
    _write(tmp_path, {"flow": FlowConfig.tiny().to_json()})
    with pytest.raises(CheckpointError, match="hift"):
        SpeechDecoder.load(tmp_path)
