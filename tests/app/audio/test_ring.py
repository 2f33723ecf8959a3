import threading
import time

import numpy as np

from app.audio.ring import RingBuffer


def test_samples_come_out_in_the_order_in_which_they_went_in() -> None:
    ring = RingBuffer(7)
    out = np.zeros(5, dtype=np.float32)
    taken: list[float] = []
    for start in range(0, 60, 3):
        assert ring.write(np.arange(start, start + 3, dtype=np.float32)) == 3
        taken.extend(out[: ring.read_into(out)])
    assert taken == list(range(60))
    assert (ring.written, ring.read, ring.readable, ring.writable) == (60, 60, 0, 7)


def test_a_full_ring_takes_what_it_has_room_for() -> None:
    ring = RingBuffer(4)
    assert ring.write(np.ones(3, dtype=np.float32)) == 3
    assert ring.write(np.ones(3, dtype=np.float32)) == 1
    assert ring.writable == 0


def test_a_discard_throws_away_what_was_written_before_it_and_nothing_else() -> None:
    ring = RingBuffer(8)
    out = np.zeros(8, dtype=np.float32)
    ring.write(np.full(3, 1.0, dtype=np.float32))
    ring.request_discard()
    assert ring.readable == 3  # only the reader moves the read position
    ring.write(np.full(2, 2.0, dtype=np.float32))
    assert ring.discardable == 3
    assert ring.read_into(out) == 2
    assert out[:2].tolist() == [2.0, 2.0]
    assert ring.discardable == 0


def test_taking_ignores_a_discard_so_that_sound_can_be_faded_out() -> None:
    ring = RingBuffer(8)
    out = np.zeros(2, dtype=np.float32)
    ring.write(np.arange(5, dtype=np.float32))
    ring.request_discard()
    assert ring.take(out) == 2
    assert out.tolist() == [0.0, 1.0]
    ring.discard()
    assert ring.readable == 0


def test_two_threads_lose_and_repeat_no_sample() -> None:
    ring = RingBuffer(1000)
    n_total = 100_000
    source = np.arange(n_total, dtype=np.float32)
    received = np.zeros(n_total, dtype=np.float32)

    def write() -> None:
        done, step = 0, 1
        while done < n_total:
            step = step % 317 + 1
            n = ring.write(source[done : done + step])
            done += n
            if n < step:
                time.sleep(0)

    writer = threading.Thread(target=write)
    writer.start()
    done, step = 0, 1
    while done < n_total:
        step = step % 211 + 1
        n = ring.read_into(received[done : done + step])
        done += n
        if n < step:
            time.sleep(0)
    writer.join()
    assert np.array_equal(received, source)
