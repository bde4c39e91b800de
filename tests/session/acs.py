"""A tiny ACS for tests: an HTTP server that records what is POSTed and answers as it is told."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import h11
import trio
from lxml import etree

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


@dataclass(frozen=True)
class Post:
    """One POST: `connection` counts TCP connections from 1."""

    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    host: str = ""

    @property
    def xml(self) -> etree._Element:
        return etree.fromstring(self.body)

    @property
    def method(self) -> str:
        """Local name of the message; "" for an empty POST, "Fault" for a fault."""
        if not self.body:
            return ""
        body = self.xml.find(f"{{{SOAP}}}Body")
        assert body is not None
        return etree.QName(body[0]).localname

    @property
    def cwmp(self) -> int:
        """The N of the namespace ``urn:dslforum-org:cwmp-1-N``."""
        body = self.xml.find(f"{{{SOAP}}}Body")
        assert body is not None
        return int((etree.QName(body[0]).namespace or "").rpartition("-")[2])

    @property
    def id(self) -> str | None:
        found = self.xml.xpath("string(//*[local-name()='Header']/*[local-name()='ID'])")
        return str(found) or None

    def texts(self, name: str) -> list[str]:
        """The texts of all elements of that local name."""
        return [e.text or "" for e in self.xml.iter() if etree.QName(e).localname == name]

    @property
    def events(self) -> list[str]:
        return [
            f"{code} {key}".rstrip()
            for code, key in zip(self.texts("EventCode"), self.texts("CommandKey"), strict=False)
        ]


@dataclass(frozen=True)
class Reply:
    """What is sent back. `raw` replaces all of it; `drop` closes without an answer,
    `never` leaves them waiting."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    chunked: bool = False
    raw: bytes = b""
    drop: bool = False
    never: bool = False
    continued: bool = False


EMPTY = Reply(204)
Handler = Callable[[Post], Reply]


def envelope(
    content: str, *, id: str | None = None, hold: bool | None = None, cwmp: int = 0, use: str = ""
) -> bytes:
    """An envelope of an ACS; `use` is UseCWMPVersion."""
    headers = ""
    if id is not None:
        headers += f'<c:ID e:mustUnderstand="1">{id}</c:ID>'
    if hold is not None:
        headers += f'<c:HoldRequests e:mustUnderstand="1">{int(hold)}</c:HoldRequests>'
    if use:
        headers += f'<c:UseCWMPVersion e:mustUnderstand="1">{use}</c:UseCWMPVersion>'
    return (
        f'<e:Envelope xmlns:e="{SOAP}" xmlns:c="urn:dslforum-org:cwmp-1-{cwmp}" '
        'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
        'xmlns:a="http://schemas.xmlsoap.org/soap/encoding/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<e:Header>{headers}</e:Header><e:Body>{content}</e:Body></e:Envelope>"
    ).encode()


def fault(code: int, text: str = "no") -> str:
    return (
        "<e:Fault><faultcode>Server</faultcode><faultstring>CWMP fault</faultstring><detail><c:Fault>"
        f"<FaultCode>{code}</FaultCode><FaultString>{text}</FaultString></c:Fault></detail></e:Fault>"
    )


INFORM_RESPONSE = "<c:InformResponse><MaxEnvelopes>1</MaxEnvelopes></c:InformResponse>"
REPORTS = frozenset(
    {
        "TransferComplete",
        "AutonomousTransferComplete",
        "RequestDownload",
        "DUStateChangeComplete",
        "AutonomousDUStateChangeComplete",
    }
)


def soap(content: str, **kind: object) -> Reply:
    return Reply(body=envelope(content, **kind))  # type: ignore[arg-type]


def echo(post: Post, content: str) -> Reply:
    """A response with the request's ID, in its namespace."""
    return soap(content, id=post.id, cwmp=post.cwmp)


def answer(post: Post) -> Reply:
    """What an ACS without wishes answers."""
    if post.method == "Inform":
        return echo(post, INFORM_RESPONSE)
    if post.method in REPORTS:
        return echo(post, f"<c:{post.method}Response/>")
    return EMPTY


@dataclass
class Acs:
    """Its `handler` decides about every POST; `posts` are what came, oldest first.

    `met` are the addresses at which connections came in, without TLS.
    """

    port: int = 0
    handler: Handler = answer
    posts: list[Post] = field(default_factory=list)
    connections: int = 0
    met: list[str] = field(default_factory=list)
    _changed: trio.Event = field(default_factory=trio.Event)
    secure: bool = False

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}/acs"

    def script(self, *replies: str | Reply) -> None:
        """One InformResponse a session, then for each further POST the next reply, at last 204 for ever."""
        left = list(replies)

        def handler(post: Post) -> Reply:
            if post.method in {"Inform", *REPORTS}:
                return answer(post)
            if not left:
                return EMPTY
            reply = left.pop(0)
            return reply if isinstance(reply, Reply) else soap(reply, id=f"acs-{len(left)}")

        self.handler = handler

    async def wait(self, ready: Callable[[list[Post]], bool]) -> None:
        """Until `ready` of what came."""
        with trio.fail_after(20):
            while not ready(self.posts):
                self._changed = trio.Event()
                await self._changed.wait()

    async def informs(self, count: int) -> list[Post]:
        """The first `count` Informs."""
        await self.wait(lambda posts: sum(p.method == "Inform" for p in posts) >= count)
        return [p for p in self.posts if p.method == "Inform"]

    async def handle(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        number = self.connections
        if isinstance(stream, trio.SocketStream):
            self.met.append(stream.socket.getsockname()[0])
        http = h11.Connection(h11.SERVER)
        try:
            while True:
                body = b""
                request: h11.Request | None = None
                while not isinstance(event := http.next_event(), h11.EndOfMessage):
                    if event is h11.NEED_DATA:
                        http.receive_data(bytes(await stream.receive_some(65536)))
                    elif isinstance(event, h11.Request):
                        request = event
                    elif isinstance(event, h11.Data):
                        body += event.data
                    else:
                        return
                assert request is not None
                headers = {bytes(k).decode(): bytes(v).decode() for k, v in request.headers}
                post = Post(bytes(request.target).decode(), headers, body, number, headers.get("host", ""))
                reply = self.handler(post)
                self.posts.append(post)
                self._changed.set()
                if reply.drop:
                    return
                if reply.never:
                    await stream.receive_some(1)  # until they have gone
                    return
                if reply.raw:
                    await stream.send_all(reply.raw)
                    return
                await self._send(stream, http, reply)
                if reply.close or http.our_state is not h11.DONE:
                    return
                http.start_next_cycle()
        except (trio.BrokenResourceError, h11.ProtocolError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _send(self, stream: trio.abc.Stream, http: h11.Connection, reply: Reply) -> None:
        headers = list(reply.headers)
        if reply.body:
            headers.append(("Content-Type", "text/xml"))
        if not reply.chunked and reply.status != 204:
            headers.append(("Content-Length", str(len(reply.body))))
        data = b""
        if reply.continued:
            data += http.send(h11.InformationalResponse(status_code=100, headers=[])) or b""
        data += http.send(h11.Response(status_code=reply.status, headers=headers)) or b""
        step = 7 if reply.chunked else len(reply.body) or 1
        for start in range(0, len(reply.body), step):
            data += http.send(h11.Data(data=reply.body[start : start + step])) or b""
        data += http.send(h11.EndOfMessage()) or b""
        await stream.send_all(data)


async def start_acs(
    nursery: trio.Nursery, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Acs:
    """An ACS on loopback that runs in `nursery`, with TLS if there is a context."""
    acs = Acs(secure=context is not None)
    if context is None:
        serve = partial(trio.serve_tcp, acs.handle, 0, host=host)
    else:
        serve = partial(trio.serve_ssl_over_tcp, acs.handle, 0, context, host=host)
    listeners = await nursery.start(serve)
    socket = getattr(listeners[0], "transport_listener", listeners[0]).socket
    acs.port = socket.getsockname()[1]
    return acs
