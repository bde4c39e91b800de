"""A real HTTP server on loopback whose answers are scripted, for whoever fetches files."""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import h11
import trio

Handler = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One request and the means to answer it."""

    def __init__(self, request: h11.Request, http: h11.Connection, stream: trio.abc.Stream) -> None:
        self.method = request.method.decode()
        self.target = request.target.decode()
        self.headers = {k.decode().lower(): v.decode() for k, v in request.headers}
        self._http = http
        self._stream = stream

    async def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, *, length: bool = True
    ) -> None:
        fields = dict(headers or {})
        if length:
            fields.setdefault("Content-Length", str(len(body)))
        await self.send(h11.Response(status_code=status, headers=list(fields.items())))
        if body:
            await self.send(h11.Data(data=body))
        await self.send(h11.EndOfMessage())

    async def body(self) -> bytes:
        """What was sent with the request, asked for where the client wants to be asked."""
        if self._http.they_are_waiting_for_100_continue:
            await self.send(h11.InformationalResponse(status_code=100, headers=[]))
        received = bytearray()
        while isinstance(event := await _next_event(self._http, self._stream), h11.Data):
            received += event.data
        return bytes(received)

    async def raw_body(self, size: int) -> bytes:
        """So many bytes as they come, without having asked for them."""
        received = bytearray()
        while len(received) < size:
            received += await self._stream.receive_some(65536)
        return bytes(received)

    async def send(self, event: h11.Event) -> None:
        await self._stream.send_all(self._http.send(event) or b"")

    async def raw(self, data: bytes) -> None:
        """Send bytes that h11 would not."""
        await self._stream.send_all(data)

    async def abort(self) -> None:
        """Cut the connection, in the middle of whatever it is."""
        await trio.aclose_forcefully(self._stream)


class FileServer:
    """Paths and what answers them; `requests` and `connections` say what came."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.routes: dict[str, Handler] = {}
        self.requests: list[Exchange] = []
        self.connections = 0

    def url(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def serve(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        async def answer(exchange: Exchange) -> None:
            await exchange.answer(200, body, headers)

        self.routes[path] = answer

    def route(self, path: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.routes[path] = handler
            return handler

        return register

    async def _connection(self, tls: ssl.SSLContext | None, stream: trio.SocketStream) -> None:
        self.connections += 1
        secured: trio.abc.Stream = trio.SSLStream(stream, tls, server_side=True) if tls else stream
        try:
            async with secured:
                await self._exchanges(secured)
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            pass  # the client went, or the test cut the connection

    async def _exchanges(self, stream: trio.abc.Stream) -> None:
        http = h11.Connection(h11.SERVER)
        while True:
            request = await _next_event(http, stream)
            if not isinstance(request, h11.Request):
                return
            if request.method == b"GET":
                await _next_event(http, stream)  # its end
            exchange = Exchange(request, http, stream)
            self.requests.append(exchange)
            handler = self.routes.get(exchange.target)
            await (handler(exchange) if handler else exchange.answer(404))
            if http.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                return
            http.start_next_cycle()


async def _next_event(http: h11.Connection, stream: trio.abc.Stream) -> object:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(bytes(await stream.receive_some(65536)))
    return event


@asynccontextmanager
async def open_server(
    tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[FileServer]:
    listeners = await trio.open_tcp_listeners(0, host=host)
    server = FileServer(listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, partial(server._connection, tls), listeners)
        yield server
        nursery.cancel_scope.cancel()


def digest_is_right(authorization: str, method: str, username: str, password: str) -> bool:
    """Whether a server that knows the password would let this Digest answer (MD5, qop auth) pass."""
    sent = {k: a or b for k, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', authorization)}

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    first = md5(f"{username}:{sent['realm']}:{password}")
    second = md5(f"{method}:{sent['uri']}")
    expected = md5(f"{first}:{sent['nonce']}:{sent['nc']}:{sent['cnonce']}:{sent['qop']}:{second}")
    return sent["response"] == expected and sent["username"] == username
