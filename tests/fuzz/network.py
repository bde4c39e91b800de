"""What comes from the network: SOAP, HTTP on both sides, authentication, STUN, UDP requests, DHCP options."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import trio
from tests.fuzz.engine import Target

from cwmp.runtime.dial import DialError, Dialler, Line, Step
from cwmp.runtime.digest import Authenticator, Credentials, parse_challenges
from cwmp.runtime.proxy import Proxy, ProxyError, Tunnel
from cwmp.runtime.url import Url
from cwmp.session import discovery, redaction, soap, stun, udp_request
from cwmp.session.auth import Guard, Verdict
from cwmp.session.connection_request import Gate, Listener
from cwmp.session.cookies import CookieJar
from cwmp.session.http import Transport, TransportError

SECRET = "geheim99"
_LOG = logging.getLogger("fuzz")
_LOG.propagate = False
_LOG.addHandler(logging.NullHandler())
_NOW = 1_800_000_000.0


def _pieces(data: bytes) -> list[bytes]:
    """The data in pieces whose sizes it says itself."""
    sizes = hashlib.sha256(data).digest()
    pieces, start = [], 0
    while start < len(data):
        size = 1 + sizes[len(pieces) % 32] % (7 if len(pieces) < 64 else 4096)
        pieces.append(data[start : start + size])
        start += size
    return pieces


def _decoded(pieces: list[bytes]) -> str | None:
    decoder = soap.Decoder()
    try:
        for piece in pieces:
            decoder.feed(piece)
        return type(decoder.close().message).__name__
    except soap.SoapError as error:
        assert len(str(error)) < 400
        return None


def soap_message(data: bytes) -> None:
    """In one piece or in many: the same message, or none."""
    assert _decoded([data]) == _decoded(_pieces(data))


def redacted(data: bytes) -> None:
    """What a trace shows has no secret in it, whole or cut off."""
    for length in (len(data), len(data) + 1):
        assert SECRET not in redaction.message(data, length, [SECRET])


def challenge(data: bytes) -> None:
    """WWW-Authenticate, a line each: the answer is a header, and does not tell the password."""
    headers = data.decode("latin-1").replace("\r", " ").split("\n")  # h11 lets none through
    auth = Authenticator(Credentials("cpe", SECRET), make_cnonce=lambda: "c")
    for _ in range(3):
        if not auth.challenged(headers):
            return
        answer = auth.authorization("POST", "/acs")
        assert answer is not None
        assert "\n" not in answer
        assert "\r" not in answer
        assert SECRET not in answer


def authorization(data: bytes) -> None:
    """The Authorization of a connection request; none but the one that is right passes."""
    guard = Guard("acs", SECRET, "cwmp", b"k" * 32)
    text = data.decode("latin-1")
    if guard.check("GET", "/path", text, 10.0) is Verdict.ACCEPTED:
        given = parse_challenges([text])[0].parameters
        assert given["username"] == "acs"
        assert guard.check("GET", "/path", text, 10.0) is not Verdict.ACCEPTED


def cookie(data: bytes) -> None:
    """Set-Cookie, a header a line: what goes back is one header of bounded size."""
    jar = CookieJar()
    for line in data.decode("latin-1").split("\n"):
        jar.store(line, _NOW)
    header = jar.header()
    assert len(header) <= 16 << 10
    assert header.isprintable()


def url(data: bytes) -> None:
    """What is taken can be asked for, and shows no password."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        found = Url.parse(text)
    except ValueError as error:
        assert SECRET not in str(error)
        assert len(str(error)) < 200
        return
    try:
        found.join(text[::-1])
    except ValueError as error:
        assert len(str(error)) < 200
    assert str(found).isascii()
    assert " " not in found.target
    assert SECRET not in repr(found) or SECRET in found.target or SECRET in found.host


class _Loopback(Dialler):
    """Redirects go nowhere but to this machine."""

    async def dial(self, host: str, port: int, **more: Any) -> Line:
        if host not in {"127.0.0.1", "localhost"}:
            raise DialError(Step.RESOLVE, f"{host} is not here")
        return await super().dial(host, port, **more)


def http_response(data: bytes) -> None:
    """What an ACS answers, with the end of the connection after it: a response, or a sentence."""

    async def answer(stream: trio.SocketStream) -> None:
        try:
            while b"\r\n\r\n" not in await stream.receive_some(65536):
                pass
            await stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        await trio.aclose_forcefully(stream)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_tcp, answer, 0, host="127.0.0.1")
            listeners = await nursery.start(serve)
            port = listeners[0].socket.getsockname()[1]
            transport = Transport(
                Url.parse(f"http://127.0.0.1:{port}/acs"),
                username="cpe",
                password=SECRET,
                tls=_no_tls,
                timeout=20.0,
                log=_LOG,
                dialler=_Loopback(),
            )
            try:
                await transport.post(None, lambda _: None)
            except TransportError as error:
                assert SECRET not in str(error)
                assert len(str(error)) < 600
            finally:
                await transport.aclose()
                nursery.cancel_scope.cancel()

    trio.run(main)


def _no_tls() -> None:
    raise TransportError("no TLS here")


def http_request(data: bytes) -> None:
    """What a stranger sends to the port of connection requests: the next one is served as ever."""
    accepted: list[None] = []

    async def main() -> None:
        listener = Listener(Gate("/path", "acs", SECRET, lambda: False), lambda: accepted.append(None), _LOG)
        async with trio.open_nursery() as nursery:
            await nursery.start(listener.serve, "127.0.0.1", 0)
            with trio.fail_after(20):
                await _said(listener.port, data)
                reply = await _said(listener.port, b"GET /path HTTP/1.1\r\nHost: a\r\n\r\n")
            assert reply.startswith(b"HTTP/1.1 401 ")
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert not accepted


async def _said(port: int, data: bytes) -> bytes:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    reply = b""
    try:
        await stream.send_all(data)
        await stream.send_eof()
        while piece := await stream.receive_some(65536):
            reply += piece
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    await trio.aclose_forcefully(stream)
    return reply


def proxy(data: bytes) -> None:
    """What a proxy answers to CONNECT: a tunnel, a question, or a sentence without the password."""
    tunnel = Tunnel(Proxy(Url.parse(f"http://cpe:{SECRET}@192.0.2.1:3128/")), "acs.example.com", 443)
    assert SECRET.encode() not in tunnel.ask()
    try:
        for piece in (*_pieces(data), b""):
            assert SECRET.encode() not in tunnel.received(piece)
            if tunnel.open or tunnel.elsewhere:
                return
    except ProxyError as error:
        assert SECRET not in str(error)
        assert len(str(error)) < 600


def stun_message(data: bytes) -> None:
    try:
        found = stun.decode(data)
    except stun.StunError:
        return
    for attribute in stun.Attribute:
        found.get(attribute)
        found.endpoint(attribute)
    assert 0 <= found.error < 1000
    sealed = stun.encode(stun.Message(found.kind, found.transaction, ((6, b"acs "),)), SECRET)
    assert stun.decode(sealed).has_integrity(SECRET)
    assert not found.has_integrity("other")


def udp(data: bytes) -> None:
    """Accepted is only what was signed, and once."""
    gate = udp_request.UdpGate("acs", SECRET)
    if gate.decide(data, 1.0) is udp_request.Verdict.ACCEPTED:
        request = udp_request.parse(data)
        assert request is not None
        assert request.signed(SECRET)
        assert gate.decide(data, 2.0) is not udp_request.Verdict.ACCEPTED


def dhcp(data: bytes) -> None:
    """The first byte says which option the others are."""
    options: tuple[Callable[[bytes], discovery.Provision], ...] = (
        discovery.option_43,
        discovery.option_125,
        discovery.option_17,
    )
    kind, value = data[:1] or b"\0", data[1:]
    number = kind[0] % 3
    found = options[number](value)
    assert len(found.acs_url) <= 2048
    assert found.acs_url.isascii()
    assert 0 <= found.retry_minimum_wait_interval < 65536
    assert 0 <= found.retry_interval_multiplier < 65536
    known = discovery.Discovery({})
    message = {
        "interface": "wan",
        "family": 6 if number == 2 else 4,
        ("opt43", "opt125", "opt17")[number]: value.hex(),
    }
    known.heard(message, "wan")
    known.heard({**message, "opt43": value.decode("latin-1")}, "wan")
    assert discovery.Discovery(known.to_document()).found == known.found


_XML = (
    *(b"<c:Inform>", b"</c:Inform>", b"<c:ID>", b"</c:ID>", b"<Name>", b"</Name>", b"<Value>", b"</Value>"),
    *(
        b"<!DOCTYPE a [",
        b'<!ENTITY a "',
        b"]>",
        b"&a;",
        b"&#0;",
        b"&#x10FFFF;",
        b"&lt;",
        b"<![CDATA[",
        b"]]>",
    ),
    *(
        b"<!--",
        b"-->",
        b"<?a b?>",
        b'xmlns:c="',
        b'xmlns=""',
        b'encoding="UTF-16"',
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    ),
    *(
        b'e:mustUnderstand="1"',
        b'xsi:nil="true"',
        b'xsi:type="xsd:',
        b'a:arrayType="x[99999999]"',
        b"\xc0\x80",
    ),
    *(
        b"urn:dslforum-org:cwmp-1-",
        b"http://schemas.xmlsoap.org/soap/envelope/",
        b"true",
        b"-1",
        b"0001-01-01",
    ),
)
_HTTP = (
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 ",
        b"Content-Length: ",
        b"Transfer-Encoding: chunked",
    ),
    *(
        b"Connection: close",
        b"Set-Cookie: a=b",
        b"WWW-Authenticate: Digest ",
        b"Location: http://127.0.0.1:1/",
    ),
    *(
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 401 x",
        b"HTTP/1.1 302 x",
        b"Content-Encoding: gzip",
        b"\x00",
    ),
    *(
        b"GET ",
        b"POST ",
        b" HTTP/1.1",
        b"Host: a",
        b"Expect: 100-continue",
        b"Authorization: ",
        b"ffffffffff",
    ),
)
_DIGEST = (
    *(
        b"Digest ",
        b"Basic ",
        b"Negotiate ",
        b'realm="',
        b'nonce="',
        b'qop="auth,auth-int"',
        b"algorithm=SHA-256",
    ),
    *(
        b"algorithm=MD5-sess",
        b"stale=true",
        b'opaque="',
        b'"',
        b"\\",
        b",",
        b"=",
        b" ",
        b"\n",
        b'username="acs"',
    ),
    *(b"nc=00000001", b'cnonce="', b'response="', b'uri="/path"', b"charset=UTF-8", b"userhash=true"),
)
_COOKIE = (
    *(
        b"a=b",
        b"; ",
        b"Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        b"Max-Age=0",
        b"Max-Age=-",
        b", ",
        b"\n",
        b'"',
    ),
    *(b"Version=1", b"Path=/", b"Expires=Wed, 99 Foo 99999 99:99:99 +9999", b"Domain=.a", b"Secure", b"="),
)

NETWORK = (
    Target("soap", soap_message, _XML),
    Target("redaction", redacted, (*_XML, SECRET.encode(), b"<Password>", b"</Password>", b"<Body>")),
    Target("challenge", challenge, _DIGEST),
    Target("authorization", authorization, _DIGEST),
    Target("cookie", cookie, _COOKIE),
    Target(
        "url",
        url,
        (b"http://", b"https://", b"@", b":", b"[::1]", b"%", b"/", b"?", b"#", b"\\", b" ", b"xn--"),
    ),
    Target("http_response", http_response, (*_HTTP, *_DIGEST)),
    Target("proxy", proxy, (*_HTTP, *_DIGEST, b"HTTP/1.1 407 x", b"Proxy-Authenticate: ")),
    Target("http_request", http_request, (*_HTTP, *_DIGEST)),
    Target(
        "stun", stun_message, (b"\x00\x08\x00\x14", b"\x80\x28", b"\x01\x01", b"\x00\x09\x00\x04", b"\0\0")
    ),
    Target(
        "udp_request", udp, (b"ts=", b"&id=", b"&un=", b"&cn=", b"&sig=", b"%", b"&", b"GET http://", b"\r\n")
    ),
    Target(
        "dhcp",
        dhcp,
        (b"\x01", b"\x00\x00\x0d\xe9", b"http://", b"\x02", b"\xff", b"\0", b"\x0b", b"\x0d\xe9"),
    ),
)
