"""A lab's result as CSV: every measured reply on its own line, with what it was measured on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from app.lab.charts import STAGES
from app.lab.result import LabResult, ModeResult
from app.latency import real_time_factor, stages, tokens_per_s
from engine.modes import InferenceMode


def csv_file(result: LabResult) -> bytes:
    """The table as a file: spreadsheets take one for UTF-8 only with a mark at its start."""
    return to_csv(result).encode("utf-8-sig", "replace")


def to_csv(result: LabResult) -> str:
    """One line for each measured reply, and one for each mode that failed, with the setting."""
    setting = result.setting
    where = (
        ("model", setting.model),
        ("machine", setting.machine),
        ("system", setting.system),
        ("device", setting.device),
        ("dtype", setting.dtype),
        ("threads", setting.threads),
        ("versions", setting.version_list),
        ("measured_at", setting.measured_at.isoformat()),
        ("question_s", round(result.question.duration_s, 3)),
        ("seed", result.params.seed),
        ("temperature", result.params.temperature),
    )
    rows = [
        {"mode": mode.mode.value, **row, "failure": mode.failure or "", **dict(where)}
        for mode in result.modes
        for row in _csv_rows(result, mode)
    ]
    target = io.StringIO(newline="")
    columns = ("mode", *_RUN_COLUMNS, "failure", *(name for name, _ in where))
    writer = csv.DictWriter(target, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


_RUN_COLUMNS = (
    "reply",
    *(f"{stage.name.lower()}_ms" for stage in STAGES),
    "first_sound_ms",
    "tokens_per_s",
    "speed_up",
    "real_time_factor",
    "tokens",
    "text_tokens",
    "audio_tokens",
    "drafts",
    "drafts_accepted",
    "audio_s",
    "text",
)


def _csv_rows(result: LabResult, mode: ModeResult) -> Iterator[dict[str, object]]:
    """The mode's runs; ``speed_up`` is that of the run over Vanilla's median."""
    vanilla = next(m for m in result.modes if m.mode is InferenceMode.VANILLA).tokens_per_s
    for number, run in enumerate(mode.runs, start=1):
        rate = tokens_per_s(run)
        yield {
            "reply": number,
            **{f"{time.name.name.lower()}_ms": _round(time.ms) for time in stages(run.stamps)},
            "first_sound_ms": _round(run.first_sound_ms),
            "tokens_per_s": _round(rate),
            "speed_up": _round(rate / vanilla.median if rate and vanilla else None),
            "real_time_factor": _round(real_time_factor(run)),
            "tokens": run.stats.n_tokens,
            "text_tokens": run.stats.n_text_tokens,
            "audio_tokens": run.stats.n_audio_tokens,
            "drafts": run.stats.n_drafts,
            "drafts_accepted": run.stats.n_drafts_accepted,
            "audio_s": _round(run.stats.audio_seconds),
            "text": run.stats.text,
        }
    if not mode.runs and mode.failure is not None:
        yield {}


def _round(value: float | None) -> float | str:
    return "" if value is None else round(value, 3)
