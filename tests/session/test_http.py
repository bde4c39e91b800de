"""HTTP towards the ACS, against real servers on loopback, plain and with TLS."""

from __future__ import annotations

import base64
import datetime
import hashlib
import logging
import re
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from cwmp.runtime import tls
from cwmp.runtime.dial import Dialler
from cwmp.runtime.url import Url
from cwmp.session import soap
from cwmp.session.http import Transport, TransportError

from .acs import EMPTY, Acs, Post, Reply, start_acs

LOG = logging.getLogger("test")
BODY = soap.encode(soap.GetRPCMethods(), soap.Header(id="1"))


def transport(
    url: str,
    *,
    username: str = "",
    password: str = "",
    ca_file: str = "",
    timeout: float = 10.0,
    coding: str = "",
    dialler: Dialler | None = None,
    **context: Any,
) -> Transport:
    """`context` goes to `tls.client_context`."""
    return Transport(
        Url.parse(url),
        username=username,
        password=password,
        tls=lambda: tls.client_context(ca_file, **context),
        timeout=timeout,
        log=LOG,
        coding=coding,
        dialler=dialler,
    )


async def post(http: Transport, body: soap.Body | None = BODY) -> bytes:
    """The response's body."""
    parts: list[bytes] = []
    had_body = await http.post(body, parts.append)
    assert had_body is bool(b"".join(parts))
    return b"".join(parts)


async def refused(http: Transport, words: str) -> None:
    try:
        with pytest.raises(TransportError, match=words):
            await post(http)
    finally:
        await http.aclose()


def challenge(post: Post, *headers: str, reply: Reply = Reply(body=b"ok")) -> Reply:  # noqa: B008
    if "authorization" in post.headers:
        return reply
    return Reply(401, b"who?", tuple(("WWW-Authenticate", h) for h in headers))


async def test_p13_a_message_and_the_empty_post_have_their_headers(acs: Acs) -> None:
    acs.handler = lambda p: Reply(body=b"<a/>") if p.body else EMPTY
    http = transport(acs.url + "?a=b")
    assert await post(http) == b"<a/>"
    assert await post(http, None) == b""
    await http.aclose()
    message, empty = acs.posts
    assert message.target == "/acs?a=b"
    assert message.host == f"127.0.0.1:{acs.port}"
    assert message.headers["content-type"] == 'text/xml; charset="utf-8"'
    assert message.headers["soapaction"] == ""
    assert message.headers["content-length"] == str(BODY.length) == str(len(message.body))
    assert empty.headers["content-length"] == "0"
    assert "content-type" not in empty.headers
    assert "soapaction" not in empty.headers
    assert message.connection == empty.connection


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"x" * 100_000, chunked=True),
        Reply(body=b"abc", continued=True),
        Reply(raw=b"HTTP/1.0 200 OK\r\n\r\nuntil the end"),
    ],
)
async def test_p12_responses_of_all_kinds(acs: Acs, reply: Reply) -> None:
    acs.handler = lambda _: reply
    http = transport(acs.url)
    assert await post(http) == (reply.body or b"until the end")
    await http.aclose()


@pytest.mark.parametrize("announced", [True, False])
async def test_p11_the_acs_may_close_after_each_response(acs: Acs, announced: bool) -> None:
    """With or without saying so; what matters is that it did before our next message."""
    headers = (("Connection", "close"),) if announced else ()
    acs.handler = lambda _: Reply(body=b"x", close=True, headers=(*headers, ("Set-Cookie", "s=1")))
    http = transport(acs.url)
    for _ in range(3):
        assert await post(http) == b"x"
        await trio.testing.wait_all_tasks_blocked(0.01)
    await http.aclose()
    assert [p.connection for p in acs.posts] == [1, 2, 3]
    assert [p.headers.get("cookie") for p in acs.posts] == [None, "s=1", "s=1"]


async def test_an_answer_that_does_not_come_fails_and_nothing_is_sent_twice(acs: Acs) -> None:
    acs.handler = lambda p: Reply(drop=True) if acs.posts else Reply(body=b"x")
    http = transport(acs.url)
    await post(http)
    await refused(http, "closed the connection before its response")
    assert len(acs.posts) == 2


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "before its response was complete"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "before its response was complete"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"\r\n", "headers are larger"),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n\r\n", "503 Busy"),
        (b"HTTP/1.1 415 Unsupported Media Type\r\n\r\n", "415"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", "gzip"),
    ],
)
async def test_what_is_no_response_fails_in_plain_words(acs: Acs, raw: bytes, words: str) -> None:
    acs.handler = lambda _: Reply(raw=raw)
    await refused(transport(acs.url), words)


async def test_a_silent_acs_is_waited_for_so_long(autojump_clock: trio.abc.Clock) -> None:
    """The clock jumps as soon as everything waits."""
    theirs: list[trio.SocketStream] = []

    async def silent(stream: trio.SocketStream) -> None:
        theirs.append(stream)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, silent, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        began = trio.current_time()
        await refused(
            transport(f"http://127.0.0.1:{port}/", timeout=30), "no response from the ACS within 30 s"
        )
        assert trio.current_time() - began >= 30
        nursery.cancel_scope.cancel()


async def test_nobody_listens_there(acs: Acs) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    await refused(transport(f"http://127.0.0.1:{port}/"), "cannot connect to 127.0.0.1:.*Connection refused")


async def test_a_name_nobody_knows() -> None:
    await refused(transport("http://no-such-host.invalid/"), "cannot resolve no-such-host.invalid")


DIGEST = 'Digest realm="r", nonce="n", qop="auth"'


@pytest.mark.parametrize(
    ("offers", "scheme"),
    [
        (('Basic realm="r"',), "Basic "),
        ((DIGEST,), "Digest "),
        (('Basic realm="r"', DIGEST), "Digest "),
        (('Basic realm="r", ' + DIGEST + ", algorithm=MD5-sess",), "Digest "),
    ],
)
async def test_p07_a_challenge_is_answered_and_then_kept_on_that_connection(
    acs: Acs, offers: tuple[str, ...], scheme: str
) -> None:
    acs.handler = lambda p: challenge(p, *offers)
    http = transport(acs.url, username="u", password="p")
    assert await post(http) == b"ok"
    assert await post(http) == b"ok"
    await http.aclose()
    first, second, third = acs.posts
    assert "authorization" not in first.headers
    assert second.headers["authorization"].startswith(scheme)
    assert first.body == second.body == third.body
    assert {p.connection for p in acs.posts} == {1}
    if scheme == "Digest ":
        assert "nc=00000001" in second.headers["authorization"]
        assert "nc=00000002" in third.headers["authorization"]
        assert 'uri="/acs"' in third.headers["authorization"]


async def test_p07_a_challenge_with_connection_close_is_answered_on_the_next(acs: Acs) -> None:
    def handler(p: Post) -> Reply:
        if "authorization" in p.headers:
            return Reply(body=b"ok")
        return Reply(401, close=True, headers=(("WWW-Authenticate", DIGEST), ("Connection", "close")))

    acs.handler = handler
    http = transport(acs.url, username="u", password="p")
    assert await post(http) == b"ok"
    await http.aclose()
    assert [p.connection for p in acs.posts] == [1, 2]


async def test_p08_a_challenge_in_mid_session(acs: Acs) -> None:
    acs.handler = lambda p: Reply(body=b"ok")
    http = transport(acs.url, username="u", password="p")
    await post(http)
    acs.handler = lambda p: challenge(p, DIGEST)
    assert await post(http) == b"ok"
    await http.aclose()
    assert len(acs.posts) == 3


async def test_credentials_refused_end_the_session(acs: Acs) -> None:
    acs.handler = lambda p: Reply(401, headers=(("WWW-Authenticate", DIGEST),))
    await refused(
        transport(acs.url, username="u", password="p"), "did not accept our authentication .* digest"
    )
    assert len(acs.posts) == 2


async def test_a_stale_nonce_is_answered_once_more_but_not_for_ever(acs: Acs) -> None:
    def handler(p: Post) -> Reply:
        nonce = f'Digest realm="r", nonce="n{len(acs.posts)}", qop="auth", stale=true'
        return (
            Reply(body=b"ok") if len(acs.posts) == 2 else Reply(401, headers=(("WWW-Authenticate", nonce),))
        )

    acs.handler = handler
    http = transport(acs.url, username="u", password="p")
    assert await post(http) == b"ok"
    acs.posts.clear()
    acs.handler = lambda p: (
        handler(p)
        if len(acs.posts) < 2
        else Reply(401, headers=(("WWW-Authenticate", DIGEST + ", stale=true"),))
    )
    await refused(http, "did not accept")
    assert len(acs.posts) <= 6


async def test_a_challenge_nobody_can_answer(acs: Acs) -> None:
    acs.handler = lambda p: Reply(401, headers=(("WWW-Authenticate", "Negotiate"),))
    await refused(transport(acs.url, username="u"), "offered negotiate")


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_p10_redirects_take_the_message_and_all_cookies_along(
    acs: Acs, nursery: trio.Nursery, status: int
) -> None:
    other = await start_acs(nursery)
    headers = (
        ("Location", f"{other.url}/there?x=1"),
        ("Set-Cookie", "a=1; Domain=x"),
        ("Set-Cookie", "b=2"),
    )
    acs.handler = lambda _: Reply(status, b"moved", headers)
    other.handler = lambda _: Reply(body=b"here")
    http = transport(acs.url)
    assert await post(http) == b"here"
    assert await post(http, None) == b"here"
    await http.aclose()
    assert len(acs.posts) == 1
    assert [p.target for p in other.posts] == ["/acs/there?x=1"] * 2
    assert [p.headers["cookie"] for p in other.posts] == ["a=1; b=2"] * 2
    assert other.posts[0].body == acs.posts[0].body


async def test_p09_five_redirects_in_a_row_and_not_six(acs: Acs) -> None:
    def hop(p: Post) -> Reply:
        number = int(p.target.rpartition("/")[2] or 0)
        return Reply(302, headers=(("Location", f"/{number + 1}"),)) if number < last else Reply(body=b"end")

    acs.handler = hop
    last = 5
    http = transport(f"http://127.0.0.1:{acs.port}/0")
    assert await post(http) == b"end"
    await http.aclose()
    last = 6
    await refused(transport(f"http://127.0.0.1:{acs.port}/0"), "more than 5 times")


@pytest.mark.parametrize("location", ["ftp://x/", "http://h:99999/", "javascript:1", "http://[::1/"])
async def test_bad_redirects(acs: Acs, location: str) -> None:
    acs.handler = lambda _: Reply(302, headers=(("Location", location),))
    await refused(transport(acs.url), "bad Location")


async def test_a_large_response_to_nothing_is_not_read(acs: Acs) -> None:
    acs.handler = lambda p: (
        Reply(302, b"x" * (2 << 20), (("Location", "/b"),)) if p.target == "/acs" else Reply(body=b"b")
    )
    http = transport(acs.url)
    assert await post(http) == b"b"
    await http.aclose()
    assert acs.connections == 2


async def test_a_long_message_arrives_whole_also_after_a_challenge(acs: Acs) -> None:
    values = soap.ValueList()
    names = [f"Device.P.{n}" for n in range(20_000)]
    values.add(names, ["string"] * len(names), names)
    body = soap.encode(soap.GetParameterValuesResponse(values), soap.Header())
    acs.handler = lambda p: challenge(p, DIGEST)
    http = transport(acs.url, username="u", password="p")
    assert await post(http, body) == b"ok"
    await http.aclose()
    assert acs.posts[1].texts("Value") == names


@pytest.mark.parametrize(("coding", "window"), [("gzip", 31), ("deflate", 15)])
async def test_what_is_sent_may_be_compressed(acs: Acs, coding: str, window: int) -> None:
    values = soap.ValueList()
    values.add([f"Device.Hosts.Host.{n}.HostName" for n in range(2000)], ["string"] * 2000, ["x"] * 2000)
    body = soap.encode(soap.GetParameterValuesResponse(values), soap.Header(id="1"))
    acs.handler = lambda p: challenge(p, 'Basic realm="a"')
    http = transport(acs.url, username="u", password="p", coding=coding)
    assert await post(http, body) == b"ok"
    assert await post(http, None) == b"ok"
    await http.aclose()
    for sent in acs.posts[:2]:  # once more after the challenge
        assert sent.headers["content-encoding"] == coding
        assert sent.headers["content-length"] == str(len(sent.body))
        assert len(sent.body) * 5 < body.length
        assert zlib.decompress(sent.body, window) == b"".join(body.chunks())
    assert "content-encoding" not in acs.posts[2].headers
    assert not http.coding_refused


async def test_415_says_that_compression_is_refused(acs: Acs) -> None:
    acs.handler = lambda _: Reply(415)
    http = transport(acs.url, coding="gzip")
    await refused(http, "415.*does not take what is compressed")
    assert http.coding_refused
    http = transport(acs.url)
    await refused(http, "answered 415$")
    assert not http.coding_refused


DIGEST = 'Digest realm="r", qop="auth", nonce="n1", opaque="o"'


def digest_response(found: str, algorithm: str, password: str) -> str:
    """What the response has to be (RFC 7616 3.4.1), by a second reading of the standard."""
    given = dict(re.findall(r'(\w+)="?([^",]*)"?', found))
    new = hashlib.sha256 if algorithm.startswith("SHA") else hashlib.md5

    def h(*parts: str) -> str:
        return new(":".join(parts).encode()).hexdigest()

    secret = h("u", "r", password)
    if algorithm.endswith("-sess"):
        secret = h(secret, "n1", given["cnonce"])
    return h(secret, "n1", given["nc"], given["cnonce"], "auth", h("POST", "/acs"))


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"])
async def test_p07_digest_with_every_algorithm(acs: Acs, algorithm: str) -> None:
    acs.handler = lambda p: challenge(p, f"{DIGEST}, algorithm={algorithm}")
    http = transport(acs.url, username="u", password="p:w")
    for _ in range(2):
        assert await post(http) == b"ok"
    await http.aclose()
    for number, sent in enumerate(acs.posts[1:], 1):
        given = sent.headers["authorization"]
        assert f"algorithm={algorithm}" in given
        assert f"nc={number:08x}" in given
        assert f'response="{digest_response(given, algorithm, "p:w")}"' in given


async def test_interim_responses_are_passed_over_but_not_for_ever(acs: Acs) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    acs.handler = lambda _: Reply(raw=interim + final)
    http = transport(acs.url)
    assert await post(http) == b"ok"
    await http.aclose()
    acs.handler = lambda _: Reply(raw=interim * 100 + final)
    await refused(transport(acs.url), "more than 16 interim responses")


async def test_a_response_that_drips_is_waited_for_as_a_whole(autojump_clock: trio.abc.Clock) -> None:
    async def drip(stream: trio.SocketStream) -> None:
        try:
            await stream.receive_some(65536)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while True:
                with trio.move_on_after(5):
                    await trio.sleep_forever()
                await stream.send_all(b"<")
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, drip, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        http = transport(f"http://127.0.0.1:{port}/", timeout=30)
        await refused(http, "did not arrive as a whole within 30 s")
        nursery.cancel_scope.cancel()


async def test_an_acs_that_takes_our_message_in_drips(autojump_clock: trio.abc.Clock) -> None:
    values = soap.ValueList()
    values.add(["Device.A"] * 50000, ["string"] * 50000, ["x" * 200] * 50000)
    body = soap.encode(soap.GetParameterValuesResponse(values), soap.Header(id="1"))

    async def never(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, never, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        http = transport(f"http://127.0.0.1:{port}/", timeout=30)
        with pytest.raises(TransportError, match="did not take our message within 30 s"):
            await post(http, body)
        await http.aclose()
        nursery.cancel_scope.cancel()


async def test_what_feed_raises_comes_out(acs: Acs) -> None:
    acs.handler = lambda _: Reply(body=b"x")

    def feed(_: bytes) -> None:
        raise soap.SoapError("no")

    http = transport(acs.url)
    with pytest.raises(soap.SoapError):
        await http.post(BODY, feed)


@pytest.mark.parametrize(
    ("text", "authority", "target"),
    [
        ("http://h", "h", "/"),
        ("https://h:443/a b?c=d&e=%20#f", "h", "/a%20b?c=d&e=%20"),
        ("http://h:443/", "h:443", "/"),
        ("http://u:p%40@[::1]:7547/x", "[::1]:7547", "/x"),
        ("HTTP://bücher.example/ü", "xn--bcher-kva.example", "/%C3%BC"),
    ],
)
def test_urls(text: str, authority: str, target: str) -> None:
    url = Url.parse(text)
    assert (url.authority, url.target) == (authority, target)
    assert "p%40" not in str(url) + repr(url)


@pytest.mark.parametrize(
    "text", ["", "h", "ftp://h/", "http:///x", "http://h:99999/", "http://[::1", "http://a..b/"]
)
def test_urls_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Url.parse(text)


# TLS

StartTls = Callable[..., Awaitable[Acs]]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
async def tls_acs(ca: trustme.CA, nursery: trio.Nursery) -> StartTls:
    """``await tls_acs(identity, **issue)``: an ACS whose certificate is for that name."""

    async def start(*identities: str, authority: trustme.CA = ca, **issue: Any) -> Acs:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*identities, **issue).configure_cert(context)
        found = await start_acs(nursery, context)
        found.handler = lambda _: Reply(body=b"ok")
        return found

    return start


async def test_tls_to_an_address_in_the_certificate(tls_acs: StartTls, ca_file: str) -> None:
    acs = await tls_acs("127.0.0.1")
    http = transport(acs.url, ca_file=ca_file, username="u", password="p")
    assert await post(http) == b"ok"
    assert await post(http, None) == b"ok"
    await http.aclose()
    assert acs.posts[0].headers["authorization"].startswith("Basic ")  # not asked for, but it is safe here
    assert {p.connection for p in acs.posts} == {1}


async def test_tls_to_a_name_with_its_sni(tls_acs: StartTls, ca_file: str) -> None:
    acs = await tls_acs("localhost")
    http = transport(acs.url.replace("127.0.0.1", "localhost"), ca_file=ca_file)
    assert await post(http) == b"ok"
    await http.aclose()


async def test_p41_tls_to_another_name_is_refused(tls_acs: StartTls, ca_file: str) -> None:
    acs = await tls_acs("acs.example.org")
    await refused(
        transport(acs.url, ca_file=ca_file), "certificate was not accepted: .*(IP address mismatch|127)"
    )
    local = acs.url.replace("127.0.0.1", "localhost")
    await refused(transport(local, ca_file=ca_file), "certificate was not accepted: Hostname mismatch")
    assert acs.posts == []


async def test_tls_a_dns_name_that_looks_like_our_address_is_refused(tls_acs: StartTls, ca_file: str) -> None:
    acs = await tls_acs(common_name="127.0.0.1")
    await refused(transport(acs.url, ca_file=ca_file), "certificate was not accepted")


async def test_tls_expired_is_refused(tls_acs: StartTls, ca_file: str) -> None:
    past = datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)
    acs = await tls_acs("127.0.0.1", not_before=past - datetime.timedelta(1), not_after=past)
    await refused(transport(acs.url, ca_file=ca_file), "certificate has expired")
    assert acs.posts == []


async def test_p41_tls_without_a_clock_only_the_dates_are_ignored(
    tls_acs: StartTls, ca_file: str, tmp_path: Path
) -> None:
    past = datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)
    expired = {"not_before": past - datetime.timedelta(1), "not_after": past}
    acs = await tls_acs("127.0.0.1", **expired)
    http = transport(acs.url, ca_file=ca_file, ignore_dates=True)
    assert await post(http) == b"ok"
    await http.aclose()
    other = await tls_acs("acs.example.org", **expired)
    stranger = await tls_acs("127.0.0.1", authority=trustme.CA(), **expired)
    for found in (other, stranger):
        await refused(
            transport(found.url, ca_file=ca_file, ignore_dates=True), "certificate was not accepted"
        )
        assert found.posts == []


async def test_tls_a_client_certificate(
    ca: trustme.CA, nursery: trio.Nursery, ca_file: str, tmp_path: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    ca.issue_cert("127.0.0.1").configure_cert(context)
    acs = await start_acs(nursery, context)
    acs.handler = lambda _: Reply(body=b"ok")
    await refused(transport(acs.url, ca_file=ca_file), "TLS|closed the connection|broke")
    device = ca.issue_cert("02005E-GW-0001")
    key, chain, both = tmp_path / "key.pem", tmp_path / "chain.pem", tmp_path / "both.pem"
    device.private_key_pem.write_to_path(str(key))
    for blob in device.cert_chain_pems:
        blob.write_to_path(str(chain), append=True)
    device.private_key_and_cert_chain_pem.write_to_path(str(both))
    for files in ({"certificate": str(chain), "key": str(key)}, {"certificate": str(both)}):
        http = transport(acs.url, ca_file=ca_file, **files)
        assert await post(http) == b"ok"
        await http.aclose()
    for files in ({"certificate": str(chain)}, {"certificate": str(chain), "key": str(tmp_path / "none")}):
        await refused(transport(acs.url, ca_file=ca_file, **files), "client_certificate.*cannot be used")


async def test_tls_an_unknown_authority_is_refused(tls_acs: StartTls, ca_file: str) -> None:
    acs = await tls_acs("127.0.0.1", authority=trustme.CA())
    await refused(transport(acs.url, ca_file=ca_file), "certificate was not accepted")
    known = await tls_acs("127.0.0.1")
    await refused(transport(known.url), "certificate was not accepted")  # not in the system's store
    assert acs.posts == known.posts == []


async def test_tls_1_1_is_not_spoken(ca_file: str) -> None:
    assert tls.client_context(ca_file).minimum_version is ssl.TLSVersion.TLSv1_2


async def test_tls_a_ca_file_that_is_not_there(tls_acs: StartTls, tmp_path: Path) -> None:
    acs = await tls_acs("127.0.0.1")
    await refused(transport(acs.url, ca_file=str(tmp_path / "none.pem")), "ca_file.*No such file")
    (tmp_path / "empty.pem").write_text("nothing")
    await refused(transport(acs.url, ca_file=str(tmp_path / "empty.pem")), "ca_file.*no certificates")


async def test_tls_where_there_is_none(acs: Acs, ca_file: str) -> None:
    await refused(transport(acs.url.replace("http:", "https:"), ca_file=ca_file), "TLS failed|closed")


async def test_tls_redirected_to_plain_and_back_checks_the_name_again(
    tls_acs: StartTls, acs: Acs, ca_file: str
) -> None:
    good, bad = await tls_acs("127.0.0.1"), await tls_acs("elsewhere.example")
    acs.handler = lambda _: Reply(307, headers=(("Location", good.url),))
    http = transport(acs.url, ca_file=ca_file, username="u", password="p")
    assert await post(http) == b"ok"
    await http.aclose()
    assert "authorization" not in good.posts[0].headers  # nobody asked, and it is not who we were told of
    acs.handler = lambda _: Reply(307, headers=(("Location", bad.url),))
    await refused(transport(acs.url, ca_file=ca_file), "certificate was not accepted")


async def test_tls_acs_that_closes_after_each_response(tls_acs: StartTls, ca_file: str) -> None:
    acs = await tls_acs("127.0.0.1")
    acs.handler = lambda _: Reply(body=b"x", close=True)
    http = transport(acs.url, ca_file=ca_file)
    for _ in range(3):
        assert await post(http) == b"x"
        await trio.testing.wait_all_tasks_blocked(0.01)
    await http.aclose()
    assert [p.connection for p in acs.posts] == [1, 2, 3]


async def test_a_plain_proxy_gets_the_whole_url_and_its_own_credentials(
    acs: Acs, nursery: trio.Nursery
) -> None:
    """The proxy here is a server that answers in the ACS's place."""

    def handler(post: Post) -> Reply:
        if "proxy-authorization" not in post.headers:
            return Reply(407, b"no", (("Proxy-Authenticate", 'Basic realm="p"'),))
        return challenge(post, DIGEST)

    acs.handler = handler
    dialler = Dialler(proxy=f"http://pu:pp@127.0.0.1:{acs.port}/", no_proxy="127.0.0.1")
    http = transport("http://acs.invalid/cwmp?x=1", username="u", password="p", dialler=dialler)
    assert await post(http) == b"ok"
    assert await post(http, None) == b"ok"
    await http.aclose()
    assert {p.target for p in acs.posts} == {"http://acs.invalid/cwmp?x=1"}
    assert {p.host for p in acs.posts} == {"acs.invalid"}
    given = [(p.headers.get("proxy-authorization"), p.headers.get("authorization", "")) for p in acs.posts]
    ours = f"Basic {base64.b64encode(b'pu:pp').decode()}"
    assert [proxy for proxy, _ in given] == [None, ours, ours, ours]
    assert [acs[:6] for _, acs in given] == ["", "", "Digest", "Digest"]
    assert 'uri="/cwmp?x=1"' in given[2][1]
    acs.handler = lambda _: Reply(407, headers=(("Proxy-Authenticate", 'Basic realm="p"'),))
    http = transport("http://acs.invalid/", dialler=Dialler(proxy=f"http://a:b@127.0.0.1:{acs.port}/"))
    await refused(http, r"proxy 127\.0\.0\.1:\d+: it did not accept our authentication")
    direct = transport(acs.url, dialler=dialler)
    await refused(direct, "answered 407")


async def test_a_session_stays_at_the_address_it_began_with(nursery: trio.Nursery) -> None:
    """The name has two addresses; the ACS closes after each response."""
    acs = await start_acs(nursery, host="0.0.0.0")
    acs.handler = lambda _: Reply(body=b"x", close=True)

    class Names(trio.abc.HostnameResolver):
        asked = 0

        async def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
            self.asked += 1
            address = f"127.0.0.{self.asked + 1}"  # another one each time
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
            raise OSError

    trio.socket.set_custom_hostname_resolver(Names())
    http = transport(f"http://acs.example:{acs.port}/acs")
    for _ in range(3):
        assert await post(http) == b"x"
        await trio.testing.wait_all_tasks_blocked(0.01)
    await http.aclose()
    assert [p.connection for p in acs.posts] == [1, 2, 3]
    assert acs.met == ["127.0.0.2"] * 3
    assert http.reached
