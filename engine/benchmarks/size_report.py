"""What a model of random weights does on a device, beside what its memory allows: data and text."""

import json
from dataclasses import asdict, dataclass

from engine.benchmarks.latency import Spread
from engine.benchmarks.report import cell
from engine.modes import InferenceMode

_GB = 1e9


@dataclass(frozen=True, slots=True)
class AgainstFloor:
    """A measured figure and the best that the measured bandwidth allows.

    ``share`` is how near the measured median comes to it: 1 is as good as reading can be. Floor and
    share are None in Verified mode, where what is read depends on the drafts that hold.
    """

    measured: Spread
    floor: float | None
    share: float | None


@dataclass(frozen=True, slots=True)
class SizedMode:
    """One mode: milliseconds to the first chunk of audio tokens, and tokens a second."""

    mode: InferenceMode
    first_chunk_tokens: int
    first_chunk_ms: AgainstFloor
    tokens_per_s: AgainstFloor
    acceptance_rate: float | None


@dataclass(frozen=True, slots=True)
class SpeechTimes:
    """Milliseconds of the speech parts, and of all parts one after the other in Boost."""

    question_s: float
    encoder_ms: Spread
    decoder_ms: Spread
    first_sound_ms: Spread


@dataclass(frozen=True, slots=True)
class SizeReport:
    """One run: what ran on what, and how fast.

    ``weight_bytes`` are computed, ``allocated_bytes`` what the device's allocator holds of them and
    ``peak_bytes`` the most it held; both None where there is no such allocator.
    """

    size: str
    device: str
    processor: str
    torch_version: str
    dtype: str
    precision: str
    has_operator: bool
    threads: int
    repeats: int
    prompt_tokens: int
    reply_tokens: int
    copy_bytes_per_s: float
    weight_bytes: int
    allocated_bytes: int | None
    peak_bytes: int | None
    build_s: float
    modes: tuple[SizedMode, ...]
    speech: SpeechTimes | None

    def to_json(self) -> str:
        """The report as one line of JSON; modes by their names."""
        tree = asdict(self)
        for row in tree["modes"]:
            row["mode"] = row["mode"].value
        return json.dumps(tree)

    def to_text(self) -> str:
        """The report as a table; ranges are those of the repetitions."""
        lines = [
            f"Qwen2.5 {self.size} with ten MCTP modules, random weights, on {self.device} "
            f"({self.processor}), {self.precision} computed in {self.dtype}, "
            f"torch {self.torch_version}, {self.threads} threads",
            f"{self.repeats} repetitions: median (lowest to highest); floor: bytes to be read / "
            f"{self.copy_bytes_per_s / _GB:.1f} GB/s measured by copying",
            f"first chunk in ms after {self.prompt_tokens} tokens of prefill; tokens/s over "
            f"{self.reply_tokens} tokens",
            "",
            f"{'mode':9} {'tokens':>6} {'first chunk':>24} {'floor':>8} {'share':>6} "
            f"{'tokens/s':>24} {'floor':>8} {'share':>6}",
        ]
        for mode in self.modes:
            first, rate = mode.first_chunk_ms, mode.tokens_per_s
            lines.append(
                f"{mode.mode.value:9} {mode.first_chunk_tokens:6} {_against(first, 1)} "
                f"{_against(rate, 1)}"
            )
        lines.append("")
        if self.speech is not None:
            speech = self.speech
            lines += [
                f"encoder, {speech.question_s:.1f} s of speech: {cell(speech.encoder_ms, 1)} ms",
                f"decoder, first 8 audio tokens: {cell(speech.decoder_ms, 1)} ms",
                "first sound in boost, encoder, first chunk and decoder one after the other: "
                f"{cell(speech.first_sound_ms, 1)} ms",
            ]
        for mode in self.modes:
            if mode.acceptance_rate is not None:
                lines.append(f"{mode.mode.value}: {mode.acceptance_rate:.0%} of drafts accepted")
        lines.append(f"weights: {self.weight_bytes / _GB:.2f} GB computed{self._allocated()}")
        lines.append(f"built in {self.build_s:.1f} s")
        if not self.has_operator:
            lines.append("four-bit planes are multiplied by the plain product: torch's own is slow")
        return "\n".join(lines)

    def _allocated(self) -> str:
        if self.allocated_bytes is None or self.peak_bytes is None:
            return ""
        return f", {self.allocated_bytes / _GB:.2f} allocated, peak {self.peak_bytes / _GB:.2f}"


def _against(figure: AgainstFloor, digits: int) -> str:
    measured = cell(figure.measured, digits)
    if figure.floor is None or figure.share is None:
        return f"{measured:>24} {'-':>8} {'-':>6}"
    return f"{measured:>24} {figure.floor:8.{digits}f} {figure.share:6.0%}"
