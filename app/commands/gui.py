"""``gui``, the default: for now a demonstration in the terminal, since there is no window yet."""

import argparse
import os
import sys
import time
from pathlib import Path

from app import audio_files, paths
from app.audio.devices import sound_devices
from app.commands import options
from app.replies import Recording, cancel_on_interrupt, carry_out, reporter
from engine.conversation import Conversation
from engine.events import TimingsMs
from engine.requests import ReplyRequest

_STAGES = (
    ("encode", "question encoded"),
    ("prefill", "prompt in the cache"),
    ("first_token", "first token"),
    ("first_audio_tokens", "first audio tokens"),
    ("first_audio", "first sound ready"),
    ("total", "reply complete"),
)


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("gui", help="start the program (the default)")
    parser.add_argument("--out", type=Path, default=Path("reply.wav"), metavar="REPLY.wav")
    options.add_reply_options(parser)
    options.add_engine_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Asks the built-in model the bundled question and shows what came when."""
    started = time.monotonic()
    question = audio_files.read_utterance(paths.sample_question())
    audio_files.check_destination(arguments.out)
    print("Parley: this version has no window yet; this is the program in a terminal.")
    print(f"Here: {_surroundings()}. On a machine with a screen, a later version opens a window")
    print("here, with a button to talk, the conversation as text and these times beside it.\n")
    engine = options.load_engine(arguments)
    engine.warmup()
    print(f"Model ready after {time.monotonic() - started:.1f} s.")
    params = options.sampling(arguments, engine.default_params)
    recording = Recording()
    print(f"Question: {paths.sample_question()} ({question.duration_s:.1f} s)")
    print("Answer:   ", end="", flush=True)
    request = ReplyRequest(0, Conversation(), question, arguments.mode, params)
    with cancel_on_interrupt() as cancel:
        try:
            reply = carry_out(engine, request, reporter(as_json=False), recording, cancel)
        finally:
            if recording.has_sound:
                recording.write(arguments.out)
    _print_timings(reply.stats.timings_ms)
    if recording.has_sound:
        print(f"\nThe spoken reply ({recording.duration_s:.1f} s) is in {arguments.out.resolve()}")
    print("More: `.venv/bin/python main.py --help`, e.g. `ask QUESTION.wav --out REPLY.wav`")
    return recording.exit_code(arguments.out, cancel)


def _surroundings() -> str:
    screen = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    speaker = any(device.n_outputs for device in sound_devices())
    return f"{'a' if screen else 'no'} screen, {'a' if speaker else 'no'} sound device"


def _print_timings(timings: TimingsMs) -> None:
    print("\nMilliseconds from the end of the question:")
    for name, label in _STAGES:
        value: float | None = getattr(timings, name)
        print(f"  {label:20} {'not reached' if value is None else f'{value:9.1f}'}")
