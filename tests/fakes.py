"""Stand-ins for tests: complete tiny model folders, and hand-written parts of an engine."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from engine.checkpoint import save_weights
from engine.config import ModelConfig
from engine.models.plus_lm import PlusSpeechLM
from engine.models.sensevoice import SenseVoiceConfig
from engine.models.speech_lm import SpeechLM, initialise
from engine.models.whisper_vq import WhisperVQConfig, WhisperVQEncoder
from engine.speech.encoder import CTC_VOCABULARY
from engine.speech.fbank import WIDTH
from engine.speech.flow import FlowConfig, FlowDecoder, FlowMatchingConfig
from engine.speech.flow_encoder import FlowEncoderConfig
from engine.speech.flow_estimator import FlowEstimatorConfig
from engine.speech.vocoder import HiFT, HiFTConfig
from engine.text_tokenizer import TextTokenizer, with_audio_tokens

N_AUDIO = 512
SILENT_CODE = N_AUDIO - 1

SPEECH_TOKENIZER = WhisperVQConfig(
    d_model=16,
    encoder_attention_heads=2,
    encoder_ffn_dim=32,
    quantize_position=1,
    quantize_vocab_size=N_AUDIO,
    num_mel_bins=80,
)
FLOW = replace(
    FlowConfig.nano(),
    input_size=16,
    vocab_size=N_AUDIO,
    encoder=FlowEncoderConfig(16, attention_heads=2, linear_units=32, num_blocks=1, block_size=8),
    cfm=FlowMatchingConfig(inference_cfg_rate=0.0, n_timesteps=1),
    estimator=FlowEstimatorConfig(
        channels=(16, 16), attention_head_dim=8, n_blocks=1, num_mid_blocks=1, num_heads=2
    ),
)
HIFT = HiFTConfig(base_channels=16, f0_cond_channels=16)
CTC_PIECES = ("<unk>", "<s>", "</s>", "<|en|>", *(f"\u2581{a}{b}" for a in "mnst" for b in "aeiou"))


def write_text_tokenizer(path: Path, plus: bool = False) -> TextTokenizer:
    """One text token for each byte, and the special and audio tokens."""
    letters = sorted(ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={letter: n for n, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    with_audio_tokens(tokenizer, N_AUDIO, plus).save(str(path))
    return TextTokenizer.load(path)


def write_model(folder: Path) -> Path:
    """A complete model folder; its replies are random, mostly sound, and at most 60 tokens long."""
    config = _write_common(folder, plus=False)
    save_weights(
        initialise(SpeechLM(config), torch.Generator().manual_seed(0)), folder / "model.safetensors"
    )
    (folder / "speech_tokenizer").mkdir()
    (folder / "speech_tokenizer/config.json").write_text(json.dumps(asdict(SPEECH_TOKENIZER)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = WhisperVQEncoder(SPEECH_TOKENIZER)
    save_weights(encoder, folder / "speech_tokenizer/model.safetensors")
    return folder


def write_plus_model(folder: Path, has_ctc: bool = True) -> Path:
    """The same as a Plus model: it hears embeddings, and writes down what it hears by itself."""
    config = _write_common(folder, plus=True)
    sizes = SenseVoiceConfig.tiny()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = PlusSpeechLM(config, sizes, len(CTC_PIECES) if has_ctc else 0)
    # What is heard keeps the size of PyTorch's start values, else it would hardly be heard.
    audio = {name: x.clone() for name, x in model.state_dict().items() if ".audio_" in name}
    initialise(model, torch.Generator().manual_seed(0)).load_state_dict(audio, strict=False)
    save_weights(model, folder / "model.safetensors")
    encoder = folder / "speech_encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text(json.dumps(asdict(sizes)))
    write_statistics(encoder / "am.mvn", [-10.0] * WIDTH, [0.2] * WIDTH)
    if has_ctc:
        write_pieces(encoder / CTC_VOCABULARY, CTC_PIECES)
    return folder


def write_statistics(path: Path, shift: Sequence[float], scale: Sequence[float]) -> None:
    """An ``am.mvn``: what is added to features and what they are multiplied with then."""
    lines = ["<Nnet>", f"<Splice> {len(shift)} {len(shift)}", "[ 0 ]"]
    for name, numbers in (("AddShift", shift), ("Rescale", scale)):
        written = " ".join(map(str, numbers))
        lines += [f"<{name}> {len(numbers)} {len(numbers)}", f"<LearnRateCoef> 0 [ {written} ]"]
    path.write_text("\n".join([*lines, "</Nnet>", ""]))


def write_pieces(path: Path, pieces: Sequence[str], kinds: Sequence[int] | None = None) -> None:
    """A SentencePiece model file with nothing in it but pieces and the training's vocabulary size.

    ``kinds`` are SentencePiece's numbers for them, by default those of its own first three.
    """
    kinds = kinds or [2, 3, 3, *[1] * (len(pieces) - 3)]
    model = b""
    for piece, kind in zip(pieces, kinds, strict=True):
        text = piece.encode()
        score = b"\x15" + np.float32(-1.5).tobytes()
        message = b"\x0a" + bytes([len(text)]) + text + score + b"\x18" + bytes([kind])
        model += b"\x0a" + bytes([len(message)]) + message
    trainer = b"\x20\xc0\x3e"  # a field whose number takes two bytes
    path.write_bytes(model + b"\x12" + bytes([len(trainer)]) + trainer)


def _write_common(folder: Path, plus: bool) -> ModelConfig:
    """What every model folder holds, beside the weights and the way in of speech."""
    (folder / "speech_decoder").mkdir(parents=True)
    vocabulary = write_text_tokenizer(folder / "tokenizer.json", plus).vocabulary
    config = replace(ModelConfig.tiny(), vocab_size=vocabulary.size)
    (folder / "config.json").write_text(config.to_json())
    (folder / "generation_config.json").write_text(
        json.dumps({"do_sample": True, "temperature": 1.0, "max_new_tokens": 60})
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flow, hift = FlowDecoder(FLOW), HiFT(HIFT)
    (folder / "speech_decoder/config.json").write_text(
        json.dumps({"flow": FLOW.to_json(), "hift": asdict(HIFT)})
    )
    save_weights(flow, folder / "speech_decoder/flow.safetensors")
    save_weights(hift, folder / "speech_decoder/hift.safetensors")
    return config


class FakeSpeechTokenizer:
    """Gives one audio token for each 80 ms, numbered from 0."""

    def encode(self, samples: np.ndarray, sample_rate: int) -> list[int]:
        """The tokens; the samples do not matter."""
        return list(range(-(-len(samples) * 25 // (2 * sample_rate))))


@dataclass
class FakeDecoderStream:
    """Gives ten samples for each audio token, and the last token's again at the end.

    The higher the token, the louder; ``SILENT_CODE`` is silent.
    """

    log: list[str]
    last: int = 0

    def push(self, codes: Sequence[int]) -> np.ndarray:
        """The samples of one group."""
        self.log.append("decode")
        self.last = codes[-1]
        return np.repeat(np.asarray([_level(code) for code in codes], dtype=np.float32), 10)

    def finish(self) -> np.ndarray:
        """What the stream held back."""
        self.log.append("flush")
        return np.full(10, _level(self.last), dtype=np.float32)


def _level(code: int) -> float:
    return 0.0 if code == SILENT_CODE else 0.1 + 0.8 * code / N_AUDIO


@dataclass
class FakeSpeechDecoder:
    """A decoder of 125 samples a second that logs what it is asked."""

    log: list[str] = field(default_factory=list)
    sample_rate: int = 125
    token_rate: float = 12.5

    def stream(self) -> FakeDecoderStream:
        """A new stream that writes to the same log."""
        return FakeDecoderStream(self.log)
