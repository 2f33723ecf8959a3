"""Stand-ins for what surrounds the window, and finished turns to show in it."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QWidget

from app import latency
from app.audio.devices import SoundDevice
from app.kept_turn import KeptTurn
from app.lab.result import Answer, LabResult, LabRun, ModeResult, Setting
from app.latency import Summary
from app.settings import Settings
from app.turn_record import Origin, Outcome, Stamps, TurnRecord
from app.ui.ask import Questions
from app.ui.main_window import MainWindow
from app.ui.ports import ExportFormat, LabFormat, Ports, Recording
from app.ui_commands import Command
from app.ui_events import DevicesChanged, EngineReady, Phase, PhaseChanged
from engine.events import EndReason, ReplyStats, TimingsMs
from engine.modes import InferenceMode
from engine.sampling_params import SamplingParams
from engine.utterance import Utterance

DEVICES = DevicesChanged(
    (SoundDevice("USB headset", "ALSA", 1, 0, 48000, True),),
    (
        SoundDevice("USB headset", "ALSA", 0, 2, 48000, False, True),
        SoundDevice("Built-in speakers", "ALSA", 0, 2, 44100),
    ),
)
STARTED = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)


@dataclass(frozen=True)
class PastTalk:
    """One kept conversation."""

    id: int
    title: str
    started_at: datetime
    n_turns: int


@dataclass
class FakeHistory:
    """Kept conversations in memory."""

    talks: dict[int, tuple[str, list[KeptTurn]]] = field(default_factory=dict)
    open_id: int | None = None
    failure: Exception | None = None
    sounds_on_disk: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)

    def conversations(self) -> Sequence[PastTalk]:
        return [
            PastTalk(number, title, STARTED + timedelta(hours=number), len(turns))
            for number, (title, turns) in reversed(self.talks.items())
        ]

    def open(self, conversation_id: int) -> Sequence[KeptTurn]:
        self._fail()
        self.open_id = conversation_id
        return self.talks[conversation_id][1]

    def keeps_sound(self, turn_id: int) -> bool:
        return turn_id in self.sounds_on_disk

    def sounds(self, turn_id: int) -> tuple[bytes, bytes]:
        self._fail()
        return self.sounds_on_disk[turn_id]

    def current(self) -> int | None:
        return self.open_id

    def delete(self, conversation_id: int) -> None:
        self._fail()
        del self.talks[conversation_id]
        if self.open_id == conversation_id:
            self.open_id = None

    def delete_all(self) -> None:
        self._fail()
        self.talks.clear()
        self.open_id = None

    def summaries(self) -> Mapping[InferenceMode, Summary]:
        return latency.summaries(kept.record for _, turns in self.talks.values() for kept in turns)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class FakeFiles:
    """Remembers what was to be written; ``failure`` is raised instead when set."""

    settings: list[Settings] = field(default_factory=list)
    written: list[tuple[Path, object]] = field(default_factory=list)
    failure: Exception | None = None

    def save_settings(self, settings: Settings) -> None:
        self._fail()
        self.settings.append(settings)

    def save_sound(self, samples: NDArray[np.float32], sample_rate: int, target: Path) -> None:
        self._fail()
        self.written.append((target, (len(samples), sample_rate)))

    def export(self, turns: Sequence[TurnRecord], form: ExportFormat, target: Path) -> None:
        self._fail()
        self.written.append((target, (form, len(turns))))

    def export_lab(self, result: LabResult, form: LabFormat, target: Path) -> None:
        self._fail()
        self.written.append((target, form))

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class FakeLab:
    """Remembers what was asked for."""

    started: list[tuple[Recording | Path, int]] = field(default_factory=list)
    n_cancelled: int = 0

    def start(self, question: Recording | Path, repeats: int) -> None:
        self.started.append((question, repeats))

    def cancel(self) -> None:
        self.n_cancelled += 1


@dataclass
class FakeModels:
    """Remembers what was asked for."""

    asked: list[tuple[str, ...]] = field(default_factory=list)

    def look(self) -> None:
        self.asked.append(("look",))

    def order(self, name: str, folder: Path | None) -> None:
        self.asked.append(("order", name, str(folder)))

    def fetch(self) -> None:
        self.asked.append(("fetch",))

    def verify(self, name: str) -> None:
        self.asked.append(("verify", name))

    def remove(self, name: str) -> None:
        self.asked.append(("remove", name))

    def cancel(self) -> None:
        self.asked.append(("cancel",))


@dataclass
class FakeProgram:
    """A program with two models."""

    version: str = "0.1.0"
    names: tuple[str, ...] = ("nano", "vita-audio-boost")
    update_host: str = ""
    n_update_checks: int = 0
    pages: list[str] = field(default_factory=list)
    n_logs_opened: int = 0
    n_quit: int = 0

    def models(self) -> Sequence[str]:
        return self.names

    def licences(self) -> str:
        return "Apache License\nVersion 2.0, January 2004\n" * 40

    def check_updates(self) -> None:
        self.n_update_checks += 1

    def open_page(self, url: str) -> None:
        self.pages.append(url)

    def open_logs(self) -> None:
        self.n_logs_opened += 1

    def quit(self) -> None:
        self.n_quit += 1


@dataclass
class Answers(Questions):
    """Answers the window's questions in a person's place."""

    path: Path | None = None
    sure: bool = True
    asked: list[str] = field(default_factory=list)

    def save_path(self, parent: QWidget, title: str, suggested: str) -> Path | None:
        self.asked.append(suggested)
        return self.path

    def open_path(self, parent: QWidget, title: str, kinds: str) -> Path | None:
        self.asked.append(title)
        return self.path

    def folder(self, parent: QWidget, title: str) -> Path | None:
        self.asked.append(title)
        return self.path

    def accepts(self, parent: QWidget, title: str, text: str, yes: str, no: str) -> bool:
        self.asked.append(text)
        return self.sure

    def is_sure(self, parent: QWidget, question: str, yes: str, no: str) -> bool:
        self.asked.append(question)
        return self.sure


@dataclass
class Surroundings:
    """A window with fakes all around it."""

    settings: Settings = field(default_factory=Settings)
    history: FakeHistory = field(default_factory=FakeHistory)
    files: FakeFiles = field(default_factory=FakeFiles)
    lab: FakeLab = field(default_factory=FakeLab)
    models: FakeModels = field(default_factory=FakeModels)
    program: FakeProgram = field(default_factory=FakeProgram)
    answers: Answers = field(default_factory=Answers)
    posted: list[Command] = field(default_factory=list)
    windows: list[MainWindow] = field(default_factory=list)

    def make_window(self, settings: Settings | None = None) -> MainWindow:
        """The window, not yet shown."""
        ports = Ports(self.history, self.files, self.lab, self.models, self.program)
        window = MainWindow(settings or self.settings, self.posted.append, ports, self.answers)
        self.windows.append(window)
        return window

    def ready_window(self, settings: Settings | None = None) -> MainWindow:
        """A shown window whose model is ready and whose devices are there."""
        window = self.make_window(settings)
        window.apply(DEVICES)
        window.apply(EngineReady("nano", 2.1))
        window.apply(PhaseChanged(Phase.IDLE))
        window.show()
        window.activateWindow()
        QApplication.processEvents()
        return window

    def close_windows(self) -> None:
        """Closes and deletes the windows that were made."""
        for window in self.windows:
            window.close()
            window.deleteLater()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def tone(seconds: float, sample_rate: int) -> NDArray[np.float32]:
    """A quiet hum."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.1 * np.sin(2 * np.pi * 220 * times)).astype(np.float32)


def stamps(scale: float = 1.0, is_spoken: bool = True) -> Stamps:
    """The moments of a plausible turn; ``scale`` stretches what the model does."""
    requested = 10.31
    encoded = requested + 0.034 * scale
    prefilled = encoded + 0.022 * scale
    tokens = prefilled + 0.041 * scale
    chunk = tokens + 0.057 * scale
    return Stamps(
        last_voiced=10.0 if is_spoken else None,
        end_decided=10.3 if is_spoken else None,
        requested=requested,
        encoded=encoded,
        prefilled=prefilled,
        first_token=prefilled,
        first_audio_tokens=tokens,
        first_chunk=chunk,
        first_sample_heard=chunk + 0.061,
        ended=chunk + 2.5,
    )


def stats(scale: float = 1.0) -> ReplyStats:
    """The figures of a finished reply."""
    timings = TimingsMs(34 * scale, 56 * scale, 57 * scale, 97 * scale, 154 * scale, 640 * scale)
    return ReplyStats(timings, 148, 22, 126, 2.4, "", ())


def record(
    turn_id: int = 1,
    question: str = "What is seven plus five?",
    answer: str = "Seven plus five is twelve.",
    origin: Origin = Origin.SPOKEN,
    outcome: Outcome = Outcome.COMPLETE,
    mode: InferenceMode = InferenceMode.BOOST,
    scale: float = 1.0,
    with_sound: bool = True,
) -> TurnRecord:
    """A finished turn."""
    is_spoken = origin is Origin.SPOKEN
    return TurnRecord(
        turn_id=turn_id,
        started_at=STARTED + timedelta(minutes=turn_id),
        origin=origin,
        mode=mode,
        model="nano",
        seed=7,
        user_text=question,
        answer_text=answer,
        outcome=outcome,
        stamps=stamps(scale, is_spoken),
        stats=stats(scale) if outcome is Outcome.COMPLETE else None,
        user_samples=tone(1.9, 16000) if is_spoken and with_sound else None,
        answer_samples=tone(2.4, 22050) if with_sound else None,
        answer_sample_rate=22050,
    )


def lab_result() -> LabResult:
    """Every mode, twice each."""
    texts = {
        InferenceMode.VANILLA: "Seven plus five is twelve.",
        InferenceMode.BALANCE: "Seven plus five is twelve.",
        InferenceMode.BOOST: "Seven plus five is twelve.",
        InferenceMode.TURBO: "It is twelve.",
        InferenceMode.VERIFIED: "Seven plus five is twelve.",
    }
    modes = []
    for mode, scale in zip(InferenceMode, (2.6, 1.3, 1.0, 0.9, 1.2), strict=True):
        whole = stamps(scale, is_spoken=False)
        figures = stats(scale)
        if mode.is_verified:
            figures = dataclasses.replace(figures, n_drafts=80, n_drafts_accepted=60)
        run = LabRun(dataclasses.replace(whole, first_sample_heard=None), figures)
        answer = Answer(texts[mode], tone(2.0, 22050), 22050, EndReason.STOP)
        modes.append(ModeResult(mode, (run, run), answer))
    versions = (("parley", "0.1.0"), ("Python", "3.11"), ("torch", "2.13"))
    setting = Setting("nano", "A processor", "Linux", "cpu", "float32", 2, versions, STARTED)
    question = Utterance(tone(1.9, 16000), 16000)
    return LabResult(setting, question, SamplingParams(), 2, tuple(modes))
