"""Takes the assistant's own voice out of what the microphone hears.

WebRTC's echo canceller (AEC3), noise suppression and gain control, as the ``livekit`` package has
them, in frames of 10 ms at 16 kHz. It is imported when the first canceller is made, which takes
half a second. While nothing is played there is no echo: the costly module then rests and a second
one, without echo cancellation, goes on suppressing noise. Both delay sound by the same time, and
a change from one to the other is cross-faded.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from app.audio.far_end import LEAD_S
from app.audio.ring import Samples

if TYPE_CHECKING:
    from livekit.rtc import AudioFrame, AudioProcessingModule

SAMPLE_RATE = 16_000
FRAME = 160
# What the echo canceller holds back, found by correlation; the resting path does the same.
_CANCELLER_DELAY = 64
_LOUDEST = 32767.0


class EchoCanceller:
    """One microphone's canceller; belongs to the dialogue thread.

    For each captured block first ``far`` with what was played meanwhile, if anything was, then
    ``near`` with the block; lengths are multiples of ``FRAME``.
    """

    def __init__(
        self,
        noise_suppression: bool,
        gain_control: bool,
        echo_cancellation: bool = True,
    ) -> None:
        from livekit.rtc import AudioProcessingModule

        def module(cancels_echo: bool) -> "AudioProcessingModule":
            return AudioProcessingModule(
                echo_cancellation=cancels_echo,
                noise_suppression=noise_suppression,
                high_pass_filter=True,
                auto_gain_control=gain_control,
            )

        self._awake = module(True) if echo_cancellation else None
        self._resting = module(False)
        self._held_back = np.zeros(_CANCELLER_DELAY, dtype=np.float32)
        self._is_awake = False
        self._heard_far = False
        self._frame = _Frame()
        rise = (np.arange(FRAME) + 1) / (FRAME + 1)
        self._fade_in: Samples = rise.astype(np.float32)
        self._fade_out: Samples = self._fade_in[::-1]

    def far(self, samples: Samples) -> None:
        """What the speaker played while the next ``near`` block was captured."""
        if self._awake is None:
            return
        self._heard_far = True
        for start in range(0, len(samples), FRAME):
            self._awake.process_reverse_stream(self._frame.filled(samples[start : start + FRAME]))

    def near(self, samples: Samples) -> Samples:
        """The captured block without echo; about 14 ms late, in length as it was."""
        assert len(samples) % FRAME == 0, f"{len(samples)} samples are not whole frames"
        wakes = self._heard_far
        self._heard_far = False
        out = np.empty_like(samples)
        for start in range(0, len(samples), FRAME):
            piece = slice(start, start + FRAME)
            out[piece] = self._near_frame(samples[piece], wakes)
        return out

    def _near_frame(self, samples: Samples, wakes: bool) -> Samples:
        was_awake, self._is_awake = self._is_awake, wakes
        if wakes and was_awake:
            return self._cancelled(samples)
        if not wakes and not was_awake:
            return self._rested(samples)
        before, after = self._rested(samples), self._cancelled(samples)
        if was_awake:
            before, after = after, before
        faded: Samples = before * self._fade_out + after * self._fade_in
        return faded

    def _cancelled(self, samples: Samples) -> Samples:
        assert self._awake is not None
        self._awake.set_stream_delay_ms(round(LEAD_S * 1000))
        return self._frame.through(self._awake, samples)

    def _rested(self, samples: Samples) -> Samples:
        processed = self._frame.through(self._resting, samples)
        late = np.concatenate((self._held_back, processed))
        self._held_back = late[FRAME:]
        return late[:FRAME]


class _Frame:
    """The one frame of 16-bit samples that is passed to the library again and again."""

    def __init__(self) -> None:
        from livekit.rtc import AudioFrame

        self._frame = AudioFrame(bytearray(2 * FRAME), SAMPLE_RATE, 1, FRAME)

    def filled(self, samples: Samples) -> "AudioFrame":
        """The frame with these samples."""
        np.clip(samples * _LOUDEST, -_LOUDEST, _LOUDEST, out=self._values(), casting="unsafe")
        return self._frame

    def through(self, module: "AudioProcessingModule", samples: Samples) -> Samples:
        """These samples as the module returns them."""
        module.process_stream(self.filled(samples))
        return self._values().astype(np.float32) / _LOUDEST

    def _values(self) -> npt.NDArray[np.int16]:
        return np.frombuffer(self._frame.data, dtype=np.int16)
