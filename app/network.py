"""Forbids the process all use of the network, for ``--offline`` and the setting of that name.

Python announces every connection, name look-up and datagram to its audit hooks before it is made;
the guard's hook refuses those that would leave this machine, whichever library asks. What stays
free: sockets within this machine, that is Unix sockets and the loopback addresses, through which
sound servers and a second start of the program are reached. Out of its sight are connections that
are open already, and native code that opens sockets by itself; no library of the program does.
"""

import ipaddress
import os
import socket
import sys
from collections.abc import MutableMapping

from app.errors import AppError

# Libraries read these when they are imported. A proxy on this machine would carry what they ask for
# past the guard, so none is used.
_VARIABLES = {
    "NO_PROXY": "*",
    "no_proxy": "*",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
_LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_SENDERS = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
# Kinds of sockets that end in this machine, where the system has them.
_LOCAL_FAMILIES = {
    getattr(socket, name) for name in ("AF_UNIX", "AF_NETLINK", "AF_ALG") if hasattr(socket, name)
}


class NetworkForbidden(AppError):
    """Something wanted to use the network while the program is offline."""


class NetworkGuard:
    """Holds the network shut while ``is_shut``; any thread may meet it, one opens and shuts it.

    Python keeps an audit hook until the process ends, so a program makes one guard and keeps it.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._before: dict[str, str | None] = {}
        self._has_hook = False
        self.is_shut = False

    def shut(self) -> None:
        """Refuses the network from now on; call it before libraries are imported."""
        if not self._has_hook:
            sys.addaudithook(self._hook)
            self._has_hook = True
        if not self.is_shut:
            self._before = {name: self._environment.get(name) for name in _VARIABLES}
            self._environment.update(_VARIABLES)
        self.is_shut = True

    def open(self) -> None:
        """Allows the network again; libraries that were imported meanwhile may stay offline."""
        for name, value in self._before.items():
            if value is None:
                self._environment.pop(name, None)
            else:
                self._environment[name] = value
        self._before = {}
        self.is_shut = False

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        # Called for every audited event of the process, so the common case leaves first.
        if not event.startswith("socket.") or not self.is_shut:
            return
        if event in _LOOK_UPS:
            _check_host(arguments[0])
        elif event == "socket.getnameinfo":
            _check_address(arguments[0])
        elif event in _SENDERS:
            channel, address = arguments[:2]
            assert isinstance(channel, socket.SocketType)
            # A datagram without an address goes where the socket is connected to.
            if channel.family not in _LOCAL_FAMILIES and address is not None:
                _check_address(address)


def _check_address(address: object) -> None:
    _check_host(address[0] if isinstance(address, tuple) and address else address)


def _check_host(host: object) -> None:
    """Raises unless the host is this machine; no name but ``localhost`` is looked up."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else host
    if name is None or name == "localhost":
        return
    try:
        if isinstance(name, str) and ipaddress.ip_address(name.partition("%")[0]).is_loopback:
            return
    except ValueError:
        pass
    raise NetworkForbidden(
        f"{name} was not reached: Parley is offline (leave out --offline, or change the setting)"
    )
