"""The program in a process and with a home of its own, as a person would have it running."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from app import settings
from app.history import History
from app.kept_turn import KeptTurn
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 60.0


class RunningProgram:
    """Waits until the model can answer; ends the program as the end of the session does."""

    def __init__(
        self, home: Path, chosen: Settings, surroundings: Mapping[str, str], *arguments: object
    ) -> None:
        self._home = home
        self._arguments = [str(argument) for argument in arguments]
        self._environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"} | dict(surroundings)
        self._environment["PARLEY_HOME"] = str(home)
        settings.save(home / "config" / "settings.json", chosen)
        self.times: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), "gui", "--json", *self._arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.times = json.loads(self._process.stdout.readline())
        assert self.times["ready_s"] is not None, "the model cannot answer"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.close()

    def close(self) -> float:
        """Closes it; the seconds until its process was gone."""
        asked_at = time.monotonic()
        self._process.terminate()
        assert self._process.wait(_PATIENCE_S) == 0
        return time.monotonic() - asked_at

    def kill(self) -> None:
        """Ends it without a warning."""
        self._process.kill()
        self._process.wait()

    def tell(self, order: str) -> None:
        """``toggle``, ``stop`` or ``show``, as a key of the desktop would."""
        subprocess.run(
            [sys.executable, str(ROOT / "main.py"), order], env=self._environment, check=True
        )

    def turns(self) -> tuple[KeptTurn, ...]:
        """The finished turns, oldest first."""
        file = self._home / "data" / "history.db"
        if not file.is_file():
            return ()
        with History(file) as history:
            return tuple(
                turn
                for conversation in reversed(history.conversations())
                for turn in history.turns(conversation.id)
            )

    def wait_for_turns(self, n: int, patience_s: float = _PATIENCE_S) -> tuple[KeptTurn, ...]:
        """Waits until so many turns are finished."""
        self.wait(lambda: len(self.turns()) >= n, f"{n} turns", patience_s)
        return self.turns()

    def wait(self, until: Callable[[], bool], what: str, patience_s: float = _PATIENCE_S) -> None:
        """Waits until something is so."""
        deadline = time.monotonic() + patience_s
        while not until():
            assert self._process.poll() is None, "the program has ended"
            assert time.monotonic() < deadline, f"waited for {what}: {self.turns()}"
            time.sleep(0.05)

    def cpu_s(self) -> float:
        """Seconds of processor time used so far, by all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Memory in use."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
