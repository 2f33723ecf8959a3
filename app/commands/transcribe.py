"""``transcribe X.wav``: what was said, as text."""

import argparse
import json
from pathlib import Path

from app import audio_files
from app.commands import options
from app.replies import cancel_on_interrupt


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("transcribe", help="write down what was said")
    parser.add_argument("recording", type=Path, metavar="X.wav")
    parser.add_argument("--json", action="store_true", help='print {"text": ...}')
    options.add_engine_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the text."""
    utterance = audio_files.read_utterance(arguments.recording)
    engine = options.load_engine(arguments)
    with cancel_on_interrupt() as cancel:
        text = engine.transcribe(utterance.samples, utterance.sample_rate, cancel=cancel)
    print(json.dumps({"text": text}, ensure_ascii=False) if arguments.json else text)
    return 130 if cancel.is_cancelled else 0
