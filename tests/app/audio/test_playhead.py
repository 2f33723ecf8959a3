import numpy as np
import pytest

from app.audio.playhead import PlayHead
from app.audio.ring import RingBuffer, Samples

RATE = 48000
N_FADE = 240
NO_REPLY = -1


def head_with(samples: Samples | None = None) -> tuple[RingBuffer, PlayHead]:
    ring = RingBuffer(RATE)
    if samples is not None:
        ring.write(samples)
    return ring, PlayHead(ring, RATE)


def played(head: PlayHead, *sizes: int, reply_start: int = NO_REPLY) -> Samples:
    """Blocks of these sizes, one after another."""
    blocks = []
    for size in sizes:
        block = np.full(size, np.nan, dtype=np.float32)
        head.fill(block, reply_start)
        blocks.append(block)
    return np.concatenate(blocks)


def tone(n_samples: int, frequency: float = 200.0, level: float = 0.8) -> Samples:
    return (level * np.cos(2 * np.pi * frequency * np.arange(n_samples) / RATE)).astype(np.float32)


# The steepest that a 200 Hz tone of 0.8 gets, and that a fade of 5 ms adds to it.
STEEPEST = 0.8 * (2 * np.pi * 200 / RATE + np.pi / 2 / N_FADE) * 1.05


def test_an_empty_ring_is_silence() -> None:
    _, head = head_with()
    assert not played(head, 100).any()
    assert head.underruns == 0


def test_sound_is_faded_in_and_then_passes_unchanged() -> None:
    samples = tone(2000)
    _, head = head_with(samples)
    out = played(head, 300, 700)
    assert np.array_equal(out[N_FADE:], samples[N_FADE:1000])
    assert np.all(np.abs(out[:N_FADE]) <= np.abs(samples[:N_FADE]))
    assert np.abs(np.diff(out, prepend=0.0)).max() < STEEPEST


@pytest.mark.parametrize("size", [7, 64, 240, 1000])
def test_a_flush_silences_within_5_ms_without_a_click(size: int) -> None:
    ring, head = head_with(tone(20_000))
    before = played(head, *[1000] * 5)
    ring.request_discard()
    after = played(head, *[size] * (1000 // size))
    whole = np.concatenate((before, after))
    assert np.abs(np.diff(whole, prepend=0.0)).max() < STEEPEST
    assert not after[N_FADE:].any()
    assert np.abs(after[: N_FADE // 2]).max() > 0.4
    assert ring.readable == 0


def test_a_flush_with_fewer_samples_than_the_fade_makes_no_click_either() -> None:
    ring, head = head_with(tone(1050))
    before = played(head, 1000)
    ring.request_discard()
    after = played(head, 500)
    assert np.abs(np.diff(np.concatenate((before, after)), prepend=0.0)).max() < STEEPEST
    assert not after[N_FADE:].any()


def test_what_is_written_after_a_flush_is_played_whole_and_the_rest_never() -> None:
    ring, head = head_with(np.full(5000, 0.5, dtype=np.float32))
    played(head, 1000)
    ring.request_discard()
    start = ring.written
    ring.write(np.full(1000, -0.25, dtype=np.float32))
    block = np.zeros(2000, dtype=np.float32)
    filled = head.fill(block, start)
    assert filled.first == N_FADE
    assert filled.end == N_FADE + 1000
    new = block[N_FADE : N_FADE + 1000]
    assert np.all(new[N_FADE:] == -0.25)
    assert np.all(new <= 0.0)
    assert head.underruns == 0


def test_running_dry_in_the_middle_of_a_reply_is_one_underrun_without_a_click() -> None:
    samples = tone(3000)
    ring, head = head_with(samples[:1000])
    first = played(head, 960, 960, 960, reply_start=0)
    assert head.underruns == 0  # it may still turn out to be the end
    ring.write(samples[1000:])
    second = played(head, 960, reply_start=0)
    assert head.underruns == 1
    whole = np.concatenate((first, second))
    assert np.abs(np.diff(whole, prepend=0.0)).max() < STEEPEST


def test_the_pause_between_two_replies_is_no_underrun() -> None:
    ring, head = head_with(tone(1000))
    played(head, 960, 960, reply_start=0)
    start = ring.written
    ring.write(tone(1000))
    played(head, 960, reply_start=start)
    assert head.underruns == 0


def test_the_volume_changes_within_5_ms_without_a_click() -> None:
    _, head = head_with(tone(4000))
    before = played(head, 1000)
    head.volume = 0.25
    after = played(head, 100, 1000)
    assert np.array_equal(after[N_FADE + 100 :], tone(4000)[1000 + N_FADE + 100 : 2100] * 0.25)
    assert np.abs(np.diff(np.concatenate((before, after)), prepend=0.0)).max() < STEEPEST
