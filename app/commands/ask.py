"""``ask QUESTION.wav ...``: spoken answers to spoken questions, the turns of one conversation."""

import argparse
from pathlib import Path

from app import audio_files
from app.commands import options
from app.replies import Recording, cancel_on_interrupt, carry_out, reporter
from engine.conversation import Conversation
from engine.requests import ReplyRequest


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("ask", help="answer a spoken question")
    parser.add_argument("questions", nargs="+", type=Path, metavar="QUESTION.wav")
    parser.add_argument(
        "--out", type=Path, metavar="REPLY.wav", help="write the reply; of several, one after other"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for each event")
    options.add_reply_options(parser)
    options.add_engine_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Answers every question in turn; each is asked with those before it in mind."""
    questions = [audio_files.read_utterance(path) for path in arguments.questions]
    if arguments.out is not None:
        audio_files.check_destination(arguments.out)
    engine = options.load_engine(arguments)
    params = options.sampling(arguments, engine.default_params)
    conversation = Conversation()
    recording = Recording()
    show = reporter(arguments.json)
    with cancel_on_interrupt() as cancel:
        try:
            for turn_id, question in enumerate(questions):
                request = ReplyRequest(turn_id, conversation, question, arguments.mode, params)
                reply = carry_out(engine, request, show, recording, cancel)
                conversation = reply.conversation
                if cancel.is_cancelled:
                    break
        finally:
            if arguments.out is not None and recording.has_sound:
                recording.write(arguments.out)
    return recording.exit_code(arguments.out, cancel)
