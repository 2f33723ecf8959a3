"""Conversations as files for elsewhere: Markdown to read, JSON to work with, WAV to listen to.

The texts and sounds are made by pure functions; ``save_...`` writes them whole, or raises
``OutputError`` and leaves what stood there.
"""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

import numpy as np
import numpy.typing as npt

from app.audio_files import write_audio
from app.errors import AppError
from app.latency import mouth_to_ear_ms
from app.turn_record import Origin, Outcome, TurnRecord
from app.turn_rows import USER_SAMPLE_RATE, storable
from app.whole_file import write_whole

FORMAT = "parley-conversation"
"""What an exported JSON file says it is."""

VERSION = 1
"""The version of the JSON form."""

_PAUSE_S = 0.5
# What Markdown would take for marks wherever it stands, and what it takes for them at a line's
# start.
_MARKS = re.compile(r"([\\`*_{}\[\]<>|~])")
_LINE_MARKS = re.compile(r"^(\s*)([#+\-=:]|\d+(?=[.)]))", re.MULTILINE)


class NothingToExport(AppError):
    """What was chosen holds nothing that could be written."""


def save_markdown(turns: Sequence[TurnRecord], path: Path) -> None:
    """Writes the conversation as a text to read."""
    write_whole(path, storable(to_markdown(turns)).encode())


def save_json(turns: Sequence[TurnRecord], path: Path) -> None:
    """Writes the conversation as data, all but the sound."""
    write_whole(path, storable(to_json(turns)).encode())


def save_audio(turns: Sequence[TurnRecord], path: Path) -> None:
    """Writes what was said by both sides, one after the other, as one sound file."""
    samples, sample_rate = to_sound(turns)
    write_audio(path, samples, sample_rate)


def to_markdown(turns: Sequence[TurnRecord]) -> str:
    """The conversation as Markdown that shows every character as it was said."""
    if not turns:
        raise NothingToExport("This conversation has no turns yet")
    lines = [f"# Conversation of {turns[0].started_at:%Y-%m-%d %H:%M} UTC", ""]
    for turn in turns:
        spoken = "spoken" if turn.origin is Origin.SPOKEN else "typed"
        lines += [f"**You** ({spoken}, {turn.started_at:%H:%M:%S})", ""]
        lines += [_escaped(turn.user_text) or "*(no transcript)*", ""]
        lines += [f"**Parley** ({_manner(turn)})", ""]
        lines += [_escaped(turn.answer_text) or "*(nothing was heard)*", ""]
    return "\n".join(lines)


def to_json(turns: Sequence[TurnRecord]) -> str:
    """The conversation as JSON; times are UTC, latency in milliseconds, stamps in seconds."""
    if not turns:
        raise NothingToExport("This conversation has no turns yet")
    tree = {"format": FORMAT, "version": VERSION, "turns": [_tree(turn) for turn in turns]}
    return json.dumps(tree, ensure_ascii=False, indent=2) + "\n"


def to_sound(turns: Sequence[TurnRecord]) -> tuple[npt.NDArray[np.float32], int]:
    """Questions and answers as they were said and heard, and the sample rate of it all."""
    pieces = [
        (samples, sample_rate)
        for turn in turns
        for samples, sample_rate in (
            (turn.user_samples, USER_SAMPLE_RATE),
            (turn.answer_samples, turn.answer_sample_rate),
        )
        if samples is not None and samples.size
    ]
    if not pieces:
        raise NothingToExport("There is no sound in this conversation")
    highest = max(sample_rate for _, sample_rate in pieces)
    pause = np.zeros(round(_PAUSE_S * highest), np.float32)
    parts = [part for piece in pieces for part in (pause, _resampled(*piece, highest))]
    return np.concatenate(parts[1:]), highest


def _tree(turn: TurnRecord) -> dict[str, object]:
    stats = turn.stats
    return {
        "started_at": turn.started_at.isoformat(),
        "origin": turn.origin.value,
        "question": turn.user_text,
        "answer": turn.answer_text,
        "outcome": turn.outcome.value,
        "model": turn.model,
        "mode": turn.mode.value,
        "seed": turn.seed,
        "mouth_to_ear_ms": mouth_to_ear_ms(turn.stamps),
        "underruns": turn.underruns,
        "stamps_s": dataclasses.asdict(turn.stamps),
        "tokens": None if stats is None else stats.n_tokens,
        "drafts": None if stats is None else stats.n_drafts,
        "drafts_accepted": None if stats is None else stats.n_drafts_accepted,
        "audio_seconds": None if stats is None else stats.audio_seconds,
        "timings_ms": None if stats is None else dataclasses.asdict(stats.timings_ms),
    }


def _manner(turn: TurnRecord) -> str:
    """How an answer was made and how it ended, in a few words."""
    words = [_escaped(Path(turn.model).name), turn.mode.value.capitalize()]
    match turn.outcome:
        case Outcome.COMPLETE:
            pass
        case Outcome.LENGTH:
            words.append("cut off at the longest reply")
        case Outcome.INTERRUPTED:
            words.append("interrupted")
        case Outcome.FAILED:
            words.append("failed")
        case _:
            assert_never(turn.outcome)
    waited = mouth_to_ear_ms(turn.stamps)
    if waited is not None:
        words.append(f"{waited / 1000:.2f} s from mouth to ear")
    return ", ".join(words)


def _escaped(text: str) -> str:
    """The text such that Markdown shows it as it is, line by line."""
    marked = _LINE_MARKS.sub(_escaped_start, _MARKS.sub(r"\\\1", text.strip()))
    return "  \n".join(line.strip() for line in marked.splitlines())


def _escaped_start(found: re.Match[str]) -> str:
    space, mark = found.groups()
    # A digit cannot be escaped, but what makes a list of it can.
    return f"{space}{mark}\\" if mark.isdigit() else f"{space}\\{mark}"


def _resampled(
    samples: npt.NDArray[np.float32], sample_rate: int, to_rate: int
) -> npt.NDArray[np.float32]:
    if sample_rate == to_rate:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, sample_rate, to_rate), np.float32)
