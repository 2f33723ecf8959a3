"""Options that several sub-commands share, and the engine they ask for."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, TypeAlias

from app import paths
from engine import catalogue
from engine.modes import InferenceMode
from engine.precision import Precision

if TYPE_CHECKING:
    from engine.engine import SpeechEngine
    from engine.sampling_params import SamplingParams

SubParsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Which model runs, and on what."""
    parser.add_argument(
        "--model", default="nano", metavar="nano|DIR", help="a model's name or folder"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")
    add_precision_option(parser)
    parser.add_argument("--threads", type=positive, help="CPU threads (default: torch decides)")


def add_precision_option(parser: argparse.ArgumentParser) -> None:
    """How the language model's weights are kept; None is ``auto``."""
    parser.add_argument(
        "--precision",
        type=_precision,
        metavar="|".join(("auto", *(precision.value for precision in Precision))),
        help="how the language model's weights are kept: int8 takes half of bf16's memory, int4 "
        "about a third (default auto: the most exact that fits)",
    )


def add_reply_options(parser: argparse.ArgumentParser) -> None:
    """How a reply is generated."""
    parser.add_argument(
        "--mode",
        type=InferenceMode,
        choices=list(InferenceMode),
        default=InferenceMode.BOOST,
        metavar="|".join(mode.value for mode in InferenceMode),
        help="which steps the MCTP modules take over (default boost); in verified mode the main "
        "model checks them, so that the reply is that of vanilla",
    )
    add_sampling_options(parser)


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """How tokens are drawn, and how many at most."""
    parser.add_argument("--seed", type=int, help="repeat a sampled reply")
    parser.add_argument("--greedy", action="store_true", help="always take the likeliest token")
    parser.add_argument("--max-tokens", type=positive, help="longest reply, in tokens")


def load_engine(arguments: argparse.Namespace) -> SpeechEngine:
    """The engine that ``add_engine_options`` describes."""
    entry = catalogue.find(arguments.model, paths.models())
    from engine.engine import SpeechEngine

    return SpeechEngine.load(
        entry.folder,
        device=arguments.device,
        precision=arguments.precision,
        threads=arguments.threads,
    )


def sampling(arguments: argparse.Namespace, defaults: SamplingParams) -> SamplingParams:
    """The model's own sampling settings with what ``add_sampling_options`` changes."""
    params = defaults
    if arguments.greedy:
        params = dataclasses.replace(params, temperature=0.0)
    if arguments.seed is not None:
        params = dataclasses.replace(params, seed=arguments.seed)
    if arguments.max_tokens is not None:
        params = dataclasses.replace(params, max_new_tokens=arguments.max_tokens)
    return params


def _precision(text: str) -> Precision | None:
    """A precision by its name, as an argument type; None for ``auto``."""
    return None if text == "auto" else Precision(text)


def positive(text: str) -> int:
    """A whole number of 1 or more, as an argument type."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value
