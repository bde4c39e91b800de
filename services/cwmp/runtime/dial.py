"""How all HTTP of ours reaches its server: name, address, proxy, TLS.

    dialler = Dialler(proxy=config.http_proxy, no_proxy=config.no_proxy)   # one a service
    line = await dialler.dial(url.host, url.port, tls=make_context if url.secure else None, timeout=60)
    ... requests over line.stream, whose request line says line.target(url) ...
    await line.aclose()

A `Dialler` remembers the addresses that worked (`addresses.py`) and what the proxy wants to know (`proxy.py`), so a
service keeps one for as long as its configuration stays. Whatever fails is a `DialError` that names the step and
needs no further words.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING

import trio

from cwmp.runtime.addresses import Address, AddressBook, connect, resolve
from cwmp.runtime.proxy import Bypass, Proxy, ProxyError
from cwmp.runtime.url import Url

if TYPE_CHECKING:
    import ssl

MakeContext = Callable[[], "ssl.SSLContext"]

_NOBODY_ANSWERS = frozenset({socket.EAI_AGAIN, socket.EAI_FAIL})


class Step(Enum):
    """What has to succeed, in this order."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    PROXY = "proxy"
    TLS = "tls"


class DialError(Exception):
    """There is no connection; the text is a sentence without secrets, `step` is what failed."""

    def __init__(self, step: Step, text: str) -> None:
        super().__init__(text)
        self.step = step


class Line:
    """An open connection to a server. `stream` is what is talked over."""

    def __init__(
        self, stream: trio.abc.Stream, tcp: trio.SocketStream, address: str, proxy: Proxy | None
    ) -> None:
        self.stream = stream
        self.address = address
        """The server's address; the proxy's, where there is one."""
        self.local_address = str(tcp.socket.getsockname()[0])
        self.fileno = tcp.socket.fileno()
        """Of the TCP connection, for who wants to know whether something has arrived."""
        self._proxy = proxy

    def target(self, url: Url) -> str:
        """What the request line says for `url`, which must be on this line's server."""
        return str(url) if self._proxy is not None else url.target

    def proxy_headers(self, method: str, target: str) -> list[tuple[str, str]]:
        """The headers that a request needs because of the proxy."""
        return self._proxy.headers(method, target) if self._proxy is not None else []

    def proxy_refused(self, status: int, offered: Sequence[str]) -> bool:
        """A response has come. Whether it is the proxy's 407 (with these Proxy-Authenticate), and the same request
        is to be sent once more, over this line or, if it was closed, over a new one.

        Raises:
            DialError: the proxy will not have us.
        """
        if self._proxy is None:
            return False
        if status != 407:
            self._proxy.passed()
            return False
        try:
            self._proxy.challenged(offered)
        except ProxyError as error:
            raise _proxy_error(self._proxy, str(error)) from None
        return True

    async def aclose(self) -> None:
        """Close it; may be called at any time, also when being cancelled."""
        with trio.move_on_after(1) as scope:
            scope.shield = True
            await self.stream.aclose()


class Dialler:
    """Opens connections. `proxy` and `no_proxy` are the options `http_proxy` and `no_proxy`; `book` may have been
    kept from before.

    Raises:
        ValueError: `proxy` is no http URL.
    """

    def __init__(self, *, proxy: str = "", no_proxy: str = "", book: AddressBook | None = None) -> None:
        self.book = book or AddressBook()
        url = Url.parse(proxy) if proxy else None
        if url is not None and url.secure:
            raise ValueError("a proxy is spoken to by http, not by https")
        self._proxy = Proxy(url) if url is not None else None
        self._bypass = Bypass.parse(no_proxy)

    async def dial(
        self,
        host: str,
        port: int,
        *,
        tls: MakeContext | None,
        timeout: float,
        stay: str = "",
        https_compatible: bool = True,
    ) -> Line:
        """Connect to a server, by TLS if there is something that makes a context, within `timeout` s in all.

        `stay` is an address that served before (`Line.address`): it is tried before the name is even asked for, so
        that a session stays where it began. `https_compatible` is trio's: False for who must know whether the
        server ended the stream or somebody else cut it.

        Raises:
            DialError: a step failed, or it took too long.
        """
        proxy = None if self._proxy is None or self._bypass.covers(host) else self._proxy
        attempt = _Attempt(self.book, proxy, host, port)
        try:
            with trio.fail_after(timeout):
                return await attempt.run(tls, stay, timeout / 2, https_compatible)
        except trio.TooSlowError:
            raise attempt.too_slow(timeout) from None


class _Attempt:
    """One dialling, which knows the step it is at."""

    def __init__(self, book: AddressBook, proxy: Proxy | None, host: str, port: int) -> None:
        self._book = book
        self._proxy = proxy
        self._server = host, port
        self._hop = (host, port) if proxy is None else (proxy.url.host, proxy.url.port)
        self._step = Step.RESOLVE

    async def run(self, tls: MakeContext | None, stay: str, patience: float, https_compatible: bool) -> Line:
        """All steps; no longer than `patience` s for the address to stay at."""
        while True:
            tcp, address = await self._staying(stay, patience) or await self._reach()
            try:
                if tls is None:
                    return Line(tcp, tcp, address, self._proxy)
                if self._proxy is None or await self._tunnel(self._proxy, tcp):
                    return Line(await self._encrypt(tcp, tls, https_compatible), tcp, address, None)
            except BaseException:
                await trio.aclose_forcefully(tcp)
                raise
            await trio.aclose_forcefully(tcp)  # the proxy wants its challenge answered on another connection

    def too_slow(self, timeout: float) -> DialError:
        """What to say when the time is up."""
        hop, server = _where(*self._hop), _where(*self._server)
        text = {
            Step.RESOLVE: f"cannot resolve {self._hop[0]}: no answer within {timeout:g} s",
            Step.CONNECT: f"no connection to {hop} within {timeout:g} s",
            Step.PROXY: f"the proxy {hop} did not connect us to {server} within {timeout:g} s",
            Step.TLS: f"{server}: no TLS within {timeout:g} s",
        }
        return DialError(self._step, text[self._step])

    async def _staying(self, stay: str, patience: float) -> tuple[trio.SocketStream, str] | None:
        """A connection to the address that served before, if there is one and it still takes one."""
        self._step = Step.CONNECT
        if stay:
            with contextlib.suppress(OSError), trio.move_on_after(patience):
                return (await connect(await resolve(stay, self._hop[1])))[0], stay
        return None

    async def _reach(self) -> tuple[trio.SocketStream, str]:
        """A TCP connection to one of the next hop's addresses, and which."""
        host = self._hop[0]
        self._step = Step.RESOLVE
        found = await self._addresses()
        self._step = Step.CONNECT
        try:
            stream, at = await connect(self._book.order(host, found), stay=self._book.chosen(host, found))
        except OSError as error:
            raise DialError(Step.CONNECT, f"cannot connect to {_where(*self._hop)}: {error}") from None
        self._book.worked(host, at.host, found)
        return stream, at.host

    async def _addresses(self) -> list[Address]:
        host, port = self._hop
        try:
            return await resolve(host, port)
        except socket.gaierror as error:
            if error.errno in _NOBODY_ANSWERS and (last := self._book.last(host)):
                return [address for text in last for address in await resolve(text, port)]
            raise DialError(Step.RESOLVE, f"cannot resolve {host}: {error.strerror}") from None
        except UnicodeError:
            raise DialError(Step.RESOLVE, f"cannot resolve {host}: this is no host name") from None

    async def _tunnel(self, proxy: Proxy, tcp: trio.SocketStream) -> bool:
        self._step = Step.PROXY
        try:
            return await proxy.tunnel(tcp, *self._server)
        except ProxyError as error:
            raise _proxy_error(proxy, str(error)) from None
        except trio.BrokenResourceError:
            raise _proxy_error(proxy, "the connection broke") from None

    async def _encrypt(
        self, tcp: trio.SocketStream, make_context: MakeContext, https_compatible: bool
    ) -> trio.abc.Stream:
        from cwmp.runtime import tls  # noqa: PLC0415  # and with it ssl

        self._step = Step.TLS
        try:
            context = make_context()
        except tls.TlsSetupError as error:
            raise DialError(Step.TLS, str(error)) from None
        stream = trio.SSLStream(
            tcp, context, server_hostname=self._server[0], https_compatible=https_compatible
        )
        try:
            await stream.do_handshake()
        except (trio.BrokenResourceError, OSError) as error:
            raise DialError(Step.TLS, f"{_where(*self._server)}: {tls.failure(error)}") from None
        return stream


def _where(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _proxy_error(proxy: Proxy, text: str) -> DialError:
    return DialError(Step.PROXY, f"the proxy {proxy.url.authority}: {text}")
