"""``gui``, the default: the window, or a demonstration in the terminal where there is no screen."""

import argparse
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from app.commands import options
from app.errors import UsageError
from app.settings import ModelSettings, Settings

_IMPORTED_AT = time.monotonic()


def add_to(commands: options.SubParsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("gui", help="start the program (the default)")
    parser.add_argument(
        "--exit-when-ready", action="store_true", help="leave as soon as the model can answer"
    )
    parser.add_argument("--json", action="store_true", help="print when the window and model came")
    parser.add_argument("--offline", action="store_true", help="forbid all use of the network")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("reply.wav"),
        metavar="REPLY.wav",
        help="where the reply goes if there is no screen",
    )
    options.add_reply_options(parser)
    options.add_engine_options(parser)
    parser.set_defaults(run=run, model=None, mode=None)


def run(arguments: argparse.Namespace) -> int:
    """Opens the window and returns when it is closed."""
    if not has_screen(sys.platform, os.environ):
        if arguments.exit_when_ready:
            raise UsageError("there is no screen: DISPLAY and WAYLAND_DISPLAY are not set")
        from app.commands import demonstration

        arguments.model = arguments.model or ModelSettings().model
        arguments.mode = arguments.mode or ModelSettings().mode
        return demonstration.run(arguments)
    from app.application import Start, run_window

    return run_window(
        Start(
            started_at=_process_start(),
            exits_when_ready=arguments.exit_when_ready,
            tells_times=arguments.json,
            is_offline=arguments.offline,
            device=arguments.device,
            precision=arguments.precision,
            threads=arguments.threads,
            adjust=lambda settings: _adjusted(settings, arguments),
        )
    )


def _adjusted(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """The user's settings with what the command line says, which holds for this run."""
    model = settings.model
    return replace(
        settings,
        model=replace(
            model,
            model=arguments.model or model.model,
            mode=arguments.mode or model.mode,
            seed=model.seed if arguments.seed is None else arguments.seed,
            greedy=arguments.greedy or model.greedy,
        ),
    )


def has_screen(platform: str, environment: Mapping[str, str]) -> bool:
    """Whether Qt can open a window; ``QT_QPA_PLATFORM`` names a screen of its own kind."""
    if platform in ("win32", "darwin"):
        return True
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _process_start() -> float:
    """When this process began, on the monotonic clock; elsewhere than on Linux, its first line."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return _IMPORTED_AT
    return time.monotonic() - age_s
