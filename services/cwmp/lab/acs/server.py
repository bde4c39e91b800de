"""The ACS: listens, opens sessions, serves files, and keeps a timeline of what happened.

    async with open_acs(Credentials("cpe", "secret")) as acs:
        async with acs.session() as s:
            print(s.inform.codes)
            values = await s.rpc(GetParameterValues(["Device.DeviceInfo."]))

Leaving the block of a session ends it with 204. A session that nobody claims is held, for
`Session.timeout` seconds, until somebody does. What a CPE does against the standard is collected in
`Acs.violations`.
"""

from __future__ import annotations

import itertools
import secrets
import ssl
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http.cookies import CookieError, SimpleCookie

import trio

from cwmp.lab.acs import auth, http, soap
from cwmp.lab.acs.auth import Credentials, Guard
from cwmp.lab.acs.behaviour import Behaviour, Body, Bytes, Close, Hang, Redirect, SoapFault, Status
from cwmp.lab.acs.calls import REPORTS, Event, Report, TransferComplete, read_inform
from cwmp.lab.acs.http import Abort, Request, Response
from cwmp.lab.acs.session import Call, Session
from cwmp.lab.acs.soap import Envelope, Violation

PATH = "/acs"
_METHODS = ("GetRPCMethods", "Inform", *REPORTS)
_XML = [("Content-Type", 'text/xml; charset="utf-8"')]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the timeline. `at`: monotonic time in s; `took`: seconds, where something was waited for.

    `direction`: ``<-`` from the CPE, ``->`` to it, ``--`` neither.
    """

    at: float
    session: int
    direction: str
    text: str
    took: float | None = None


@dataclass(slots=True)
class _File:
    data: bytes
    guard: Guard | None


@dataclass(slots=True)
class _Open:
    """What the server keeps of an open session: the call whose answer is due, and when it was sent."""

    session: Session
    due: Call | None = None
    sent: float = 0.0


class Acs:
    """A scriptable ACS. `open_acs` makes one."""

    def __init__(self, credentials: Credentials | None, on_entry: Callable[[Entry], None]) -> None:
        self.url = ""
        self.informs = 0
        self.timeline: list[Entry] = []
        self.violations: list[str] = []
        self.downloads: Counter[str] = Counter()
        self.uploads: dict[str, bytes] = {}
        self.session_timeout = 60.0
        self._guard = Guard(credentials) if credentials else None
        self._on_entry = on_entry
        self._open: dict[str, _Open] = {}
        self._unclaimed: deque[Session] = deque()
        self._arrived = trio.Event()
        self._plan: deque[Behaviour | None] = deque()
        self._always: Behaviour | None = None
        self._released = trio.Event()
        self._hanging = trio.Event()
        self._files: dict[str, _File] = {}
        self._takes: dict[str, Guard | None] = {}
        self._connections = itertools.count(1)

    # -- what a script does -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def session(self, event: str = "", *, timeout: float = 60.0) -> AsyncIterator[Session]:
        """The next session, which is ended when the block is left; one without `event` in its Inform is let go.

        Raises:
            trio.TooSlowError: no such session within `timeout` seconds.
        """
        session = await self.next_session(event, timeout=timeout)
        try:
            yield session
        except BaseException:
            session.dismiss()
            raise
        await session.end()

    async def next_session(self, event: str = "", *, timeout: float = 60.0) -> Session:
        """As `session`, but to be ended by the caller."""
        with trio.fail_after(timeout):
            while True:
                while self._unclaimed:
                    session = self._unclaimed.popleft()
                    if session.lost.is_set():
                        continue
                    if not event or event in session.inform.codes:
                        session.claimed = True
                        return session
                    session.dismiss()
                await self._arrived.wait()

    def misbehave(self, *behaviours: Behaviour | None) -> None:
        """Answer the next POSTs like this, one each; None stands for a proper answer."""
        self._plan.extend(behaviours)

    def misbehave_always(self, behaviour: Behaviour | None) -> None:
        """Answer every POST like this until told otherwise."""
        self._always = behaviour

    async def hung(self) -> None:
        """Wait until a POST is being left unanswered (`Hang`)."""
        await self._hanging.wait()

    def release(self) -> None:
        """Close what `Hang` keeps waiting."""
        self._released.set()
        self._released, self._hanging = trio.Event(), trio.Event()

    def serve_file(self, path: str, data: bytes, credentials: Credentials | None = None) -> str:
        """Serve `data` at `path`; its URL."""
        self._files[path] = _File(data, Guard(credentials) if credentials else None)
        return self.url.removesuffix(PATH) + path

    def take_file(self, path: str, credentials: Credentials | None = None) -> str:
        """Take what is PUT at `path` into `uploads`; its URL."""
        self._takes[path] = Guard(credentials) if credentials else None
        return self.url.removesuffix(PATH) + path

    async def connection_request(self, url: str, username: str, password: str) -> int:
        """Ask a CPE to connect (TR-069a6 3.2.2); the HTTP status it answers in the end.

        Raises:
            OSError, trio.TooSlowError: it cannot be reached.
            Violation: its challenge is not what the standard demands.
        """
        began = trio.current_time()
        status, headers, _ = await http.get(url, {})
        if status == 401:
            target = "/" + url.split("/", 3)[3] if url.count("/") > 2 else "/"
            try:
                answer = auth.answer(headers.get("www-authenticate", ""), username, password, "GET", target)
            except ValueError as error:
                raise Violation(str(error)) from None
            status, headers, body = await http.get(url, {"Authorization": answer})
            if status in {200, 204} and body:
                raise Violation("the answer to a connection request has a body")
        self.note(0, "->", f"connection request: HTTP {status}", trio.current_time() - began)
        return status

    def note(self, session: int, direction: str, text: str, took: float | None = None) -> None:
        """Add a line to the timeline."""
        entry = Entry(time.monotonic(), session, direction, text, took)
        self.timeline.append(entry)
        self._on_entry(entry)

    # -- HTTP ---------------------------------------------------------------------------------------------------

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection of a CPE or of whoever fetches a file."""
        await http.serve(stream, next(self._connections), self._handle)

    async def _handle(self, request: Request) -> Response | Abort:
        path = request.target.partition("?")[0]
        if path in self._files:
            return self._file(path, request)
        if path in self._takes:
            return self._taken(path, request)
        if path != PATH:
            return Response(404)
        if request.method != "POST":
            return Response(405, headers=[("Allow", "POST")])
        behaviour = (self._plan.popleft() if self._plan else None) or self._always
        if behaviour is not None and not isinstance(behaviour, SoapFault):
            return await self._misbehave(behaviour, request)
        if self._guard is not None:
            challenge = self._guard.check(request.headers.get("authorization"), "POST", request.target)
            if challenge is not None:
                if behaviour is not None:
                    self._plan.appendleft(behaviour)  # meant for the message, not for the challenge
                return Response(401, headers=[("WWW-Authenticate", challenge)])
        try:
            return await self._post(request, behaviour)
        except Violation as violation:
            self.violations.append(str(violation))
            self.note(0, "--", f"violation: {violation}")
            return Response(400, str(violation).encode(), [("Content-Type", "text/plain")], close=True)

    async def _misbehave(self, behaviour: Behaviour, request: Request) -> Response | Abort:
        self.note(0, "--", f"misbehaves: {type(behaviour).__name__}")
        match behaviour:
            case Hang():
                self._hanging.set()
                await self._released.wait()
                return Abort()
            case Status(401):
                return Response(
                    401, headers=[("WWW-Authenticate", 'Digest realm="nowhere", qop="auth", nonce="0"')]
                )
            case Status(status, body, kind):
                return Response(status, body, [("Content-Type", kind)] if body else [])
            case Body(body, kind):
                return Response(200, body, [("Content-Type", kind)])
            case Redirect(location, status):
                return Response(status, headers=[("Location", location)])
            case Bytes(raw):
                return Abort(raw)
            case Close() | SoapFault():
                return Abort()

    def _file(self, path: str, request: Request) -> Response:
        file = self._files[path]
        if request.method not in {"GET", "HEAD"}:
            return Response(405, headers=[("Allow", "GET, HEAD")])
        if file.guard is not None:
            challenge = file.guard.check(request.headers.get("authorization"), request.method, request.target)
            if challenge is not None:
                return Response(401, headers=[("WWW-Authenticate", challenge)])
        if request.method == "GET":
            self.downloads[path] += 1
            self.note(0, "->", f"{path}: {len(file.data)} bytes")
        headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(file.data)))]
        return Response(200, file.data, headers)

    def _taken(self, path: str, request: Request) -> Response:
        if request.method != "PUT":
            return Response(405, headers=[("Allow", "PUT")])
        if (guard := self._takes[path]) is not None:
            challenge = guard.check(request.headers.get("authorization"), "PUT", request.target)
            if challenge is not None:
                return Response(401, headers=[("WWW-Authenticate", challenge)])
        self.uploads[path] = request.body
        self.note(0, "<-", f"{path}: {len(request.body)} bytes")
        return Response(201)

    # -- CWMP ---------------------------------------------------------------------------------------------------

    async def _post(self, request: Request, behaviour: Behaviour | None) -> Response:
        known = self._session_of(request)
        if not request.body:
            wrong = {"soapaction", "content-type"} & set(request.headers)
            if wrong:
                raise Violation(f"an empty POST with {', '.join(sorted(wrong))} (TR-069a6 3.4.1)")
            if known is None:
                raise Violation("an empty POST that belongs to no session: the cookie is missing or old")
            if known.due is not None:
                raise Violation(f"an empty POST where the response to {known.due.method} was due")
            return await self._our_turn(known, None)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "text/xml":
            raise Violation(f"SOAP with the content type {request.headers.get('content-type')}")
        if "soapaction" not in request.headers:
            raise Violation("SOAP without a SOAPAction header")
        post = soap.read(request.body)
        if isinstance(behaviour, SoapFault):
            self.note(0, "->", f"fault {behaviour.code} to {post.method}")
            return _xml(post, soap.write_fault(behaviour.code, behaviour.text, post.namespace))
        if post.method == "Inform":
            return self._inform(post)
        if known is None:
            raise Violation(f"a {post.method} that belongs to no session: the cookie is missing or old")
        if post.method == "Fault" or post.method.endswith("Response"):
            if known.due is None:
                raise Violation(f"a {post.method} that nobody asked for")
            return await self._our_turn(known, post)
        return self._request(known.session, post)

    def _inform(self, post: Envelope) -> Response:
        inform = read_inform(post.body)
        for token, open in list(self._open.items()):
            if open.session.inform.serial_number == inform.serial_number:
                open.session.lose()
                del self._open[token]
        self.informs += 1
        session = Session(self.informs, inform, post.namespace, timeout=self.session_timeout)
        token = secrets.token_hex(16)
        self._open[token] = _Open(session)
        retries = f"  (retry {inform.retry_count})" if inform.retry_count else ""
        self.note(session.number, "<-", f"Inform  {', '.join(map(_event, inform.events))}{retries}")
        self._unclaimed.append(session)
        self._arrived.set()
        self._arrived = trio.Event()
        answer = soap.element("InformResponse", post.namespace)
        soap.add(answer, "MaxEnvelopes", 1)
        cookies = [
            ("Set-Cookie", f"session={token}; Path=/; HttpOnly"),
            ("Set-Cookie", "balancer=b7"),
        ]
        version = max((v for v in post.versions if v in {"1.0", "1.1", "1.2", "1.3", "1.4"}), default="")
        return _xml(post, answer, cookies, use_version=version)

    def _request(self, session: Session, post: Envelope) -> Response:
        """A request of the CPE, which is answered at once."""
        answer = soap.element(f"{post.method}Response", post.namespace)
        if post.method in REPORTS:
            report = REPORTS[post.method](post.body)
            session.reports.append(report)
            self.note(session.number, "<-", f"{post.method}{_about(report)}")
        elif post.method == "GetRPCMethods":
            self.note(session.number, "<-", "GetRPCMethods")
            methods = soap.add_array(answer, "MethodList", "xsd:string", len(_METHODS))
            for method in _METHODS:
                soap.add(methods, "string", method)
        else:
            self.note(session.number, "<-", f"{post.method}, which is not supported")
            return _xml(post, soap.write_fault(8000, f"{post.method} is not supported", post.namespace))
        return _xml(post, answer)

    async def _our_turn(self, open: _Open, post: Envelope | None) -> Response:
        session = open.session
        if post is not None and open.due is not None:
            note = f"{open.due.method}: fault" if post.method == "Fault" else open.due.method
            self.note(session.number, "->", note, time.monotonic() - open.sent)
        open.due = None
        answered = False
        try:
            call = await session.give_turn(post)
            answered = True
        finally:
            if not answered:  # the CPE's connection went
                session.lose()
        if call is None:
            session.ended.set()
            self._open = {token: o for token, o in self._open.items() if o is not open}
            return Response(204)
        open.due, open.sent = call, time.monotonic()
        return Response(200, call.document, _XML)

    def _session_of(self, request: Request) -> _Open | None:
        try:
            cookies = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            raise Violation(f"a cookie that cannot be read: {request.headers.get('cookie')}") from None
        found = self._open.get(cookies["session"].value) if "session" in cookies else None
        if found is not None and ("balancer" not in cookies or cookies["balancer"].value != "b7"):
            raise Violation("one of the session's two cookies was not sent (TR-069a6 3.4.2)")
        return found


def _xml(
    post: Envelope,
    body: soap.Element,
    headers: list[tuple[str, str]] | None = None,
    use_version: str = "",
) -> Response:
    document = soap.write(body, id=post.id, namespace=post.namespace, use_version=use_version)
    return Response(200, document, [*_XML, *(headers or [])])


def _about(report: Report) -> str:
    if not isinstance(report, TransferComplete):
        return ""
    return f"  {report.command_key}: {f'fault {report.fault_code}' if report.fault_code else 'ok'}"


def _event(event: Event) -> str:
    return f"{event.code} ({event.command_key})" if event.command_key else event.code


@asynccontextmanager
async def open_acs(
    credentials: Credentials | None = None,
    *,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    on_entry: Callable[[Entry], None] = lambda _: None,
) -> AsyncIterator[Acs]:
    """An ACS on 127.0.0.1, at `Acs.url`; without `credentials` everybody may come."""
    acs = Acs(credentials, on_entry)
    plain = await trio.open_tcp_listeners(port, host="127.0.0.1")
    listeners = [trio.SSLListener(p, tls, https_compatible=True) for p in plain] if tls else plain
    bound = plain[0].socket.getsockname()[1]
    acs.url = f"https://localhost:{bound}{PATH}" if tls else f"http://127.0.0.1:{bound}{PATH}"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, acs.serve), listeners)
        yield acs
        nursery.cancel_scope.cancel()
