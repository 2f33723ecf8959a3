"""``toggle``, ``stop`` and ``show``: tell the running program what a key of it would.

For desktops that let no program watch the keyboard: a key of the desktop is bound to the command.
"""

import argparse

from app import paths, single_instance
from app.commands import options
from app.single_instance import Order

_HELP = {
    Order.TOGGLE: "start or end a spoken turn of the running program",
    Order.STOP: "silence the running program",
    Order.SHOW: "bring the running program's window to the front",
}


def add_to(commands: options.SubParsers) -> None:
    """Declares the three commands."""
    for order, text in _HELP.items():
        parser = commands.add_parser(order.value, help=text)
        parser.set_defaults(run=run, order=order)


def run(arguments: argparse.Namespace) -> int:
    """Sends the order."""
    single_instance.send(paths.runtime(), arguments.order)
    return 0
