"""HTTP towards the ACS: the POSTs of one session, on one connection as long as the ACS keeps it (TR-069a6 3.4).

Theory of operation
-------------------
`Transport.post` sends one message and reads its response. In between it answers a challenge (401) and follows
redirects (301, 302, 307, at most five in a row), each time with the same message. A redirect holds for the
rest of the session and is forgotten with it. Cookies go to every host.

The connection is opened when it is needed and kept; if the ACS has closed it after a response, the next
message goes over a new one, which is no failure. A request without a response is one: nothing is ever sent
twice on the chance that it was lost (3.4.2). How a host is reached is the dialler's business; a session stays at
the address it began with. Whatever fails raises `TransportError` with a sentence for the log and for `status`.
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h11
import trio

from cwmp.runtime.dial import DialError, Dialler, Line, Step
from cwmp.runtime.digest import Authenticator, Credentials, basic, parse_challenges
from cwmp.runtime.url import Url
from cwmp.session.compression import compressed
from cwmp.session.cookies import CookieJar
from cwmp.session.soap import Body
from cwmp.session.trace import Trace

if TYPE_CHECKING:
    import ssl

MAX_REDIRECTS = 5
_MAX_HEAD = 64 * 1024
_MAX_DISCARDED = 256 * 1024
_MAX_INFORMATIONAL = 16
_CHUNK = 64 * 1024
_REDIRECTS = frozenset({301, 302, 307})
_LATE = 0.05  # s: how long a byte that is there already may take through TLS

Feed = Callable[[bytes], None]


class TransportError(Exception):
    """No response, or not one CWMP can go on from; the text says why."""


@dataclass(slots=True)
class _Response:
    status: int
    reason: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    length: int = 0

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")


class Transport:
    """The HTTP side of one session.

    `timeout` (s) bounds the connecting, each piece sent, the wait for a response and the response itself.
    `tls` is called when an https URL is met first. `dialler` is that of the service, which knows the proxy and the
    addresses that worked. `trace` is shown what is sent and received. `coding` is the content coding of what is
    sent ("" for none).
    """

    def __init__(
        self,
        url: Url,
        *,
        username: str,
        password: str,
        tls: Callable[[], ssl.SSLContext],
        timeout: float,
        log: logging.Logger,
        dialler: Dialler | None = None,
        trace: Trace | None = None,
        coding: str = "",
    ) -> None:
        self.local_address = ""
        """Our address on the last connection."""
        self.reached = False
        """Whether there was a connection at all, usable or not."""
        self.coding_refused = False
        """Whether the ACS does not take our content coding (415)."""
        self.content_type = ""
        """Of the last response."""
        self._url = url
        self._credentials = (
            Credentials(username, password) if username else Credentials(url.username, url.password)
        )
        self._home = url.origin
        self._make_context = tls
        self._context: ssl.SSLContext | None = None
        self._timeout = timeout
        self._log = log
        self._trace = trace or Trace()
        self._coding = coding
        self._cookies = CookieJar()
        self._auth = Authenticator(self._credentials)
        self._challenged = False
        self._dialler = dialler or Dialler()
        self._line: Line | None = None
        self._served: dict[
            tuple[bool, str, int], str
        ] = {}  # the address at which each host serves this session
        self._ended = False
        self._http = h11.Connection(h11.CLIENT)

    async def post(self, body: Body | None, feed: Feed) -> bool:
        """POST a message, or nothing; whether the response had a body, which went to `feed` piece by piece.

        What `feed` raises ends the exchange and comes out of here.

        Raises:
            TransportError: there is no usable response.
        """
        redirects = 0
        while True:
            response = await self._exchange(body, feed)
            if response.status == 401:
                self._answer_challenge(response)
                continue
            self._auth.accepted()
            self._challenged = False
            if response.status in {200, 204}:
                return response.status == 200 and response.length > 0
            if response.status in _REDIRECTS:
                redirects += 1
                await self._follow(response, redirects)
            else:
                self.coding_refused = bool(self._coding) and response.status == 415
                hint = ": it does not take what is compressed" if self.coding_refused else ""
                raise TransportError(f"the ACS answered {response.status} {response.reason}".rstrip() + hint)

    async def aclose(self) -> None:
        """Close the connection; may be called at any time, also when being cancelled."""
        line, self._line = self._line, None
        if line is not None:
            await line.aclose()

    def _answer_challenge(self, response: _Response) -> None:
        if not self._credentials.username:
            raise TransportError("the ACS wants authentication (401), but no username is configured")
        offered = response.all("www-authenticate")
        if not self._auth.challenged(offered):
            schemes = ", ".join(c.scheme for c in parse_challenges(offered)) or "nothing"
            raise TransportError(
                "the ACS did not accept our authentication (401): check username and password; "
                f"it offered {schemes:.80}"
            )
        self._challenged = True
        self._log.debug("the ACS wants authentication")

    def _authorization(self) -> str | None:
        """What the challenge asks for; over TLS the ACS we were told of gets Basic before it asks (3.4.4)."""
        found = self._auth.authorization("POST", self._url.target)
        if (
            found is None
            and self._url.secure
            and self._url.origin == self._home
            and self._credentials.username
        ):
            return basic(self._credentials)
        return found

    async def _follow(self, response: _Response, redirects: int) -> None:
        if redirects > MAX_REDIRECTS:
            raise TransportError(f"the ACS redirected more than {MAX_REDIRECTS} times")
        if not response.first("location"):
            raise TransportError(f"the ACS redirected ({response.status}) without a Location")
        try:
            target = self._url.join(response.first("location"))
        except ValueError as error:
            raise TransportError(
                f"the ACS redirected ({response.status}) to a bad Location: {error}"
            ) from None
        if target.origin != self._url.origin:
            await self.aclose()
        self._url = target
        self._log.info("redirected (%d) to %s", response.status, target)

    async def _exchange(self, body: Body | None, feed: Feed) -> _Response:
        try:
            while True:
                line = await self._connected()
                sent = await self._send(line, body)
                response = await self._receive(line.stream, feed, sent)
                if not line.proxy_refused(response.status, response.all("proxy-authenticate")):
                    break
        except DialError as error:
            await self.aclose()
            raise TransportError(str(error)) from None
        except BaseException:
            await self.aclose()
            raise
        for value in response.all("set-cookie"):
            self._cookies.store(value, time.time())
        self.content_type = response.first("content-type")
        return response

    async def _connected(self) -> Line:
        if self._line is not None and await self._closed_by_acs(self._line):
            self._log.debug("the ACS closed the connection, opening another")
            await self.aclose()
        if self._line is None:
            self._line = await self._connect()
            self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
            if not self._challenged:  # a challenge that came with the end of its connection is answered here
                self._auth = Authenticator(self._credentials)
        return self._line

    async def _connect(self) -> Line:
        url = self._url
        try:
            line = await self._dialler.dial(
                url.host,
                url.port,
                tls=self._tls_context if url.secure else None,
                timeout=self._timeout,
                stay=self._served.get(url.origin, ""),
            )
        except DialError as error:
            self.reached = self.reached or error.step is Step.TLS
            raise
        self.reached = True
        self.local_address = line.local_address
        self._served[url.origin] = line.address
        return line

    def _tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = self._make_context()
        return self._context

    async def _closed_by_acs(self, line: Line) -> bool:
        """Whether an idle connection is at its end. Nothing may arrive on it but its end, or TLS's own talk."""
        poll = select.poll()
        poll.register(line.fileno, select.POLLIN)
        if not poll.poll(0):
            return False
        try:
            with trio.move_on_after(_LATE):
                await line.stream.receive_some(1)
                return True
        except trio.BrokenResourceError:
            return True
        return False

    async def _send(self, line: Line, body: Body | None) -> bool:
        """Send the request; False when the ACS stopped listening, in which case it may have answered already."""
        plain = body
        if body is not None and self._coding:
            body = compressed(body, self._coding)
        target = line.target(self._url)
        headers = self._headers(body, line.proxy_headers("POST", target))
        self._trace.sent(self._url.target, headers, plain)
        pending = bytearray(self._produce(h11.Request(method="POST", target=target, headers=headers)))
        for chunk in body.chunks() if body else ():
            pending += self._produce(h11.Data(data=chunk))
            if len(pending) >= _CHUNK:
                if not await self._send_all(line.stream, pending):
                    return False
                pending.clear()
        pending += self._produce(h11.EndOfMessage())
        return await self._send_all(line.stream, pending)

    def _produce(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""

    async def _send_all(self, stream: trio.abc.Stream, data: bytearray) -> bool:
        with self._deadline("the ACS did not take our message"):
            try:
                await stream.send_all(bytes(data))
            except trio.BrokenResourceError:
                return False
        return True

    def _headers(self, body: Body | None, of_proxy: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
        """Those of a SOAP message, or of the empty POST, which has no Content-Type and no SOAPAction (3.4.1)."""
        headers = [("Host", self._url.authority), ("User-Agent", "tr069-client")]
        if body is None:
            headers.append(("Content-Length", "0"))
        else:
            headers += [
                ("Content-Type", 'text/xml; charset="utf-8"'),
                ("SOAPAction", ""),
                ("Content-Length", str(body.length)),
            ]
            if self._coding:
                headers.append(("Content-Encoding", self._coding))
        if cookies := self._cookies.header():
            headers.append(("Cookie", cookies))
        if authorization := self._authorization():
            headers.append(("Authorization", authorization))
        return [(k.encode(), v.encode("utf-8", "surrogateescape")) for k, v in (*headers, *of_proxy)]

    async def _receive(self, stream: trio.abc.Stream, feed: Feed, sent: bool) -> _Response:
        """The response; its body goes to `feed` if it is one to go on from, else it is read over."""
        with self._deadline("no response from the ACS"):
            for _ in range(_MAX_INFORMATIONAL + 1):
                event = await self._next_event(stream, sent)
                if isinstance(event, h11.Response):
                    break
                if not isinstance(event, h11.InformationalResponse):  # such as 100 Continue
                    raise TransportError("the ACS closed the connection without a response")
            else:
                raise TransportError(f"the ACS sent more than {_MAX_INFORMATIONAL} interim responses (1xx)")
        response = _Response(
            event.status_code,
            bytes(event.reason).decode("latin-1", "replace")[:80],
            [(bytes(k).decode("latin-1"), bytes(v).decode("latin-1")) for k, v in event.headers],
        )
        if response.status == 200 and (coding := response.first("content-encoding").lower()) not in {
            "",
            "identity",
        }:
            raise TransportError(f"the ACS encoded its response ({coding:.40}), which it was not asked for")
        with (
            self._trace.receiving(response.status, response.reason, response.headers) as show,
            self._deadline("the ACS's response did not arrive as a whole"),
        ):
            while not isinstance(event := await self._next_event(stream, sent), h11.EndOfMessage):
                if not isinstance(event, h11.Data):
                    raise TransportError("the ACS's response ended too early")
                response.length += len(event.data)
                show(event.data)
                if response.status == 200:
                    feed(bytes(event.data))
                elif response.length > _MAX_DISCARDED:
                    await self.aclose()
                    return response
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            await self.aclose()
        return response

    async def _next_event(self, stream: trio.abc.Stream, sent: bool) -> object:
        while True:
            try:
                event = self._http.next_event()
                if event is not h11.NEED_DATA:
                    return event
                data = bytes(await stream.receive_some(_CHUNK))
                self._ended = not data
                self._http.receive_data(data)
            except h11.RemoteProtocolError as error:
                if self._ended:
                    when = "before its response was complete" if sent else "while we were sending"
                    raise TransportError(f"the ACS closed the connection {when}") from None
                if error.error_status_hint == 431:
                    raise TransportError(f"the ACS's headers are larger than {_MAX_HEAD} bytes") from None
                raise TransportError(f"the ACS does not speak HTTP: {error!s:.200}") from None
            except trio.BrokenResourceError:
                raise TransportError("the connection to the ACS broke before its response") from None

    @contextmanager
    def _deadline(self, what: str) -> Iterator[None]:
        try:
            with trio.fail_after(self._timeout):
                yield
        except trio.TooSlowError:
            raise TransportError(f"{what} within {self._timeout:g} s") from None
