"""`cwmp check` as a program, against real servers on loopback."""

from __future__ import annotations

import datetime
import json
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from tests.session.acs import EMPTY, Acs, Post, Reply, start_acs

from ubuskit.client import Client, Method, Request

Configure = Callable[..., None]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """``configure(acs_url=..., ...)`` writes /etc/config/cwmp."""

    def write(**options: object) -> None:
        given = {"connection_request_username": "acs", "connection_request_password": "x", **options}
        lines = "".join(f"\toption {name} '{value}'\n" for name, value in given.items())
        (tmp_path / "cwmp").write_text(f"config cwmp 'main'\n{lines}")

    return write


async def check(uci_dir: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output; nothing is on stderr."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "cwmp.cli",
        "check",
        "--uci-dir",
        str(uci_dir),
        *arguments,
    ]
    with trio.fail_after(30):
        done = await trio.run_process(command, check=False, capture_stdout=True, capture_stderr=True)
    assert done.stderr == b""
    return done.returncode, done.stdout.decode()


def last(output: str) -> list[str]:
    return [line.strip() for line in output.splitlines()[-2:]]


async def test_all_is_well(tmp_path: Path, configure: Configure, nursery: trio.Nursery) -> None:
    acs = await start_acs(nursery)
    configure(acs_url=acs.url)
    code, output = await check(tmp_path)
    assert code == 0
    assert [line.split()[:2] for line in output.splitlines()] == [
        ["ok", "configuration"],
        ["ok", "clock"],
        ["ok", "dns"],
        ["ok", "tcp"],
        ["ok", "authentication"],
        ["ok", "http"],
    ]
    assert [(p.method, p.headers["content-length"]) for p in acs.posts] == [("", "0")]
    code, output = await check(tmp_path, "--json")
    assert code == 0
    assert json.loads(output)[-1]["step"] == "http"


async def test_wrong_options_are_named_with_their_line(tmp_path: Path, configure: Configure) -> None:
    configure(retry_minimum_wait_interval="soon", enable=0)
    code, output = await check(tmp_path)
    assert code == 1
    assert "line 4: option 'retry_minimum_wait_interval'" in output
    assert "option 'enable' is 0" in output
    assert "there is no acs_url" in output
    assert "dns" not in output


async def test_no_dns(tmp_path: Path, configure: Configure) -> None:
    configure(acs_url="https://acs.invalid/")
    code, output = await check(tmp_path)
    assert code == 1
    wrong, fix = last(output)
    assert wrong.startswith("WRONG dns            acs.invalid: ")
    assert fix.startswith("fix: ")
    assert "name" in fix


async def test_a_closed_port(tmp_path: Path, configure: Configure) -> None:
    with trio.socket.socket() as closed:
        await closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        configure(acs_url=f"http://127.0.0.1:{port}/")
        code, output = await check(tmp_path)
    assert code == 1
    wrong, fix = last(output)
    assert wrong == f"WRONG tcp            127.0.0.1 port {port}: Connection refused"
    assert "firewall" in fix


@dataclass
class Proxy:
    """A forward proxy: it opens tunnels to anywhere and answers what is not CONNECT itself."""

    challenge: bool = True
    heads: list[str] = field(default_factory=list)

    async def handle(self, stream: trio.SocketStream) -> None:
        while head := bytes(await stream.receive_some(65536)).decode("latin-1"):
            self.heads.append(head)
            if self.challenge and "Proxy-Authorization: Basic dTpw" not in head:
                asked = 'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\n\r\n'
                await stream.send_all(asked.encode())
                continue
            if not head.startswith("CONNECT "):
                await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                continue
            server = await trio.open_tcp_stream("127.0.0.1", int(head.split()[1].rpartition(":")[2]))
            await stream.send_all(b"HTTP/1.1 200 Connected\r\n\r\n")
            async with server, trio.open_nursery() as nursery:
                nursery.start_soon(self.pass_on, server, stream)
                await self.pass_on(stream, server)
                nursery.cancel_scope.cancel()

    async def pass_on(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        try:
            async for data in source:
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


async def test_through_a_proxy(tmp_path: Path, configure: Configure, nursery: trio.Nursery) -> None:
    acs, authority = await tls_acs(nursery, days=-1, name="acs.example.org")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    proxy = Proxy()
    listeners = await nursery.start(partial(trio.serve_tcp, proxy.handle, 0, host="127.0.0.1"))
    port = listeners[0].socket.getsockname()[1]
    options = {"http_proxy": f"http://u:p@127.0.0.1:{port}/", "ca_file": tmp_path / "ca.pem"}
    configure(acs_url=f"https://acs.example.org:{acs.port}/", **options)
    code, output = await check(tmp_path)
    assert code == 0, output
    assert f"ok    proxy          127.0.0.1:{port} connects us to acs.example.org:{acs.port}" in output
    assert len(acs.posts) == 1
    configure(acs_url="http://acs.example.org/a", **options)
    code, output = await check(tmp_path)
    assert code == 0, output
    assert proxy.heads[-1].startswith("POST http://acs.example.org/a HTTP/1.1")
    configure(acs_url="http://acs.example.org/", http_proxy=f"http://127.0.0.1:{port}/")
    wrong, fix = last((await check(tmp_path))[1])
    assert wrong.startswith(f"WRONG proxy          127.0.0.1:{port}: it wants authentication")
    assert "option 'http_proxy'" in fix
    configure(acs_url="http://acs.example.org/", http_proxy="http://proxy.invalid/")
    wrong, fix = last((await check(tmp_path))[1])
    assert wrong.startswith("WRONG dns            proxy.invalid: ")
    assert "option 'http_proxy'" in fix


async def test_the_acs_that_dhcp_tells_of(
    tmp_path: Path, configure: Configure, nursery: trio.Nursery, bus: Path, client: Client
) -> None:
    acs = await start_acs(nursery)

    async def status(_: Request) -> dict[str, Any]:
        return {"acs_url": acs.url, "acs_url_from": "dhcp"}

    await client.add_object("cwmp", {"status": Method(status)})
    configure()
    code, output = await check(tmp_path, "--bus", str(bus))
    assert code == 0, output
    assert f"ok    configuration  DHCP tells of the ACS {acs.url}" in output


async def tls_acs(nursery: trio.Nursery, *, days: int = 0, name: str = "127.0.0.1") -> tuple[Acs, trustme.CA]:
    """An ACS with a certificate that becomes valid in so many days."""
    start = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    authority = trustme.CA()
    certificate = authority.issue_cert(name, not_before=start, not_after=start + datetime.timedelta(days=90))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return await start_acs(nursery, context), authority


async def test_a_certificate_of_an_unknown_authority(
    tmp_path: Path, configure: Configure, nursery: trio.Nursery
) -> None:
    acs, authority = await tls_acs(nursery, days=-1)
    configure(acs_url=acs.url)
    code, output = await check(tmp_path)
    assert code == 1
    wrong, fix = last(output)
    assert wrong.startswith("WRONG tls            the certificate was not accepted: ")
    assert "none of the system's" in fix
    assert "option 'ca_file'" in fix
    assert "note  tls            shown: " in output
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    configure(acs_url=acs.url, ca_file=tmp_path / "ca.pem")
    code, output = await check(tmp_path)
    assert code == 0
    assert "ok    tls            TLSv1.3, " in output
    configure(acs_url=acs.url, ca_file=tmp_path / "nothing.pem")
    assert "option 'ca_file'" in (await check(tmp_path))[1]


async def test_a_wrong_clock(tmp_path: Path, configure: Configure, nursery: trio.Nursery) -> None:
    acs, authority = await tls_acs(nursery, days=400)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    configure(acs_url=acs.url, ca_file=tmp_path / "ca.pem")
    code, output = await check(tmp_path)
    assert code == 1
    wrong, fix = last(output)
    assert "not yet valid" in wrong
    assert "the clock says" in fix


async def test_a_clock_unlike_that_of_the_acs(
    tmp_path: Path, configure: Configure, nursery: trio.Nursery
) -> None:
    acs = await start_acs(nursery)
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=48)
    acs.handler = lambda _: Reply(204, headers=(("Date", format_datetime(then, usegmt=True)),))
    configure(acs_url=acs.url)
    code, output = await check(tmp_path)
    assert code == 1
    assert "WRONG clock          it is 48.0 hours behind that of the ACS" in output


async def test_a_certificate_for_another_name(
    tmp_path: Path, configure: Configure, nursery: trio.Nursery
) -> None:
    acs, authority = await tls_acs(nursery, days=-1, name="acs.example.org")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    configure(acs_url=acs.url, ca_file=tmp_path / "ca.pem")
    code, output = await check(tmp_path)
    assert code == 1
    assert "must be for 127.0.0.1" in last(output)[1]


def guarded(post: Post, challenge: str, *, password: str, close: bool = False) -> Reply:
    """Basic for real, Digest by the look of it."""
    given = post.headers.get("authorization", "")
    if given.startswith("Digest") or given == f"Basic {password}":
        return EMPTY
    return Reply(401, b"who?", (("WWW-Authenticate", challenge),), close=close)


async def test_a_wrong_password(tmp_path: Path, configure: Configure, nursery: trio.Nursery) -> None:
    acs = await start_acs(nursery)
    acs.handler = lambda post: guarded(post, 'Basic realm="acs"', password="Y3BlOnJpZ2h0")
    configure(acs_url=acs.url)
    code, output = await check(tmp_path)
    assert (code, last(output)[1]) == (1, "fix: set options 'username' and 'password'")
    configure(acs_url=acs.url, username="cpe", password="a-wrong-one")
    code, output = await check(tmp_path)
    assert code == 1
    wrong, fix = last(output)
    assert wrong == "WRONG authentication user 'cpe' was refused (basic)"
    assert fix.startswith("fix: correct options 'username' and 'password'")
    assert "a-wrong-one" not in output
    configure(acs_url=acs.url, username="cpe", password="right")
    code, output = await check(tmp_path)
    assert code == 0
    assert "ok    authentication accepted" in output


async def test_a_challenge_that_closes_the_connection(
    tmp_path: Path, configure: Configure, nursery: trio.Nursery
) -> None:
    acs = await start_acs(nursery)
    acs.handler = lambda post: guarded(
        post, 'Digest realm="a", nonce="n", qop="auth"', password="", close=True
    )
    configure(acs_url=acs.url, username="cpe", password="x")
    code, output = await check(tmp_path)
    assert code == 0
    assert "ok    authentication accepted" in output


async def test_redirects_are_followed_and_not_for_ever(
    tmp_path: Path, configure: Configure, nursery: trio.Nursery
) -> None:
    acs = await start_acs(nursery)
    acs.handler = lambda post: EMPTY if post.target == "/b" else Reply(302, headers=(("Location", "/b"),))
    configure(acs_url=acs.url)
    code, output = await check(tmp_path)
    assert code == 0
    assert "redirected (302) to http://127.0.0.1" in output
    acs.handler = lambda _: Reply(302, headers=(("Location", "/b"),))
    code, output = await check(tmp_path)
    assert code == 1
    assert "redirected more than 5 times" in output


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(404), "answered 404"),
        (Reply(drop=True), "closed the connection"),
        (Reply(raw=b"SSH-2.0-x\r\n\r\n"), "does not speak HTTP"),
        (Reply(302, headers=(("Location", "ftp://x/"),)), "bad Location"),
    ],
)
async def test_what_is_no_acs(
    tmp_path: Path, configure: Configure, nursery: trio.Nursery, reply: Reply, words: str
) -> None:
    acs = await start_acs(nursery)
    acs.handler = lambda _: reply
    configure(acs_url=acs.url)
    code, output = await check(tmp_path)
    assert code == 1
    assert words in last(output)[0]


@pytest.mark.parametrize("result", ["success", "failure"])
async def test_inform_does_a_real_session(
    tmp_path: Path, configure: Configure, nursery: trio.Nursery, bus: Path, client: Client, result: str
) -> None:
    numbers = {"success": 3, "failure": 1}

    async def status(_: Request) -> dict[str, Any]:
        return {"statistics": numbers, "last_session": {"result": result, "error": "the ACS answered 500"}}

    async def inform(_: Request) -> dict[str, Any]:
        numbers[result] += 1
        return {"accepted": True}

    await client.add_object("cwmp", {"status": Method(status), "inform": Method(inform)})
    acs = await start_acs(nursery)
    configure(acs_url=acs.url)
    code, output = await check(tmp_path, "--inform", "--bus", str(bus))
    if result == "success":
        assert (code, last(output)[1]) == (0, "ok    inform         the session ended in success")
    else:
        assert (code, last(output)[0]) == (1, "WRONG inform         the ACS answered 500")
