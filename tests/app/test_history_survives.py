"""A program that is killed at any moment finds every turn it had finished when it starts again."""

import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from app.history import History
from tests.app.turns_to_keep import assert_same, turn

ROOT = Path(__file__).resolve().parent.parent.parent
N_KILLS = 8

# Keeps turn after turn, and tells of each when it is kept.
PROGRAM = """
import itertools
import sys
from pathlib import Path
from app.history import History
from tests.app.turns_to_keep import STARTED_AT, turn

kept, notice = History.open(Path(sys.argv[1]))
assert notice is None, notice.message
conversation = kept.start_conversation("nano", STARTED_AT)
print("open", conversation, flush=True)
for number in itertools.count(int(sys.argv[2]) + 1):
    kept.add(conversation, turn(number, duration_s=2))
    print("kept", number, flush=True)
"""


def test_every_turn_that_was_finished_is_there_after_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    draw = random.Random(1)
    finished = 0
    for _ in range(N_KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, path, str(finished)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stdout is not None
            n_lines = 1 + draw.randrange(4)
            told = [running.stdout.readline().split() for _ in range(n_lines)]
            with suppress(subprocess.TimeoutExpired):  # somewhere within the next turns
                running.wait(draw.uniform(0, 0.15))
            running.kill()
            told += [line.split() for line in running.stdout]
        assert running.returncode == -signal.SIGKILL
        (_, conversation), *kept_turns = told
        with History(path) as kept:  # which refuses a damaged file
            found = kept.turns(int(conversation))
        # One more may have reached the disk before the program could say so.
        assert 0 <= len(found) - len(kept_turns) <= 1
        for again in found:
            finished += 1
            assert_same(again.restored(), turn(finished, duration_s=2))
    assert finished > N_KILLS / 2
    with History(path) as kept:
        everything = [
            again.record.turn_id
            for summary in kept.conversations()
            for again in kept.turns(summary.id)
        ]
    assert sorted(everything) == list(range(1, finished + 1))
