"""What the speech tokenizer heard in every clip, as JSON lines on disk."""

import json
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import TrainingDataError


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A clip as audio tokens; ``takes`` are codes of the same clip, the untouched one first."""

    text: str
    lang: str
    voice: str
    kind: str  # "question", "answer", "sentence" or "shuffled"
    split: str  # "train" or "test"
    takes: tuple[Sequence[int], ...]
    subject: str = ""
    answer: str = ""  # to a question: the text of its answer


class TokenStore:
    """Token rows in one file of JSON lines, appended one by one; a cut last line is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, rows: Sequence[TokenRow]) -> None:
        """Adds rows and writes them out."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            for row in rows:
                values = asdict(row) | {"takes": [list(take) for take in row.takes]}
                file.write(json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n")

    def count(self) -> int:
        """How many whole rows there are; a row that was cut by a kill is removed."""
        if not self._path.is_file():
            return 0
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with self._path.open("r+b") as file:
                file.truncate(whole)
        return content.count(b"\n", 0, whole)

    def rows(self) -> list[TokenRow]:
        """Every row, in order."""
        try:
            with self._path.open(encoding="utf-8") as file:
                return [_row(line) for line in file if line.endswith("\n")]
        except OSError as error:
            raise TrainingDataError(f"cannot read {self._path}: {error.strerror}") from error


def _row(line: str) -> TokenRow:
    try:
        values = json.loads(line)
        values["takes"] = tuple(array("H", take) for take in values["takes"])
        row = TokenRow(**values)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise TrainingDataError(f"a token store has a line that is not a row: {error}") from error
    if not row.takes or not all(len(take) for take in row.takes):
        raise TrainingDataError(f"a token row without audio tokens: {row.text!r}")
    return row
