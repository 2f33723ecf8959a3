"""The user's settings: typed, versioned, checked, in one JSON file.

Immutable: a change is a new ``Settings`` by ``dataclasses.replace``. A file that is broken, or that
a newer version of the program wrote, is set aside and the defaults are used; keys that this version
does not know are reported and ignored.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path

from app.audio.devices import DeviceId
from app.errors import AppError, OutputError
from app.set_aside import StoreNotice, StoreNoticeKind, set_aside
from app.whole_file import write_whole
from engine.modes import InferenceMode
from engine.sampling_params import SamplingParams

VERSION = 1
"""The version of the file's form; raised when a change of it would mislead an older program."""


class SettingsError(AppError):
    """A setting has a value that cannot be used; the message names it."""


class TalkMode(Enum):
    """How a spoken turn begins and ends."""

    HOLD = "hold"
    TAP = "tap"
    HANDS_FREE = "hands_free"


class Theme(Enum):
    """The colours of the window; SYSTEM follows the desktop."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class Language(Enum):
    """The language of the interface; SYSTEM follows the desktop."""

    SYSTEM = "system"
    EN = "en"
    ZH = "zh"


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """Which devices are used, and what is done to the sound; None is the system's default device.

    ``echo_cancellation`` applies to hands-free talk; ``volume`` is linear, 1 is as generated.
    """

    input: DeviceId | None = None
    output: DeviceId | None = None
    echo_cancellation: bool = True
    noise_suppression: bool = True
    gain_control: bool = False
    volume: float = 1.0

    def __post_init__(self) -> None:
        _require_share("volume", self.volume)


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """How turns are taken.

    ``patience`` 0 ends a turn soonest, 1 waits longest; ``sensitivity`` 1 takes the faintest voice
    for speech.
    """

    talk_mode: TalkMode = TalkMode.HOLD
    patience: float = 0.5
    sensitivity: float = 0.5

    def __post_init__(self) -> None:
        _require_share("patience", self.patience)
        _require_share("sensitivity", self.sensitivity)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which model answers, and how; None is the model's own value, a seed of None a new one a turn.

    ``model`` is the name of an installed model or a folder.
    """

    model: str = "nano"
    mode: InferenceMode = InferenceMode.BOOST
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None
    greedy: bool = False

    def __post_init__(self) -> None:
        temperature, top_k, top_p, seed = self.temperature, self.top_k, self.top_p, self.seed
        _require(bool(self.model), "model", self.model, "a name or a folder")
        _require(
            temperature is None or (math.isfinite(temperature) and temperature >= 0),
            "temperature",
            temperature,
            "0 or more",
        )
        _require(top_k is None or top_k >= 0, "top_k", top_k, "0 (off) or more")
        _require(top_p is None or 0 < top_p <= 1, "top_p", top_p, "above 0 and at most 1")
        _require(seed is None or 0 <= seed < 2**63, "seed", seed, "between 0 and 2**63 - 1")

    def sampling(self, defaults: SamplingParams, new_seed: int) -> SamplingParams:
        """The model's own ``defaults`` with what is set here; ``new_seed`` where none is fixed."""
        temperature = defaults.temperature if self.temperature is None else self.temperature
        return dataclasses.replace(
            defaults,
            temperature=0.0 if self.greedy else temperature,
            top_k=defaults.top_k if self.top_k is None else self.top_k,
            top_p=defaults.top_p if self.top_p is None else self.top_p,
            seed=new_seed if self.seed is None else self.seed,
        )


@dataclass(frozen=True, slots=True)
class LookSettings:
    """How the window looks."""

    theme: Theme = Theme.SYSTEM
    language: Language = Language.SYSTEM
    large_text: bool = False


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """What is kept and what is sent: nothing, unless the user wants it.

    ``retention_days`` is how long a kept conversation lives; None is until it is deleted.
    ``offline`` forbids all use of the network; ``check_updates`` asks the packager's address for a
    newer version at every start, unless offline.
    """

    keep_history: bool = False
    retention_days: int | None = None
    offline: bool = False
    check_updates: bool = False

    def __post_init__(self) -> None:
        days = self.retention_days
        # Longer than a calendar lasts, the limit could not be told as a date.
        _require(days is None or 1 <= days <= 36500, "retention_days", days, "from 1 to 36500")


@dataclass(frozen=True, slots=True)
class DownloadSettings:
    """Where models are fetched from: the address of a mirror, or empty for the usual server."""

    mirror: str = ""

    def __post_init__(self) -> None:
        is_address = self.mirror.startswith(("http://", "https://"))
        _require(not self.mirror or is_address, "mirror", self.mirror, "empty or an address")


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Keys by their Qt names; ``global_hotkey``, such as ``Ctrl+Alt+Space``, is off when empty."""

    talk: str = "Space"
    stop: str = "Esc"
    global_hotkey: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the user can set."""

    audio: AudioSettings = field(default_factory=AudioSettings)
    turns: TurnSettings = field(default_factory=TurnSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    look: LookSettings = field(default_factory=LookSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    keys: KeySettings = field(default_factory=KeySettings)
    downloads: DownloadSettings = field(default_factory=DownloadSettings)


def load(path: Path, today: Callable[[], date] = date.today) -> tuple[Settings, StoreNotice | None]:
    """The settings in the file, or the defaults where there is none; never raises."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Settings(), None
    except OSError as error:
        return Settings(), _broken(path, str(error.strerror), today())
    try:
        tree = json.loads(content, parse_constant=_refuse_constant)
        version = _version(tree)
        if version > VERSION:
            detail = f"version {version}, this program knows {VERSION}"
            kept_as = set_aside(path, "newer")
            return Settings(), StoreNotice(StoreNoticeKind.SETTINGS_NEWER, detail, kept_as)
        unknown: list[str] = []
        settings = _decode(Settings, tree["settings"], "", unknown)
    except (ValueError, RecursionError):  # not JSON, or not UTF-8
        return Settings(), _broken(path, "it is not valid JSON", today())
    except SettingsError as error:
        return Settings(), _broken(path, str(error), today())
    assert isinstance(settings, Settings)
    if unknown:
        return settings, StoreNotice(StoreNoticeKind.SETTINGS_UNKNOWN_KEYS, ", ".join(unknown))
    return settings, None


def save(path: Path, settings: Settings) -> None:
    """Writes the file whole; raises ``OutputError`` and leaves the old one where it cannot."""
    tree = {"version": VERSION, "settings": _encode(settings)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made: {error.strerror}") from error
    write_whole(path, (json.dumps(tree, indent=2) + "\n").encode())


def _broken(path: Path, detail: str, today: date) -> StoreNotice:
    kept_as = set_aside(path, f"broken-{today.isoformat()}")
    return StoreNotice(StoreNoticeKind.SETTINGS_BROKEN, detail, kept_as)


def _refuse_constant(name: str) -> float:
    raise SettingsError(f"{name} is not a value")


def _version(tree: object) -> int:
    if not isinstance(tree, dict) or "settings" not in tree:
        raise SettingsError("it holds no settings")
    version = tree.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SettingsError(f"its version is {_shown(version)}")
    return version


def _encode(value: object) -> object:
    """The value as JSON can hold it."""
    if dataclasses.is_dataclass(value):
        return {item.name: _encode(getattr(value, item.name)) for item in dataclasses.fields(value)}
    return value.value if isinstance(value, Enum) else value


def _decode(kind: object, value: object, name: str, unknown: list[str]) -> object:
    """``value`` as a ``kind``, or a ``SettingsError`` that says what ``name`` must be.

    A key that is missing keeps its default; one that is not known is added to ``unknown``.
    """
    if isinstance(kind, types.UnionType):
        (inner,) = (part for part in typing.get_args(kind) if part is not type(None))
        return None if value is None else _decode(inner, value, name, unknown)
    assert isinstance(kind, type), f"{name} is of the kind {kind}, which no file can hold"
    if dataclasses.is_dataclass(kind):
        _require(isinstance(value, dict), name or "settings", value, "a group of settings")
        assert isinstance(value, dict)
        return _decode_group(kind, value, name, unknown)
    if issubclass(kind, Enum):
        choices = {choice.value: choice for choice in kind}
        _require(isinstance(value, str) and value in choices, name, value, "/".join(choices))
        return choices[value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number:
        try:
            return float(typing.cast(float, value))
        except OverflowError:
            raise SettingsError(f"{name} is too large") from None
    _require(type(value) is kind, name, value, f"a value of the kind {kind.__name__}")
    return value


def _decode_group(kind: type, value: dict[str, object], name: str, unknown: list[str]) -> object:
    prefix = f"{name}." if name else ""
    hints = typing.get_type_hints(kind)
    unknown += [prefix + key for key in value if key not in hints]
    for item in dataclasses.fields(kind):
        has_default = (item.default, item.default_factory) != (dataclasses.MISSING,) * 2
        _require(has_default or item.name in value, prefix + item.name, None, "there")
    return kind(
        **{
            key: _decode(hints[key], inner, prefix + key, unknown)
            for key, inner in value.items()
            if key in hints
        }
    )


def _require_share(name: str, value: float) -> None:
    _require(0 <= value <= 1, name, value, "from 0 to 1")


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise SettingsError(f"{name} must be {allowed}, not {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
