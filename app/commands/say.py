"""``say "TEXT" --out X.wav``: the model reads a text aloud."""

import argparse
from pathlib import Path

from app import audio_files
from app.commands import options
from app.errors import UsageError
from app.replies import Recording, cancel_on_interrupt, carry_out, reporter
from engine.conversation import Conversation
from engine.requests import ReplyRequest, Task


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("say", help="read a text aloud")
    parser.add_argument("text")
    parser.add_argument("--out", type=Path, required=True, metavar="X.wav")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each event")
    options.add_reply_options(parser)
    options.add_engine_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the spoken text."""
    audio_files.check_destination(arguments.out)
    if not arguments.text.strip():
        raise UsageError("say: the text is empty")
    engine = options.load_engine(arguments)
    params = options.sampling(arguments, engine.default_params)
    recording = Recording()
    request = ReplyRequest(0, Conversation(), arguments.text, arguments.mode, params, Task.SAY)
    with cancel_on_interrupt() as cancel:
        try:
            carry_out(engine, request, reporter(arguments.json), recording, cancel)
        finally:
            if recording.has_sound:
                recording.write(arguments.out)
    return recording.exit_code(arguments.out, cancel)
