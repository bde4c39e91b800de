"""HTTP/1.1 on h11 and trio: the server an ACS is, and the one GET a connection request needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11
import trio

_MAX_BODY = 64 << 20
_IDLE = 120.0
_CHUNK = 64 << 10


@dataclass(frozen=True, slots=True)
class Request:
    """Header names are lower case; `connection` counts the TCP connections, from 1."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    close: bool = False


@dataclass(frozen=True, slots=True)
class Abort:
    """Write these bytes as they are, then close."""

    raw: bytes = b""


Handler = Callable[[Request], Awaitable[Response | Abort]]


class _PeerClosed(Exception):
    pass


async def serve(stream: trio.abc.Stream, number: int, handler: Handler) -> None:
    """Serve one connection until either side closes it.

    While a request is being handled the stream is watched: when the peer goes, the handler is cancelled.
    """
    connection = h11.Connection(h11.SERVER)
    async with stream:
        try:
            while (request := await _receive(stream, connection, number)) is not None:
                response = await _handle(stream, connection, handler, request)
                if isinstance(response, Abort):
                    await stream.send_all(response.raw)
                    return
                await _send(stream, connection, response, head=request.method == "HEAD")
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return
                connection.start_next_cycle()
        except (_PeerClosed, h11.RemoteProtocolError, trio.BrokenResourceError, trio.TooSlowError):
            return


async def _receive(stream: trio.abc.Stream, connection: h11.Connection, number: int) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    with trio.fail_after(_IDLE):
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    await stream.send_all(connection.send(go_on) or b"")
                connection.receive_data(bytes(await stream.receive_some(_CHUNK)))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _MAX_BODY:
                    return None
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
                return Request(head.method.decode(), head.target.decode(), headers, bytes(body), number)
            else:
                return None


async def _handle(
    stream: trio.abc.Stream, connection: h11.Connection, handler: Handler, request: Request
) -> Response | Abort:
    response: Response | Abort | None = None

    async def watch() -> None:
        while True:
            try:
                data = bytes(await stream.receive_some(_CHUNK))
            except trio.BrokenResourceError:
                data = b""
            if not data:
                nursery.cancel_scope.cancel()
                return
            connection.receive_data(data)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        response = await handler(request)
        nursery.cancel_scope.cancel()
    if response is None:
        raise _PeerClosed
    return response


async def _send(
    stream: trio.abc.Stream, connection: h11.Connection, response: Response, *, head: bool
) -> None:
    headers = [*response.headers, ("Server", "lab-acs")]
    if response.status != 204 and "content-length" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Length", str(len(response.body))))
    if response.close:
        headers.append(("Connection", "close"))
    start = connection.send(h11.Response(status_code=response.status, headers=headers)) or b""
    await stream.send_all(start)
    if response.body and not head:
        for offset in range(0, len(response.body), _CHUNK):
            data = h11.Data(data=response.body[offset : offset + _CHUNK])
            await stream.send_all(connection.send(data) or b"")
    await stream.send_all(connection.send(h11.EndOfMessage()) or b"")


async def get(
    url: str, headers: dict[str, str], *, timeout: float = 30.0
) -> tuple[int, dict[str, str], bytes]:
    """GET an http URL on a connection of its own: status, headers (lower case), body.

    Raises:
        OSError: no connection, or the peer went away.
        trio.TooSlowError: no answer within `timeout` seconds.
    """
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = h11.Connection(h11.CLIENT)
    with trio.fail_after(timeout):
        stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
        try:
            return await _exchange(stream, connection, target, parts.netloc, headers)
        except h11.RemoteProtocolError as error:
            raise ConnectionError(f"{parts.netloc}: {error}") from None


async def _exchange(
    stream: trio.abc.Stream, connection: h11.Connection, target: str, host: str, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    async with stream:
        head = h11.Request(method="GET", target=target, headers=[("Host", host), *headers.items()])
        await stream.send_all((connection.send(head) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        response: h11.Response | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(_CHUNK)))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif response is not None:
                found = {name.decode(): value.decode("latin-1") for name, value in response.headers}
                return response.status_code, found, bytes(body)
            else:
                raise ConnectionError(f"{host} closed the connection without an answer")
