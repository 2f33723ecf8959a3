"""Fresh speech comes with the right sound for every 20 ms."""

import ctypes.util

import numpy as np
import pytest

from engine.training.aligned_speech import FRAME_S, SOUNDS, UNLABELLED, draw_aligned
from engine.training.nano.espeak import espeak
from engine.training.nano.phonemes import PHONEMES
from engine.training.tokenizer_batches import BatchSettings, ClipBatches, LabelledClip

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("espeak-ng") is None, reason="needs the library of espeak-ng"
)


def test_sounds_come_in_order_and_fill_the_speech() -> None:
    samples = espeak().speak("one two three", "en-us", 1.0, 50, 50)
    sounds = espeak().sounds
    starts = [sound.start for sound in sounds]
    assert starts == sorted(starts)
    assert starts[0] >= 0 and starts[-1] <= len(samples)
    spoken = "".join(sound.symbol for sound in sounds)
    assert spoken.startswith("w") and "θ" in spoken


def test_a_louder_vowel_is_where_the_label_says() -> None:
    samples = espeak().speak("a-ha", "en-us", 1.0, 50, 50).astype(np.float32)
    sounds = espeak().sounds
    ends = [sound.start for sound in sounds[1:]] + [len(samples)]
    energy = {
        sound.symbol: float(np.abs(samples[sound.start : end]).mean())
        for sound, end in zip(sounds, ends, strict=True)
        if end - sound.start > 200
    }
    vowel = next(symbol for symbol in energy if symbol.startswith("ɑ"))  # noqa: RUF001
    assert energy[vowel] > 2 * energy["h"]


def test_frames_cover_the_clip_with_known_sounds() -> None:
    rng = np.random.default_rng(0)
    unknown = total = 0
    for _ in range(20):
        clip = draw_aligned(rng)
        assert abs(len(clip.frames) * FRAME_S - len(clip.samples) / 16_000) < 2 * FRAME_S
        assert clip.samples.dtype == np.float32 and np.abs(clip.samples).max() <= 1.0
        assert set(clip.phonemes) <= set(PHONEMES)
        assert clip.frames.max() < len(SOUNDS)
        unknown += int((clip.frames == UNLABELLED).sum())
        total += len(clip.frames)
    assert unknown < 0.02 * total


def _batches() -> ClipBatches:
    clip = LabelledClip(lambda: np.zeros(16_000, np.float32), 1.0, (PHONEMES[0],), "x")
    settings = BatchSettings(batch_s=6.0)
    return ClipBatches([clip], PHONEMES, lambda samples, rng: samples, 40, settings)


def test_an_aligned_batch_is_labelled_at_50_hz() -> None:
    batch = _batches().draw_aligned(3)
    assert batch.sounds is not None
    assert batch.sounds.shape == (len(batch.n_tokens), batch.mel.shape[2] // 2)
    for row, n_frames in zip(batch.sounds, batch.n_frames.tolist(), strict=True):
        assert (row[n_frames // 2 + 2 :] == UNLABELLED).all()
        assert (row[: n_frames // 2 - 2] != UNLABELLED).float().mean() > 0.8


def test_a_batch_of_one_number_has_the_same_words_each_time() -> None:
    """Only the words: espeak's sound depends a little on what it spoke before."""
    batches = _batches()
    first, other, again = (batches.draw_aligned(number) for number in (3, 4, 3))
    assert again.phonemes[:20].equal(first.phonemes[:20])
    assert not other.phonemes[:20].equal(first.phonemes[:20])
