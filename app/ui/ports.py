"""What the window needs beside the dialogue: the composition root fills it in.

Every call comes on the gui thread and returns at once; what takes long answers by an event, which
reaches ``MainWindow.apply`` as the dialogue's events do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from app.set_aside import StoreNotice
from app.ui_events import UiEvent

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from app.kept_turn import KeptTurn
    from app.lab.result import LabResult
    from app.lab.runner import Progress
    from app.latency import Summary
    from app.settings import Settings
    from app.turn_record import TurnRecord
    from engine.fit import Verdict
    from engine.model_store import Order, Stock
    from engine.modes import InferenceMode
    from engine.precision import Precision


class ExportFormat(Enum):
    """What a conversation can be written as."""

    MARKDOWN = "md"
    JSON = "json"
    SOUND = "wav"


class LabFormat(Enum):
    """What a lab's result can be written as."""

    HTML = "html"
    CSV = "csv"


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A question for the lab that was spoken in this conversation; nobody writes the samples."""

    samples: NDArray[np.float32]  # (N,)
    sample_rate: int


class PastConversation(Protocol):
    """What the list of past conversations shows of one."""

    @property
    def id(self) -> int:
        """What it is opened and deleted by."""

    @property
    def title(self) -> str:
        """Its first words; may be empty."""

    @property
    def started_at(self) -> datetime:
        """When it began, UTC."""

    @property
    def n_turns(self) -> int:
        """How long it is."""


class History(Protocol):
    """The kept conversations; empty while history is off."""

    def conversations(self) -> Sequence[PastConversation]:
        """The newest first."""

    def open(self, conversation_id: int) -> Sequence[KeptTurn]:
        """The turns of one, which the dialogue then goes on with."""

    def keeps_sound(self, turn_id: int) -> bool:
        """Whether the sound of a turn in the window is among what is kept."""

    def sounds(self, turn_id: int) -> tuple[bytes, bytes]:
        """The question and the answer of such a turn, as FLAC; an ``AppError`` if it is gone."""

    def current(self) -> int | None:
        """The one that finished turns are added to; None where nothing is kept."""

    def delete(self, conversation_id: int) -> None:
        """Deletes one for good."""

    def delete_all(self) -> None:
        """Deletes all of them for good."""

    def summaries(self) -> Mapping[InferenceMode, Summary]:
        """Mouth to ear of every mode, over everything that is kept."""


class Files(Protocol):
    """What is written where the user wants it; raises ``OutputError`` and leaves old files be."""

    def save_settings(self, settings: Settings) -> None:
        """Keeps the settings for the next start, and lets the program heed what changed."""

    def save_sound(self, samples: NDArray[np.float32], sample_rate: int, target: Path) -> None:
        """Writes one side of a turn as WAV."""

    def export(self, turns: Sequence[TurnRecord], form: ExportFormat, target: Path) -> None:
        """Writes a conversation."""

    def export_lab(self, result: LabResult, form: LabFormat, target: Path) -> None:
        """Writes a lab's result."""


class Lab(Protocol):
    """The mode lab on the engine thread; tells its progress and its end by events."""

    def start(self, question: Recording | Path, repeats: int) -> None:
        """Runs the question through every mode, ``repeats`` times each."""

    def cancel(self) -> None:
        """Ends the run early."""


class Models(Protocol):
    """The models that can be fetched, on a thread of their own; every answer is an event.

    One thing is done at a time, in the order in which it was asked for.
    """

    def look(self) -> None:
        """Tells what there is of every model: ``ModelsListed``."""

    def order(self, name: str, folder: Path | None) -> None:
        """Finds out what getting a model takes: ``ModelOffered``, or ``ModelWorkEnded``.

        What lies in ``folder`` is used where it is.
        """

    def fetch(self) -> None:
        """Gets what was offered last; the licences were accepted."""

    def verify(self, name: str) -> None:
        """Checks every file of a model."""

    def remove(self, name: str) -> None:
        """Removes a model from the disk."""

    def cancel(self) -> None:
        """Ends what is being done early; what was fetched is kept."""


class Program(Protocol):
    """The program around the window."""

    @property
    def version(self) -> str:
        """The version, as the about box shows it."""

    def models(self) -> Sequence[str]:
        """The names of the models on this machine."""

    def licences(self) -> str:
        """The licence of the program and of what ships with it."""

    @property
    def update_host(self) -> str:
        """Whom an update check asks; empty where this build has none."""

    def check_updates(self) -> None:
        """Asks now; ``UpdateFound`` or ``NoUpdate`` tells what came of it."""

    def open_page(self, url: str) -> None:
        """Shows a web page in the user's browser."""

    def open_logs(self) -> None:
        """Shows the folder of the log files."""

    def quit(self) -> None:
        """Ends the program."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the window asks beside the dialogue."""

    history: History
    files: Files
    lab: Lab
    models: Models
    program: Program


@dataclass(frozen=True, slots=True)
class HistoryChanged:
    """A conversation was kept, renamed or removed: the list is to be read again."""


@dataclass(frozen=True, slots=True)
class LabProgressed:
    """The lab is so far."""

    progress: Progress


@dataclass(frozen=True, slots=True, eq=False)
class LabFinished:
    """The lab is over; ``result`` holds what was measured until then."""

    result: LabResult


@dataclass(frozen=True, slots=True)
class LabFailed:
    """The lab could not run; ``message`` is for the user."""

    message: str


class ModelWork(Enum):
    """What is done to a model."""

    ORDER = "order"
    FETCH = "fetch"
    VERIFY = "verify"
    REMOVE = "remove"


class ModelOutcome(Enum):
    """How that ended; FAULTY: the check found something wrong."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAULTY = "faulty"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelFit:
    """How a model fits this machine, in the most exact precision that does, else in the least.

    ``tokens_per_s`` is the most that Boost can reach, None where the bandwidth is not known.
    """

    device: str
    precision: Precision
    verdict: Verdict
    needed: int
    free: int
    tokens_per_s: float | None


@dataclass(frozen=True, slots=True)
class ModelRow:
    """What the list of models shows of one; ``fit`` is None until the machine was looked at."""

    stock: Stock
    fit: ModelFit | None


@dataclass(frozen=True, slots=True)
class ModelsListed:
    """What there is of every model that can be fetched."""

    rows: tuple[ModelRow, ...]


@dataclass(frozen=True, slots=True)
class ModelOffered:
    """What getting a model takes, for the user to agree to."""

    order: Order


@dataclass(frozen=True, slots=True)
class ModelProgressed:
    """So many bytes were fetched or checked."""

    work: ModelWork
    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ModelWorkEnded:
    """What was done to a model is over; ``message`` adds, in English, what is worth knowing."""

    work: ModelWork
    name: str
    outcome: ModelOutcome
    message: str = ""


ModelEvent: TypeAlias = ModelsListed | ModelOffered | ModelProgressed | ModelWorkEnded


@dataclass(frozen=True, slots=True)
class UpdateFound:
    """There is a newer version; ``page`` offers it."""

    version: str
    page: str


@dataclass(frozen=True, slots=True)
class NoUpdate:
    """The user asked and there is no newer version; with a ``failure`` it is not known."""

    failure: str = ""


WindowEvent: TypeAlias = (
    UiEvent
    | StoreNotice
    | HistoryChanged
    | LabProgressed
    | LabFinished
    | LabFailed
    | UpdateFound
    | NoUpdate
    | ModelEvent
)
"""All that ``MainWindow.apply`` takes."""
