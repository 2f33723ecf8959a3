"""The named loggers, and where their lines go.

The program logs as ``app.<area>``, the engine as ``engine.<area>``; the library itself never
configures logging. No line holds what was said or answered: nothing logs it, and the file leaves
out the text of foreign exceptions, which may quote what they choked on.
"""

import logging
import logging.handlers
import traceback
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from app.errors import AppError, OutputError
from engine.errors import EngineError

_FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"
_FILE_NAME = "parley.log"
_FILE_BYTES = 1_000_000
_OLD_FILES = 3
_NAMES = ("app", "engine")

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


def configure(verbose: bool) -> None:
    """Sends warnings, or with ``verbose`` everything, to standard error."""
    level = logging.DEBUG if verbose else logging.WARNING
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(_FORMAT) if verbose else _WithoutQuotes(_FORMAT))
    logging.basicConfig(level=level, handlers=[handler])


def to_file(folder: Path) -> logging.Handler:
    """Keeps what happens in ``parley.log``, with a few older files beside it.

    The handler that comes back is for ``stop``. Raises ``OutputError`` where the folder cannot be
    written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            folder / _FILE_NAME, maxBytes=_FILE_BYTES, backupCount=_OLD_FILES, encoding="utf-8"
        )
    except OSError as error:
        raise OutputError(f"{folder}: no log can be kept there: {error.strerror}") from error
    handler.setFormatter(_WithoutQuotes(_FORMAT))
    for name in _NAMES:
        named = logging.getLogger(name)
        named.addHandler(handler)
        named.setLevel(min(logging.INFO, logging.getLogger().level))
    return handler


def stop(handler: logging.Handler) -> None:
    """Ends what ``to_file`` began."""
    for name in _NAMES:
        logging.getLogger(name).removeHandler(handler)
    handler.close()


def logger(area: str) -> logging.Logger:
    """The logger of one part of the program."""
    return logging.getLogger(f"app.{area}")


class _WithoutQuotes(logging.Formatter):
    """Writes where an exception was raised and of what kind it is, but no text of others."""

    def formatException(self, ei: _ExcInfo) -> str:
        """The exception with those that led to it, first causes first."""
        parts: list[str] = []
        error = ei[1]
        while error is not None:
            frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
            parts.append(f"Traceback:\n{frames}\n{_told(error)}")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(reversed(parts))

    def format(self, record: logging.LogRecord) -> str:
        """The line; an exception's text that another formatter made is not taken over."""
        made, record.exc_text = record.exc_text, None
        try:
            return super().format(record)
        finally:
            record.exc_text = made


def _told(error: BaseException) -> str:
    """What an exception may say: our own words, or the operating system's."""
    kind = type(error).__qualname__
    if isinstance(error, AppError | EngineError):
        return f"{kind}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{kind}: {error.strerror}"
    return kind
