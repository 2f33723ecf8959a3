"""``devices``: what this machine computes with and hears and speaks through."""

import argparse

from app.audio.devices import SoundDevice, sound_devices, to_json
from app.commands import options


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("devices", help="list compute and sound devices")
    parser.add_argument(
        "--json", action="store_true", help="the sound devices alone, as one line of JSON"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints one line for each device."""
    if arguments.json:
        print(to_json(sound_devices()))
        return 0
    import torch

    print(f"compute  cpu     {torch.get_num_threads()} threads")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = properties.total_memory / 2**30
        print(f"compute  cuda:{index}  {properties.name}, {memory:.0f} GiB")
    found = sound_devices()
    for device in found:
        print(f"sound    {in_words(device)}")
    if not found:
        print("sound    none (no sound card, or libportaudio2 is not installed)")
    return 0


def in_words(device: SoundDevice) -> str:
    """A sound device as one line."""
    defaults = ((device.is_default_input, "input"), (device.is_default_output, "output"))
    told = "".join(f", default {kind}" for is_default, kind in defaults if is_default)
    return (
        f"{device.name} ({device.host_api}, {device.default_sample_rate} Hz): "
        f"{device.n_inputs} in, {device.n_outputs} out{told}"
    )
