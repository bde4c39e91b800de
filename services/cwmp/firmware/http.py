"""HTTP/1.1 exchanges with a file server: h11 over trio, TLS verified.

One `Connection` carries one exchange after the other for as long as both sides keep it open. Every wait has a
deadline; whatever goes wrong is an `HttpError` that says what, so that callers need to know neither trio's
errors nor h11's nor ssl's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import h11
import trio

from ubuskit.records import dataclass

if TYPE_CHECKING:
    import ssl

MakeTls = Callable[[], "ssl.SSLContext"]

_RECEIVE_BYTES = 64 * 1024
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
    """In s: to connect (TLS included), to be answered, between two pieces of the body."""

    connect: float = 30.0
    answer: float = 60.0
    idle: float = 60.0


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https URL, taken apart; `target` is the request target."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """Without the query, which may carry a token."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"


_DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_url(text: str, base: str = "") -> Url:
    """Take a URL apart; relative ones against `base`.

    Raises:
        ValueError: it is no absolute http or https URL, or it carries credentials.
    """
    parts = urlsplit(urljoin(base, text) if base else text)
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("it is not an http or https URL")
    if "@" in parts.netloc:
        raise ValueError("it contains credentials")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or any(c <= " " or c == "\x7f" for c in target):
        raise ValueError("it contains characters that must be percent-encoded")
    return Url(scheme, parts.hostname, parts.port or _DEFAULT_PORTS[scheme], target)


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
        """Content-Length, where the server says it."""
        value = self.get("content-length")
        return int(value) if value is not None and value.isascii() and value.isdigit() else None


class Connection:
    """A connection to one origin: ``async with await Connection.open(...) as connection``."""

    def __init__(self, stream: trio.abc.Stream, deadlines: Deadlines) -> None:
        self._stream = stream
        self._deadlines = deadlines
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER_BYTES)

    @classmethod
    async def open(cls, url: Url, make_tls: MakeTls, deadlines: Deadlines) -> Connection:
        """Connect to the server of `url`.

        Raises:
            ContactError: name, TCP or TLS failed.
        """
        where = f"{url.host} port {url.port}"
        try:
            with trio.fail_after(deadlines.connect):
                stream: trio.abc.Stream = await trio.open_tcp_stream(url.host, url.port)
                if url.scheme == "https":
                    stream = await _secured(stream, url.host, make_tls)
        except trio.TooSlowError:
            raise ContactError(f"{where}: no connection within {deadlines.connect:g} s") from None
        except socket.gaierror as error:
            raise ContactError(f"{url.host} could not be resolved: {error.strerror}") from None
        except OSError as error:
            raise ContactError(f"{where}: {error.strerror or error}") from None
        except trio.BrokenResourceError as error:
            raise ContactError(f"{where}: TLS failed: {_tls_reason(error)}") from None
        return cls(stream, deadlines)

    async def request(self, method: str, url: Url, headers: Mapping[str, str]) -> Response:
        """Send a request without a body and wait for the head of its response.

        Raises:
            ContactError: there was no proper answer.
        """
        head = h11.Request(
            method=method, target=url.target, headers=[("Host", url.authority), *headers.items()]
        )
        try:
            with trio.fail_after(self._deadlines.answer):
                await self._stream.send_all(
                    (self._http.send(head) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
                )
                return await self._head()
        except trio.TooSlowError:
            raise ContactError(
                f"{url.authority} did not answer within {self._deadlines.answer:g} s"
            ) from None
        except (trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            raise ContactError(f"{url.authority} did not answer properly: {_reason(error)}") from None

    async def _head(self) -> Response:
        for _ in range(_MAX_INFORMATIONAL):
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return Response(
                    event.status_code,
                    event.reason.decode("ascii", "replace"),
                    [(k.decode("ascii"), v.decode("latin-1")) for k, v in event.headers],
                )
        raise h11.RemoteProtocolError("too many informational responses")

    async def read(self) -> bytes | bytearray:
        """The next piece of the body; empty at its end.

        Raises:
            TruncatedError: the connection broke off, or nothing came for too long.
        """
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
            while piece := await self.read():
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


async def _secured(stream: trio.abc.Stream, host: str, make_tls: MakeTls) -> trio.abc.Stream:
    # Not https_compatible: a body that ends with the connection must end with a proper close_notify, or
    # whoever cuts the connection shortens the file unnoticed. Some builds of Python tell OpenSSL to look away.
    import ssl  # noqa: PLC0415  # whoever made the context has it already

    try:
        context = make_tls()
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        secured = trio.SSLStream(stream, context, server_hostname=host)
        await secured.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return secured


def _tls_reason(error: BaseException) -> str:
    cause = error.__cause__
    return str(getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "connection lost")


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, h11.RemoteProtocolError) else "the connection was lost"
