"""A router's line: where it is cut, what is connected ends and nothing new connects.

All routers of a process share its network, so that the line has to be cut above it: trio asks a run's socket factory
for each socket, and a context variable, which every task inherits from who started it, says whose it is. What the
services do, and the code that does it, is the same as on a real line.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import weakref
from contextvars import ContextVar

import trio

_line: ContextVar[Line] = ContextVar("line")


class Line:
    """Of one router. `up` unless it is cut; `cuts` counts how often it was."""

    def __init__(self) -> None:
        self._sockets: weakref.WeakSet[trio.socket.SocketType] = weakref.WeakSet()
        self.up = True
        self.cuts = 0

    def use(self) -> None:
        """Sockets of this task, and of all it starts from now on, are of this line."""
        _line.set(self)

    def cut(self) -> None:
        """From now until `mend` there is no network. Listeners stay, but nobody gets through to them for long."""
        self.up = False
        self.cuts += 1
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.up = True

    def open(self, family: int, kind: int, protocol: int) -> trio.socket.SocketType:
        """A socket on this line. Raises OSError while it is cut."""
        if not self.up:
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
        found = _plain(family, kind, protocol)
        self._sockets.add(found)
        return found


class Lines(trio.abc.SocketFactory):
    """The socket factory of a worker."""

    def socket(
        self,
        family: socket.AddressFamily | int = socket.AF_INET,
        type: socket.SocketKind | int = socket.SOCK_STREAM,
        proto: int = 0,
    ) -> trio.socket.SocketType:
        line = _line.get(None)
        return _plain(family, type, proto) if line is None else line.open(family, type, proto)


def _plain(family: int, kind: int, protocol: int) -> trio.socket.SocketType:
    return trio.socket.from_stdlib_socket(socket.socket(family, kind, protocol))
