"""Sending files by HTTP PUT to real servers."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from tests.firmware.fileserver import Exchange, FileServer, digest_is_right, open_server
from tests.firmware.test_fetch import BASIC, SHORT, means, silence

from cwmp.contract import Fault
from cwmp.firmware.exchange import Place
from cwmp.firmware.push import push

DATA = os.urandom(300_000)


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with open_server() as running:
        yield running


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


class Store:
    """Takes what is PUT at ``/store`` and answers with `status`."""

    def __init__(self, server: FileServer, status: int = 201) -> None:
        self.status = status
        self.stored: list[bytes] = []
        server.routes["/store"] = self.take

    async def take(self, exchange: Exchange) -> None:
        assert exchange.method == "PUT"
        self.stored.append(await exchange.body())
        await exchange.answer(self.status, length=self.status != 204)


async def refused(place: Place, source: Path, **changes: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        await push(source, place, means(**changes))
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_a_file_is_stored(server: FileServer, source: Path, status: int) -> None:
    store = Store(server, status)
    seen: list[tuple[int, int]] = []
    how = means(progress=lambda sent, total: seen.append((sent, total)))
    assert await push(source, Place(server.url("/store")), how) == len(DATA)
    assert store.stored == [DATA]
    assert server.requests[0].headers["content-length"] == str(len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))


async def test_an_empty_file(server: FileServer, source: Path) -> None:
    source.write_bytes(b"")
    store = Store(server)
    await push(source, Place(server.url("/store")), means())
    assert store.stored == [b""]


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
async def test_credentials_are_asked_for_before_the_file_is_sent(
    server: FileServer, source: Path, scheme: str
) -> None:
    store = Store(server)
    challenge = "Basic" if scheme == "Basic" else 'Digest realm="files", nonce="abc", qop="auth"'

    @server.route("/protected")
    async def _(exchange: Exchange) -> None:
        sent = exchange.headers.get("authorization", "")
        if sent == BASIC or (scheme == "Digest" and sent and digest_is_right(sent, "PUT", "user", "secret")):
            await store.take(exchange)
        else:
            await exchange.answer(401, headers={"WWW-Authenticate": challenge})

    await push(source, Place(server.url("/protected"), "user", "secret"), means())
    assert store.stored == [DATA]
    assert len(server.requests) == 2


async def test_a_server_that_reads_all_before_it_asks_for_credentials(
    server: FileServer, source: Path
) -> None:
    store = Store(server)

    @server.route("/protected")
    async def _(exchange: Exchange) -> None:
        if exchange.headers.get("authorization") == BASIC:
            await store.take(exchange)
        else:
            await exchange.body()
            await exchange.answer(401, headers={"WWW-Authenticate": "Basic"})

    await push(source, Place(server.url("/protected"), "user", "secret"), means())
    assert store.stored == [DATA]


async def test_a_redirect_is_followed_with_the_file(server: FileServer, source: Path) -> None:
    store = Store(server)
    server.routes["/go"] = lambda exchange: exchange.answer(307, headers={"Location": "/store"})
    await push(source, Place(server.url("/go")), means())
    assert store.stored == [DATA]


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, 9012), (403, 9012), (404, 9011), (405, 9011), (413, 9011), (507, 9011), (303, 9011)],
)
async def test_what_is_refused(server: FileServer, source: Path, status: int, code: int) -> None:
    server.routes["/no"] = lambda exchange: exchange.answer(status, headers={"Location": "/elsewhere"})
    fault = await refused(Place(server.url("/no")), source)
    assert (fault.code, str(status) in fault.text) == (code, True)


async def test_a_server_that_cuts_the_line(server: FileServer, source: Path) -> None:
    server.routes["/cut"] = Exchange.abort
    assert (await refused(Place(server.url("/cut")), source)).code == 9015


async def test_nobody_there(source: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        place = Place(f"http://127.0.0.1:{taken.getsockname()[1]}/store")
        assert (await refused(place, source)).code == 9015


async def test_a_file_that_is_not_there(server: FileServer, source: Path) -> None:
    source.unlink()
    assert (await refused(Place(server.url("/store")), source)).code == 9011


async def test_a_server_that_knows_nothing_of_expectations(
    autojump_clock: trio.testing.MockClock, server: FileServer, source: Path
) -> None:
    autojump_clock.autojump_threshold = 0.05
    stored: list[bytes] = []

    @server.route("/old")
    async def _(exchange: Exchange) -> None:
        stored.append(await exchange.raw_body(len(DATA)))
        await exchange.raw(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    await push(source, Place(server.url("/old")), means(**SHORT))
    assert stored == [DATA]


async def test_a_server_that_never_answers(
    autojump_clock: trio.testing.MockClock, server: FileServer, source: Path
) -> None:
    autojump_clock.autojump_threshold = 0.05
    server.routes["/silent"] = silence
    assert (await refused(Place(server.url("/silent")), source, **SHORT)).code in {9011, 9015}
