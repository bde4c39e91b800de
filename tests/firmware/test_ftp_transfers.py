"""Fetching and sending by FTP, from and to real servers."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing
from tests.firmware.ftpserver import FtpServer, open_ftp
from tests.firmware.test_fetch import SHORT, means, no_tls, refused, silence

from cwmp.contract import Fault
from cwmp.firmware.exchange import Place
from cwmp.firmware.fetch import Means, fetch
from cwmp.firmware.http import Network
from cwmp.firmware.push import push
from cwmp.runtime.dial import Dialler

DATA = os.urandom(200_000)


@pytest.fixture
async def server() -> AsyncIterator[FtpServer]:
    async with open_ftp(DATA) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


async def test_a_file_arrives(server: FtpServer, target: Path) -> None:
    found = await fetch(Place(server.url(), "user", "secret"), target, means())
    assert target.read_bytes() == DATA
    assert found.sha256 == hashlib.sha256(DATA).hexdigest()
    assert server.commands == [
        "USER user", "PASS secret", "TYPE I", "SIZE pub/image file", "MDTM pub/image file", "EPSV",
        "RETR pub/image file", "QUIT",
    ]  # fmt: skip


async def test_without_a_user(server: FtpServer, target: Path) -> None:
    server.says = {"USER": "230 no password needed"}
    await fetch(Place(server.url()), target, means())
    assert server.commands[:2] == ["USER anonymous", "TYPE I"]


async def test_an_old_server(server: FtpServer, target: Path) -> None:
    server.says = {"EPSV": "500 what?", "SIZE": "500 what?", "MDTM": "500 what?"}
    await fetch(Place(server.url()), target, means())
    assert target.read_bytes() == DATA


async def test_over_ipv6(target: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        async with open_ftp(DATA, "::1") as server:
            await fetch(Place(server.url()), target, means())
    except OSError as error:
        pytest.skip(f"no IPv6 loopback: {error}")
    assert target.read_bytes() == DATA


async def test_the_proxy_is_passed_by(server: FtpServer, target: Path) -> None:
    network = Network(no_tls, Dialler(proxy="http://127.0.0.1:9/"))
    await fetch(Place(server.url()), target, Means(network, lambda: 1 << 30))
    assert target.read_bytes() == DATA


async def test_a_file_is_stored(server: FtpServer, source: Path) -> None:
    assert await push(source, Place(server.url("/in/log"), "user", "secret"), means()) == len(DATA)
    assert server.stored == [DATA]
    assert "STOR in/log" in server.commands


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ({"USER": "530 go away"}, 9012),
        ({"PASS": "530 wrong"}, 9012),
        ({"RETR": "550 no such file"}, 9016),
        ({"EPSV": "500 no", "PASV": "500 no"}, 9016),
        ({"EPSV": "229 (|||99999|)", "PASV": "227 (1,2)"}, 9016),
        ({"": "421 too many users"}, 9015),
        ({"": "SSH-2.0-OpenSSH"}, 9015),
        ({"end": "426 broken", "MDTM": "500 what?"}, 9017),
        ({"SIZE": "213 9999999999999"}, 9010),
    ],
)
async def test_refusals(server: FtpServer, target: Path, says: dict[str, str], code: int) -> None:
    server.says = says
    fault = await refused(Place(server.url(), "user", "secret"), target, means())
    assert fault.code == code
    assert "secret" not in fault.text


async def test_a_file_that_breaks_off(server: FtpServer, target: Path) -> None:
    server.cut, server.says = 1000, {"MDTM": "500 what?"}
    fault = await refused(Place(server.url()), target, means())
    assert (fault.code, "1000 of 200000" in fault.text) == (9017, True)


async def test_the_rest_is_asked_for_when_the_line_breaks(
    autojump_clock: trio.testing.MockClock, server: FtpServer, target: Path
) -> None:
    autojump_clock.autojump_threshold = 0.05
    server.cut, server.cuts = 70_000, 2
    found = await fetch(Place(server.url()), target, means())
    assert target.read_bytes() == DATA
    assert found.sha256 == hashlib.sha256(DATA).hexdigest()
    assert [c for c in server.commands if c.startswith("REST")] == ["REST 70000", "REST 140000"]


@pytest.mark.parametrize("says", [{"REST": "502 no"}, {"MDTM": "213 20270101000000"}])
async def test_what_cannot_be_continued_begins_anew(
    autojump_clock: trio.testing.MockClock, server: FtpServer, target: Path, says: dict[str, str]
) -> None:
    autojump_clock.autojump_threshold = 0.05
    server.cut, server.cuts = 70_000, 1

    def progress(size: int, _total: int) -> None:
        server.says = says if size else {}

    await fetch(Place(server.url()), target, means(progress=progress))
    assert target.read_bytes() == DATA


async def test_a_line_that_breaks_again_and_again(
    autojump_clock: trio.testing.MockClock, server: FtpServer, target: Path
) -> None:
    autojump_clock.autojump_threshold = 0.05
    server.cut = 1000
    assert (await refused(Place(server.url()), target, means())).code == 9017
    assert sum(c.startswith("RETR") for c in server.commands) == 6


@pytest.mark.parametrize(
    ("says", "code"),
    [({"STOR": "553 not here"}, 9011), ({"end": "452 disk full"}, 9011), ({"PASS": "530 wrong"}, 9012)],
)
async def test_what_is_not_stored(server: FtpServer, source: Path, says: dict[str, str], code: int) -> None:
    server.says = says
    with pytest.raises(Fault) as caught:
        await push(source, Place(server.url(), "user", "secret"), means())
    assert caught.value.code == code


@pytest.mark.parametrize("path", ["/", "/dir/", "/a%0D%0ADELE%20b", "/%00"])
async def test_paths_that_name_no_file(server: FtpServer, target: Path, path: str) -> None:
    fault = await refused(Place(server.url(path)), target, means())
    assert (fault.code, server.commands) == (9016, [])


async def test_a_user_name_that_is_a_command(server: FtpServer, target: Path) -> None:
    fault = await refused(Place(server.url(), "user\r\nDELE b", "x"), target, means())
    assert (fault.code, server.commands) == (9012, [])


async def test_a_server_that_does_not_answer(autojump_clock: trio.testing.MockClock, target: Path) -> None:
    autojump_clock.autojump_threshold = 0.05
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, silence, listeners)
        fault = await refused(Place(f"ftp://127.0.0.1:{port}/x"), target, means(**SHORT))
        nursery.cancel_scope.cancel()
    assert (fault.code, "10 s" in fault.text) == (9015, True)
