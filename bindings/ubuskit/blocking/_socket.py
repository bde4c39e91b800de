"""The blocking client on a plain socket: the protocol core, one request at a time."""

import logging
import socket
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from ubuskit import blobmsg
from ubuskit.blob import BlobError
from ubuskit.errors import (
    CallTimeout,
    ConnectionFailed,
    Disconnected,
    NotFound,
    ParseError,
    ProtocolError,
    Status,
    UbusError,
    status_error,
)
from ubuskit.protocol import (
    EVENT_OBJECT,
    AddObject,
    Answered,
    Connection,
    Event,
    Exchange,
    Invoke,
    Invoked,
    Lookup,
    Message,
    State,
    pack,
)
from ubuskit.protocol import Status as StatusMessage

__all__ = ["SocketBackend"]

_log = logging.getLogger(__name__)
_READ_SIZE: Final = 65536
_MAX_EVENTS: Final = 1024
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.5


class SocketBackend:
    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._connection = Connection()
        self._events: dict[int, deque[tuple[str, dict[str, Any]]]] = {}
        self._ears: dict[str, int] = {}
        deadline = time.monotonic() + timeout
        self._socket = _connect(path, deadline)
        try:
            while self._connection.state is State.GREETING:
                self._receive(deadline)
        except UbusError as error:
            self.close()
            raise ConnectionFailed(f"no ubus daemon answers at {path}: {error}") from None

    def close(self) -> None:
        self._connection.close()
        self._socket.close()

    def call_all(
        self, obj: str, method: str, args: Mapping[str, Any], timeout: float
    ) -> list[dict[str, Any]]:
        deadline = time.monotonic() + timeout
        what = f"{obj} {method}"
        found = self._exchange(Lookup(obj), 0, what, deadline)
        ident = found.data[0].objid if found.data else None
        if ident is None:
            if found.status not in (Status.OK, Status.NOT_FOUND):
                raise status_error(found.status or 0, what)
            raise NotFound(f"no object {obj!r} on the bus at {self._path}")
        exchange = self._exchange(Invoke(ident, method, blobmsg.encode(args)), ident, what, deadline)
        if exchange.status:
            raise status_error(exchange.status, what)
        try:
            return [blobmsg.decode(part.data) for part in exchange.data if part.data is not None]
        except BlobError as error:
            raise ParseError(f"{what}: the answer is no blobmsg: {error}") from None

    def lookup(self, pattern: str, timeout: float) -> dict[str, Mapping[str, Mapping[str, int]]]:
        deadline = time.monotonic() + timeout
        exchange = self._exchange(Lookup(pattern), 0, f"lookup {pattern}", deadline)
        if exchange.status not in (Status.OK, Status.NOT_FOUND):
            raise status_error(exchange.status or 0, f"lookup {pattern}")
        return {
            found.path: blobmsg.decode(found.signature or b"")
            for found in exchange.data
            if found.path is not None
        }

    def send(self, event: str, data: Mapping[str, Any], timeout: float) -> None:
        self._invoke_daemon("send", {"id": event, "data": data}, f"event {event}", time.monotonic() + timeout)

    def listen(self, pattern: str, timeout: float) -> None:
        if pattern in self._ears:
            return
        what, deadline = f"listening to {pattern}", time.monotonic() + timeout
        exchange = self._exchange(AddObject(), 0, what, deadline)
        ident = exchange.data[0].objid if exchange.data else None
        if ident is None:
            raise status_error(exchange.status or Status.NO_DATA, what)
        self._events[ident] = deque()
        number = blobmsg.Int32(ident - (1 << 32) if ident >= 1 << 31 else ident)
        self._invoke_daemon("register", {"object": number, "pattern": pattern}, what, deadline)
        self._ears[pattern] = ident

    def next_event(self, pattern: str, timeout: float | None) -> tuple[str, dict[str, Any]] | None:
        queue = self._events[self._ears[pattern]]
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while not queue:
                self._receive(deadline)
        except CallTimeout:
            return None
        return queue.popleft()

    def _invoke_daemon(self, method: str, args: Mapping[str, Any], what: str, deadline: float) -> None:
        message = Invoke(EVENT_OBJECT, method, blobmsg.encode(args))
        exchange = self._exchange(message, EVENT_OBJECT, what, deadline)
        if exchange.status:
            raise status_error(exchange.status, what)

    def _exchange(self, message: Message, peer: int, what: str, deadline: float) -> Exchange:
        exchange, octets = self._connection.request(message, peer)
        try:
            self._write(octets, deadline)
            while exchange.status is None:
                self._receive(deadline)
        except CallTimeout:
            raise CallTimeout(f"{what}: no answer in time") from None
        finally:
            self._connection.abandon(exchange)
        return exchange

    def _write(self, octets: bytes, deadline: float) -> None:
        try:
            self._socket.settimeout(_left(deadline))
            self._socket.sendall(octets)
        except TimeoutError:
            self.close()  # half a message is out: nothing can follow it
            raise CallTimeout from None
        except OSError as error:
            raise Disconnected(f"the connection to the ubus daemon is lost: {error}") from None

    def _receive(self, deadline: float | None) -> None:
        """Take in what comes next."""
        try:
            self._socket.settimeout(None if deadline is None else _left(deadline))
            data = self._socket.recv(_READ_SIZE)
        except TimeoutError:
            raise CallTimeout from None
        except OSError as error:
            raise Disconnected(f"the connection to the ubus daemon is lost: {error}") from None
        if not data:
            self._connection.close()
            raise Disconnected("the ubus daemon closed the connection")
        try:
            for event in self._connection.receive(data):
                if not isinstance(event, Answered):
                    self._take(event)
        except ProtocolError:
            self.close()
            raise

    def _take(self, event: Event) -> None:
        if not isinstance(event, Invoked):
            return
        message = event.message
        queue = self._events.get(message.objid or 0)
        if queue is None:
            if event.peer and not message.no_reply:
                answer = StatusMessage(Status.NOT_FOUND, message.objid)
                self._write(pack(answer, event.seq, event.peer), time.monotonic() + 1)
        elif len(queue) >= _MAX_EVENTS:
            _log.warning("event %s is dropped: %d wait to be taken", message.method, _MAX_EVENTS)
        else:
            try:
                queue.append((message.method or "", blobmsg.decode(message.data or b"")))
            except BlobError as error:
                _log.warning("event %s came with data that is no blobmsg: %s", message.method, error)


def _left(deadline: float) -> float:
    """Seconds until ``deadline``; never 0, which a socket takes for something else."""
    return max(deadline - time.monotonic(), 0.001)


def _connect(path: str, deadline: float) -> socket.socket:
    pause = _FIRST_PAUSE
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_left(deadline))
            connection.connect(path)
        except OSError as error:
            connection.close()
            if time.monotonic() + pause >= deadline:
                raise ConnectionFailed(
                    f"no ubus daemon answers at {path}: {error.strerror or error}"
                ) from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            return connection
