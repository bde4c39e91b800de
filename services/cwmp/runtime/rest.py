"""Rest: a service that has nothing to do ends, and is started again when somebody calls it.

Theory of operation
-------------------
An idle service costs 9 MB for nothing, so firmware and diagnostics leave the machine to others between their
tasks. A service that rests gives the master its connection to the bus, on which its object and its ear for
requests stay registered (`ubuskit.client.Client.leave`), and ends. The bus does not see a difference. What is
sent to the service wakes the master, which starts it again with that connection, and with it what was sent.

Each child of the master has a pair of sockets with it. The child says on it that it rests: one message, with what
there is to know about the connection, and the connection's socket. The master does not look into the message; it
keeps it for the next process of the same service (`Place`), so that nothing a service writes can touch another.

A service rests only after it was neither called nor asked for anything for some time, when it says itself that it
is idle, and when nothing is under way on its connection. What it has to remember is in its state files, as for
any other end of its process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
from dataclasses import dataclass
from typing import Final

from ubuskit.client import Dormant

PATIENCE: Final = 30.0
"""Seconds without a call before a service rests."""

WAKE: Final = signal.SIGIO
"""What the master is sent when something comes for a service that rests."""

_MOST = 16 * 1024


@dataclass(slots=True)
class Bed:
    """A child's side: where it says that it rests, and what the process before it has left.

    `patience`: seconds without a call before the service rests.
    """

    patience: float
    control: socket.socket
    left: Dormant | None = None

    def rest(self, dormant: Dormant) -> None:
        """Give the connection to the master; the process has to end now. Raises OSError."""
        message = json.dumps(dormant.to_document()).encode()
        socket.send_fds(self.control, [message], [dormant.connected.fileno()])


class Place:
    """The master's side: the connection of a service that rests."""

    def __init__(self, message: bytes, descriptor: int) -> None:
        self._message = message
        self._descriptor = descriptor

    @classmethod
    def of(cls, control: socket.socket) -> Place | None:
        """What a child that has ended left on its socket, if it rests."""
        try:
            message, descriptors, _, _ = socket.recv_fds(control, _MOST, 1, socket.MSG_DONTWAIT)
        except OSError:
            return None
        if not descriptors:
            return None
        os.set_inheritable(
            descriptors[0], False
        )  # a program that outlived its service would keep it on the bus
        return cls(message, descriptors[0])

    def watch(self) -> None:
        """Have this process sent `WAKE` when there is something to read."""
        fcntl.fcntl(self._descriptor, fcntl.F_SETOWN, os.getpid())
        self._signals(True)

    def called(self) -> bool:
        """Whether there is something to read."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def take_up(self) -> Dormant | None:
        """For the next process of the service; None when what was left makes no sense."""
        with contextlib.suppress(OSError):
            self._signals(False)
        connected = socket.socket(fileno=self._descriptor)
        try:
            return Dormant.from_document(json.loads(self._message), connected)
        except (KeyError, TypeError, ValueError, AttributeError):
            connected.close()
            return None

    def close(self) -> None:
        os.close(self._descriptor)

    def _signals(self, wanted: bool) -> None:
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
        flags = flags | os.O_ASYNC if wanted else flags & ~os.O_ASYNC
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags)
