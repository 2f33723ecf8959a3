"""A lab's result as one HTML page: charts, tables, and every answer as text and sound.

Whatever the model said, and whatever a failure's message holds, is shown as text, never as markup.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.lab.charts import STAGES, TIMES, rates_chart, stages_chart
from app.lab.page import page, safe
from app.lab.result import Answer, LabResult, ModeResult, Spread
from app.latency import Stage, stages
from app.turn_rows import to_flac
from engine.events import EndReason
from engine.modes import InferenceMode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A longer question would make the file large, and whoever measured it has it.
_LONGEST_QUESTION_S = 60.0
_ENDS = {
    EndReason.STOP: "complete",
    EndReason.LENGTH: "cut off at the length limit",
    EndReason.CANCELLED: "interrupted",
}


def to_html(result: LabResult) -> str:
    """The whole report as one page."""
    setting = result.setting
    when = f"{setting.measured_at:%Y-%m-%d %H:%M} {setting.measured_at.tzname() or ''}".strip()
    title = f"Parley mode lab: {setting.model}"
    body = f"""<header>
<h1>{safe(title)}</h1>
<p class="faint">One question, {len(result.modes)} inference modes,
{_replies(result.repeats)} in each.
{safe(setting.machine)}, {safe(setting.device)}, {safe(setting.dtype)},
{_threads(setting.threads)}; {safe(when)}.</p>
{_notices(result)}
</header>
<main>
<section>
<h2>At a glance</h2>
<div class="cards">
{"".join(_card(result, mode) for mode in result.modes)}
</div>
</section>
<section>
<h2>Wait for the first sound</h2>
<p>The clock starts when the engine has the whole question and stops when the first chunk of sound
is ready to play. A conversation adds the wait for the end of the turn before it, and the sound
device after it; the program shows both for every turn. In brackets: how many times as long Vanilla
takes.</p>
<figure class="wide" tabindex="0">
{stages_chart(result)}
</figure>
{_stages_table(result)}
</section>
<section>
<h2>Speed of whole replies</h2>
<p>From the encoded question to the end of the reply, the decoding of its sound included. A
real-time factor below 1 means that sound is made faster than it is played. In brackets: how many
times Vanilla's tokens per second. In Verified mode the main model checks what the modules draft,
and its speed follows from how many of their drafts it accepts.</p>
<figure class="wide" tabindex="0">
{rates_chart(result)}
</figure>
{_replies_table(result)}
</section>
<section>
<h2>What each mode answered</h2>
<p>Starting one player stops the others.</p>
{_question(result)}
<div class="cards answers">
{"".join(_answer(mode) for mode in result.modes)}
</div>
</section>
<section>
<h2>How it was measured</h2>
{_facts(result, when)}
</section>
</main>"""
    return page(title, body)


def _notices(result: LabResult) -> str:
    """What the reader must know before any figure: failures, and a lab that was stopped."""
    notices = [f"{mode.name} failed: {mode.failure}" for mode in result.modes if mode.failure]
    if result.was_stopped:
        counts = ", ".join(f"{mode.name} {len(mode.runs)}" for mode in result.modes)
        notices.append(f"Stopped early. Replies measured: {counts} of {result.repeats}.")
    return "".join(f'<p class="notice" role="note">{safe(notice)}</p>\n' for notice in notices)


def _card(result: LabResult, mode: ModeResult) -> str:
    wait, rate = mode.first_sound_ms, mode.tokens_per_s
    lines = [f'<div class="big">{f"{wait.median:.0f} ms" if wait else "&ndash;"}</div>']
    lines.append("<div>to the first sound</div>")
    if rate:
        lines.append(f"<div>{rate.median:.0f} tokens/s</div>")
    sooner, speed_up = result.sooner(mode), result.speed_up(mode)
    if mode.acceptance_rate is not None:
        lines.append(f"<div>{mode.acceptance_rate:.0%} of drafts accepted</div>")
    if mode.mode is InferenceMode.VANILLA:
        lines.append("<small>the measure for the others</small>")
    elif sooner and speed_up:
        lines.append(
            f"<small>Vanilla takes {sooner:.2f}{TIMES} as long to the first sound; "
            f"{speed_up:.2f}{TIMES} its tokens/s</small>"
        )
    return f'<div class="card"><h3>{mode.name}</h3>{"".join(lines)}</div>\n'


def _stages_table(result: LabResult) -> str:
    """The stages of the typical reply, and the spread of the whole wait."""
    head = ("mode", *STAGES.values(), "first sound", "lowest to highest", "Vanilla / mode")
    rows = []
    for mode in result.modes:
        times: dict[Stage, float] = {}
        if mode.typical is not None:
            times = {time.name: time.ms for time in stages(mode.typical.stamps)}
        wait = mode.first_sound_ms
        rows.append(
            (
                mode.name,
                *(_number(times.get(stage), 1) for stage in STAGES),
                _median(wait, 1),
                _range(wait, 1),
                _factor(result.sooner(mode)),
            )
        )
    caption = "Milliseconds; the stages are those of the reply with the median wait"
    return _table(caption, head, rows)


def _replies_table(result: LabResult) -> str:
    head = (
        *("mode", "tokens/s", "lowest to highest", "speed-up over Vanilla"),
        *("real-time factor", "lowest to highest", "drafts accepted", "tokens", "sound, s"),
        *("replies", "outcome"),
    )
    rows = []
    for mode in result.modes:
        rate, factor = mode.tokens_per_s, mode.real_time_factor
        first = mode.runs[0].stats if mode.runs else None
        rows.append(
            (
                mode.name,
                _median(rate, 0),
                _range(rate, 0),
                _factor(result.speed_up(mode)),
                _median(factor, 2),
                _range(factor, 2),
                "" if mode.acceptance_rate is None else f"{mode.acceptance_rate:.0%}",
                "" if first is None else str(first.n_tokens),
                "" if first is None else f"{first.audio_seconds:.2f}",
                str(len(mode.runs)),
                "" if mode.answer is None else _ENDS[mode.answer.reason],
            )
        )
    return _table("Medians, with the lowest and highest of the replies", head, rows)


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f'<th scope="col">{safe(title)}</th>' for title in head)
    body = "\n".join(
        f'<tr><th scope="row">{safe(row[0])}</th>'
        + "".join(f"<td>{safe(cell or chr(0x2013))}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{safe(caption)}">\n<table>'
        f"<caption>{safe(caption)}</caption>\n<thead><tr>{titles}</tr></thead>\n"
        f"<tbody>{body}</tbody>\n</table></div>"
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _median(spread: Spread | None, digits: int) -> str:
    return "" if spread is None else f"{spread.median:.{digits}f}"


def _range(spread: Spread | None, digits: int) -> str:
    return "" if spread is None else f"{spread.lowest:.{digits}f} to {spread.highest:.{digits}f}"


def _factor(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}{TIMES}"


def _question(result: LabResult) -> str:
    question = result.question
    if question.duration_s <= _LONGEST_QUESTION_S:
        player = _player("The question", question.samples, question.sample_rate)
    else:
        player = "<p>It is longer than a minute, and left out of this file.</p>"
    length = f"<small>{question.duration_s:.1f} s</small>"
    return f'<section class="card"><h3>The question</h3>{player}{length}</section>\n'


def _answer(mode: ModeResult) -> str:
    absent = "<p>No answer was measured.</p>"
    said = absent if mode.answer is None else _said(mode.name, mode.answer)
    return f'<section class="card"><h3>{mode.name}</h3>{said}</section>\n'


def _said(name: str, answer: Answer) -> str:
    if answer.samples is None or not len(answer.samples):
        player = "<p>The answer has no sound.</p>"
    else:
        player = _player(f"The answer in {name} mode", answer.samples, answer.sample_rate)
    cut = "" if answer.reason is EndReason.STOP else f"<small>{_ENDS[answer.reason]}</small>"
    return f'{player}<p class="said" dir="auto">{safe(answer.text)}</p>{cut}'


def _player(label: str, samples: NDArray[np.float32], sample_rate: int) -> str:
    """A player of 16-bit sound without loss, about half the size of a WAV file."""
    data = base64.b64encode(to_flac(samples, sample_rate)).decode()
    return (
        f'<audio controls preload="metadata" aria-label="{safe(label)}" '
        f'src="data:audio/flac;base64,{data}"></audio>'
    )


def _facts(result: LabResult, when: str) -> str:
    setting, params = result.setting, result.params
    if params.is_greedy:
        sampling = "greedy"
    else:
        sampling = (
            f"temperature {params.temperature:g}, top-k {params.top_k}, top-p {params.top_p:g}, "
            f"seed {params.seed}"
        )
    facts = (
        ("Model", setting.model),
        ("Machine", f"{setting.machine}; {setting.system}"),
        ("Device", f"{setting.device}, {setting.dtype}, {_threads(setting.threads)}"),
        ("Versions", setting.version_list),
        ("Measured", when),
        ("Question", f"{result.question.duration_s:.2f} s of speech, {sampling}, the same seed"),
        ("Longest reply", f"{params.max_new_tokens} tokens"),
        (
            "Order",
            f"the modes took turns, every other round backwards; {_replies(result.repeats)} in "
            "each count, after one round that does not",
        ),
        ("Medians", "each is a value that was measured; the lines below the bars are the range"),
    )
    items = "".join(f"<dt>{name}</dt><dd>{safe(text)}</dd>\n" for name, text in facts)
    return f"<dl>\n{items}</dl>"


def _replies(number: int) -> str:
    return f"{number} {'reply' if number == 1 else 'replies'}"


def _threads(number: int) -> str:
    return f"{number} CPU {'thread' if number == 1 else 'threads'}"
