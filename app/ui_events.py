"""What the dialogue tells the window: every ``UiEvent``, in the order in which it happens.

Pure. Events are immutable and picklable. The events of one turn carry its ``turn_id``, which is
never used again while the program runs; each turn that began ends with one ``TurnFinished`` or
``TurnWithdrawn``, and only ``UserText`` may come after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from app.audio.devices import SoundDevice
    from app.turn_record import Origin, Stamps, TurnRecord


class Phase(Enum):
    """What the dialogue is doing; LOADING and FAILED only while there is nothing else to show."""

    LOADING = "loading"
    FAILED = "failed"
    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"


class NoticeKind(Enum):
    """What a notice is about; the window has its own words for each."""

    REPLY_FAILED = "reply_failed"
    NOTHING_HEARD = "nothing_heard"
    NO_MICROPHONE = "no_microphone"
    NO_HOTKEY = "no_hotkey"
    CONVERSATION_RESTARTED = "conversation_restarted"
    INTERNAL_ERROR = "internal_error"
    NOT_SAVED = "not_saved"


class DeviceRole(Enum):
    """Which of the two sound devices is meant."""

    INPUT = "input"
    OUTPUT = "output"


class DeviceChange(Enum):
    """What became of a device.

    LOST: it is gone and no other took its place. FELL_BACK: it is gone, the default is used. BACK:
    the chosen one is used again. MISSING: the chosen one was not there at the start or when it was
    chosen, and the default is used.
    """

    LOST = "lost"
    FELL_BACK = "fell_back"
    BACK = "back"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The dialogue goes on to another phase."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class LevelChanged:
    """The loudest sample at the microphone lately, from 0 to 1."""

    level: float


@dataclass(frozen=True, slots=True)
class UserSpoke:
    """A question was taken, and its turn begins; a typed one's ``UserText`` follows at once."""

    turn_id: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class UserText:
    """What the user asked in full: what was typed, or the transcript of what was said."""

    turn_id: int
    text: str


@dataclass(frozen=True, slots=True)
class AnswerText:
    """The next piece of the answer's text, now that it is heard."""

    turn_id: int
    text: str


@dataclass(frozen=True, slots=True)
class LatencyMeasured:
    """When the turn reached its stages; may come again as more of them are known."""

    turn_id: int
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class ContextChanged:
    """What the next answer knows of the conversation: ``n_tokens``, of at most ``limit``.

    It knows the turns from ``first_turn_id`` on, none where that is None. ``n_forgotten`` turns
    before it were part of the conversation and are not any more.
    """

    n_tokens: int
    limit: int
    n_forgotten: int
    first_turn_id: int | None


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """The turn is over. Its ``answer_text`` is what was heard, and may be less than was shown."""

    record: TurnRecord


@dataclass(frozen=True, slots=True)
class TurnWithdrawn:
    """The user went on speaking before an answer was heard: the turn is part of the next one."""

    turn_id: int


@dataclass(frozen=True, slots=True)
class ReplayChanged:
    """The sound of an earlier turn begins or stops to be played."""

    is_playing: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know; ``message`` is English and may add detail to the kind."""

    kind: NoticeKind
    message: str = ""


@dataclass(frozen=True, slots=True)
class DeviceNotice:
    """A sound device was lost or is back; ``name`` is the device that is meant."""

    role: DeviceRole
    change: DeviceChange
    name: str


@dataclass(frozen=True, slots=True)
class DevicesChanged:
    """Which sound devices there are now."""

    inputs: tuple[SoundDevice, ...]
    outputs: tuple[SoundDevice, ...]


@dataclass(frozen=True, slots=True)
class LoadingProgress:
    """A model is being loaded; ``fraction`` is None where it cannot be told."""

    message: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class EngineReady:
    """The model answers from now on; it took ``seconds`` to load and warm up."""

    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class EngineUnavailable:
    """The model could not be loaded; another ``EngineReady`` follows if the one before is back."""

    model: str
    message: str


UiEvent: TypeAlias = (
    PhaseChanged
    | LevelChanged
    | UserSpoke
    | UserText
    | AnswerText
    | LatencyMeasured
    | ContextChanged
    | TurnFinished
    | TurnWithdrawn
    | ReplayChanged
    | Notice
    | DeviceNotice
    | DevicesChanged
    | LoadingProgress
    | EngineReady
    | EngineUnavailable
)
