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
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        while True:
            response = await self._ask(stream, http, target)
            if response.status_code != 407:
                break
            self.challenged([bytes(v).decode("latin-1") for k, v in response.headers if k == _CHALLENGE])
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return False
            http.start_next_cycle()
        self.passed()
        if not 200 <= response.status_code < 300:
            reason = bytes(response.reason).decode("latin-1", "replace")[:80]
            raise ProxyError(f"it does not connect us to {target}: {response.status_code} {reason}".rstrip())
        if http.trailing_data[0]:
            raise ProxyError("it sent something before we did")
        return True

    async def _ask(self, stream: trio.abc.Stream, http: h11.Connection, target: str) -> h11.Response:
        headers = [("Host", target), *self.headers("CONNECT", target)]
        request = h11.Request(method="CONNECT", target=target, headers=headers)
        await stream.send_all((http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b""))
        response: h11.Response | None = None
        discarded = 0
        try:
            while True:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    data = bytes(await stream.receive_some(4096))
                    if not data and response is None:
                        raise ProxyError("it closed the connection without an answer")
                    http.receive_data(data)
                elif isinstance(event, h11.Response):
                    response = event
                elif isinstance(event, h11.Data):
                    discarded += len(event.data)
                    if discarded > _MAX_DISCARDED:
                        raise ProxyError("its answer is far too long")
                elif isinstance(event, h11.InformationalResponse):
                    continue
                elif response is not None:  # the end of the message, or the beginning of the tunnel
                    return response
        except h11.RemoteProtocolError as error:
            raise ProxyError(f"it does not speak HTTP: {error}") from None


_CHALLENGE = b"proxy-authenticate"
