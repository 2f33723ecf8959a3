"""Training the speech tokenizer: batches, codebook, objective, start and export."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.models.whisper_vq import WhisperVQConfig, WhisperVQEncoder
from engine.speech.tokenizer import SpeechTokenizer
from engine.training.speech_tokenizer import (
    TokenizerObjective,
    TokenizerTask,
    edit_distance,
    greedy_phonemes,
)
from engine.training.tokenizer_batches import BatchSettings, ClipBatches, LabelledClip
from engine.training.trainer import RunConfig, run
from engine.training.vector_quantiser import EmaQuantiser

INVENTORY = ("a", "b", "c")
CONFIG = WhisperVQConfig.tiny()
SETTINGS = BatchSettings(batch_s=3.0, pool_s=8.0)


def _clip(number: int) -> LabelledClip:
    """Three tones out of three, 0.2 s or longer each: a language that is quickly learnt."""
    rng = np.random.default_rng(number)
    phonemes = tuple(rng.choice(INVENTORY, size=3).tolist())
    n_samples = int(rng.integers(3200, 5200))
    time_s = np.arange(n_samples) / 16_000
    tones = [np.sin(2 * np.pi * 400 * 3 ** INVENTORY.index(p) * time_s) for p in phonemes]
    samples = (0.1 * np.concatenate(tones)).astype(np.float32)
    return LabelledClip(
        load=lambda: samples,
        duration_s=len(samples) / 16_000,
        phonemes=phonemes,
        group="even" if number % 2 == 0 else "odd",
        is_answer=number % 3 == 0,
    )


def _louder(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (samples * rng.uniform(0.5, 1.5)).astype(np.float32)


def _batches(clips: Sequence[LabelledClip]) -> ClipBatches:
    return ClipBatches(clips, INVENTORY, _louder, CONFIG.num_mel_bins, SETTINGS)


def _task(objective: TokenizerObjective | None = None) -> TokenizerTask:
    torch.manual_seed(0)
    batches = _batches([_clip(number) for number in range(24)])
    held_out = [_clip(number) for number in range(100, 104)]
    return TokenizerTask(CONFIG, batches, held_out, INVENTORY, objective)


def test_batches_hold_like_lengths_and_no_more_than_their_share() -> None:
    batches = _batches([_clip(number) for number in range(24)])
    for _ in range(12):
        batch = batches.draw()
        n_clips, _, n_frames = batch.mel.shape
        assert n_frames == 8 * int(batch.n_tokens.max())
        assert n_clips == 1 or n_clips * n_frames / 100 < SETTINGS.batch_s + 0.08 * n_clips
        assert len(batch.phonemes) == int(batch.n_phonemes.sum())
        assert set(batch.phonemes.tolist()) <= {1, 2, 3}  # 0 is the blank


def test_an_epoch_uses_every_clip_once() -> None:
    batches = _batches([_clip(number) for number in range(24)])
    n_clips = 0
    while batches.place[0] == 0:
        n_clips += len(batches.draw().n_tokens)
    assert n_clips - 24 < 24 and n_clips >= 24


def test_going_on_from_a_noted_place_gives_the_same_batches() -> None:
    clips = [_clip(number) for number in range(24)]
    first = _batches(clips)
    for _ in range(5):
        first.draw()
    second = _batches(clips)
    second.move_to(first.place)
    for _ in range(5):
        torch.testing.assert_close(first.draw().mel, second.draw().mel)


def test_only_clean_answer_clips_are_rebuilt() -> None:
    batches = _batches([_clip(1), _clip(2), _clip(4)])
    assert not any(bool(batches.draw().rebuild.any()) for _ in range(4))


def test_training_lowers_the_loss_and_makes_a_codebook(tmp_path: Path) -> None:
    task = _task(TokenizerObjective(quantise_from_step=20, ramp_steps=5, reseed_every=5))
    batch = task.next_batch()
    before = task.loss(batch)[0].item()
    task.after_step(0)
    run(task, RunConfig(steps=40, lr=3e-3), tmp_path, progress_bar=False)
    after, figures = task.loss(batch)
    assert after.item() < 0.7 * before
    assert "commitment" in figures
    task.encoder.eval()
    with torch.no_grad():
        measured = task.evaluate()
    assert measured["codes_used"] > 0
    assert set(measured) >= {"per", "per_even", "per_odd", "code_perplexity"}


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    objective = TokenizerObjective(quantise_from_step=3, ramp_steps=4)
    whole, halves = _task(objective), _task(objective)
    schedule = RunConfig(steps=10, lr=1e-3)
    run(whole, schedule, tmp_path / "whole", progress_bar=False)

    stopping = halves.after_step

    def stop_at_five(step: int) -> None:
        stopping(step)
        if step == 5:
            raise KeyboardInterrupt

    halves.after_step = stop_at_five  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run(
            halves,
            RunConfig(steps=10, lr=1e-3, checkpoint_s=0.0),
            tmp_path / "halves",
            progress_bar=False,
        )
    resumed = _task(objective)
    run(resumed, schedule, tmp_path / "halves", progress_bar=False)
    for name, tensor in whole.encoder.state_dict().items():
        torch.testing.assert_close(resumed.encoder.state_dict()[name], tensor)


def test_quantising_waits_until_phonemes_are_told_apart() -> None:
    task = _task(TokenizerObjective(quantise_below_ctc=0.0, quantise_from_step=10))
    for step in range(1, 11):
        assert "commitment" not in task.loss(task.next_batch())[1]
        task.after_step(step)
    assert "commitment" in task.loss(task.next_batch())[1]


def test_the_export_gives_the_tokens_of_the_trained_encoder(tmp_path: Path) -> None:
    task = _task(TokenizerObjective(quantise_from_step=2))
    for step in range(1, 4):
        task.loss(task.next_batch())
        task.after_step(step)
    task.export(tmp_path)
    tokenizer = SpeechTokenizer.load(tmp_path)
    samples = _clip(5).load()
    rounded = WhisperVQEncoder(CONFIG)
    halved = {name: tensor.half() for name, tensor in task.encoder.state_dict().items()}
    rounded.load_state_dict(halved)
    assert tokenizer.encode(samples, 16_000) == SpeechTokenizer(rounded).encode(samples, 16_000)


def test_a_run_that_ended_before_quantising_still_exports_a_codebook(tmp_path: Path) -> None:
    task = _task()
    task.loss(task.next_batch())
    task.after_step(1)
    task.export(tmp_path)
    assert len(set(SpeechTokenizer.load(tmp_path).encode(_clip(5).load(), 16_000))) > 1


def test_the_first_codebook_lies_on_the_clusters() -> None:
    encoder = WhisperVQEncoder(CONFIG)
    quantiser = EmaQuantiser(encoder)
    assert not quantiser.started
    torch.manual_seed(0)
    centres = 10 * torch.randn(8, CONFIG.d_model)
    vectors = centres.repeat(40, 1) + 0.1 * torch.randn(320, CONFIG.d_model)
    quantiser.start(vectors)
    codes, _, commitment = quantiser.quantise(vectors)
    assert quantiser.started
    assert commitment < 0.01
    assert (codes - vectors).abs().max() < 1.0


def test_codes_follow_their_vectors_and_gradients_pass_straight_through() -> None:
    encoder = WhisperVQEncoder(CONFIG)
    quantiser = EmaQuantiser(encoder)
    torch.manual_seed(0)
    vectors = torch.randn(320, CONFIG.d_model)
    quantiser.start(vectors)
    moved = (vectors + 0.3).requires_grad_()
    codes, ids, _ = quantiser.quantise(moved)
    codes.sum().backward()
    torch.testing.assert_close(moved.grad, torch.ones_like(moved))
    before = (encoder.codebook(ids) - moved).square().mean()
    for _ in range(100):
        quantiser.update(moved.detach(), ids)
    assert (encoder.codebook(ids) - moved).square().mean() < before


def test_codes_that_nothing_falls_on_are_put_on_real_vectors() -> None:
    encoder = WhisperVQEncoder(CONFIG)
    quantiser = EmaQuantiser(encoder)
    torch.manual_seed(0)
    quantiser.start(torch.randn(320, CONFIG.d_model))
    far = 50 + torch.randn(100, CONFIG.d_model)
    ids = torch.zeros(100, dtype=torch.long)
    for _ in range(400):
        quantiser.update(far, ids)
    assert quantiser.reseed(far) == CONFIG.quantize_vocab_size - 1
    assert encoder.codebook.weight.min() > 40
    assert quantiser.reseed(far) == 0


def test_positions_stay_as_they_start() -> None:
    task = _task()
    before = task.encoder.embed_positions.weight.clone()
    task.loss(task.next_batch())[0].backward()
    assert task.encoder.embed_positions.weight.grad is None
    trained = [p for group in task.parameter_groups() for p in group.params]
    assert all(p is not task.encoder.embed_positions.weight for p in trained)
    assert before.std() > 0


def test_each_trained_parameter_is_in_one_group() -> None:
    task = _task()
    grouped = [id(p) for group in task.parameter_groups() for p in group.params]
    trained = [p for m in task.modules().values() for p in m.parameters() if p.requires_grad]
    assert sorted(grouped) == sorted(id(p) for p in trained)


def test_greedy_phonemes_drop_blanks_and_repeats() -> None:
    path = [0, 1, 1, 0, 1, 2, 2, 0, 3]
    logits = torch.eye(4)[path]
    assert greedy_phonemes(logits, INVENTORY) == ["a", "a", "b", "c"]


@pytest.mark.parametrize(
    ("heard", "meant", "distance"),
    [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)],
)
def test_edit_distance_counts_the_fewest_changes(heard: str, meant: str, distance: int) -> None:
    assert edit_distance(list(heard), list(meant)) == distance
