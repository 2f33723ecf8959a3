"""Streaming laws of the decoder: samples are final, tokens may come anyhow, cost is constant."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.speech.decoder import DecoderStream, SpeechDecoder
from engine.speech.flow import FlowConfig, FlowDecoder, mel_frames
from engine.speech.flow_stream import FlowStream, StreamPlan, frame_noise
from engine.speech.mel import HOP, SAMPLE_RATE
from engine.speech.vocoder import HiFT, HiFTConfig

_PLAN = StreamPlan()


@pytest.fixture(scope="module")
def decoder() -> SpeechDecoder:
    torch.manual_seed(1)
    vocoder = HiFT(HiFTConfig.tiny())
    vocoder.fold()
    return SpeechDecoder(FlowDecoder(FlowConfig.tiny()), vocoder, _PLAN)


def _codes(n: int) -> list[int]:
    return [(7 * i + i // 5) % 16 for i in range(n)]


def _pushed(stream: DecoderStream, codes: Sequence[int], size: int) -> list[NDArray[np.float32]]:
    pieces = [stream.push(codes[i : i + size]) for i in range(0, len(codes), size)]
    return [*pieces, stream.finish()]


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13, 100])
def test_samples_do_not_depend_on_how_tokens_are_pushed(decoder: SpeechDecoder, size: int) -> None:
    codes = _codes(45)
    whole = np.concatenate(_pushed(decoder.stream(), codes, 8))
    pieces = np.concatenate(_pushed(decoder.stream(), codes, size))
    np.testing.assert_allclose(pieces, whole, atol=1e-5)


def test_samples_given_out_do_not_depend_on_what_comes_after(decoder: SpeechDecoder) -> None:
    same, other = decoder.stream(), decoder.stream()
    codes = _codes(24)
    before = np.concatenate([same.push(codes), same.push(_codes(8)), same.finish()])
    given = other.push(codes)
    np.testing.assert_array_equal(before[: len(given)], given)
    after = np.concatenate([given, other.push([3] * 11), other.finish()])
    assert not np.array_equal(before[len(given) :], after[len(given) : len(before)])


@pytest.mark.parametrize("n_tokens", [0, 1, 2, 7, 8, 9, 16, 17, 45])
def test_every_reply_has_all_the_samples_of_its_tokens(
    decoder: SpeechDecoder, n_tokens: int
) -> None:
    pieces = _pushed(decoder.stream(), _codes(n_tokens), 3)
    samples = np.concatenate(pieces)
    assert samples.dtype == np.float32
    assert len(samples) == mel_frames(n_tokens) * HOP == len(decoder.decode(_codes(n_tokens)))
    assert np.isfinite(samples).all()


def test_the_first_group_sounds_at_once(decoder: SpeechDecoder) -> None:
    first = decoder.stream().push(_codes(8))
    held_s = (mel_frames(8) * HOP - len(first)) / SAMPLE_RATE
    assert len(first) > 0
    assert held_s < 0.25


def test_cost_of_a_group_does_not_grow_with_the_reply() -> None:
    stream = FlowStream(FlowDecoder(FlowConfig.tiny()).eval(), _PLAN)
    computed = []
    for _ in range(100):
        stream.push(_codes(_PLAN.chunk_tokens))
        computed.append(stream.n_computed_frames)
    per_group = [after - before for before, after in pairwise([0, *computed])]
    window = mel_frames(_PLAN.context_tokens + _PLAN.chunk_tokens)
    assert all(n <= window + 1 for n in per_group)
    assert per_group[99] <= 1.1 * per_group[9]


def test_the_stream_equals_the_plain_chunked_procedure() -> None:
    torch.manual_seed(2)
    flow = FlowDecoder(FlowConfig.tiny()).eval()
    codes = _codes(8 * 5 + 3)
    stream = FlowStream(flow, _PLAN)
    streamed = torch.cat([*(stream.push([code]) for code in codes), stream.finish()], dim=1)
    torch.testing.assert_close(streamed, _chunked(flow, codes), atol=1e-5, rtol=0)


@torch.inference_mode()
def _chunked(flow: FlowDecoder, codes: list[int]) -> Tensor:
    """The whole reply at hand: render chunk by chunk, fading each over the end of the last."""
    held = _PLAN.held_back_frames
    mel = torch.zeros(80, 0)
    for start in range(0, len(codes), _PLAN.chunk_tokens):
        end = min(len(codes), start + _PLAN.chunk_tokens)
        first = max(0, start - _PLAN.context_tokens)
        first_frame, n_known = mel_frames(first), max(0, mel.shape[1] - held)
        noise = frame_noise(_PLAN.seed, first_frame, mel_frames(end), 80)
        prompt = mel[None, :, first_frame:n_known] if start else None
        new = flow.generate(torch.tensor([codes[first:end]]), noise[None], prompt)[0]
        new = new[:, n_known - first_frame :].clone()
        for i in range(mel.shape[1] - n_known):
            share = (i + 1) / (held + 1)
            new[:, i] = share * new[:, i] + (1 - share) * mel[:, n_known + i]
        mel = torch.cat([mel[:, :n_known], new], dim=1)
    return mel


def test_noise_of_a_frame_depends_on_its_number_alone() -> None:
    whole = frame_noise(5, 0, 300, 80)
    for begin, end in [(0, 1), (63, 65), (100, 300), (128, 192)]:
        assert torch.equal(frame_noise(5, begin, end, 80), whole[:, begin:end])
    assert not torch.equal(frame_noise(6, 0, 64, 80), whole[:, :64])
    assert abs(float(whole.std()) - 1) < 0.02


def test_a_piece_fades_into_the_next_where_both_have_rendered_it() -> None:
    torch.manual_seed(4)
    flow = FlowDecoder(FlowConfig.tiny()).eval()
    steps = []
    for plan in (StreamPlan(held_back_frames=0), StreamPlan(held_back_frames=6)):
        stream = FlowStream(flow, plan)
        mel = torch.cat([stream.push(_codes(160)), stream.finish()], dim=1)
        jumps = mel.diff(dim=1).abs().mean(0)
        joins = [mel_frames(n) - plan.held_back_frames for n in range(8, 160, 8)]
        steps.append(torch.stack([jumps[j - 1] for j in joins]).mean() / jumps.mean())
    butted, faded = steps
    assert faded < 1.1
    assert faded < butted


def test_two_replies_at_once_do_not_disturb_each_other(decoder: SpeechDecoder) -> None:
    alone = np.concatenate(_pushed(decoder.stream(), _codes(20), 8))
    one, two = decoder.stream(), decoder.stream()
    pieces = []
    for start in range(0, 20, 8):
        pieces.append(one.push(_codes(20)[start : start + 8]))
        two.push([1] * 8)
    np.testing.assert_array_equal(np.concatenate([*pieces, one.finish()]), alone)
