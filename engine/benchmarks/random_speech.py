"""Speech parts of random weights, and how long they take from a question to the first sound."""

import time

import numpy as np
import torch

from engine.benchmarks.latency import Spread
from engine.benchmarks.size_report import SpeechTimes
from engine.benchmarks.sizes import FIRST_CHUNK_TOKENS, FULL_SPEECH_TOKENIZER
from engine.benchmarks.throughput import PROMPT_LENGTH, Clock, first_tokens_ms
from engine.models.decoder import Decoder
from engine.models.whisper_vq import WhisperVQConfig, WhisperVQEncoder
from engine.modes import InferenceMode
from engine.speech.decoder import SpeechDecoder
from engine.speech.flow import FlowConfig, FlowDecoder
from engine.speech.tokenizer import SpeechTokenizer
from engine.speech.vocoder import HiFT, HiFTConfig

_SAMPLE_RATE = 16000
_FIRST_CHUNK = tuple(range(8))  # audio tokens


def random_tokenizer(
    device: torch.device, config: WhisperVQConfig = FULL_SPEECH_TOKENIZER
) -> SpeechTokenizer:
    """A speech tokenizer of random weights, of the released sizes where none are given."""
    with torch.device(device):
        return SpeechTokenizer(WhisperVQEncoder(config))


def random_speech_decoder(
    device: torch.device, flow: FlowConfig | None = None, hift: HiFTConfig | None = None
) -> SpeechDecoder:
    """A speech decoder of random weights, of the released sizes where none are given."""
    with torch.device(device):
        vocoder = HiFT(hift or HiFTConfig())
        decoder = FlowDecoder(flow or FlowConfig())
    vocoder.fold()
    return SpeechDecoder(decoder, vocoder)


def measure_speech(
    decoder: Decoder,
    tokenizer: SpeechTokenizer,
    speech_decoder: SpeechDecoder,
    repeats: int,
    question_s: float = 2.0,
    clock: Clock = time.perf_counter,
) -> SpeechTimes:
    """Encodes a question, makes the first tokens in Boost and decodes a chunk, again and again.

    The prompt has the length of every other measurement, whatever the question is encoded to, and
    the chunk is always the same: random weights say nothing that could be decoded.
    """
    question = np.random.default_rng(0).normal(0, 0.1, round(question_s * _SAMPLE_RATE))
    samples = question.astype(np.float32)
    mode = InferenceMode.BOOST
    reply = (decoder, mode, FIRST_CHUNK_TOKENS[mode], PROMPT_LENGTH)
    encoding, decoding, all_together = [], [], []
    for repetition in range(repeats + 1):
        started = clock()
        tokenizer.encode(samples, _SAMPLE_RATE)
        encoded = clock()
        (generating_ms,) = first_tokens_ms(*reply, repetitions=1, clock=clock, n_warmups=0)
        generated = clock()
        speech_decoder.stream().push(_FIRST_CHUNK)
        decoded = clock()
        if repetition:  # the first one warms up
            encoding.append(1000 * (encoded - started))
            decoding.append(1000 * (decoded - generated))
            all_together.append(encoding[-1] + generating_ms + decoding[-1])
    encoder_ms, decoder_ms, first_sound_ms = map(Spread.over, (encoding, decoding, all_together))
    return SpeechTimes(question_s, encoder_ms, decoder_ms, first_sound_ms)
