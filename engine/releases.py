"""The released models as data: repositories, files, licences and sizes.

Pure. Sizes are computed from the published shapes and file formats; none was compared with the
published files (``SIZES_ARE_COMPUTED``). Before anything is fetched, the server's own list of files
says how large they are. Repository ids, licence names and file names come from the authors' and
third parties' pages, and were not checked against the published repositories either.
"""

from dataclasses import dataclass, replace

from engine.config import ModelConfig
from engine.model_folder import INDEX, RELEASED_FOLDERS, SINGLE, Part

SIZES_ARE_COMPUTED = True

_LICENCE_FILES = ("LICENSE*", "License*", "LICENCE*", "MODEL_LICENSE*")
"""How licence texts are called in a repository; they are shown before anything large is fetched."""


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence by its name and, in our words, what it says; its own text counts."""

    name: str
    summary: str


VITA_AUDIO = Licence(
    "VITA-Audio licence",
    "Academic, research and education use only. Commercial use is not allowed.",
)
GLM_4_VOICE = Licence(
    "GLM-4-Voice Model License",
    "The authors' own licence for the weights: read it before any use that is not research.",
)
FUNASR = Licence(
    "FunASR Model Open Source License",
    "The authors' own licence for the weights: source and authors must be named.",
)


@dataclass(frozen=True, slots=True)
class PartRelease:
    """One released part: where it is published and what of it is fetched.

    ``files`` are patterns for names in the repository, of which ``Part`` says which must be there;
    code that comes with a release is never fetched. ``n_parameters`` counts everything stored,
    ``n_bytes`` is about what is fetched.
    """

    part: Part
    repo_id: str
    files: tuple[str, ...]
    licence: Licence
    n_parameters: int
    n_bytes: int

    @property
    def folder_name(self) -> str:
        """What its folder is called."""
        return self.repo_id.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Release:
    """One released model: a language model and the parts it needs.

    ``n_encoder_parameters`` are those of the speech encoder and projector that the Plus variants
    keep within the language model.
    """

    name: str
    title: str
    config: ModelConfig
    parts: tuple[PartRelease, ...]
    n_encoder_parameters: int = 0

    @property
    def is_plus(self) -> bool:
        """Whether users' speech enters as continuous features."""
        return self.n_encoder_parameters > 0

    @property
    def n_bytes(self) -> int:
        """About what is fetched in all."""
        return sum(part.n_bytes for part in self.parts)

    @property
    def licences(self) -> tuple[Licence, ...]:
        """The licences of its parts, each once."""
        return tuple(dict.fromkeys(part.licence for part in self.parts))


def parameter_count(config: ModelConfig) -> int:
    """How many numbers a language model of these sizes stores."""
    width, inner = config.hidden_size, config.intermediate_size
    kv_width = config.num_key_value_heads * config.head_dim
    attention = 2 * width * width + width + 2 * (kv_width * width + kv_width)
    layer = attention + 3 * width * inner + 2 * width
    module = 2 * width * width + 2 * width
    tables = 1 if config.tie_word_embeddings else 2
    return (
        tables * config.vocab_size * width
        + config.num_hidden_layers * layer
        + config.depth * module
        + width
    )


_WITH_TEN_MODULES = ModelConfig(
    vocab_size=168072,
    hidden_size=3584,
    intermediate_size=18944,
    num_hidden_layers=38,
    num_attention_heads=28,
    num_key_value_heads=4,
    num_nextn_predict_layers=10,
    rope_theta=1e6,
)
_WITHOUT_MODULES = replace(_WITH_TEN_MODULES, num_hidden_layers=28, num_nextn_predict_layers=0)
# SenseVoiceSmall without its CTC head, and the projector to the width of the language model.
_ENCODER_PARAMETERS = 221_145_952 + 14_681_088
_CTC_PARAMETERS = 12_853_215
_BF16, _FP32 = 2, 4
_TOKENIZER_BYTES = 12_000_000  # vocabulary, merges, configs

_SPEECH_TOKENIZER = PartRelease(
    Part.SPEECH_TOKENIZER,
    f"zai-org/{RELEASED_FOLDERS[Part.SPEECH_TOKENIZER]}",
    ("config.json", "preprocessor_config.json", SINGLE, *_LICENCE_FILES),
    GLM_4_VOICE,
    n_parameters=364_587_264,
    n_bytes=_FP32 * 364_587_264,
)
_SPEECH_DECODER = PartRelease(
    Part.SPEECH_DECODER,
    f"zai-org/{RELEASED_FOLDERS[Part.SPEECH_DECODER]}",
    ("config.yaml", "flow.pt", "hift.pt", *_LICENCE_FILES),
    GLM_4_VOICE,
    n_parameters=111_166_208 + 20_460_591,
    n_bytes=_FP32 * (111_166_208 + 20_460_591),
)
_SPEECH_ENCODER = PartRelease(
    Part.SPEECH_ENCODER,
    f"FunAudioLLM/{RELEASED_FOLDERS[Part.SPEECH_ENCODER]}",
    ("am.mvn", "*.bpe.model", *_LICENCE_FILES),
    FUNASR,
    n_parameters=0,  # the weights come with those of the language model
    n_bytes=400_000,
)


def _release(title: str, config: ModelConfig, is_plus: bool) -> Release:
    n_encoder = _ENCODER_PARAMETERS if is_plus else 0
    n_parameters = parameter_count(config) + n_encoder + (_CTC_PARAMETERS if is_plus else 0)
    language_model = PartRelease(
        Part.LANGUAGE_MODEL,
        f"VITA-MLLM/{title}",
        (
            *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"),
            *("vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json"),
            *(SINGLE, INDEX, "model-*-of-*.safetensors", *_LICENCE_FILES),
        ),
        VITA_AUDIO,
        n_parameters,
        _BF16 * n_parameters + _TOKENIZER_BYTES,
    )
    hearing = _SPEECH_ENCODER if is_plus else _SPEECH_TOKENIZER
    parts = (language_model, hearing, _SPEECH_DECODER)
    return Release(title.lower(), title, config, parts, n_encoder)


RELEASES = (
    _release("VITA-Audio-Boost", _WITH_TEN_MODULES, is_plus=False),
    _release("VITA-Audio-Balance", _WITH_TEN_MODULES, is_plus=False),
    _release("VITA-Audio-Plus-Vanilla", _WITHOUT_MODULES, is_plus=True),
    _release("VITA-Audio-Plus-Boost", _WITH_TEN_MODULES, is_plus=True),
)
"""Every model that can be fetched."""


def release_of(name: str) -> Release | None:
    """The release of that name, whole or without ``vita-audio-``; case does not matter."""
    wanted = name.lower()
    for release in RELEASES:
        if wanted in (release.name, release.name.removeprefix("vita-audio-")):
            return release
    return None
