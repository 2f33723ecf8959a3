"""``chat``: typed turns, spoken answers; an empty line or the end of the input leaves."""

import argparse
import sys
from pathlib import Path

from app import audio_files
from app.commands import options
from app.replies import Recording, cancel_on_interrupt, carry_out, reporter
from engine.conversation import Conversation
from engine.requests import ReplyRequest


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("chat", help="type questions, get spoken answers")
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder for reply-1.wav, ... (.)"
    )
    options.add_reply_options(parser)
    options.add_engine_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Answers line after line; Ctrl-C cuts an answer short and the conversation goes on."""
    audio_files.check_destination(arguments.out / "reply-1.wav")
    engine = options.load_engine(arguments)
    params = options.sampling(arguments, engine.default_params)
    conversation = Conversation()
    show = reporter(as_json=False)
    turn_id = 0
    while question := _next_line():
        turn_id += 1
        recording = Recording()
        request = ReplyRequest(turn_id, conversation, question, arguments.mode, params)
        with cancel_on_interrupt() as cancel:
            reply = carry_out(engine, request, show, recording, cancel)
            conversation = reply.conversation
            if recording.has_sound:
                target = arguments.out / f"reply-{turn_id}.wav"
                recording.write(target)
                print(f"({target}, {recording.duration_s:.1f} s)")
    return 0


def _next_line() -> str:
    if sys.stdin.isatty():
        print("> ", end="", flush=True)
    return sys.stdin.readline().strip()
