"""Files that are written whole or not at all."""

import os
import stat
import tempfile
from pathlib import Path

from app.errors import OutputError


def write_whole(path: Path, content: bytes) -> None:
    """Writes ``content`` beside ``path`` and renames it there, so no half file ever shows."""
    try:
        if is_special(path):
            path.write_bytes(content)
            return
        target = path.resolve()  # a link stays a link
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def is_special(path: Path) -> bool:
    """A pipe or a device takes bytes as they come and must not be replaced by a file."""
    try:
        return not stat.S_ISREG(path.stat().st_mode) and not path.is_dir()
    except FileNotFoundError:
        return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
