"""Fetching files from real servers: the good, the broken and the lying."""

from __future__ import annotations

import base64
import hashlib
import os
import resource
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h11
import pytest
import trio
import trio.testing
import trustme
from tests.firmware.fileserver import Exchange, FileServer, digest_is_right, open_server

from cwmp.contract import Fault
from cwmp.firmware.exchange import Place
from cwmp.firmware.fetch import Means, fetch
from cwmp.firmware.http import Deadlines, MakeTls, Network, parse_url, shown
from cwmp.runtime import tls
from cwmp.runtime.dial import Dialler

IMAGE = os.urandom(300_000)
SPACE = 1 << 30


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with open_server() as running:
        running.serve("/image", IMAGE)
        yield running


def no_tls() -> ssl.SSLContext:
    raise AssertionError("this test speaks no TLS")


def means(make_tls: MakeTls = no_tls, deadlines: Deadlines | None = None, **changes: Any) -> Means:
    return Means(Network(make_tls, deadlines=deadlines or Deadlines()), **{"space": lambda: SPACE, **changes})


async def refused(source: Place, target: Path, how: Means) -> Fault:
    with pytest.raises(Fault) as caught:
        await fetch(source, target, how)
    assert not target.exists(), "nothing may be left behind"
    return caught.value


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


async def test_a_file_arrives_whole(server: FileServer, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = await fetch(
        Place(server.url("/image")), target, means(progress=lambda size, total: seen.append((size, total)))
    )
    assert target.read_bytes() == IMAGE
    assert (found.size, found.sha256) == (len(IMAGE), hashlib.sha256(IMAGE).hexdigest())
    assert seen[-1] == (len(IMAGE), len(IMAGE))
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


async def test_a_chunked_file_without_length(server: FileServer, target: Path) -> None:
    @server.route("/chunked")
    async def _(exchange: Exchange) -> None:
        await exchange.answer(200, IMAGE, {"Transfer-Encoding": "chunked"}, length=False)

    await fetch(Place(server.url("/chunked")), target, means())
    assert target.read_bytes() == IMAGE


async def test_a_body_that_ends_with_the_connection(server: FileServer, target: Path) -> None:
    @server.route("/http10")
    async def _(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.0 200 OK\r\n\r\n" + IMAGE)
        await exchange.abort()

    assert (await fetch(Place(server.url("/http10")), target, means())).size == len(IMAGE)


async def test_informational_responses_are_skipped(server: FileServer, target: Path) -> None:
    @server.route("/early")
    async def _(exchange: Exchange) -> None:
        await exchange.send(h11.InformationalResponse(status_code=103, headers=[]))
        await exchange.answer(200, IMAGE)

    assert (await fetch(Place(server.url("/early")), target, means())).size == len(IMAGE)


async def test_over_ipv6(target: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        async with open_server(host="::1") as server:
            server.serve("/image", IMAGE)
            assert (await fetch(Place(server.url("/image", "[::1]")), target, means())).size == len(IMAGE)
            assert server.requests[0].headers["host"] == f"[::1]:{server.port}"
    except OSError as error:
        pytest.skip(f"no IPv6 loopback: {error}")


# Answers that are none


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, 9012), (403, 9012), (404, 9016), (410, 9016), (500, 9016), (503, 9016), (206, 9016), (204, 9016)],
)
async def test_p30_statuses(server: FileServer, target: Path, status: int, code: int) -> None:
    @server.route("/status")
    async def _(exchange: Exchange) -> None:
        await exchange.answer(status, headers={"Content-Length": "0"} if status != 204 else {}, length=False)

    fault = await refused(Place(server.url("/status")), target, means())
    assert fault.code == code
    assert str(status) in fault.text


async def test_a_file_that_breaks_off(server: FileServer, target: Path) -> None:
    @server.route("/truncated")
    async def _(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + IMAGE[:1000])
        await exchange.abort()

    assert (await refused(Place(server.url("/truncated")), target, means())).code == 9017


async def test_a_chunked_file_that_breaks_off(server: FileServer, target: Path) -> None:
    @server.route("/truncated")
    async def _(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await exchange.abort()

    assert (await refused(Place(server.url("/truncated")), target, means())).code == 9017


async def test_more_than_was_announced_is_not_taken(server: FileServer, target: Path) -> None:
    @server.route("/lie")
    async def _(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + IMAGE)

    assert (await fetch(Place(server.url("/lie")), target, means())).size == 1000


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 welcome to this FTP server\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
    ],
    ids=["nothing", "another protocol", "two lengths", "negative length", "endless header", "endless 100"],
)
async def test_servers_that_speak_no_http(server: FileServer, target: Path, answer: bytes) -> None:
    @server.route("/odd")
    async def _(exchange: Exchange) -> None:
        await exchange.raw(answer)
        await exchange.abort()

    assert (await refused(Place(server.url("/odd")), target, means())).code == 9015


async def test_p30_nobody_there(target: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        port = taken.getsockname()[1]
        fault = await refused(Place(f"http://127.0.0.1:{port}/image"), target, means())
    assert fault.code == 9015
    assert "127.0.0.1" in fault.text


async def test_a_name_that_does_not_resolve(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Resolver(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *_: object) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async def getnameinfo(self, *_: object) -> Any:
            raise AssertionError

    trio.socket.set_custom_hostname_resolver(Resolver())
    fault = await refused(Place("http://nowhere.example/image"), target, means())
    assert fault.code == 9015
    assert "nowhere.example" in fault.text


# A line that breaks, and the rest of the file


class Breaking:
    """Serves a file and cuts the line after `piece` bytes of each answer. `versions`: the file, answer by answer."""

    def __init__(
        self, server: FileServer, *versions: bytes, piece: int = 100_000, ranges: bool = True
    ) -> None:
        self._versions = list(versions)
        self._piece = piece
        self._ranges = ranges
        server.routes["/breaking"] = self._answer

    async def _answer(self, exchange: Exchange) -> None:
        data = self._versions.pop(0) if len(self._versions) > 1 else self._versions[0]
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        wanted = exchange.headers.get("range", "")
        begin = 0
        if wanted and self._ranges and exchange.headers.get("if-range") == tag:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        status = (
            f"206 Partial Content\r\nContent-Range: bytes {begin}-{len(data) - 1}/{len(data)}"
            if begin
            else "200 OK"
        )
        head = f"HTTP/1.1 {status}\r\nETag: {tag}\r\nContent-Length: {len(data) - begin}\r\n\r\n"
        await exchange.raw(head.encode() + data[begin : begin + self._piece])
        if begin + self._piece < len(data):
            await exchange.abort()


async def test_the_rest_is_asked_for_when_the_line_breaks(
    jumping_clock: trio.testing.MockClock, server: FileServer, target: Path
) -> None:
    Breaking(server, IMAGE)
    found = await fetch(Place(server.url("/breaking")), target, means())
    assert target.read_bytes() == IMAGE
    assert found.sha256 == hashlib.sha256(IMAGE).hexdigest()
    assert [r.headers.get("range") for r in server.requests] == [None, "bytes=100000-", "bytes=200000-"]


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_file_that_changed_between_two_ranges_begins_anew(
    jumping_clock: trio.testing.MockClock, server: FileServer, target: Path, ranges: bool
) -> None:
    newer = os.urandom(150_000)
    Breaking(server, IMAGE, newer, piece=160_000, ranges=ranges)
    found = await fetch(Place(server.url("/breaking")), target, means())
    assert target.read_bytes() == newer
    assert (found.size, found.sha256) == (len(newer), hashlib.sha256(newer).hexdigest())


async def test_a_file_that_changes_every_time_is_given_up(
    jumping_clock: trio.testing.MockClock, server: FileServer, target: Path
) -> None:
    Breaking(server, *(os.urandom(150_000) for _ in range(9)))
    fault = await refused(Place(server.url("/breaking")), target, means())
    assert (fault.code, "changed" in fault.text) == (9017, True)


@pytest.mark.parametrize(
    "answer",
    [
        "206 Partial Content\r\nContent-Range: bytes 0-299999/300000",
        "206 Partial Content\r\nContent-Range: bytes 100000-299999/400000",
        "206 Partial Content\r\nContent-Range: bytes 100000-299999/*",
        "206 Partial Content",
        '206 Partial Content\r\nETag: "other"\r\nContent-Range: bytes 100000-299999/300000',
        "416 Range Not Satisfiable",
    ],
)
async def test_a_range_that_is_another_one_is_not_joined(
    jumping_clock: trio.testing.MockClock, server: FileServer, target: Path, answer: str
) -> None:
    @server.route("/odd")
    async def _(exchange: Exchange) -> None:
        if "range" in exchange.headers:
            await exchange.raw(
                f"HTTP/1.1 {answer}\r\nContent-Length: 200000\r\n\r\n".encode() + bytes(200_000)
            )
            return
        cut = len(server.requests) == 1
        head = b'HTTP/1.1 200 OK\r\nETag: "one"\r\nContent-Length: 300000\r\n\r\n'
        await exchange.raw(head + (IMAGE[:100_000] if cut else IMAGE))
        if cut:
            await exchange.abort()

    await fetch(Place(server.url("/odd")), target, means())
    assert target.read_bytes() == IMAGE


async def test_a_line_that_breaks_again_and_again(
    jumping_clock: trio.testing.MockClock, server: FileServer, target: Path
) -> None:
    Breaking(server, IMAGE, piece=10_000)
    fault = await refused(Place(server.url("/breaking")), target, means())
    assert (fault.code, len(server.requests)) == (9017, 6)


async def test_without_a_mark_the_rest_is_not_asked_for(server: FileServer, target: Path) -> None:
    @server.route("/unmarked")
    async def _(exchange: Exchange) -> None:
        await exchange.raw(
            b'HTTP/1.1 200 OK\r\nETag: W/"weak"\r\nContent-Length: 300000\r\n\r\n' + IMAGE[:1000]
        )
        await exchange.abort()

    assert (await refused(Place(server.url("/unmarked")), target, means())).code == 9017
    assert len(server.requests) == 1


# Through a proxy


async def test_by_a_proxy(server: FileServer, target: Path) -> None:
    server.serve("http://files.invalid/image", IMAGE)
    network = Network(no_tls, Dialler(proxy=server.url("/")))
    await fetch(Place("http://files.invalid/image"), target, Means(network, lambda: SPACE))
    assert target.read_bytes() == IMAGE
    assert server.requests[0].headers["host"] == "files.invalid"


async def test_a_proxy_that_wants_to_know_who_we_are(server: FileServer, target: Path) -> None:
    @server.route("http://files.invalid/image")
    async def _(exchange: Exchange) -> None:
        if exchange.headers.get("proxy-authorization") == BASIC:
            await exchange.answer(200, IMAGE)
        else:
            await exchange.answer(407, headers={"Proxy-Authenticate": "Basic"})

    for credentials, code in (("user:secret@", 0), ("", 9015)):
        proxy = f"http://{credentials}127.0.0.1:{server.port}"
        how = Means(Network(no_tls, Dialler(proxy=proxy)), lambda: SPACE)
        place = Place("http://files.invalid/image")
        if code:
            assert (await refused(place, target, how)).code == code
        else:
            await fetch(place, target, how)
            target.unlink()


# Redirects


async def test_redirects_are_followed(server: FileServer, target: Path) -> None:
    for number, status in enumerate((301, 302, 303, 307, 308)):
        location = f"/{number + 1}" if number < 4 else "/image"
        server.routes[f"/{number}"] = lambda exchange, status=status, location=location: exchange.answer(
            status, headers={"Location": location}
        )
    assert (await fetch(Place(server.url("/0")), target, means())).size == len(IMAGE)
    assert server.connections == 1, "the connection is kept"


async def test_redirects_in_circles(server: FileServer, target: Path) -> None:
    server.routes["/circle"] = lambda exchange: exchange.answer(302, headers={"Location": "/circle"})
    fault = await refused(Place(server.url("/circle")), target, means())
    assert (fault.code, len(server.requests)) == (9016, 6)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://x/", "http://user:pw@127.0.0.1/", "http:///", "http://[::1"]
)
async def test_redirects_that_are_refused(server: FileServer, target: Path, location: str) -> None:
    server.routes["/go"] = lambda exchange: exchange.answer(302, headers={"Location": location})
    fault = await refused(Place(server.url("/go")), target, means())
    assert fault.code == 9016
    assert "pw" not in fault.text


async def test_a_redirect_to_nowhere(server: FileServer, target: Path) -> None:
    server.routes["/go"] = lambda exchange: exchange.answer(302)
    assert (await refused(Place(server.url("/go")), target, means())).code == 9016


async def test_credentials_do_not_follow_a_redirect_to_another_server(
    server: FileServer, target: Path
) -> None:
    async with open_server() as other:

        @other.route("/image")
        async def _(exchange: Exchange) -> None:
            await exchange.answer(401, headers={"WWW-Authenticate": 'Basic realm="phishing"'})

        server.routes["/go"] = lambda exchange: exchange.answer(
            302, headers={"Location": other.url("/image")}
        )
        fault = await refused(Place(server.url("/go"), "user", "secret"), target, means())
        assert fault.code == 9012
        assert all("authorization" not in r.headers for r in other.requests)


# Authentication


def protected(server: FileServer, challenge: str, accept: Any, *, close: bool = False) -> None:
    @server.route("/protected")
    async def _(exchange: Exchange) -> None:
        if accept(exchange.headers.get("authorization", "")):
            await exchange.answer(200, IMAGE)
        else:
            headers = {"WWW-Authenticate": challenge, **({"Connection": "close"} if close else {})}
            await exchange.answer(401, b"who are you?", headers)


BASIC = "Basic " + base64.b64encode(b"user:secret").decode()


@pytest.mark.parametrize("close", [False, True])
async def test_basic(server: FileServer, target: Path, close: bool) -> None:
    protected(server, 'Basic realm="files"', lambda sent: sent == BASIC, close=close)
    await fetch(Place(server.url("/protected"), "user", "secret"), target, means())
    assert target.read_bytes() == IMAGE
    assert "authorization" not in server.requests[0].headers, "the challenge selects the scheme"
    assert server.connections == (2 if close else 1)


async def test_digest(server: FileServer, target: Path) -> None:
    protected(
        server,
        'Digest realm="files", nonce="abc", qop="auth"',
        lambda sent: sent.startswith("Digest ") and digest_is_right(sent, "GET", "user", "secret"),
    )
    await fetch(Place(server.url("/protected"), "user", "secret"), target, means())
    assert target.read_bytes() == IMAGE


async def test_a_realm_that_is_not_ascii(server: FileServer, target: Path) -> None:
    challenge = 'WWW-Authenticate: Digest realm="d\xe4t\xe4", nonce="n", qop="auth"\r\n'

    @server.route("/protected")
    async def _(exchange: Exchange) -> None:
        if exchange.headers.get("authorization", "").startswith("Digest "):
            await exchange.answer(200, IMAGE)
        else:
            head = f"HTTP/1.1 401 No\r\n{challenge}Content-Length: 0\r\n\r\n"
            await exchange.raw(head.encode("latin-1"))
            await exchange.abort()

    await fetch(Place(server.url("/protected"), "user", "secret"), target, means())
    assert target.read_bytes() == IMAGE


async def test_a_connection_that_is_closed_after_the_challenge_unannounced(
    server: FileServer, target: Path
) -> None:
    @server.route("/protected")
    async def _(exchange: Exchange) -> None:
        if exchange.headers.get("authorization") == BASIC:
            await exchange.answer(200, IMAGE)
        else:
            await exchange.answer(401, headers={"WWW-Authenticate": "Basic"})
            await exchange.abort()

    await fetch(Place(server.url("/protected"), "user", "secret"), target, means())
    assert target.read_bytes() == IMAGE


async def test_p30_wrong_credentials_are_tried_once(server: FileServer, target: Path) -> None:
    protected(server, 'Digest realm="files", nonce="abc", qop="auth"', lambda _: False)
    fault = await refused(Place(server.url("/protected"), "user", "secret"), target, means())
    assert (fault.code, len(server.requests)) == (9012, 2)
    assert "secret" not in str(fault)


async def test_missing_credentials(server: FileServer, target: Path) -> None:
    protected(server, 'Basic realm="files"', lambda _: False)
    fault = await refused(Place(server.url("/protected")), target, means())
    assert (fault.code, len(server.requests)) == (9012, 1)


async def test_a_scheme_we_do_not_speak(server: FileServer, target: Path) -> None:
    protected(server, "Negotiate", lambda _: False)
    fault = await refused(Place(server.url("/protected"), "user", "secret"), target, means())
    assert fault.code == 9012


# Space


async def test_a_file_that_is_too_large_is_not_begun(server: FileServer, target: Path) -> None:
    fault = await refused(Place(server.url("/image")), target, means(space=lambda: len(IMAGE) - 1))
    assert fault.code == 9010
    assert str(len(IMAGE)) in fault.text


async def test_a_file_that_does_not_end_is_cut_off(server: FileServer, target: Path) -> None:
    @server.route("/endless")
    async def _(exchange: Exchange) -> None:
        await exchange.send(h11.Response(status_code=200, headers=[("Transfer-Encoding", "chunked")]))
        while True:
            await exchange.send(h11.Data(data=bytes(65536)))

    def space() -> int:
        return (4 << 20) - (target.stat().st_size if target.exists() else 0)

    assert (await refused(Place(server.url("/endless")), target, means(space=space))).code == 9010


async def test_a_full_disk(server: FileServer, tmp_path: Path) -> None:
    target = tmp_path / "absent" / "target"
    assert (await refused(Place(server.url("/image")), target, means())).code == 9010


async def test_a_disk_that_is_full_all_of_a_sudden(server: FileServer, target: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        fault = await refused(Place(server.url("/image")), target, means())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert (fault.code, "File too large" in fault.text) == (9010, True)


async def test_what_is_there_is_not_overwritten(server: FileServer, target: Path) -> None:
    target.write_text("somebody else's")
    with pytest.raises(Fault):
        await fetch(Place(server.url("/image")), target, means())


# Deadlines: the clock jumps as soon as nobody has anything to do


@pytest.fixture
def jumping_clock(autojump_clock: trio.testing.MockClock) -> trio.testing.MockClock:
    autojump_clock.autojump_threshold = 0.05
    return autojump_clock


async def silence(_: object) -> None:
    await trio.sleep_forever()


SHORT = {"total": 100.0, "deadlines": Deadlines(connect=5, answer=10, idle=20)}


async def test_a_server_that_does_not_answer(
    jumping_clock: trio.testing.MockClock, server: FileServer, target: Path
) -> None:
    server.routes["/silent"] = silence
    fault = await refused(Place(server.url("/silent")), target, means(**SHORT))
    assert fault.code == 9015


async def test_a_server_that_falls_silent(
    jumping_clock: trio.testing.MockClock, server: FileServer, target: Path
) -> None:
    @server.route("/half")
    async def _(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + IMAGE[:1000])
        await trio.sleep_forever()

    fault = await refused(Place(server.url("/half")), target, means(**SHORT))
    assert (fault.code, "20 s" in fault.text) == (9017, True)


async def test_a_server_that_drips(
    jumping_clock: trio.testing.MockClock, server: FileServer, target: Path
) -> None:
    @server.route("/drip")
    async def _(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")
        while True:
            await trio.sleep(15)  # on the test's clock
            await exchange.raw(b"x")

    fault = await refused(Place(server.url("/drip")), target, means(**SHORT))
    assert (fault.code, "100 s" in fault.text) == (9017, True)


async def test_a_peer_that_accepts_and_never_shakes_hands(
    jumping_clock: trio.testing.MockClock, target: Path
) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, silence, listeners)
        fault = await refused(
            Place(f"https://127.0.0.1:{port}/"),
            target,
            means(make_tls=ssl.create_default_context, **SHORT),
        )
        nursery.cancel_scope.cancel()
    assert (fault.code, "5 s" in fault.text) == (9015, True)


async def test_cancelling_leaves_nothing(server: FileServer, target: Path) -> None:
    with trio.CancelScope() as scope:
        await fetch(Place(server.url("/image")), target, means(progress=lambda *_: scope.cancel()))
    assert scope.cancelled_caught
    assert not target.exists()


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = tls.client_context()
    authority.configure_trust(context)
    return context


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_https(authority: trustme.CA, target: Path, name: str) -> None:
    async with open_server(server_context(authority, name)) as server:
        server.serve("/image", IMAGE)
        await fetch(
            Place(server.url("/image", name, "https")), target, means(make_tls=lambda: trusting(authority))
        )
    assert target.read_bytes() == IMAGE


async def test_a_certificate_from_somebody_else(authority: trustme.CA, target: Path) -> None:
    async with open_server(server_context(trustme.CA(), "127.0.0.1")) as server:
        server.serve("/image", IMAGE)
        fault = await refused(
            Place(server.url("/image", scheme="https"), "user", "secret"),
            target,
            means(make_tls=lambda: trusting(authority)),
        )
        assert fault.code == 9015
        assert "issuer" in fault.text
        assert server.requests == []


async def test_a_certificate_for_another_host(authority: trustme.CA, target: Path) -> None:
    async with open_server(server_context(authority, "other.example")) as server:
        fault = await refused(
            Place(server.url("/image", scheme="https")), target, means(make_tls=lambda: trusting(authority))
        )
    assert fault.code == 9015
    assert "not valid for '127.0.0.1'" in fault.text


async def test_from_https_to_http_is_refused(authority: trustme.CA, server: FileServer, target: Path) -> None:
    async with open_server(server_context(authority, "127.0.0.1")) as secure:
        secure.routes["/go"] = lambda exchange: exchange.answer(
            302, headers={"Location": server.url("/image")}
        )
        fault = await refused(
            Place(secure.url("/go", scheme="https")), target, means(make_tls=lambda: trusting(authority))
        )
    assert fault.code == 9016
    assert server.requests == []


async def test_a_body_that_ends_with_the_connection_needs_a_proper_end_of_tls(
    authority: trustme.CA, target: Path
) -> None:
    async with open_server(server_context(authority, "127.0.0.1")) as server:

        @server.route("/cut")
        async def _(exchange: Exchange) -> None:
            await exchange.raw(b"HTTP/1.0 200 OK\r\n\r\n" + IMAGE[:1000])
            await exchange.abort()  # without close_notify, as whoever cuts the line would

        fault = await refused(
            Place(server.url("/cut", scheme="https")), target, means(make_tls=lambda: trusting(authority))
        )
    assert fault.code == 9017


# URLs


@pytest.mark.parametrize(
    ("text", "authority", "target"),
    [
        ("http://Files.Example", "files.example", "/"),
        ("http://files.example:80/a?b=c#d", "files.example", "/a?b=c"),
        ("https://files.example:80/", "files.example:80", "/"),
        ("http://[2001:db8::1]:8080/x", "[2001:db8::1]:8080", "/x"),
    ],
)
def test_urls(text: str, authority: str, target: str) -> None:
    url = parse_url(text)
    assert (url.authority, url.target) == (authority, target)


def test_a_url_is_shown_without_its_query() -> None:
    assert shown(parse_url("http://files.example/image?token=secret")) == "http://files.example/image"
