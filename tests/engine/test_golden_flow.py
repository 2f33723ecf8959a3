"""Numerical parity of our flow decoder with reference tensors: offline and two streaming loops."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.speech.flow import FlowConfig, FlowDecoder, FlowMatchingConfig, mel_frames
from engine.speech.flow_encoder import FlowEncoderConfig
from engine.speech.flow_estimator import FlowEstimatorConfig
from engine.speech.vocoder import HiFT, HiFTConfig
from tests.golden_data import golden

_ATOL = 1e-4  # the reference's own float32 error is about 1e-5


@dataclass(frozen=True)
class _Golden:
    meta: dict[str, Any]
    io: dict[str, Tensor]
    flow: FlowDecoder
    vocoder: HiFT

    def tokens_of(self, case: str) -> Tensor:
        """The tokens whose number the case's name carries, as `offline20` or `stream20_block10`."""
        digits = "".join(c if c.isdigit() else " " for c in case).split()[0]
        return self.io[f"tokens{digits}"]

    def cases(self, suffix: str) -> list[str]:
        return sorted(key.removesuffix(suffix) for key in self.io if key.endswith(suffix))

    def noise(self, case: str, call: int, n_frames: int) -> Tensor:
        """The noise of the n-th flow call: every vocoder call draws twice in between."""
        stored = self.io.get(f"{case}.randn.{3 * call}")
        if stored is not None:
            assert stored.shape[2] == n_frames, (stored.shape, n_frames)
            return stored
        # A case that differs from another in its number of steps only shares its draw.
        return self.io[f"{case.split('_')[0]}.randn.{3 * call}"]

    def mels(self, case: str) -> list[Tensor]:
        """What each piece of a streaming case gave to the vocoder, the cached frame included."""
        names = ("{}.chunk{}.mel", "{}.hift_in_mel.{}")
        pieces = []
        for number in count():
            found = [self.io[key] for n in names if (key := n.format(case, number)) in self.io]
            if not found:
                return pieces
            pieces.append(found[0])
        raise AssertionError


@cache
def _load(folder: Path) -> _Golden:
    meta = json.loads((folder / "meta.json").read_text())
    config, weights = meta["config"], load_file(folder / "model.safetensors")
    flow = FlowDecoder(
        FlowConfig.from_json(
            {
                **config["flow"],
                "encoder": _sizes(FlowEncoderConfig, config["encoder"]),
                "length_regulator": config["length_regulator"],
                "cfm": _sizes(FlowMatchingConfig, config["cfm"]),
                "estimator": _sizes(FlowEstimatorConfig, config["estimator"]),
            }
        )
    )
    vocoder = HiFT(HiFTConfig.from_json(config["hift"]))
    for module, prefix in ((flow, "flow."), (vocoder, "hift.")):
        own = {k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)}
        module.load_state_dict(own)
    return _Golden(meta, load_file(folder / "io.safetensors"), flow.eval(), vocoder.eval())


def _sizes(kind: type, stored: dict[str, Any]) -> dict[str, Any]:
    """The settings we have; the others name the only variant there is."""
    return {f.name: stored[f.name] for f in fields(kind) if f.name in stored}


@pytest.fixture
def reference() -> Iterator[_Golden]:
    with torch.inference_mode():
        yield _load(golden("flow_hift_tiny"))


def test_encoder_equals_the_reference_at_every_length(reference: _Golden) -> None:
    for key, stored in reference.io.items():
        case, _, name = key.partition(".")
        if name.startswith("encoder_out."):
            tokens = reference.tokens_of(case)[:, : stored.shape[1]]
            torch.testing.assert_close(reference.flow.encode(tokens), stored, atol=_ATOL, rtol=0)


def test_mu_equals_the_reference_at_every_length(reference: _Golden) -> None:
    for key, stored in reference.io.items():
        case, _, name = key.partition(".")
        if name.startswith("mu."):
            rate = reference.flow.config.input_frame_rate
            tokens = reference.tokens_of(case)
            n_tokens = next(
                n for n in range(1, tokens.shape[1] + 1) if mel_frames(n, rate) == stored.shape[1]
            )
            mu = reference.flow.mu(tokens[:, :n_tokens], stored.shape[1]).transpose(1, 2)
            torch.testing.assert_close(mu, stored, atol=_ATOL, rtol=0)


def test_offline_mel_and_waveform_equal_the_reference_at_every_number_of_steps(
    reference: _Golden,
) -> None:
    offline = [case for case in reference.cases(".mel") if case.startswith("offline")]
    assert offline
    for case in offline:
        stored = reference.io[f"{case}.mel"]
        _, _, steps = case.partition("_step")
        tokens = reference.tokens_of(case)
        assert mel_frames(tokens.shape[1]) == stored.shape[2]
        noise = reference.noise(case, 0, stored.shape[2])
        mel = reference.flow.generate(tokens, noise, n_steps=int(steps) if steps else None)
        torch.testing.assert_close(mel, stored, atol=_ATOL, rtol=0)
        samples = reference.vocoder.decode(mel, reference.io[f"{case}.source.0"])
        torch.testing.assert_close(samples, reference.io[f"{case}.wav"], atol=1e-3, rtol=0)


def test_both_streaming_loops_equal_the_reference_piece_by_piece(reference: _Golden) -> None:
    streaming = sorted(reference.meta["chunks"])
    assert streaming
    for case in streaming:
        stored = reference.mels(case)
        samples = []
        for number, (mel, speech) in enumerate(_glm_loop(reference, case)):
            torch.testing.assert_close(mel, stored[number], atol=2e-4, rtol=0)
            if speech is None:
                continue
            samples.append(speech)
            if f"{case}.chunk{number}.wav" in reference.io:
                expected = reference.io[f"{case}.chunk{number}.wav"]
                torch.testing.assert_close(speech, expected, atol=1e-3, rtol=0)
        if f"{case}.wav" in reference.io:
            whole = torch.cat(samples, dim=1)
            torch.testing.assert_close(whole, reference.io[f"{case}.wav"], atol=1e-3, rtol=0)


def _glm_loop(reference: _Golden, case: str) -> Iterator[tuple[Tensor, Tensor | None]]:
    """GLM-4-Voice's loop: everything so far as prompt, an overlap of mel cross-faded into the next
    piece, one cached mel frame and its source samples in front of the vocoder's input."""
    facts, tokens = reference.meta["facts"], reference.tokens_of(case)
    overlap, cache_len = facts["mel_overlap_len"], facts["source_cache_len"]
    window = torch.hamming_window(2 * overlap, periodic=False)
    held: Tensor | None = None
    last_frame: Tensor | None = None
    prompt: Tensor | None = None
    chunks = reference.meta["chunks"][case]
    for number, chunk in enumerate(chunks):
        final = number == len(chunks) - 1
        end = tokens.shape[1] if final else chunks[number + 1]["prompt_tokens"]
        n_prompt = 0 if prompt is None else prompt.shape[2]
        assert n_prompt == chunk["prompt_feat_frames"], (case, number)
        n_frames = mel_frames(end, reference.flow.config.input_frame_rate)
        noise = reference.noise(case, number, n_frames)
        mel = reference.flow.generate(tokens[:, :end], noise, prompt)[:, :, n_prompt:].clone()
        if held is not None:
            fade_in, fade_out = window[:overlap], window[overlap:]
            mel[:, :, :overlap] = mel[:, :, :overlap] * fade_in + held * fade_out
        if not final:
            mel, held = mel[:, :, :-overlap], mel[:, :, -overlap:]
        if last_frame is not None:
            mel = torch.cat([last_frame, mel], dim=2)
        last_frame = mel[:, :, -1:]
        prompt = mel if prompt is None else torch.cat([prompt, mel], dim=2)
        # The source's phase drifts with rounding, so the stored one goes in.
        source = reference.io.get(f"{case}.source.{number}")
        if source is None:
            yield mel, None
            continue
        speech = reference.vocoder.decode(mel, source)
        yield mel, speech if final else speech[:, :-cache_len]
