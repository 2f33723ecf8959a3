"""``SpeechProbability``: how likely each 32 ms of sound is voice.

Two judges: WebRTC's voice detection looks at every 10 ms and costs next to nothing, but takes
knocks and hum for voice; Silero's network knows better and costs a hundred times as much. So the
network runs only while the first judge's gate is open, and shortly after. When the gate opens, it
first hears the sound just before, so that it never starts deaf.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from app.errors import AppError
from app.turns.turn_events import SAMPLE_RATE, Frame

WINDOW = 512
_CONTEXT = 64
_GATE_FRAME = 160
# The second strictest of WebRTC's four settings: the gate must not stay open in a quiet room's hum.
_GATE_AGGRESSIVENESS = 2
# In windows: how long the gate stays open after voice, and what the network hears beforehand.
_HANGOVER = 10
_LOOK_BACK = 8
_SILENCE_DB = -100.0

Samples = npt.NDArray[np.float32]


class Gate(Protocol):
    """The cheap judge."""

    def is_speech(self, frame: bytes, sample_rate: int) -> bool:
        """Whether 10 ms of 16-bit samples may be voice."""


class Network(Protocol):
    """The better judge; it remembers what it heard since ``reset``."""

    def reset(self) -> None:
        """Forgets what it heard."""

    def probability(self, window: Samples) -> float:
        """How likely the next window is voice; it comes with its context before it."""


class SpeechProbability:
    """Takes sound at 16 kHz in pieces of any size; belongs to the dialogue thread."""

    def __init__(self, gate: Gate | None = None, network: Network | None = None) -> None:
        self._gate = gate or _webrtc_gate()
        self._network = network or SileroNetwork()
        self._pending: list[Samples] = []
        self._n_pending = 0
        self._for_gate = np.zeros(0, dtype=np.int16)
        # The last windows, the newest last; the network's context reaches one further back.
        self._past = deque([np.zeros(WINDOW, dtype=np.float32)] * (_LOOK_BACK + 1), _LOOK_BACK + 1)
        self._open_for = 0
        # Until there is sound to look back on, the network takes a first noise for voice.
        self._n_deaf = _LOOK_BACK

    @property
    def is_gate_open(self) -> bool:
        """Whether there may be voice just now."""
        return self._open_for > 0

    def push(self, samples: Samples) -> list[Frame]:
        """The frames that are complete with these samples."""
        self._pending.append(samples)
        self._n_pending += len(samples)
        if self._n_pending < WINDOW:
            return []
        block = np.concatenate(self._pending)
        n_used = len(block) // WINDOW * WINDOW
        self._pending = [block[n_used:]]
        self._n_pending -= n_used
        return [self._judge(window) for window in block[:n_used].reshape(-1, WINDOW)]

    def _judge(self, window: Samples) -> Frame:
        was_open = self.is_gate_open
        may_be_voice = self._may_be_voice(window) and self._n_deaf == 0
        self._open_for = _HANGOVER if may_be_voice else max(0, self._open_for - 1)
        self._n_deaf = max(0, self._n_deaf - 1)
        probability = 0.0
        if self.is_gate_open:
            if not was_open:
                self._network.reset()
                for before, past in zip(self._past, list(self._past)[1:], strict=False):
                    self._network.probability(np.concatenate((before[-_CONTEXT:], past)))
            joined = np.concatenate((self._past[-1][-_CONTEXT:], window))
            probability = self._network.probability(joined)
        self._past.append(window)
        return Frame(probability, WINDOW, _level_db(window))

    def _may_be_voice(self, window: Samples) -> bool:
        scaled = np.clip(window * 32767, -32768, 32767).astype(np.int16)
        self._for_gate = np.concatenate((self._for_gate, scaled))
        n_frames = len(self._for_gate) // _GATE_FRAME
        frames = self._for_gate[: n_frames * _GATE_FRAME].reshape(n_frames, _GATE_FRAME)
        self._for_gate = self._for_gate[n_frames * _GATE_FRAME :]
        # Every frame must be heard by the gate, which has a memory: no short cut with `any`.
        verdicts = [self._gate.is_speech(frame.tobytes(), SAMPLE_RATE) for frame in frames]
        return any(verdicts)


class SileroNetwork:
    """Silero VAD, run by ONNX Runtime on one thread."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            _model_path(), options, providers=["CPUExecutionProvider"]
        )
        self._run = cast("Callable[..., tuple[Samples, Samples]]", session.run)
        self._rate = np.array(SAMPLE_RATE, dtype=np.int64)
        self.reset()

    def reset(self) -> None:
        """Forgets what it heard."""
        self._state = np.zeros((2, 1, 128), dtype=np.float32)

    def probability(self, window: Samples) -> float:
        """How likely the window is voice; (64 + 512,) samples, the first 64 heard before."""
        assert window.shape == (_CONTEXT + WINDOW,), f"a window of shape {window.shape}"
        inputs = {"input": window[None], "state": self._state, "sr": self._rate}
        output, self._state = self._run(None, inputs)
        return float(output[0, 0])


def _model_path() -> str:
    """The network inside the wheel of silero-vad, whose import would bring torch with it."""
    from importlib import metadata

    name = "silero_vad/data/silero_vad_16k_op15.onnx"
    try:
        path = metadata.distribution("silero-vad").locate_file(name)
    except metadata.PackageNotFoundError as error:
        raise AppError("the package silero-vad is missing: install the program again") from error
    return str(path)


def _webrtc_gate() -> Gate:
    import webrtcvad

    return cast(Gate, webrtcvad.Vad(_GATE_AGGRESSIVENESS))


def _level_db(window: Samples) -> float:
    power = float(np.dot(window, window)) / len(window)
    return 10 * np.log10(power) if power > 1e-10 else _SILENCE_DB
