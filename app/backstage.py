"""The threads behind the window: devices, dialogue and engine, made when the window is painted.

Everything that needs numpy, the sound card or torch is imported from here, so that the window does
not wait for it.
"""

from collections.abc import Callable

from app.assistant import Assistant
from app.audio.capture import AudioInput
from app.audio.devices import Direction
from app.audio.keeper import DeviceEvent, DeviceKeeper
from app.audio.playback import AudioOutput
from app.device_words import DeviceWords
from app.engine_loader import EngineLoader
from app.engine_worker import EngineWorker
from app.settings import AudioSettings, Settings
from app.ui_commands import Command
from app.ui_events import UiEvent
from app.worker_messages import Job

_PATIENCE_S = 0.3  # for each of the three threads at the end


class Backstage:
    """Belongs to the gui thread; ``post`` may be called from any thread.

    ``tell`` is called on all of its threads; ``is_quiet`` says whether devices may be looked for
    without disturbing a turn.
    """

    def __init__(
        self,
        settings: Settings,
        loader: EngineLoader,
        tell: Callable[[UiEvent], None],
        is_quiet: Callable[[], bool],
    ) -> None:
        self._tell = tell
        self._words = DeviceWords()
        microphone, speaker = AudioInput(), AudioOutput()
        self._keeper = DeviceKeeper(
            microphone,
            speaker,
            self._device_event,
            input_id=settings.audio.input,
            output_id=settings.audio.output,
            is_quiet=is_quiet,
        )
        self._worker = EngineWorker(
            loader.load, lambda message: self._assistant.post(message), speaker
        )
        self._assistant = Assistant(
            microphone, speaker, self._worker, tell, settings, self._choose_devices
        )

    def start(self) -> None:
        """Starts the three threads."""
        self._keeper.start()
        self._worker.start()
        self._assistant.start()

    def post(self, command: Command) -> None:
        """Hands a command to the dialogue."""
        self._assistant.post(command)

    def run(self, job: Job) -> None:
        """Hands the engine thread work of another kind than a turn."""
        self._worker.post(job)

    def shut_down(self) -> bool:
        """Ends the threads; says whether all of them ended in time."""
        self._keeper.stop(_PATIENCE_S)
        is_clean = self._assistant.shut_down(_PATIENCE_S)
        return self._worker.shut_down(_PATIENCE_S) and is_clean

    def _device_event(self, event: DeviceEvent) -> None:
        """Called on the device thread."""
        told = self._words.told(event)
        if told is not None:
            self._tell(told)

    def _choose_devices(self, audio: AudioSettings) -> None:
        """Called on the dialogue thread."""
        self._keeper.choose(Direction.INPUT, audio.input)
        self._keeper.choose(Direction.OUTPUT, audio.output)
