"""The sizes of one speech language model, read from a checkpoint's config.json."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import CheckpointError

# Keys a released config may carry that do not change the computation.
_INFORMATIVE_KEYS = frozenset(
    {
        "_name_or_path",
        "architectures",
        "attention_dropout",
        "attn_implementation",
        "auto_map",
        "dtype",
        "max_window_layers",
        "model_type",
        "mtp_loss_weight",
        "pad_token_id",
        "sliding_window",
        "speech_token_offset",
        "torch_dtype",
        "transformers_version",
        "use_cache",
    }
)
# Keys whose other values would need code that is not here.
_ONLY_SUPPORTED: dict[str, tuple[object, ...]] = {
    "hidden_act": ("silu",),
    "rope_scaling": (None,),
    "use_mrope": (False,),
    "use_sliding_window": (False,),
}


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes of the backbone and its MCTP modules, named as in the released config.json.

    ``num_hidden_layers`` counts the MCTP layers, which are the last ``num_nextn_predict_layers``.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    num_nextn_predict_layers: int = 0
    max_position_embeddings: int = 32768
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    tie_word_embeddings: bool = False
    initializer_range: float = 0.02
    bos_token_id: int | None = None
    eos_token_id: int | None = None

    def __post_init__(self) -> None:
        for name in ("vocab_size", "hidden_size", "intermediate_size", "num_attention_heads"):
            if getattr(self, name) < 1:
                raise CheckpointError(f"model config: {name} must be positive")
        if self.hidden_size % (2 * self.num_attention_heads):
            raise CheckpointError(
                f"model config: hidden_size {self.hidden_size} does not give "
                f"{self.num_attention_heads} heads of even width"
            )
        if self.num_key_value_heads < 1 or self.num_attention_heads % self.num_key_value_heads:
            raise CheckpointError(
                f"model config: {self.num_attention_heads} heads cannot share "
                f"{self.num_key_value_heads} key-value heads"
            )
        if not 0 <= self.num_nextn_predict_layers < self.num_hidden_layers:
            raise CheckpointError(
                f"model config: {self.num_nextn_predict_layers} MCTP layers do not fit in "
                f"{self.num_hidden_layers} layers"
            )

    @property
    def n_backbone_layers(self) -> int:
        """Number of layers of the backbone alone."""
        return self.num_hidden_layers - self.num_nextn_predict_layers

    @property
    def depth(self) -> int:
        """Number of MCTP modules, K."""
        return self.num_nextn_predict_layers

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """The config held by a parsed config.json; an unknown or unsupported key is an error."""
        names = {field.name for field in dataclasses.fields(cls)}
        for key, value in values.items():
            if key in _ONLY_SUPPORTED:
                if value not in _ONLY_SUPPORTED[key]:
                    raise CheckpointError(f"model config: {key} = {value!r} is not supported")
            elif key not in names and key not in _INFORMATIVE_KEYS:
                raise CheckpointError(f"model config: unknown key {key!r}")
        try:
            return cls(**{key: value for key, value in values.items() if key in names})
        except TypeError as error:
            raise CheckpointError(f"model config: {error}") from error

    @classmethod
    def from_json(cls, path: Path | str) -> "ModelConfig":
        """Reads ``config.json``."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot read the model config {path}: {error}") from error
        if not isinstance(values, dict):
            raise CheckpointError(f"the model config {path} is not a JSON object")
        return cls.from_dict(values)

    def to_json(self) -> str:
        """The text of a config.json that ``from_json`` reads back."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def tiny(cls) -> "ModelConfig":
        """A toy model for tests: 2 backbone and 3 MCTP layers."""
        return cls(
            vocab_size=96,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=5,
            num_attention_heads=4,
            num_key_value_heads=2,
            num_nextn_predict_layers=3,
        )
