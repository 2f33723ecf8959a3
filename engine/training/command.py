"""``train nano``: the command that makes the built-in model, in one go or part by part.

python main.py train nano                        # everything, hours
python main.py train nano --part stage1          # one part; the others must be there
python main.py train nano --quick --model /some/folder
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from engine.training.nano.making import Part, make
from engine.training.nano.recipe import FULL, nano_stages, shortened
from engine.training.trainer import TrainingInterrupted

_QUICK_STEPS = 20


def main(arguments: Sequence[str]) -> int:
    """Makes what the arguments ask for; 130 tells that it was interrupted and can be resumed."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    recipe = FULL
    if options.stage_minutes:
        recipe = replace(recipe, stages=nano_stages(tuple(options.stage_minutes)))
    if options.takes:
        recipe = replace(recipe, n_takes=options.takes)
    if options.quick:
        recipe = shortened(recipe, _QUICK_STEPS)
    parts = [Part(name) for name in options.part] or list(Part)
    try:
        make(recipe, options.work, options.model, parts, options.device)
    except TrainingInterrupted as interruption:
        logging.info("%s", interruption)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parley train", description="Makes the built-in model.")
    parser.add_argument("name", choices=["nano"])
    parser.add_argument("--work", type=Path, default=Path("data/nano"), help="everything between")
    parser.add_argument("--model", type=Path, default=Path("assets/models/nano"))
    parser.add_argument("--part", action="append", default=[], choices=[p.value for p in Part])
    parser.add_argument("--quick", action="store_true", help="a few steps of everything")
    parser.add_argument("--takes", type=int, help="audio token sequences of every training clip")
    parser.add_argument(
        "--stage-minutes", type=float, nargs=5, metavar="M", help="of stages 0 to 4"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    return parser
