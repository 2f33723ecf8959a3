"""``devices``: what this machine computes with and hears and speaks through."""

import argparse

from app.audio.devices import sound_devices
from app.commands import options


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("devices", help="list compute and sound devices")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints one line for each device."""
    import torch

    print(f"compute  cpu     {torch.get_num_threads()} threads")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = properties.total_memory / 2**30
        print(f"compute  cuda:{index}  {properties.name}, {memory:.0f} GiB")
    found = sound_devices()
    for device in found:
        print(f"sound    {device.name}: {device.n_inputs} in, {device.n_outputs} out")
    if not found:
        print("sound    none (no sound card, or libportaudio2 is not installed)")
    return 0
