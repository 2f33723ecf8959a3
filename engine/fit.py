"""Whether a model fits a machine, and how fast it can be there: answered from sizes alone.

Pure. Nothing is loaded or fetched. Memory is counted item by item as the engine uses it. Speed is
the bandwidth floor: decoding one token reads every weight of the step once, so no program can make
more tokens a second than the memory's bandwidth divided by those bytes allows. The memory figures
were not compared with a run on a GPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from engine.config import ModelConfig
from engine.model_folder import Part
from engine.modes import MAIN, ForwardSchedule, InferenceMode
from engine.precision import Precision, matrix_bytes
from engine.releases import Release

GIB = 1 << 30
CONTEXT_TOKENS = 8192
"""Tokens of prompt and reply that room is counted for: about ten minutes of talk."""

LARGEST_TABLE_BYTES = 8 << 20
"""An embedding this small is kept once for every MCTP module, as the module's input takes it."""

_FP32, _COMPLEX = 4, 8
# Rows of the longest prefill that is computed in one go.
_PREFILL_ROWS = 2048
# Kernels and their workspaces, before any weight is there: CUDA context and libraries; Python
# with torch.
_GPU_RUNTIME = GIB * 3 // 4
_CPU_RUNTIME = GIB // 2
# Encoding 30 s of speech and decoding a piece of a reply, in single precision.
_SPEECH_ACTIVATIONS = GIB * 2 // 5
# Beside a GPU the machine holds the program and one weight on its way to the device.
_HOST_RUNTIME = 2 * GIB
# A conversation may take this share of what the loaded model leaves free; but it is always given
# room for a question of a minute with its answer.
_CONTEXT_SHARE = 0.5
_SHORTEST_CONTEXT = 2048
# A fuller memory leaves no room for what other programs take now and then.
_TIGHT_SHARE = 0.92
# In the released rhythm 4 text and 10 audio ids, of which 8 sound, make 0.64 s of speech.
TOKENS_PER_SOUND_S = 14 / (8 / 12.5)


class Verdict(Enum):
    """Whether something fits; TIGHT leaves little for other programs."""

    FITS = "fits"
    TIGHT = "tight"
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True)
class Memory:
    """What running a model takes, in bytes."""

    language_model: int
    speech_parts: int
    kv_cache: int
    activations: int
    runtime: int

    @property
    def total(self) -> int:
        """All of it."""
        return (
            self.language_model
            + self.speech_parts
            + self.kv_cache
            + self.activations
            + self.runtime
        )


@dataclass(frozen=True, slots=True)
class Speed:
    """The most a mode can reach on a memory of some bandwidth."""

    mode: InferenceMode
    tokens_per_s: float

    @property
    def real_time_factor(self) -> float:
        """Seconds of the language model's work for one second of speech."""
        return TOKENS_PER_SOUND_S / self.tokens_per_s


def layer_bytes(config: ModelConfig, precision: Precision) -> int:
    """The bytes of one decoder layer."""
    width, inner = config.hidden_size, config.intermediate_size
    kv_width = config.num_key_value_heads * config.head_dim
    matrices = (
        *((width, width), (kv_width, width), (kv_width, width), (width, width)),
        *((inner, width), (inner, width), (width, inner)),
    )
    small = 3 * width + 2 * kv_width  # norms and biases
    return (
        sum(matrix_bytes(*shape, precision) for shape in matrices) + precision.compute_bytes * small
    )


def head_bytes(config: ModelConfig, precision: Precision) -> int:
    """The bytes of the output matrix, which every token reads."""
    return matrix_bytes(config.vocab_size, config.hidden_size, precision)


def module_bytes(config: ModelConfig, precision: Precision) -> int:
    """The bytes of one MCTP module with its layer, without the head it shares."""
    width = config.hidden_size
    return (
        layer_bytes(config, precision)
        + matrix_bytes(width, 2 * width, precision)
        + precision.compute_bytes * 2 * width
    )


def language_model_bytes(config: ModelConfig, precision: Precision) -> int:
    """The bytes of all weights.

    Where matrices are quantised, the embedding stays in 16 bits, and a head that shares it is kept
    beside it.
    """
    embedding = _embedding_bytes(config, precision)
    shares = config.tie_word_embeddings and not precision.is_quantised
    head = 0 if shares else head_bytes(config, precision)
    backbone = config.n_backbone_layers * layer_bytes(config, precision)
    modules = config.depth * module_bytes(config, precision)
    return embedding + head + backbone + modules + precision.compute_bytes * config.hidden_size


def decoder_bytes(config: ModelConfig, precision: Precision) -> int:
    """The bytes of the weights as they are arranged for decoding, with RoPE's turns."""
    width = config.hidden_size
    joined = matrix_bytes(width, 2 * width, precision)
    half, table = matrix_bytes(width, width, precision), _embedding_bytes(config, precision)
    arranged = half + (table if table <= LARGEST_TABLE_BYTES else half)
    turns = _COMPLEX * config.max_position_embeddings * config.head_dim // 2
    return language_model_bytes(config, precision) + config.depth * (arranged - joined) + turns


def _embedding_bytes(config: ModelConfig, precision: Precision) -> int:
    return precision.compute_bytes * config.vocab_size * config.hidden_size


def kv_cache_bytes(config: ModelConfig, precision: Precision, n_tokens: int) -> int:
    """Keys and values of every layer, and the states the MCTP modules go on from."""
    keys_values = 2 * config.num_key_value_heads * config.head_dim * config.num_hidden_layers
    states = config.depth * config.hidden_size
    return precision.compute_bytes * (keys_values + states) * n_tokens


def context_limit(config: ModelConfig, precision: Precision, free: int) -> int:
    """Tokens of prompt and reply that a conversation may hold beside a model that is loaded.

    Never more than the model has positions, nor than room was counted for. ``free`` are the bytes
    its device has left, zero where nobody knows.
    """
    longest = min(config.max_position_embeddings, CONTEXT_TOKENS)
    if not free:
        return longest
    affordable = int(_CONTEXT_SHARE * free) // kv_cache_bytes(config, precision, 1)
    return min(longest, max(_SHORTEST_CONTEXT, affordable))


def shorter_context(limit: int, n_held: int) -> int:
    """The limit after memory ran out while ``n_held`` tokens had room: half of those."""
    return min(limit, max(_SHORTEST_CONTEXT, n_held // 2))


def activation_bytes(config: ModelConfig, precision: Precision) -> int:
    """Scratch memory of the longest prefill, with its logits and attention mask."""
    width, inner = config.hidden_size, config.intermediate_size
    kv_width = config.num_key_value_heads * config.head_dim
    row = 6 * width + 2 * kv_width + 2 * inner
    group = config.num_attention_heads // config.num_key_value_heads
    mask = _PREFILL_ROWS * group * _PREFILL_ROWS
    logits = _FP32 * 3 * config.vocab_size
    return precision.compute_bytes * (_PREFILL_ROWS * row + mask) + logits


def memory_of(
    release: Release, precision: Precision, is_gpu: bool, n_tokens: int = CONTEXT_TOKENS
) -> Memory:
    """What running a released model takes on its device."""
    # The Plus variants' encoder runs in the language model's 16 bits, the rest in single precision.
    within = precision.compute_bytes * release.n_encoder_parameters
    beside = sum(
        _FP32 * part.n_parameters for part in release.parts if part.part is not Part.LANGUAGE_MODEL
    )
    return memory_for(release.config, precision, is_gpu, n_tokens, within, beside)


def memory_for(
    config: ModelConfig,
    precision: Precision,
    is_gpu: bool,
    n_tokens: int,
    within: int = 0,
    beside: int = 0,
) -> Memory:
    """What running a language model takes, with speech parts in bytes.

    ``within`` are those of a speech encoder that comes with it, ``beside`` those of the others.
    """
    return Memory(
        language_model=decoder_bytes(config, precision) + within,
        speech_parts=beside,
        kv_cache=kv_cache_bytes(config, precision, n_tokens),
        activations=activation_bytes(config, precision) + _SPEECH_ACTIVATIONS,
        runtime=_GPU_RUNTIME if is_gpu else _CPU_RUNTIME,
    )


def host_bytes(release: Release) -> int:
    """What the machine's own memory must offer beside a GPU: the files are mapped, not held."""
    largest = release.config.vocab_size * release.config.hidden_size * 2
    return _HOST_RUNTIME + largest


def best_precision(needed: Mapping[Precision, int], free: int) -> Precision:
    """The first whose bytes are there, if tightly; the last where none is."""
    fitting = (each for each, total in needed.items() if total <= free)
    return next(fitting, list(needed)[-1])


def verdict(needed: int, available: int) -> Verdict:
    """Whether something fits into the memory that is available."""
    if needed <= _TIGHT_SHARE * available:
        return Verdict.FITS
    return Verdict.TIGHT if needed <= available else Verdict.TOO_LARGE


def step_bytes(config: ModelConfig, precision: Precision, maker: int, n_tokens: int) -> int:
    """What one decode step reads: the weights of its maker, the head, and its keys and values."""
    entry = 2 * config.num_key_value_heads * config.head_dim * precision.compute_bytes * n_tokens
    head = head_bytes(config, precision)
    if maker == MAIN:
        return config.n_backbone_layers * (layer_bytes(config, precision) + entry) + head
    return module_bytes(config, precision) + entry + head


def reply_bytes(
    config: ModelConfig,
    precision: Precision,
    schedule: ForwardSchedule,
    prompt_length: int,
    n_tokens: int,
) -> int:
    """What all steps of a reply read, each by its maker; not of a verified schedule."""
    return sum(
        step_bytes(config, precision, schedule.maker(n), prompt_length + n) for n in range(n_tokens)
    )


def fastest(
    config: ModelConfig,
    precision: Precision,
    bandwidth: float,
    n_tokens: int = CONTEXT_TOKENS // 2,
) -> tuple[Speed, ...]:
    """The most tokens a second that ``bandwidth`` bytes a second allow, in every mode.

    It is that of a long reply: the first few tokens of a mode may be made in another rhythm.
    Verified is left out: its speed hangs on how many drafts hold.
    """
    speeds = []
    for mode in (mode for mode in InferenceMode if not mode.is_verified):
        schedule = mode.schedule(config.depth)
        begin, length = sum(mode.pairs[:-2]), sum(mode.pairs[-2:])
        makers = [schedule.maker(begin + n) for n in range(length)]
        read = sum(
            makers.count(maker) * step_bytes(config, precision, maker, n_tokens)
            for maker in set(makers)
        )
        speeds.append(Speed(mode, bandwidth * length / read))
    return tuple(speeds)


def disk_bytes(release: Release) -> int:
    """What fetching and keeping a model takes on the disk, the converted decoder included."""
    converted = sum(
        _FP32 * part.n_parameters for part in release.parts if part.part is Part.SPEECH_DECODER
    )
    return release.n_bytes + converted
