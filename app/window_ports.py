"""What the window asks beside the dialogue, carried out: past talks, files and the mode lab.

Every method is called on the gui thread, except where it says that the engine thread calls it.
What touches sound is imported where it is needed, so that the window does not wait for numpy.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from app import settings
from app.archive import Archive
from app.continuation import conversation_of
from app.errors import AppError
from app.log import logger
from app.settings import Settings
from app.ui.ports import (
    ExportFormat,
    LabFailed,
    LabFinished,
    LabFormat,
    LabProgressed,
    PastConversation,
    Recording,
    WindowEvent,
)
from app.ui_commands import Command, OpenConversation
from app.whole_file import write_whole
from app.worker_messages import Job
from engine.cancel import CancelToken
from engine.errors import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.kept_turn import KeptTurn
    from app.lab.result import LabResult
    from app.latency import Summary
    from app.turn_record import TurnRecord
    from engine.engine import SpeechEngine
    from engine.modes import InferenceMode

_log = logger("window_ports")


class PastTalks:
    """The kept conversations; opening one lets the dialogue go on with it."""

    def __init__(
        self, archive: Archive, post: Callable[[Command], None], model: Callable[[], str]
    ) -> None:
        self._archive = archive
        self._post = post
        self._model = model

    def conversations(self) -> Sequence[PastConversation]:
        """The newest first."""
        return self._archive.conversations()

    def open(self, conversation_id: int) -> Sequence["KeptTurn"]:
        """The turns of one, which the dialogue then goes on with."""
        turns = self._archive.open(conversation_id)
        self._post(OpenConversation(*conversation_of(turns, self._model())))
        return turns

    def keeps_sound(self, turn_id: int) -> bool:
        """Whether the sound of a turn in the window is among what is kept."""
        return self._archive.keeps_sound(turn_id)

    def sounds(self, turn_id: int) -> tuple[bytes, bytes]:
        """The question and the answer of such a turn, as FLAC."""
        return self._archive.sounds(turn_id)

    def current(self) -> int | None:
        """The one that finished turns are added to."""
        return self._archive.current()

    def delete(self, conversation_id: int) -> None:
        """Deletes one for good."""
        self._archive.delete(conversation_id)

    def delete_all(self) -> None:
        """Deletes all of them for good."""
        self._archive.delete_all()

    def summaries(self) -> Mapping["InferenceMode", "Summary"]:
        """Mouth to ear of every mode, over everything that is kept."""
        return self._archive.summaries()


class SavedFiles:
    """Writes what the user keeps; ``heed`` is told of new settings once they are on the disk."""

    def __init__(self, settings_file: Path, heed: Callable[[Settings], None]) -> None:
        self._settings_file = settings_file
        self._heed = heed

    def save_settings(self, new: Settings) -> None:
        """Keeps the settings; they are heeded even where they cannot be kept."""
        try:
            settings.save(self._settings_file, new)
        finally:
            self._heed(new)

    def save_sound(self, samples: "NDArray[np.float32]", sample_rate: int, target: Path) -> None:
        """Writes one side of a turn as WAV."""
        from app.audio_files import write_audio

        write_audio(target, samples, sample_rate)

    def export(self, turns: Sequence["TurnRecord"], form: ExportFormat, target: Path) -> None:
        """Writes a conversation."""
        from app import export

        match form:
            case ExportFormat.MARKDOWN:
                export.save_markdown(turns, target)
            case ExportFormat.JSON:
                export.save_json(turns, target)
            case ExportFormat.SOUND:
                export.save_audio(turns, target)
            case _:
                assert_never(form)

    def export_lab(self, result: "LabResult", form: LabFormat, target: Path) -> None:
        """Writes a lab's result."""
        from app.lab.csv_report import csv_file
        from app.lab.html_report import to_html

        match form:
            case LabFormat.HTML:
                write_whole(target, to_html(result).encode())
            case LabFormat.CSV:
                write_whole(target, csv_file(result))
            case _:
                assert_never(form)


class ModeLab:
    """The lab as a job of the engine thread; its events go through ``tell``, from that thread."""

    def __init__(
        self,
        run: Callable[[Job], None],
        tell: Callable[[WindowEvent], None],
        model: Callable[[], str],
    ) -> None:
        self._run_job = run
        self._tell = tell
        self._model = model
        self._cancel = CancelToken()

    def start(self, question: Recording | Path, repeats: int) -> None:
        """Runs the question through every mode, ``repeats`` times each."""
        self._cancel = CancelToken()
        model = self._model()

        def run(engine: "SpeechEngine", cancel: CancelToken) -> None:
            self._run(engine, model, question, repeats, cancel)

        self._run_job(Job(run, lambda message: self._tell(LabFailed(message)), self._cancel))

    def cancel(self) -> None:
        """Ends the run early."""
        self._cancel.cancel()

    def _run(
        self,
        engine: "SpeechEngine",
        model: str,
        question: Recording | Path,
        repeats: int,
        cancel: CancelToken,
    ) -> None:
        """The engine thread's part."""
        from app.audio_files import read_utterance
        from app.lab.runner import run_lab
        from app.lab.setting import setting_of
        from engine.utterance import Utterance

        try:
            if isinstance(question, Path):
                asked = read_utterance(question)
            else:
                asked = Utterance.checked(question.samples, question.sample_rate)
        except (AppError, EngineError) as error:
            self._tell(LabFailed(str(error)))
            return
        result = run_lab(
            engine,
            setting_of(engine, model, datetime.now(UTC)),
            asked,
            engine.default_params,
            repeats,
            lambda progress: self._tell(LabProgressed(progress)),
            cancel,
        )
        self._tell(LabFinished(result))
