"""Connection requests by HTTP (TR-069a6 3.2.2): the ACS asks, authenticated by Digest, for a session.

`Gate` decides about one request and knows no sockets. `Listener` is the port: at most `_MAX_CONNECTIONS` at a
time, each `_LIFETIME` s long at most, so that idle or slow clients hold nothing up. Only requests with the right
credentials count towards the rate limit: strangers can be as many as they like without locking the ACS out.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from errno import EADDRINUSE, EADDRNOTAVAIL
from typing import Any

import h11
import trio

from cwmp.session.auth import Guard, Verdict

REALM = "cwmp"
_MAX_CONNECTIONS = 16
_MAX_REQUESTS = 8  # on one connection
_MAX_HEAD = 8 * 1024
_LIFETIME = 10.0
_BIND_AGAIN = 10.0
_RATE = 12
_RATE_PERIOD = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a connection request; its body is always empty."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    accepted: bool = False


class Gate:
    """Who may ask for a session, and how often. `busy` says whether a session is open."""

    def __init__(self, path: str, username: str, password: str, busy: Callable[[], bool]) -> None:
        self.path = path
        self._guard = Guard(username, password, REALM, secrets.token_bytes(32))
        self._busy = busy
        self._accepted: deque[float] = deque()

    def decide(self, method: str, target: str, authorization: str, now: float) -> Answer:
        """The answer to a request; `now` in seconds, monotonic. The query of `target` is ignored."""
        if target.partition("?")[0] != self.path:
            return Answer(404, "Not Found")
        if method != "GET":
            return Answer(405, "Method Not Allowed", (("Allow", "GET"),))
        verdict = self._guard.check(method, target, authorization, now) if authorization else Verdict.DENIED
        if verdict is not Verdict.ACCEPTED:
            challenge = self._guard.challenge(now, stale=verdict is Verdict.STALE)
            return Answer(401, "Unauthorized", (("WWW-Authenticate", challenge),))
        while self._accepted and now - self._accepted[0] >= _RATE_PERIOD:
            self._accepted.popleft()
        if self._busy() or len(self._accepted) >= _RATE:
            return Answer(503, "Service Unavailable")
        self._accepted.append(now)
        return Answer(200, "OK", accepted=True)


class Listener:
    """The port of connection requests. `serve` runs until it is cancelled, and then the port is closed."""

    def __init__(self, gate: Gate, accepted: Callable[[], None], log: logging.Logger) -> None:
        self.port = 0
        """Where it listens; 0 while it does not."""
        self.gate = gate
        self._accepted = accepted
        self._log = log
        self._connections = 0

    async def serve(
        self, address: str, port: int, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listen on `address` ("" for all) and `port` (0 for any free one); retried while it is taken."""
        listeners = await self._bind(address, port)
        self.port = listeners[0].socket.getsockname()[1]
        self._log.info("connection requests: listening on %s port %d", address or "every address", self.port)
        try:
            await trio.serve_listeners(self._handle, listeners, task_status=_Started(task_status))
        finally:
            self.port = 0

    async def _bind(self, address: str, port: int) -> list[trio.SocketListener]:
        while True:
            try:
                return await trio.open_tcp_listeners(port, host=address or None)
            except OSError as error:
                reason = error.strerror or str(error)
                if error.errno == EADDRNOTAVAIL:
                    reason = "it is not an address of this device"
                elif error.errno == EADDRINUSE:
                    reason = "something else listens there"
                self._log.error(
                    "connection requests: cannot listen on %s port %d: %s; next try in %g s",
                    address or "every address",
                    port,
                    reason,
                    _BIND_AGAIN,
                )
            await trio.sleep(_BIND_AGAIN)

    async def _handle(self, stream: trio.SocketStream) -> None:
        if self._connections >= _MAX_CONNECTIONS:
            await trio.aclose_forcefully(stream)
            return
        self._connections += 1
        try:
            with trio.move_on_after(_LIFETIME):
                await self._converse(stream)
        except (trio.BrokenResourceError, h11.ProtocolError, OSError):
            pass  # whoever it was has gone, or does not speak HTTP
        finally:
            self._connections -= 1
            await trio.aclose_forcefully(stream)

    async def _converse(self, stream: trio.SocketStream) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        for _ in range(_MAX_REQUESTS):
            try:
                request = await _request(stream, http)
            except h11.RemoteProtocolError as error:
                await _reply(stream, http, Answer(error.error_status_hint, "Bad Request"), close=True)
                return
            if request is None:
                return
            answer = self._decide(request)
            await _reply(stream, http, answer, close=answer.status != 401)
            if answer.accepted:  # only now: the response comes before the session (3.2.2.2)
                self._accepted()
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()

    def _decide(self, request: h11.Request) -> Answer:
        headers = {bytes(k).lower(): bytes(v).decode("utf-8", "replace") for k, v in request.headers}
        answer = self.gate.decide(
            bytes(request.method).decode("latin-1"),
            bytes(request.target).decode("latin-1"),
            headers.get(b"authorization", ""),
            trio.current_time(),
        )
        if answer.accepted:
            self._log.info("connection request accepted")
        else:
            level = (
                logging.DEBUG if answer.status == 401 and b"authorization" not in headers else logging.INFO
            )
            self._log.log(level, "connection request answered %d %s", answer.status, answer.reason)
        return answer


class _Started:
    """Passes on that the listener runs, without its list of listeners."""

    def __init__(self, task_status: Any) -> None:
        self._task_status = task_status

    def started(self, _value: object = None) -> None:
        self._task_status.started()


async def _request(stream: trio.SocketStream, http: h11.Connection) -> h11.Request | None:
    """The next request, its body read over; None at the end of the connection."""
    request: h11.Request | None = None
    size = 0
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(4096)))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            size += len(event.data)
            if size > _MAX_HEAD:
                return None
        elif isinstance(event, h11.EndOfMessage):
            return request
        else:
            return None


async def _reply(stream: trio.SocketStream, http: h11.Connection, answer: Answer, *, close: bool) -> None:
    headers = [*answer.headers, ("Content-Length", "0")]
    if close:
        headers.append(("Connection", "close"))
    response = h11.Response(status_code=answer.status, reason=answer.reason.encode(), headers=headers)
    data = (http.send(response) or b"") + (http.send(h11.EndOfMessage()) or b"")
    await stream.send_all(data)
    if close:
        await stream.send_eof()
