"""A sound card made of software: PulseAudio on a private socket, with a speaker and a microphone.

What is played on the sink ``speaker`` can be recorded; what is said into the sink ``micfeed`` comes
out of the source ``mic``. Both are the default of the server. The PCM ``headset`` is a second
server, which can be pulled like a cable: its streams break and its device leaves the list.
A sink of the first server can be unloaded too, but PulseAudio then moves its streams to another
sink by itself, and no program notices.
"""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile

RATE = 48000
_START_S = 30.0
# norewinds: without it half of all recordings miss or repeat pieces.
_SPEAKER = "module-null-sink sink_name={} norewinds=1 rate=48000 channels=2"
_FEED = "module-null-sink sink_name={} norewinds=1 rate=48000 channels=1"
_MICROPHONE = "module-remap-source source_name={} master={}.monitor"
_PCM = 'pcm.{} {{ type pulse server "unix:{}" hint {{ show on description "{}" }} }}\n'


def is_available() -> bool:
    """Whether the programs that this needs are installed."""
    return all(shutil.which(name) for name in ("pulseaudio", "pactl", "paplay", "parec"))


class Server:
    """One PulseAudio process with one speaker and one microphone."""

    def __init__(self, folder: Path, name: str, environment: dict[str, str]) -> None:
        self.socket = folder / f"{name}.sock"
        self.speaker, self.feed, self.microphone = "speaker", "micfeed", "mic"
        self._log = folder / f"{name}.log"
        self._environment = environment | {"PULSE_SERVER": f"unix:{self.socket}"}
        self._process: subprocess.Popen[bytes] | None = None
        self._modules: dict[str, str] = {}

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self.socket.unlink(missing_ok=True)
        options = "--daemonize=no --use-pid-file=no --exit-idle-time=-1 --disallow-exit"
        options += " --disable-shm=yes --realtime=no --high-priority=no"
        socket = f"module-native-protocol-unix auth-anonymous=1 socket={self.socket}"
        self._process = subprocess.Popen(
            ["pulseaudio", "-n", *options.split(), f"--log-target=file:{self._log}", "-L", socket],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_S
        while subprocess.run(
            ["pactl", "info"], env=self._environment, capture_output=True
        ).returncode:
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)
        self.load(self.speaker, _SPEAKER.format(self.speaker))
        self.load(self.feed, _FEED.format(self.feed))
        self.load(self.microphone, _MICROPHONE.format(self.microphone, self.feed))
        self.control("set-default-sink", self.speaker)
        self.control("set-default-source", self.microphone)

    def stop(self) -> None:
        """Ends it at once, and the streams of whoever uses it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)

    def freeze(self) -> None:
        """It answers nobody any more, as a driver that hangs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def control(self, *words: str) -> str:
        """Tells the server something; what it answers."""
        ran = subprocess.run(
            ["pactl", *words], env=self._environment, capture_output=True, text=True, check=True
        )
        return ran.stdout.strip()

    def load(self, name: str, module: str) -> None:
        """Adds a part under a name of our own."""
        self._modules[name] = self.control("load-module", *module.split())

    def unload(self, name: str) -> None:
        """Takes a part away."""
        self.control("unload-module", self._modules.pop(name))

    def client(
        self, *command: str, stdout: int | None = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """A program that plays or records on this server."""
        return subprocess.Popen(
            command, env=self._environment, stdout=stdout, stderr=subprocess.DEVNULL
        )


class Recording:
    """What a source hears, while it hears it; one channel at ``RATE``."""

    def __init__(self, server: Server, source: str, path: Path) -> None:
        self._path = path
        # To a file: a pipe that is read late would lose sound.
        self._file = path.open("wb")
        self._recorder = server.client(
            "parec",
            f"--device={source}",
            f"--rate={RATE}",
            *("--channels=1", "--format=s16le", "--raw", "--latency-msec=20"),
            stdout=self._file.fileno(),
        )
        self._began_at = float("inf")
        self._is_over = threading.Event()
        self._watch = threading.Thread(target=self._time_it)
        self._watch.start()
        deadline = time.monotonic() + _START_S
        while self._path.stat().st_size == 0:
            assert time.monotonic() < deadline, "nothing is recorded"
            time.sleep(0.01)

    @property
    def began_at(self) -> float:
        """When the first sample was heard, by ``time.monotonic``; good to about 20 ms."""
        return self._began_at

    def stop(self) -> None:
        """Ends the recording."""
        self._is_over.set()
        self._watch.join()
        self._recorder.terminate()
        self._recorder.wait()
        self._file.close()

    def samples(self) -> np.ndarray:
        """What was heard up to now."""
        raw = np.frombuffer(self._path.read_bytes()[: self._path.stat().st_size // 2 * 2], "<i2")
        return raw.astype(np.float32) / 32768

    def _time_it(self) -> None:
        """No sample is in the file before it was heard, so the earliest sight of each counts."""
        while not self._is_over.wait(0.005):
            n_samples = self._path.stat().st_size // 2
            if n_samples:
                self._began_at = min(self._began_at, time.monotonic() - n_samples / RATE)


class SoundServer:
    """The card, and a headset that is plugged in only when a test does so.

    ``environment`` is what a program needs to find both.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        configuration = folder / "asound.conf"
        paths = {
            "XDG_RUNTIME_DIR": str(runtime),
            "PULSE_RUNTIME_PATH": str(runtime),
            "PULSE_STATE_PATH": str(folder / "state"),
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PULSE", "ALSA"))}
        self.card = Server(folder, "card", inherited | paths)
        self.headset = Server(folder, "headset", inherited | paths)
        configuration.write_text(
            "</usr/share/alsa/alsa.conf>\n"
            + _PCM.format("!default", self.card.socket, "Default (test)")
            + _PCM.format("headset", self.headset.socket, "Headset (test)")
            + f'ctl.!default {{ type pulse server "unix:{self.card.socket}" }}\n'
        )
        self.environment = paths | {
            "PULSE_SERVER": f"unix:{self.card.socket}",
            "ALSA_CONFIG_PATH": str(configuration),
        }
        self._n_files = 0

    def __enter__(self) -> Self:
        self.card.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.headset.stop()
        self.card.stop()

    def say(
        self, sound: Path | np.ndarray, rate: int = RATE, server: Server | None = None
    ) -> subprocess.Popen[bytes]:
        """Begins to speak into the microphone; ``wait()`` on the result waits for the end."""
        if isinstance(sound, np.ndarray):
            path = self._new_file("wav")
            soundfile.write(path, sound, rate, subtype="PCM_16")
            sound = path
        server = server or self.card
        return server.client("paplay", f"--device={server.feed}", str(sound))

    @contextmanager
    def record(self, source: str = "speaker", server: Server | None = None) -> Iterator[Recording]:
        """Records what the program plays, or with ``micfeed`` what is said into its microphone."""
        recording = Recording(server or self.card, f"{source}.monitor", self._new_file("raw"))
        try:
            yield recording
        finally:
            recording.stop()

    @contextmanager
    def loop_back(self, gain_db: float, latency_ms: int = 40) -> Iterator[None]:
        """The microphone hears the speaker, as in a room without headphones."""
        self.card.load(
            "loopback",
            f"module-loopback source=speaker.monitor sink=micfeed latency_msec={latency_ms} "
            "adjust_time=0",
        )
        inputs = self.card.control("list", "short", "sink-inputs").splitlines()
        number = next(line.split()[0] for line in inputs if "module-loopback" in line)
        self.card.control("set-sink-input-volume", number, f"{gain_db:.1f}dB")
        try:
            yield
        finally:
            self.card.unload("loopback")

    def unload(self, name: str) -> None:
        """Takes ``speaker``, ``micfeed`` or ``mic`` away from the card."""
        self.card.unload(name)

    def load(self, name: str) -> None:
        """Gives it back."""
        module = {
            "speaker": _SPEAKER.format("speaker"),
            "micfeed": _FEED.format("micfeed"),
            "mic": _MICROPHONE.format("mic", "micfeed"),
        }[name]
        self.card.load(name, module)

    def _new_file(self, kind: str) -> Path:
        self._n_files += 1
        return self._folder / f"{self._n_files}.{kind}"
