"""What ``gui`` does where no window can be shown: one spoken question, answered in the terminal."""

import argparse
import time

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


def run(arguments: argparse.Namespace) -> int:
    """Asks the built-in model the bundled question and shows what came when."""
    started = time.monotonic()
    question = audio_files.read_utterance(paths.sample_question())
    audio_files.check_destination(arguments.out)
    print(f"Parley: {_surroundings()} here, so this is the program in a terminal. On a machine")
    print("with a screen it opens a window: a button to talk, the conversation as text, the answer")
    print("aloud, and these times as a bar above it.\n")
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
    speaker = any(device.n_outputs for device in sound_devices())
    return f"no screen and {'a' if speaker else 'no'} sound device"


def _print_timings(timings: TimingsMs) -> None:
    print("\nMilliseconds from the end of the question:")
    for name, label in _STAGES:
        value: float | None = getattr(timings, name)
        print(f"  {label:20} {'not reached' if value is None else f'{value:9.1f}'}")
