"""Laws of batches and losses: packed equals padded, frozen parts stay, N is shared."""

from dataclasses import replace

import pytest
import torch

from engine.config import ModelConfig
from engine.models.speech_lm import SpeechLM, initialise
from engine.training.losses import Losses, Objective, speech_losses
from engine.training.packing import IGNORED, Batch, Sample, Task, pack, pad, rows_by_length
from engine.vocab import Vocabulary

CONFIG = ModelConfig.tiny()
EVERYTHING = Objective(n_modules=CONFIG.depth, with_stp=True, detach=False)


def _model() -> SpeechLM:
    return initialise(
        SpeechLM(replace(CONFIG, initializer_range=0.3)), torch.Generator().manual_seed(0)
    )


def _samples(*lengths: int) -> list[Sample]:
    generator = torch.Generator().manual_seed(3)
    samples = []
    for length in lengths:
        ids = torch.randint(0, 90, (length,), generator=generator).tolist()
        header = min(length, 5)  # as in a real sample: more unlabelled tokens than modules
        samples.append(Sample(tuple(ids), (*[IGNORED] * header, *ids[header:]), Task.TEXT))
    return samples


def _losses_and_gradients(batch: Batch) -> tuple[Losses, list[torch.Tensor]]:
    model = _model()
    losses = speech_losses(model, batch, EVERYTHING, batch.n_labels)
    losses.total.backward()
    return losses, [parameter.grad for parameter in model.parameters()]


def test_packed_and_padded_batches_have_the_same_losses_and_gradients() -> None:
    samples = _samples(17, 9, 30, 6)
    padded, padded_gradients = _losses_and_gradients(pad(samples, 95))
    packed, packed_gradients = _losses_and_gradients(pack(samples, 95, 70))
    assert padded.total.item() == pytest.approx(packed.total.item(), rel=1e-5)
    for one, other in zip(padded.modules, packed.modules, strict=True):
        assert one.loss_sum.item() == pytest.approx(other.loss_sum.item(), rel=1e-5)
    for one, other in zip(padded_gradients, packed_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_a_sample_does_not_see_its_neighbours_in_a_packed_row() -> None:
    first, second, third = _samples(12, 15, 11)
    changed = Sample(tuple((i + 7) % 90 for i in first.ids), first.labels, Task.TEXT)
    model = _model()
    with torch.no_grad():
        one, other = (
            speech_losses(model, pack(row, 95, 38), EVERYTHING, None)
            for row in ([first, second, third], [changed, second, third])
        )
    for a, b in zip((one.stp, *one.modules), (other.stp, *other.modules), strict=True):
        torch.testing.assert_close(a.losses[-10:], b.losses[-10:])


def test_micro_batches_with_one_denominator_add_up_to_the_whole_batch() -> None:
    samples = _samples(14, 14, 14, 14)
    model = _model()
    whole = speech_losses(model, pad(samples, 95), EVERYTHING, 36.0)
    parts = [speech_losses(model, pad([sample], 95), EVERYTHING, 36.0) for sample in samples]
    assert whole.total.item() == pytest.approx(sum(part.total.item() for part in parts), rel=1e-5)


def test_a_sample_too_short_for_a_module_is_not_scored_by_it() -> None:
    ids = (1, 2, 3)
    losses = speech_losses(_model(), pad([Sample(ids, ids, Task.TEXT)], 95), EVERYTHING, None)
    assert losses.stp is not None
    assert losses.stp.count == 2
    assert [scores.count for scores in losses.modules] == [
        1,
        0,
    ]
    assert torch.isfinite(losses.total)


def test_groups_of_rows_hold_every_sample_once_and_stay_in_the_budget() -> None:
    lengths = [5, 90, 7, 33, 34, 6, 120, 35]
    groups = rows_by_length(lengths, 100)
    assert sorted(index for group in groups for index in group) == list(range(8))
    for group in groups:
        longest = max(lengths[index] for index in group)
        assert len(group) == 1 or longest * len(group) <= 100


def test_text_weight_counts_text_tokens_more_and_audio_tokens_as_before() -> None:
    vocabulary = Vocabulary(base_size=40, n_audio=24)
    audio = vocabulary.audio_0
    texts = Sample(tuple(range(1, 9)), tuple(range(1, 9)), Task.TEXT)
    sounds = Sample(tuple(range(audio, audio + 8)), tuple(range(audio, audio + 8)), Task.TEXT)
    model, weighted = _model(), Objective(2, with_stp=True, detach=False, text_weight=3.0)
    for sample, factor in ((texts, 3.0), (sounds, 1.0)):
        batch = pad([sample], 0)
        plain = speech_losses(model, batch, replace(weighted, text_weight=1.0), None)
        heavy = speech_losses(model, batch, weighted, None, vocabulary)
        assert heavy.total.item() == pytest.approx(factor * plain.total.item(), rel=1e-5)
