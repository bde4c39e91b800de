"""Reaching a server: addresses, proxy, TLS, against real sockets on loopback."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h11
import pytest
import trio
import trustme

from cwmp.runtime.addresses import Address, AddressBook, connect
from cwmp.runtime.dial import DialError, Dialler, Line, Step
from cwmp.runtime.proxy import Bypass
from cwmp.runtime.url import Url


def at(host: str, port: int = 80) -> Address:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Address(family, (host, port))


def book(document: Any = None) -> AddressBook:
    return AddressBook(document, shuffle=lambda _: None)


FOUND = [at("2001:db8::1"), at("2001:db8::2"), at("192.0.2.1"), at("192.0.2.2"), at("192.0.2.3")]


def test_families_alternate_and_the_resolver_says_which_is_first() -> None:
    assert [a.host for a in book().order("acs", FOUND)] == [
        *("2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3")
    ]


def test_addresses_are_taken_at_random() -> None:
    many = [at(f"192.0.2.{n}") for n in range(1, 9)]
    assert len({AddressBook().order("acs", many)[0].host for _ in range(100)}) > 1


def test_what_worked_is_first_while_the_name_has_the_same_addresses() -> None:
    found = book()
    found.worked("acs", "192.0.2.2", FOUND)
    assert found.order("acs", FOUND)[0].host == "192.0.2.2"
    assert found.chosen("acs", FOUND[::-1]) == "192.0.2.2"
    assert found.chosen("acs", FOUND[1:]) == ""
    assert found.chosen("acs", [*FOUND, at("192.0.2.9")]) == ""
    assert found.chosen("other", FOUND) == ""


def test_the_book_can_be_kept_and_is_bounded() -> None:
    found = book()
    for number in range(40):
        found.worked(f"host{number}", "192.0.2.2", FOUND)
    kept = book(found.to_document())
    assert len(kept.to_document()) <= 16
    assert kept.chosen("host39", FOUND) == "192.0.2.2"
    assert kept.last("host39")[0] == "192.0.2.2"
    assert set(kept.last("host39")) == {a.host for a in FOUND}
    assert kept.last("host0") == []


@pytest.mark.parametrize("document", [None, 1, ["a"], {"a": 1}, {"a": []}, {"a": [1]}, {"a": ["x", None]}])
def test_an_odd_book_is_no_matter(document: Any) -> None:
    assert book(document).last("a") == []


async def closed_port() -> int:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = int(listeners[0].socket.getsockname()[1])
    await listeners[0].aclose()
    return port


Handler = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server on a free port of loopback."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handler, 0, host=host))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def greet(stream: trio.SocketStream) -> None:
    await stream.send_all(b"hello")


async def read(line: Line) -> bytes:
    data = b""
    async for piece in line.stream:
        data += bytes(piece)
    await line.aclose()
    return data


async def test_the_other_addresses_are_tried() -> None:
    async with serving(greet) as port:
        candidates = [at("127.0.0.2", await closed_port()), at("127.0.0.1", port)]
        stream, reached = await connect(candidates, stay="127.0.0.2")
        assert reached == candidates[1]
        assert await stream.receive_some() == b"hello"
        await stream.aclose()


async def test_none_of_them_takes_a_connection() -> None:
    port = await closed_port()
    with pytest.raises(OSError, match=r"^Connection refused$"):
        await connect([at("127.0.0.1", port), at("127.0.0.2", port)])


async def test_one_that_does_not_answer_delays_the_next_but_little(autojump_clock: trio.abc.Clock) -> None:
    """The first has a full backlog: Linux answers no further attempt."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = []
    for _ in range(3):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
        fillers.append(filler)
    async with serving(greet, "127.0.0.2") as port:
        for stay, least in (("", 0.2), ("127.0.0.1", 2.9)):
            began = trio.current_time()
            stream, reached = await connect([at(*full.getsockname()), at("127.0.0.2", port)], stay=stay)
            assert reached.host == "127.0.0.2"
            assert least <= trio.current_time() - began < least + 1
            await stream.aclose()
    for filler in (full, *fillers):
        filler.close()


class Resolver(trio.abc.HostnameResolver):
    """Names as the test says; `None` means that no name server answers."""

    def __init__(self, **names: list[str] | None) -> None:
        self.names = names
        self.asked = 0

    async def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        self.asked += 1
        name = host.decode() if isinstance(host, bytes) else host
        if name not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if (found := self.names[name]) is None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        raise OSError("nobody asks this")


async def test_a_session_stays_and_so_does_the_next_while_the_addresses_do() -> None:
    resolver = Resolver(acs=["127.0.0.3", "127.0.0.4", "127.0.0.5"])
    trio.socket.set_custom_hostname_resolver(resolver)
    async with serving(greet, "0.0.0.0") as port:
        dialler = Dialler()

        async def dial(stay: str = "") -> str:
            line = await dialler.dial("acs", port, tls=None, timeout=10, stay=stay)
            assert await read(line) == b"hello"
            return line.address

        first = await dial()
        assert {await dial() for _ in range(10)} == {first}
        asked = resolver.asked
        assert await dial(first) == first
        assert resolver.asked == asked  # in a session nobody is asked again
        resolver.names["acs"] = ["127.0.0.6"]
        assert await dial(first) == first
        assert await dial() == "127.0.0.6"  # the time to live was over
        resolver.names["acs"] = None
        assert await dial() == "127.0.0.6"  # nobody answers: what was known last
        with pytest.raises(DialError, match="cannot resolve other: Name or service") as caught:
            await dialler.dial("other", port, tls=None, timeout=10)
        assert caught.value.step is Step.RESOLVE
        again = Dialler(book=AddressBook(dialler.book.to_document()))
        assert await read(await again.dial("acs", port, tls=None, timeout=10)) == b"hello"


async def test_an_address_that_is_gone_is_left() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(acs=["127.0.0.1"]))
    async with serving(greet) as port:
        line = await Dialler().dial("acs", port, tls=None, timeout=10, stay="127.0.0.9")
        assert line.address == line.local_address == "127.0.0.1"
        assert await read(line) == b"hello"


async def test_a_name_server_that_does_not_answer_has_a_deadline(autojump_clock: trio.abc.Clock) -> None:
    class Silent(Resolver):
        async def getaddrinfo(self, *args: Any, **kind: Any) -> list[Any]:
            await trio.sleep_forever()
            raise AssertionError

    trio.socket.set_custom_hostname_resolver(Silent())
    with pytest.raises(DialError, match="cannot resolve acs: no answer within 30 s"):
        await Dialler().dial("acs", 80, tls=None, timeout=30)


@pytest.mark.parametrize(
    ("words", "host", "covered"),
    [
        ("acs.example.org", "acs.example.org", True),
        ("acs.example.org", "x.acs.example.org", True),
        ("acs.example.org", "xacs.example.org", False),
        (".example.org", "ACS.Example.org", True),
        ("*.example.org", "acs.example.org", True),
        ("192.0.2.0/24, 2001:db8::/32", "192.0.2.7", True),
        ("192.0.2.0/24, 2001:db8::/32", "2001:db8::7", True),
        ("[2001:db8::7]", "2001:db8::7", True),
        ("192.0.2.0/24", "198.51.100.7", False),
        ("*", "anything", True),
        ("", "anything", False),
        ("., ,", "anything", False),
    ],
)
def test_who_is_reached_without_the_proxy(words: str, host: str, covered: bool) -> None:
    assert Bypass.parse(words).covers(host) is covered


@dataclass
class ProxyServer:
    """A forward proxy: CONNECT, and GET of an absolute URI, which it answers itself."""

    challenge: str = ""
    close: bool = False
    status: int = 200
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    connections: int = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        http = h11.Connection(h11.SERVER)
        while True:
            request: h11.Request | None = None
            while not isinstance(event := http.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    http.receive_data(bytes(await stream.receive_some(4096)))
                elif isinstance(event, h11.Request):
                    request = event
                else:
                    return
            assert request is not None
            headers = {bytes(k).decode(): bytes(v).decode() for k, v in request.headers}
            answer = headers.get("proxy-authorization", "")
            self.requests.append((bytes(request.method).decode(), bytes(request.target).decode(), answer))
            status = 407 if self.challenge and not answer else self.status
            reply = [("Content-Length", "4")] if status != 200 else []
            if status == 407:
                reply.append(("Proxy-Authenticate", self.challenge))
            if self.close:
                reply.append(("Connection", "close"))
            data = http.send(h11.Response(status_code=status, headers=reply)) or b""
            if request.method == b"CONNECT" and status == 200:
                await stream.send_all(data)
                await self._tunnel(stream, bytes(request.target).decode())
                return
            body = b"nope" if status != 200 else b"through the proxy"
            data += http.send(h11.Data(data=body)) or b""
            data += http.send(h11.EndOfMessage()) or b""
            await stream.send_all(data)
            if http.our_state is not h11.DONE:
                return
            http.start_next_cycle()

    async def _tunnel(self, stream: trio.SocketStream, target: str) -> None:
        host, _, port = target.rpartition(":")
        server = await trio.open_tcp_stream(host, int(port))

        async def pass_on(source: trio.SocketStream, sink: trio.SocketStream) -> None:
            try:
                async for data in source:
                    await sink.send_all(data)
                await sink.send_eof()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        async with server, trio.open_nursery() as nursery:
            nursery.start_soon(pass_on, stream, server)
            nursery.start_soon(pass_on, server, stream)


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def tls_server(ca: trustme.CA) -> AsyncIterator[tuple[int, Callable[[], ssl.SSLContext]]]:
    """A TLS server that says hello, and the context to reach it with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)

    async def handle(stream: trio.SocketStream) -> None:
        encrypted = trio.SSLStream(stream, context, server_side=True)
        try:
            await encrypted.send_all(b"hello")
            await encrypted.aclose()
        except trio.BrokenResourceError:
            pass

    def trusting() -> ssl.SSLContext:
        found = ssl.create_default_context()
        ca.configure_trust(found)
        return found

    async with serving(handle) as port:
        yield port, trusting


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("scheme", ["", "Basic", "Digest"])
async def test_tls_through_a_proxy(ca: trustme.CA, scheme: str, close: bool) -> None:
    challenge = {"": "", "Basic": 'Basic realm="p"', "Digest": 'Digest realm="p", nonce="n", qop="auth"'}
    proxy = ProxyServer(challenge[scheme], close)
    async with tls_server(ca) as (port, context), serving(proxy.handle) as proxy_port:
        dialler = Dialler(proxy=f"http://u:p%20w@127.0.0.1:{proxy_port}/")
        for _ in range(2):
            line = await dialler.dial("127.0.0.1", port, tls=context, timeout=10, https_compatible=False)
            assert line.target(Url.parse("https://h/x")) == "/x"
            assert line.proxy_headers("GET", "/") == []
            assert await read(line) == b"hello"
    assert {r[:2] for r in proxy.requests} == {("CONNECT", f"127.0.0.1:{port}")}
    given = [r[2] for r in proxy.requests]
    assert [g.partition(" ")[0] for g in given] == (["", scheme, scheme] if scheme else ["", ""])
    if scheme == "Basic":
        assert base64.b64decode(given[1].partition(" ")[2]) == b"u:p w"
    if scheme == "Digest":
        assert f'uri="127.0.0.1:{port}"' in given[1]
        assert "nc=00000002" in given[2]
    assert proxy.connections == (3 if scheme and close else 2)


@pytest.mark.parametrize(
    ("proxy", "user", "words"),
    [
        (ProxyServer('Basic realm="p"'), "", "wants authentication"),
        (ProxyServer('Basic realm="p"', status=407), "u:p@", "did not accept our authentication"),
        (ProxyServer(status=403), "", "does not connect us to 127.0.0.1:9: 403"),
    ],
)
async def test_a_proxy_that_will_not(proxy: ProxyServer, user: str, words: str, ca: trustme.CA) -> None:
    async with serving(proxy.handle) as port:
        dialler = Dialler(proxy=f"http://{user}127.0.0.1:{port}/")
        with pytest.raises(DialError, match=f"the proxy 127.0.0.1:{port}: .*{words}") as caught:
            await dialler.dial("127.0.0.1", 9, tls=ssl.create_default_context, timeout=10)
        assert caught.value.step is Step.PROXY
        assert "p@" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "without an answer|connection broke"),
        (b"SSH-2.0-x\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\ntoo early", "before we did"),
        (b"HTTP/1.1 403 No\r\n\r\n" + b"x" * 200_000, "far too long"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000, "does not speak HTTP"),
    ],
)
async def test_what_is_no_proxy(said: bytes, words: str) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(said)

    async with serving(handle) as port:
        dialler = Dialler(proxy=f"http://127.0.0.1:{port}")
        with pytest.raises(DialError, match=words):
            await dialler.dial("192.0.2.1", 443, tls=ssl.create_default_context, timeout=10)


async def test_a_proxy_out_of_reach() -> None:
    dialler = Dialler(proxy=f"http://127.0.0.1:{await closed_port()}", no_proxy="localhost")
    with pytest.raises(DialError, match=r"cannot connect to 127.0.0.1:\d+: Connection refused") as caught:
        await dialler.dial("acs.invalid", 80, tls=None, timeout=10)
    assert caught.value.step is Step.CONNECT
    async with serving(greet) as port:
        line = await dialler.dial("localhost", port, tls=None, timeout=10)
        assert line.target(Url.parse("http://h/x")) == "/x"
        await line.aclose()


async def test_a_proxy_that_is_silent_has_a_deadline(autojump_clock: trio.abc.Clock) -> None:
    async def silent(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serving(silent) as port:
        dialler = Dialler(proxy=f"http://127.0.0.1:{port}")
        with pytest.raises(DialError, match=r"did not connect us to 192\.0\.2\.1:443 within 30 s"):
            await dialler.dial("192.0.2.1", 443, tls=ssl.create_default_context, timeout=30)
        with pytest.raises(DialError, match=f":{port}: no TLS within 30 s"):
            await Dialler().dial("127.0.0.1", port, tls=ssl.create_default_context, timeout=30)


def test_a_proxy_has_to_be_http() -> None:
    with pytest.raises(ValueError, match="by http"):
        Dialler(proxy="https://127.0.0.1:8080/")


async def test_a_certificate_nobody_knows(ca: trustme.CA) -> None:
    async with tls_server(ca) as (port, _):
        with pytest.raises(
            DialError, match="certificate was not accepted: unable to get local issuer"
        ) as caught:
            await Dialler().dial("127.0.0.1", port, tls=ssl.create_default_context, timeout=10)
        assert caught.value.step is Step.TLS
