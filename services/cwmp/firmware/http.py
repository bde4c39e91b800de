"""HTTP/1.1 exchanges with a file server: h11 over the lines that `cwmp.runtime.dial` opens.

One `Connection` carries one exchange after the other for as long as both sides keep it open. Every wait has a
deadline; whatever goes wrong is an `HttpError` that says what, so that callers need to know neither trio's
errors nor h11's nor ssl's.

h11 reads the heads, and bodies that are chunked. A body whose length is known is taken from the socket as it comes,
into one buffer: there is nothing in it to be parsed, and a router has better uses for its processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import h11
import trio

from cwmp.runtime.dial import DialError, Dialler, Line
from cwmp.runtime.url import Url
from ubuskit.records import dataclass

if TYPE_CHECKING:
    import ssl

MakeTls = Callable[[], "ssl.SSLContext"]
Sink = Callable[[bytes | bytearray | memoryview], None]

_RECEIVE_BYTES = 64 * 1024
_BUFFER_BYTES = 1024 * 1024
_SEND_BYTES = 64 * 1024
_MAX_HEADER_BYTES = 32 * 1024
_MAX_INFORMATIONAL = 16
_DRAIN_BYTES = 64 * 1024


class HttpError(Exception):
    """An exchange failed; the text is a sentence without secrets."""


class ContactError(HttpError):
    """The server could not be reached, or did not answer."""


class TruncatedError(HttpError):
    """The body broke off."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """In s: to connect (TLS included), to be answered, between two pieces of a body, and how long a server is
    waited for to say whether it wants the body at all (RFC 9110 10.1.1)."""

    connect: float = 30.0
    answer: float = 60.0
    idle: float = 60.0
    proceed: float = 3.0


@dataclass(frozen=True, slots=True)
class Network:
    """How servers are reached: the lines, and for https the TLS context."""

    make_tls: MakeTls
    dialler: Dialler = field(default_factory=Dialler)
    deadlines: Deadlines = field(default_factory=Deadlines)


@dataclass(frozen=True, slots=True)
class Response:
    """The head of a response. Header names in lower case, in their order."""

    status: int
    reason: str
    headers: Sequence[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    @property
    def length(self) -> int | None:
        """The length of the body, where the server says it."""
        value = self.get("content-length")
        known = (
            value is not None and value.isascii() and value.isdigit() and not self.get("transfer-encoding")
        )
        return int(value) if known and value else None


@dataclass(frozen=True, slots=True)
class Body:
    """A file to be sent: from its beginning, `size` bytes. `sent` is told of each piece."""

    file: BinaryIO
    size: int
    sent: Callable[[int], None] = lambda _size: None


def parse_url(text: str, base: Url | None = None) -> Url:
    """A URL to be fetched from or sent to; a relative one against `base`.

    Raises:
        ValueError: it is no http or https URL, or it carries credentials.
    """
    url = base.join(text) if base is not None else Url.parse(text)
    if url.username or url.password:
        raise ValueError("it contains credentials")
    return url


def shown(url: Url) -> str:
    """A URL without its query, which may carry a token."""
    return str(url).partition("?")[0]


class Connection:
    """A connection to one origin: ``async with await Connection.open(...) as connection``."""

    def __init__(self, line: Line, deadlines: Deadlines) -> None:
        self._line = line
        self._stream = line.stream
        self._deadlines = deadlines
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER_BYTES)
        self._response: Response | None = None

    @classmethod
    async def open(cls, url: Url, network: Network) -> Connection:
        """Connect to the server of `url`.

        Raises:
            ContactError: name, TCP, proxy or TLS failed.
        """
        # Not https_compatible: a body that ends with the connection must end with a proper close_notify, or
        # whoever cuts the connection shortens the file unnoticed.
        try:
            line = await network.dialler.dial(
                url.host,
                url.port,
                tls=network.make_tls if url.secure else None,
                timeout=network.deadlines.connect,
                https_compatible=False,
            )
        except DialError as error:
            raise ContactError(str(error)) from None
        return cls(line, network.deadlines)

    def target(self, url: Url) -> str:
        """What the request line says for `url`."""
        return self._line.target(url)

    def proxy_refused(self, response: Response) -> bool:
        """Whether it was the proxy that answered, and the request is to be sent again.

        Raises:
            ContactError: the proxy will not have us.
        """
        try:
            return self._line.proxy_refused(response.status, response.all("proxy-authenticate"))
        except DialError as error:
            raise ContactError(str(error)) from None

    async def request(
        self, method: str, url: Url, headers: Sequence[tuple[str, str]], body: Body | None = None
    ) -> Response:
        """Send a request and wait for the head of its response. A body is not sent to a server that answers
        without having seen it.

        Raises:
            ContactError: there was no proper answer.
        """
        target = self.target(url)
        extent = [("Content-Length", str(body.size)), ("Expect", "100-continue")] if body is not None else []
        fields = [("Host", url.authority), *headers, *extent, *self._line.proxy_headers(method, target)]
        encoded = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in fields]
        head = h11.Request(method=method, target=target, headers=encoded)
        try:
            early = await self._send_head(head, url, expects=body is not None)
            if early is None and body is not None:
                early = await self._send_body(body)
            with trio.fail_after(self._deadlines.answer):
                self._response = early or await self._head()
        except trio.TooSlowError:
            raise ContactError(
                f"{url.authority} did not answer within {self._deadlines.answer:g} s"
            ) from None
        except (trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            raise ContactError(f"{url.authority} did not answer properly: {_reason(error)}") from None
        return self._response

    async def _send_head(self, head: h11.Request, url: Url, *, expects: bool) -> Response | None:
        """Send the head; the response, where the server answers that instead of waiting for the body."""
        data = self._http.send(head) or b""
        if not expects:
            data += self._http.send(h11.EndOfMessage()) or b""
        with trio.fail_after(self._deadlines.answer):
            await self._stream.send_all(data)
        if expects:
            with trio.move_on_after(self._deadlines.proceed):
                event = await self._next_event()
                return _response(event) if isinstance(event, h11.Response) else None
        return None

    async def _send_body(self, body: Body) -> Response | None:
        """Send the body; the response, where the server had enough of it before its end."""
        left = body.size
        try:
            while left:
                piece = body.file.read(min(left, _SEND_BYTES))
                if not piece:
                    raise h11.RemoteProtocolError("the file became shorter while it was sent")
                left -= len(piece)
                with trio.fail_after(self._deadlines.idle):
                    await self._stream.send_all(self._http.send(h11.Data(data=piece)) or b"")
                body.sent(body.size - left)
            with trio.fail_after(self._deadlines.idle):
                await self._stream.send_all(self._http.send(h11.EndOfMessage()) or b"")
        except trio.BrokenResourceError:
            with trio.fail_after(self._deadlines.answer):
                return await self._head()
        return None

    async def _head(self) -> Response:
        for _ in range(_MAX_INFORMATIONAL):
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return _response(event)
        raise h11.RemoteProtocolError("too many informational responses")

    async def receive(self, sink: Sink) -> None:
        """Hand the whole body to `sink`, piece by piece; a piece is only good until it returns.

        Raises:
            TruncatedError: the connection broke off, or nothing came for too long.
        """
        length = self._response.length if self._response is not None else None
        if length is not None and self._http.their_state is h11.SEND_BODY:
            await self._receive_known(sink, length)
            return
        while piece := await self._read():
            sink(piece)

    async def _receive_known(self, sink: Sink, left: int) -> None:
        """A body of so many bytes. h11 hands back what came with the head, and is out of it from there."""
        ahead = self._http.trailing_data[0][:left]
        if ahead:
            sink(ahead)
        left -= len(ahead)
        buffer = memoryview(bytearray(min(left, _BUFFER_BYTES)))
        scope = trio.CancelScope()
        with scope:
            while left:
                scope.deadline = trio.current_time() + self._deadlines.idle
                piece = await self._receive_some(buffer[:left])
                if not piece:
                    raise TruncatedError("the connection was closed")
                sink(piece)
                left -= len(piece)
        if scope.cancelled_caught:
            raise TruncatedError(f"nothing came for {self._deadlines.idle:g} s")

    async def _receive_some(self, buffer: memoryview) -> bytes | bytearray | memoryview:
        try:
            if isinstance(self._stream, trio.SocketStream):
                return buffer[: await self._stream.socket.recv_into(buffer)]
            return await self._stream.receive_some(min(len(buffer), _RECEIVE_BYTES))
        except (trio.BrokenResourceError, OSError):
            raise TruncatedError("the connection was lost") from None

    async def _read(self) -> bytes | bytearray:
        """The next piece of the body; empty at its end."""
        try:
            with trio.fail_after(self._deadlines.idle):
                event = await self._next_event()
        except trio.TooSlowError:
            raise TruncatedError(f"nothing came for {self._deadlines.idle:g} s") from None
        except (trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            raise TruncatedError(_reason(error)) from None
        if isinstance(event, h11.Data):
            return event.data
        if isinstance(event, h11.EndOfMessage):
            return b""
        raise TruncatedError("the connection was closed")

    async def reuse(self) -> bool:
        """Skip the rest of the body; whether another request can be sent over this connection."""
        skipped = 0
        try:
            while piece := await self._read():
                skipped += len(piece)
                if skipped > _DRAIN_BYTES:
                    return False
            self._http.start_next_cycle()
        except (HttpError, h11.ProtocolError):
            return False
        return True

    async def aclose(self) -> None:
        """Close at once; nothing is owed to a file server."""
        await trio.aclose_forcefully(self._stream)

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # h11's type for the sentinel excluded just now
            self._http.receive_data(bytes(await self._stream.receive_some(_RECEIVE_BYTES)))


def _response(event: h11.Response) -> Response:
    return Response(
        event.status_code,
        event.reason.decode("ascii", "replace"),
        [(k.decode("ascii"), v.decode("latin-1")) for k, v in event.headers],
    )


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, h11.RemoteProtocolError) else "the connection was lost"
