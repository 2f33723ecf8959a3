"""One running program for each user; a second start, or a command, sends the running one an order.

Who holds the lock file is the running program; the operating system frees the lock when it ends,
however it ends, so what a crash left behind is taken over. Orders come as datagrams: each is whole,
nobody waits for anybody, and no thread is needed, for the window's event loop watches the socket.
They travel through a Unix socket that only its user can reach; on Windows, where Python has none
and no event loop can watch a pipe, through a loopback port, each with a key from a file in the
user's own folder.
"""

import hashlib
import hmac
import os
import secrets
import socket
import stat
import sys
import tempfile
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import IO

from app.errors import AppError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LARGEST_DATAGRAM = 65536
# The shortest limit of the systems we run on, macOS's, less the end of the text.
_LONGEST_SOCKET_PATH = 103

# A start takes the lock and opens its socket within milliseconds, even on a busy machine.
_ATTEMPTS = 40
_ATTEMPT_S = 0.05


class Order(Enum):
    """What the running program can be told to do."""

    SHOW = "show"
    TOGGLE = "toggle"
    STOP = "stop"


class NotRunning(AppError):
    """There is no running program to give an order to."""

    def __init__(self) -> None:
        super().__init__("Parley is not running: start it first")


class InstanceError(AppError):
    """The folder of the lock and the socket cannot be used, or the running program is stuck."""


def take_or_send(
    folder: Path, order: Order = Order.SHOW, loopback: bool = sys.platform == "win32"
) -> "RunningInstance | None":
    """The place of the running program, or None after the one that has it was sent the order."""
    for _ in range(_ATTEMPTS):
        if instance := take(folder, loopback):
            return instance
        try:
            send(folder, order, loopback)
            return None
        except NotRunning:  # it is just starting, or just ending
            time.sleep(_ATTEMPT_S)
    raise InstanceError("Parley is running but cannot be reached: end it and start again")


class RunningInstance:
    """The place of the one running program; belongs to the thread that took it.

    When ``fileno`` is readable, ``orders`` says what is wanted.
    """

    def __init__(self, lock: IO[bytes], door: "_UnixDoor | _LoopbackDoor") -> None:
        self._lock = lock
        self._door = door
        self._socket = door.listen()

    def fileno(self) -> int:
        """What an event loop watches."""
        return self._socket.fileno()

    def orders(self) -> list[Order]:
        """Every order that has come since; never waits."""
        came: list[Order] = []
        while True:
            try:
                message = self._socket.recv(_LARGEST_DATAGRAM)
            except BlockingIOError:
                return came
            except ConnectionError:  # Windows reports so of a sender that has gone
                continue
            order = self._door.opened(message)
            if order is not None:
                came.append(order)

    def close(self) -> None:
        """Gives the place up; the next start takes it."""
        self._socket.close()
        self._door.remove()
        self._lock.close()

    def __enter__(self) -> "RunningInstance":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def take(folder: Path, loopback: bool = sys.platform == "win32") -> RunningInstance | None:
    """The place of the running program, or None where another process has it.

    ``folder`` is made for this user alone; ``loopback`` chooses the way orders come.
    """
    try:
        _make_private(folder)
        lock = (folder / "parley.lock").open("ab")
    except OSError as error:
        raise InstanceError(f"{folder}: cannot be used: {error.strerror}") from error
    try:
        if not _is_locked_by_us(lock):
            lock.close()
            return None
        return RunningInstance(lock, _door(folder, loopback))
    except OSError as error:
        lock.close()
        raise InstanceError(f"{folder}: cannot be used: {error.strerror}") from error
    except BaseException:
        lock.close()
        raise


def send(folder: Path, order: Order, loopback: bool = sys.platform == "win32") -> None:
    """Gives the running program an order; raises ``NotRunning`` where there is none."""
    try:
        _door(folder, loopback).send(order)
    except (FileNotFoundError, ConnectionError):
        raise NotRunning from None
    except BlockingIOError as error:
        raise InstanceError("Parley is running but does not answer: end it and start again") from (
            error
        )
    except OSError as error:
        raise InstanceError(f"{folder}: cannot be used: {error.strerror}") from error


class _UnixDoor:
    """A Unix datagram socket: its file's mode and its folder's keep others out."""

    def __init__(self, folder: Path) -> None:
        self._path = _short(folder) / "parley.sock"

    def listen(self) -> socket.socket:
        """The socket to read orders from; one that a crash left is replaced."""
        _make_private(self._path.parent)
        self.remove()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            listening.setblocking(False)
            listening.bind(str(self._path))
            self._path.chmod(0o600)
        except BaseException:
            listening.close()
            raise
        return listening

    def send(self, order: Order) -> None:
        """Sends one order; nobody there is a ``ConnectionError`` or a ``FileNotFoundError``."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.connect(str(self._path))
            sending.send(order.value.encode())

    def opened(self, message: bytes) -> Order | None:
        """The order in a message, or None where it is none."""
        return _order(message)

    def remove(self) -> None:
        """Takes the socket's file away."""
        self._path.unlink(missing_ok=True)


class _LoopbackDoor:
    """A UDP socket of this machine; port and key stand in a file that only the user can read."""

    _KEY_BYTES = 32
    _REFUSAL_S = 0.1

    def __init__(self, folder: Path) -> None:
        self._path = folder / "parley.port"
        self._key = b""

    def listen(self) -> socket.socket:
        """The socket to read orders from; it has a new port and a new key each time."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            listening.setblocking(False)
            listening.bind(("127.0.0.1", 0))
            self._key = secrets.token_bytes(self._KEY_BYTES)
            self.remove()
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(b"%d %s" % (listening.getsockname()[1], self._key.hex().encode()))
        except BaseException:
            listening.close()
            raise
        return listening

    def send(self, order: Order) -> None:
        """Sends one order; nobody there is a ``ConnectionError`` or a ``FileNotFoundError``."""
        port, _, key = self._path.read_text().partition(" ")
        if not port.isdecimal() or not key:
            raise FileNotFoundError(f"{self._path} is not complete yet")
        message = order.value.encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.connect(("127.0.0.1", int(port)))
            sending.send(_sealed(message, bytes.fromhex(key)))
            # Only a refusal ever comes back, and at once: the port of a program that crashed.
            sending.settimeout(self._REFUSAL_S)
            with suppress(TimeoutError):
                sending.recv(1)

    def opened(self, message: bytes) -> Order | None:
        """The order in a message, or None where it is none or does not come from the user."""
        plain = message[hashlib.sha256().digest_size :]
        return _order(plain) if hmac.compare_digest(message, _sealed(plain, self._key)) else None

    def remove(self) -> None:
        """Takes the file with the port away."""
        self._path.unlink(missing_ok=True)


def _door(folder: Path, loopback: bool) -> _UnixDoor | _LoopbackDoor:
    return _LoopbackDoor(folder) if loopback else _UnixDoor(folder)


def _sealed(message: bytes, key: bytes) -> bytes:
    return hmac.digest(key, message, "sha256") + message


def _order(message: bytes) -> Order | None:
    try:
        return Order(message.decode())
    except ValueError:
        return None


def _make_private(folder: Path) -> None:
    """Makes the folder for this user alone, and refuses one that belongs to somebody else."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if sys.platform == "win32":
        return  # below the user's profile, which others cannot read
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise InstanceError(f"{folder}: belongs to another user")
    folder.chmod(0o700)


def _is_locked_by_us(lock: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            lock.seek(0)
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _short(folder: Path) -> Path:
    """The folder, or where its path is too long for a socket, one that stands for it."""
    if len(os.fsencode(folder / "parley.sock")) <= _LONGEST_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"parley-{os.getuid()}-{digest}"
