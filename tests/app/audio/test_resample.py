import numpy as np
import pytest
import soxr

from app.audio.resample import StreamResampler

RATES = [(48000, 16000), (44100, 16000), (24000, 48000), (22050, 44100), (16000, 16000)]


@pytest.mark.parametrize(("rate_in", "rate_out"), RATES)
@pytest.mark.parametrize("size", [1, 160, 997])
def test_a_stream_in_pieces_equals_the_same_in_one_go(
    rate_in: int, rate_out: int, size: int
) -> None:
    n_samples = rate_in // 4 if size > 1 else 3000
    samples = np.random.default_rng(0).standard_normal(n_samples).astype(np.float32)
    resampler = StreamResampler(rate_in, rate_out)
    pieces = [resampler.push(samples[n : n + size]) for n in range(0, n_samples, size)]
    streamed = np.concatenate([*pieces, resampler.finish()])
    whole = soxr.resample(samples, rate_in, rate_out, quality="HQ")
    assert streamed.dtype == np.float32
    assert np.array_equal(streamed, whole)


def test_a_stream_holds_back_at_most_60_ms() -> None:
    for rate_in, rate_out in [*RATES, (16000, 44100)]:
        resampler = StreamResampler(rate_in, rate_out)
        n_out = 0
        for n_in in range(1, 101):
            n_out += len(resampler.push(np.zeros(rate_in // 100, dtype=np.float32)))
            assert n_in / 100 - n_out / rate_out <= 0.06
