"""One connection to the daemon, from its socket's connect to its end.

Writing never waits: what the kernel does not take at once stays in the outbox and goes out from a task of its own,
so a daemon that is stopped with a large request half sent holds up nothing but that request. The outbox is bounded;
who wants to add to a full one waits for room, within its own deadline.

A lone request is written by the task that makes it, in one system call and without another task; while several are
in flight they are left to the writing task, which sends many in one piece.
"""

import socket
from collections.abc import Callable
from typing import Any, Final

import trio

from ubuskit.errors import Disconnected, ProtocolError
from ubuskit.protocol import Answered, Connection, Event, Exchange
from ubuskit.protocol.messages import Message
from ubuskit.protocol.outbox import Outbox

__all__ = ["Link"]

_READ_SIZE: Final = 65536
_FULL: Final = 4 << 20

Settled = Callable[[Exchange], None]


class Link:
    def __init__(self, connected: socket.socket, connection: Connection | None = None) -> None:
        self.connection = connection or Connection()
        self.closed = False
        self.reason = "the daemon closed the connection"
        self._socket = connected
        self._outbox = Outbox()
        self._work = trio.Event()
        self._room = trio.lowlevel.ParkingLot()

    @property
    def waiting(self) -> int:
        """Octets that are not written yet."""
        return self._outbox.size

    async def request(self, message: Message, peer: int = 0, settled: Settled | None = None) -> Exchange:
        """Send a request and wait until it is over; its exchange has the answer.

        ``settled`` is called before anything that the daemon sent after the answer is looked at, and even if nobody
        waits for the answer any longer. Raises Disconnected, MessageTooLarge.
        """
        await self.room()
        task = trio.lowlevel.current_task()
        exchange, octets = self.connection.request(message, peer, (task, settled))

        def abort(_: Any) -> trio.lowlevel.Abort:
            if settled is None:
                self.connection.abandon(exchange)
            exchange.owner = (None, settled)
            return trio.lowlevel.Abort.SUCCEEDED

        self.write(octets, alone=self.connection.in_flight == 1)
        await trio.lowlevel.wait_task_rescheduled(abort)
        if exchange.status is None:
            raise Disconnected(f"the connection was lost before the answer came: {self.reason}")
        return exchange

    async def send(self, message: Message, peer: int) -> None:
        """Send what nothing answers."""
        await trio.lowlevel.checkpoint()
        await self.room()
        self.write(self.connection.message(message, peer), alone=True)

    def write(self, octets: bytes, *, alone: bool) -> None:
        """Write at once if ``alone`` and nothing else waits, else soon."""
        if not alone or self._outbox.size:
            self._outbox.push(octets)
            self._work.set()
            return
        try:
            written = self._socket.send(octets)
        except BlockingIOError:
            written = 0
        except OSError:
            return  # the reader sees it, too, and ends the link
        if written < len(octets):
            self._outbox.pushed(octets, written)
            self._work.set()

    async def write_rest(self) -> None:
        """The writing task."""
        outbox = self._outbox
        while True:
            await self._work.wait()
            self._work = trio.Event()
            while outbox.size:
                try:
                    outbox.advance(self._socket.send(outbox.front()))
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self._socket)
                except OSError:
                    return  # the reader sees it, too, and ends the link
                if outbox.size < _FULL:
                    self._room.unpark_all()

    async def read(self, handle: Callable[[Event], None]) -> None:
        """Until the connection ends; hands all that comes unasked to ``handle``, in order.

        ``recv`` without room for control data makes the kernel close descriptors that come along.
        """
        receive, recv = self.connection.receive, self._socket.recv
        reschedule = trio.lowlevel.reschedule
        while True:
            try:
                await trio.lowlevel.wait_readable(self._socket)
                if self.closed:
                    return
                data = recv(_READ_SIZE)
                if not data:
                    return
                for event in receive(data):
                    if type(event) is Answered:
                        task, settled = event.exchange.owner
                        if settled is not None:
                            settled(event.exchange)
                        if task is not None:
                            reschedule(task)
                    else:
                        handle(event)
            except BlockingIOError:
                continue
            except trio.ClosedResourceError:
                return
            except (OSError, ProtocolError) as error:
                self.reason = str(error)
                return

    def close(self) -> None:
        """End it; whatever is in flight fails."""
        if self.closed:
            return
        self.closed = True
        for exchange in self.connection.close():
            task, _ = exchange.owner
            if task is not None:
                trio.lowlevel.reschedule(task)
        self._room.unpark_all()
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()

    @property
    def quiet(self) -> bool:
        """Whether nothing is half sent, half received or unanswered."""
        return not self.closed and not self._outbox.size and self.connection.between_messages

    def leave(self) -> socket.socket:
        """Stop using the connection without ending it: what comes stays in the socket, which is the caller's now."""
        self.closed = True
        trio.lowlevel.notify_closing(self._socket)
        return self._socket

    async def room(self) -> None:
        """Wait until something may be written. Raises Disconnected."""
        while self._outbox.size >= _FULL and not self.closed:
            await self._room.park()
        if self.closed:
            raise Disconnected(f"the connection was lost: {self.reason}")
