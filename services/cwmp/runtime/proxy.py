"""An HTTP proxy between us and a server: when it is used, what it is told, how a tunnel through it is opened.

What goes to an http server is handed to the proxy as a request with an absolute URI (RFC 9112 3.2.2); towards an
https server the proxy is asked for a tunnel (CONNECT, RFC 9110 9.3.6), in which TLS is ours alone. A proxy may
want user and password (407), which are those in its URL; they go to nobody else.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

import h11
import trio

from cwmp.runtime.digest import Authenticator, Credentials
from cwmp.runtime.url import Url

_MAX_HEAD = 16 * 1024
_MAX_DISCARDED = 64 * 1024


class ProxyError(Exception):
    """The proxy does not do what is asked of it; the text says why."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """The servers that are connected to without the proxy, by the words of option `no_proxy`.

    A word is a host name (and all names below it; with or without a dot before it), an address, a network
    (``192.0.2.0/24``), or ``*`` for all of them.
    """

    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Bypass:
        return cls(tuple(word.lower() for word in re.split(r"[\s,]+", text) if word))

    def covers(self, host: str) -> bool:
        host = host.lower()
        return any(word == "*" or _names(word, host) or _contains(word, host) for word in self.words)


def _names(word: str, host: str) -> bool:
    name = word.removeprefix("*").removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _contains(word: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(word.strip("[]"), strict=False)
    except ValueError:
        return False


class Proxy:
    """One proxy and what it wants to know of us. What it was told once, it is told with every further request."""

    def __init__(self, url: Url) -> None:
        self.url = url
        self._auth = Authenticator(Credentials(url.username, url.password))

    def headers(self, method: str, target: str) -> list[tuple[str, str]]:
        """Those of a request of `method` whose request line says `target`."""
        found = self._auth.authorization(method, target)
        return [("Proxy-Authorization", found)] if found else []

    def challenged(self, offered: Sequence[str]) -> None:
        """It answered 407 with these ``Proxy-Authenticate``; the request can be sent again.

        Raises:
            ProxyError: it was given user and password already, or there are none for it.
        """
        if not self.url.username:
            raise ProxyError("it wants authentication (407): put user and password into option 'http_proxy'")
        if not self._auth.challenged(offered):
            raise ProxyError("it did not accept our authentication (407): correct option 'http_proxy'")

    def passed(self) -> None:
        """A request was not answered by 407."""
        self._auth.accepted()

    async def tunnel(self, stream: trio.abc.Stream, host: str, port: int) -> bool:
        """Have it connect us to `host`; False when it wants to be asked again on another connection.

        Raises:
            ProxyError: it does not.
            trio.BrokenResourceError: the connection broke.
        """
        tunnel = Tunnel(self, host, port)
        await stream.send_all(tunnel.ask())
        while not (tunnel.open or tunnel.elsewhere):
            if more := tunnel.received(bytes(await stream.receive_some(4096))):
                await stream.send_all(more)
        return tunnel.open


class Tunnel:
    """A CONNECT without I/O: send what `ask` gives, show `received` what comes, until it is `open`."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self.open = False
        self.elsewhere = False
        """The proxy closes this connection: it has to be asked on another one."""
        self._proxy = proxy
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._response: h11.Response | None = None
        self._discarded = 0

    def ask(self) -> bytes:
        """The request."""
        headers = [("Host", self._target), *self._proxy.headers("CONNECT", self._target)]
        encoded = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers]
        request = h11.Request(method="CONNECT", target=self._target, headers=encoded)
        return (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    def received(self, data: bytes) -> bytes:
        """Bytes of the proxy's, none at the end of the connection; what to send in return, if anything.

        Raises:
            ProxyError: there will be no tunnel.
        """
        if not data and self._response is None:
            raise ProxyError("it closed the connection without an answer")
        try:
            self._http.receive_data(data)
            while (event := self._http.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    self._response = event
                elif isinstance(event, h11.Data):
                    self._discarded += len(event.data)
                    if self._discarded > _MAX_DISCARDED:
                        raise ProxyError("its answer is far too long")
                elif not isinstance(event, h11.InformationalResponse) and self._response is not None:
                    return self._answered(self._response)  # the end of the message, or the tunnel's beginning
        except h11.RemoteProtocolError as error:
            raise ProxyError(f"it does not speak HTTP: {error!s:.200}") from None
        return b""

    def _answered(self, response: h11.Response) -> bytes:
        if response.status_code == 407:
            offered = [bytes(v).decode("latin-1") for k, v in response.headers if k == _CHALLENGE]
            self._proxy.challenged(offered)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                self.elsewhere = True
                return b""
            self._http.start_next_cycle()
            self._response = None
            return self.ask()
        self._proxy.passed()
        if not 200 <= response.status_code < 300:
            reason = bytes(response.reason).decode("latin-1", "replace")[:80]
            raise ProxyError(
                f"it does not connect us to {self._target}: {response.status_code} {reason}".rstrip()
            )
        if self._http.trailing_data[0]:
            raise ProxyError("it sent something before we did")
        self.open = True
        return b""


_CHALLENGE = b"proxy-authenticate"
