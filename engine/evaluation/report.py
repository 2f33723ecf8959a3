"""Everything that was measured, and the tables made of it: Markdown to read, JSON to keep. Pure."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from engine.evaluation.asr import Transcript
from engine.evaluation.copy_synthesis import CopyScore
from engine.evaluation.error_rates import Estimate, error_rate, share
from engine.evaluation.tts import Reading

TRUE_VOICE = "true voice"
UNKNOWN_SUBJECT = "unknown"
_LANGUAGE_NAMES = {"en": "English", "zh": "Mandarin"}


@dataclass(frozen=True, slots=True)
class SpokenReply:
    """One question asked in one mode; ``heard`` is None where nobody listened to the reply."""

    mode: str
    lang: str
    subject: str
    voice: str
    transcript: Transcript
    expected: str
    text: str
    heard: str | None
    text_right: bool
    spoken_right: bool | None
    refused: bool
    is_complete: bool


@dataclass(frozen=True, slots=True)
class HeardSentence:
    """One general sentence transcribed in one mode."""

    mode: str
    lang: str
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class ReadSentence:
    """One general sentence read aloud in one mode, or by the true voice."""

    mode: str
    lang: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class CopiedSentence:
    """One sentence of the answer voice, copied."""

    lang: str
    score: CopyScore


Measured: TypeAlias = SpokenReply | HeardSentence | ReadSentence | CopiedSentence


@dataclass(frozen=True, slots=True)
class Report:
    """A finished evaluation with every item in it."""

    model: str
    command: str
    seed: int
    seconds: float
    items: tuple[Measured, ...]

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes measured, in order."""
        return tuple(dict.fromkeys(reply.mode for reply in self.replies()))

    def replies(self, mode: str | None = None, lang: str | None = None) -> list[SpokenReply]:
        """The questions asked in a mode and language."""
        return [
            item
            for item in self.items
            if isinstance(item, SpokenReply)
            and mode in (None, item.mode)
            and lang in (None, item.lang)
        ]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure in every mode; ``lang`` is empty where it is no language's own."""

    name: str
    lang: str
    estimates: dict[str, Estimate]
    is_percent: bool = True


def rows(report: Report) -> list[Row]:
    """The figures of the main table, in its order."""
    found = []
    for name, measure in _PER_REPLY:
        found += [
            _row(name, lang, report.modes, _of_replies(report, lang, measure))
            for lang in _LANGUAGE_NAMES
        ]
    for lang in _LANGUAGE_NAMES:
        found.append(_row(_heard_name(lang), lang, report.modes, _heard(report, lang)))
    for lang in _LANGUAGE_NAMES:
        found.append(_row(_read_name(lang), lang, report.modes, _read(report, lang)))
        true = _read(report, lang)(TRUE_VOICE)
        found.append(
            Row(
                f"the true voice's own score there, {_LANGUAGE_NAMES[lang]}",
                lang,
                dict.fromkeys(report.modes, true),
            )
        )
    return found + _copy_rows(report)


def subject_rows(
    report: Report, lang: str
) -> list[tuple[str, dict[str, tuple[Estimate, Estimate]]]]:
    """For each subject: the right answers in text and in sound, in every mode."""
    subjects = sorted({reply.subject for reply in report.replies(lang=lang)})
    return [
        (
            subject,
            {
                mode: (_text_right(chosen), _spoken_right(chosen))
                for mode in report.modes
                for chosen in [[r for r in report.replies(mode, lang) if r.subject == subject]]
            },
        )
        for subject in subjects
    ]


def markdown(report: Report) -> str:
    """The report as tables."""
    lines = [
        f"# Evaluation of {report.model}",
        "",
        f"`{report.command}` (seed {report.seed}, {report.seconds:.0f} s)",
        "",
        "Unseen questions in voices that training never used, greedy decoding; 95 % intervals in",
        "brackets (Wilson for shares, bootstrap for error rates), n items. Spoken English answers",
        "are recognised by pocketsphinx with a grammar of all answers, spoken Mandarin ones by the",
        "model's own ASR in Vanilla mode; a reply without sound counts as wrong.",
        "",
        *_table(("", *report.modes), (_cells(row, report.modes) for row in rows(report))),
    ]
    for lang, language in _LANGUAGE_NAMES.items():
        lines += ["", f"## {language} by subject: text / spoken answer right (n of text)", ""]
        lines += _table(
            ("subject", *report.modes),
            (
                [subject, *(_pair(*pairs[mode]) for mode in report.modes)]
                for subject, pairs in subject_rows(report, lang)
            ),
        )
    return "\n".join(lines) + "\n"


def to_json(report: Report) -> dict[str, Any]:
    """The report as plain values, every item included; a figure without items is null."""
    return {
        "model": report.model,
        "command": report.command,
        "seed": report.seed,
        "seconds": report.seconds,
        "figures": [
            {
                "name": row.name,
                "lang": row.lang,
                "modes": {mode: _plain(estimate) for mode, estimate in row.estimates.items()},
            }
            for row in rows(report)
        ],
        "items": [{"kind": type(item).__name__, **asdict(item)} for item in report.items],
    }


def _text_right(replies: list[SpokenReply]) -> Estimate:
    return share(reply.text_right for reply in replies)


def _spoken_right(replies: list[SpokenReply]) -> Estimate:
    return share(r.spoken_right for r in replies if r.spoken_right is not None)


def _asr(replies: list[SpokenReply]) -> Estimate:
    return error_rate(reply.transcript.characters for reply in replies)


def _refusals(replies: list[SpokenReply]) -> Estimate:
    return share(r.refused for r in replies if r.subject != UNKNOWN_SUBJECT)


def _cut_off(replies: list[SpokenReply]) -> Estimate:
    return share(not reply.is_complete for reply in replies)


_PER_REPLY: tuple[tuple[str, Callable[[list[SpokenReply]], Estimate]], ...] = (
    ("ASR on subjects, CER", _asr),
    ("spoken question, text answer right", _text_right),
    ("spoken question, spoken answer right", _spoken_right),
    ('"I don\'t know" to a known subject', _refusals),
    ("replies that do not end", _cut_off),
)


def _of_replies(
    report: Report, lang: str, measure: Callable[[list[SpokenReply]], Estimate]
) -> Callable[[str], Estimate]:
    return lambda mode: measure(report.replies(mode, lang))


def _heard(report: Report, lang: str) -> Callable[[str], Estimate]:
    return lambda mode: error_rate(
        item.transcript.words
        for item in report.items
        if isinstance(item, HeardSentence) and (item.mode, item.lang) == (mode, lang)
    )


def _read(report: Report, lang: str) -> Callable[[str], Estimate]:
    return lambda mode: error_rate(
        item.reading.edits
        for item in report.items
        if isinstance(item, ReadSentence) and (item.mode, item.lang) == (mode, lang)
    )


def _heard_name(lang: str) -> str:
    return f"ASR of general sentences, {'CER' if lang == 'zh' else 'WER'}"


def _read_name(lang: str) -> str:
    ear = "CER by own ASR" if lang == "zh" else "WER by pocketsphinx"
    return f"general sentences read aloud, {ear}"


def _row(name: str, lang: str, modes: Iterable[str], of: Callable[[str], Estimate]) -> Row:
    return Row(f"{name}, {_LANGUAGE_NAMES[lang]}", lang, {mode: of(mode) for mode in modes})


def _copy_rows(report: Report) -> list[Row]:
    scores = [item.score for item in report.items if isinstance(item, CopiedSentence)]
    named: list[tuple[str, list[float | None]]] = [
        ("copy-synthesis STOI, tokens to samples", [s.stoi_tokens for s in scores]),
        ("copy-synthesis STOI, mel to samples", [s.stoi_mel for s in scores]),
        ("copy-synthesis PESQ-WB, tokens to samples", [s.pesq_tokens for s in scores]),
        ("copy-synthesis PESQ-WB, mel to samples", [s.pesq_mel for s in scores]),
    ]
    found = []
    for name, values in named:
        present = [value for value in values if value is not None]
        if present:
            estimate = _mean(present)
            found.append(Row(name, "", dict.fromkeys(report.modes, estimate), is_percent=False))
    return found


def _mean(values: list[float]) -> Estimate:
    """The mean with its normal 95 % interval."""
    n = len(values)
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / max(1, n - 1)
    half = 1.96 * math.sqrt(variance / n)
    return Estimate(mean, mean - half, mean + half, n)


def _plain(estimate: Estimate) -> dict[str, float | int] | None:
    return asdict(estimate) if estimate.n else None


def _cells(row: Row, modes: tuple[str, ...]) -> list[str]:
    return [row.name, *(_cell(row.estimates[mode], row.is_percent) for mode in modes)]


def _cell(estimate: Estimate, is_percent: bool) -> str:
    if not estimate.n:
        return "not measured"
    value, low, high = estimate.value, estimate.low, estimate.high
    if is_percent:
        return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}] n={estimate.n}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}] n={estimate.n}"


def _pair(text: Estimate, spoken: Estimate) -> str:
    if not text.n:
        return "-"
    sound = f"{100 * spoken.value:.0f}" if spoken.n else "-"
    return f"{100 * text.value:.0f} / {sound} ({text.n})"


def _table(head: Iterable[str], body: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(head)
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for cells in body:
        yield f"| {' | '.join(cells)} |"
