"""``selftest``: asks the bundled question and checks the answer; the exit code says the outcome."""

import argparse
import re

import numpy as np

from app import audio_files, paths
from app.commands import options
from app.replies import Recording, cancel_on_interrupt, carry_out, reporter
from engine.conversation import Conversation
from engine.modes import InferenceMode
from engine.requests import ReplyRequest

# The bundled question is "What is seven plus five?".
_RIGHT_ANSWER = re.compile(r"\b(twelve|12)\b", re.IGNORECASE)
_SHORTEST_ANSWER_S = 0.3
_QUIETEST_LEVEL = 0.005


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("selftest", help="check that this installation answers rightly")
    options.add_engine_options(parser)
    parser.set_defaults(run=run, greedy=True, seed=None, max_tokens=None)


def run(arguments: argparse.Namespace) -> int:
    """Returns 0 when the answer is right and audible, else 1."""
    question = audio_files.read_utterance(paths.sample_question())
    engine = options.load_engine(arguments)
    params = options.sampling(arguments, engine.default_params)
    recording = Recording()
    request = ReplyRequest(0, Conversation(), question, InferenceMode.BOOST, params)
    with cancel_on_interrupt() as cancel:
        reply = carry_out(engine, request, reporter(as_json=False), recording, cancel)
    if cancel.is_cancelled:
        return recording.exit_code(None, cancel)
    failures = []
    if not _RIGHT_ANSWER.search(reply.stats.text):
        failures.append("the answer is not twelve")
    if recording.duration_s < _SHORTEST_ANSWER_S:
        failures.append(f"only {recording.duration_s:.2f} s of sound")
    elif float(np.sqrt(np.mean(np.square(recording.samples)))) < _QUIETEST_LEVEL:
        failures.append("the sound is nearly silent")
    print("selftest failed: " + "; ".join(failures) if failures else "selftest passed")
    return 1 if failures else 0
