"""Many speakers and rooms out of a few: random changes to a clip, drawn afresh at each use.

Mild most of the time. Speed, pitch and formants move together by resampling; on top of that another
vocal tract at the same pitch, a small change of tempo, an equaliser, a room, noise or babble, a
telephone's narrow band, gain and silent ends. Only numpy and scipy, a few milliseconds for a clip
of two seconds.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import butter, lfilter, sosfilt

SAMPLE_RATE = 16000


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How often each change happens and how far it goes."""

    speed_chance: float = 0.8
    speed_range: tuple[float, float] = (0.74, 1.3)
    formant_chance: float = 0.5
    formant_range: tuple[float, float] = (0.84, 1.22)
    tempo_chance: float = 0.25
    tempo_range: tuple[float, float] = (0.9, 1.12)
    equaliser_chance: float = 0.6
    room_chance: float = 0.35
    noise_chance: float = 0.55
    snr_db_range: tuple[float, float] = (10.0, 40.0)
    telephone_chance: float = 0.08
    gain_db_range: tuple[float, float] = (-14.0, 6.0)
    silence_s: float = 0.25


def augment(
    samples: np.ndarray, rng: np.random.Generator, config: AugmentConfig | None = None
) -> np.ndarray:
    """Another take of the same words at 16 kHz; its length is another too."""
    config = config or AugmentConfig()
    samples = np.asarray(samples, dtype=np.float32)
    if rng.random() < config.speed_chance:
        samples = change_speed(samples, _log_uniform(rng, config.speed_range))
    if rng.random() < config.formant_chance:
        samples = change_formants(samples, _log_uniform(rng, config.formant_range))
    if rng.random() < config.tempo_chance:
        samples = change_tempo(samples, _log_uniform(rng, config.tempo_range))
    samples = _with_silence(samples, config.silence_s, rng)
    if rng.random() < config.equaliser_chance:
        samples = equalise(samples, rng)
    if rng.random() < config.room_chance:
        samples = add_room(samples, rng)
    if rng.random() < config.noise_chance:
        samples = add_noise(samples, rng.uniform(*config.snr_db_range), rng)
    if rng.random() < config.telephone_chance:
        samples = telephone(samples, rng)
    samples = samples * 10.0 ** (rng.uniform(*config.gain_db_range) / 20.0)
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def change_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Faster and higher for a factor above 1, as a tape would do, the formants too."""
    # Linear interpolation is enough: its loss near 8 kHz is one more colour of the equaliser.
    positions = np.arange(0.0, len(samples) - 1, factor)
    return np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)


def change_formants(samples: np.ndarray, factor: float) -> np.ndarray:
    """A shorter vocal tract for a factor above 1, at the same pitch and length.

    The envelope of each frame's spectrum, smooth by its first cepstral coefficients, is stretched;
    the harmonics stay where they are.
    """
    frame, hop, n_smooth = 512, 128, 30
    if len(samples) < frame:
        return samples
    window = np.hanning(frame + 1)[:frame].astype(np.float32)
    padded = np.pad(samples, (frame, frame + hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop] * window
    spectra = rfft(frames, axis=1)
    cepstra = irfft(np.log(np.abs(spectra) + 1e-5), axis=1)
    cepstra[:, n_smooth : frame - n_smooth + 1] = 0.0
    envelopes = rfft(cepstra, axis=1).real
    bins = np.arange(envelopes.shape[1])
    low = np.minimum(bins / factor, bins[-1] - 1e-3).astype(np.float32)
    first, share = low.astype(int), low % 1.0
    stretched = envelopes[:, first] * (1 - share) + envelopes[:, first + 1] * share
    frames = irfft(spectra * np.exp(stretched - envelopes), axis=1) * window
    output = np.zeros(hop * (len(frames) - 1) + frame, np.float32)
    for part in range(frame // hop):  # frames this far apart do not overlap
        chosen = frames[part :: frame // hop].reshape(-1)
        output[part * hop : part * hop + len(chosen)] += chosen
    return (output[frame : frame + len(samples)] / 1.5).astype(np.float32)


def change_tempo(samples: np.ndarray, factor: float) -> np.ndarray:
    """Faster for a factor above 1 at the same pitch: frames overlapped where they fit (WSOLA)."""
    frame, hop, search = 640, 320, 96
    if len(samples) < 4 * frame:
        return samples
    window = np.hanning(frame + 1)[:frame].astype(np.float32)
    n_frames = int((len(samples) - frame - 2 * search) / (hop * factor))
    output = np.zeros(n_frames * hop + frame, dtype=np.float32)
    start = 0
    for i in range(n_frames):
        target = int(i * hop * factor)
        if i > 0:
            wanted = samples[start + hop : start + hop + frame : 2]
            region = samples[target : target + frame + 2 * search : 2]
            matches = np.correlate(region, wanted, mode="valid")
            start = target + 2 * int(matches.argmax())
        output[i * hop : i * hop + frame] += samples[start : start + frame] * window
    return output


def equalise(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random microphone: a tilt of the spectrum and up to three broad peaks or dips."""
    n_fft = next_fast_len(len(samples), real=True)
    octaves = np.log2(np.linspace(20.0, SAMPLE_RATE / 2, n_fft // 2 + 1) / 1000.0)
    gain_db = rng.uniform(-3.0, 3.0) * np.clip(octaves, -3.0, 3.0)
    for _ in range(rng.integers(0, 4)):
        centre, width = rng.uniform(-3.0, 3.0), rng.uniform(0.3, 1.2)
        gain_db += rng.uniform(-8.0, 6.0) * np.exp(-(((octaves - centre) / width) ** 2))
    spectrum = np.fft.rfft(samples, n_fft) * 10.0 ** (gain_db / 20.0)
    return np.fft.irfft(spectrum, n_fft)[: len(samples)].astype(np.float32)


def add_room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random small room: the direct sound, then noise that decays exponentially."""
    decay_s = rng.uniform(0.08, 0.5)  # the time to fall by 60 dB
    n_tail = int(decay_s * SAMPLE_RATE)
    response = rng.standard_normal(n_tail) * np.exp(-6.9 * np.arange(n_tail) / n_tail)
    response[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE)] = 0.0
    ratio_db = rng.uniform(0.0, 18.0)  # direct to reverberant
    response *= 10.0 ** (-ratio_db / 20.0) / math.sqrt(float((response**2).sum()) + 1e-9)
    response[0] = 1.0
    n_fft = next_fast_len(len(samples) + n_tail, real=True)
    spectrum = np.fft.rfft(samples, n_fft) * np.fft.rfft(response, n_fft)
    return np.fft.irfft(spectrum, n_fft)[: len(samples)].astype(np.float32)


def add_noise(samples: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """The samples with white, pink, humming or babble-like noise at this ratio to the speech."""
    kind = rng.integers(0, 4)
    noise = rng.standard_normal(len(samples)).astype(np.float32)
    if kind == 1:  # pink: 3 dB less per octave, by a three-pole approximation
        noise = lfilter(
            [0.049922, -0.095993, 0.050613, -0.004408],
            [1.0, -2.494956, 2.017266, -0.522189],
            noise,
        )
    elif kind == 2:  # low rumble
        noise = lfilter([1.0], [1.0, -rng.uniform(0.9, 0.98)], noise)
    elif kind == 3:  # babble: the clip itself, several times, backwards and shifted
        noise = sum(
            np.roll(samples[::-1], int(rng.integers(len(samples)))) * rng.uniform(0.3, 1.0)
            for _ in range(5)
        )
    speech_power = float((samples**2).mean())
    noise_power = float((np.asarray(noise) ** 2).mean()) + 1e-12
    gain = math.sqrt(speech_power / noise_power) * 10.0 ** (-snr_db / 20.0)
    return (samples + gain * np.asarray(noise)).astype(np.float32)


def telephone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The narrow band of a telephone or a cheap microphone."""
    low, high = rng.uniform(80.0, 350.0), rng.uniform(3000.0, 4500.0)
    band = butter(3, (low, high), btype="bandpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(band, samples), dtype=np.float32)


def _with_silence(samples: np.ndarray, most_s: float, rng: np.random.Generator) -> np.ndarray:
    before, after = (int(rng.uniform(0.0, most_s) * SAMPLE_RATE) for _ in range(2))
    return np.concatenate(
        [np.zeros(before, np.float32), samples, np.zeros(after, np.float32)], dtype=np.float32
    )


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return math.exp(rng.uniform(math.log(bounds[0]), math.log(bounds[1])))
