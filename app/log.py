"""The named loggers, and where their lines go.

The program logs as ``app.<area>``, the engine as ``engine.<area>``; the library itself never
configures logging.
"""

import logging


def configure(verbose: bool) -> None:
    """Sends warnings, or with ``verbose`` everything, to standard error."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(asctime)s %(name)s %(levelname)s %(message)s",
    )


def logger(area: str) -> logging.Logger:
    """The logger of one part of the program."""
    return logging.getLogger(f"app.{area}")
