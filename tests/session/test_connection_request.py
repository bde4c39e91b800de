"""Connection requests over real sockets."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
import pytest
import trio

from cwmp.runtime.digest import Authenticator, Credentials
from cwmp.session.connection_request import Gate, Listener
from ubuskit.client import Method, Request

from .acs import start_acs
from .conftest import Suite

LOG = logging.getLogger("test")


@dataclass
class Port:
    """A listener and what it accepted."""

    port: int = 0
    busy: bool = False
    accepted: int = 0
    log: list[str] = field(default_factory=list)


@asynccontextmanager
async def listening(
    username: str = "acs", password: str = "secret", host: str = "127.0.0.1"
) -> AsyncIterator[Port]:
    found = Port()

    def accept() -> None:
        found.accepted += 1

    async with trio.open_nursery() as nursery:
        listener = Listener(Gate("/path", username, password, lambda: found.busy), accept, LOG)
        await nursery.start(listener.serve, host, 0)
        found.port = listener.port
        yield found
        nursery.cancel_scope.cancel()


async def exchange(
    stream: trio.SocketStream, method: str = "GET", target: str = "/path", authorization: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """One request on an open connection: status, headers, body."""
    headers = f"Authorization: {authorization}\r\n" if authorization else ""
    await stream.send_all(f"{method} {target} HTTP/1.1\r\nHost: h\r\n{headers}\r\n".encode())
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method=method, target=target, headers=[("Host", "h")]))
    http.send(h11.EndOfMessage())
    body, response = b"", None
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(4096)))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
    assert response is not None
    return response.status_code, {bytes(k).decode(): bytes(v).decode() for k, v in response.headers}, body


async def ask(
    port: int,
    target: str = "/path",
    *,
    username: str = "acs",
    password: str = "secret",
    method: str = "GET",
    host: str = "127.0.0.1",
) -> int:
    """A whole connection request, challenge and all; the last status."""
    client = Authenticator(Credentials(username, password))
    async with await trio.open_tcp_stream(host, port) as stream:
        status, headers, _ = await exchange(stream, method, target)
        if status != 401:
            return status
        assert client.challenged([headers["www-authenticate"]])
        status, headers, body = await exchange(
            stream, method, target, client.authorization(method, target) or ""
        )
        assert body == b""
        assert headers["content-length"] == "0"
        return status


async def test_p28_authenticated_requests_are_accepted() -> None:
    async with listening() as port:
        assert await ask(port.port) == 200
        assert await ask(port.port, "/path?query=ignored") == 200
        await until(lambda: port.accepted == 2)  # the response comes first


async def test_p28_by_ipv4_and_by_ipv6() -> None:
    for host in ("127.0.0.1", "::1"):
        async with listening(host=host) as port:
            assert await ask(port.port, host=host) == 200


async def test_p28_others_are_not() -> None:
    async with listening() as port:
        assert await ask(port.port, password="wrong") == 401
        assert await ask(port.port, username="wrong") == 401
        assert await ask(port.port, "/other") == 404
        assert await ask(port.port, "/") == 404
        assert await ask(port.port, method="POST") == 405
        assert await ask(port.port, method="HEAD") == 405
        assert port.accepted == 0
    async with listening("", "") as port:
        assert await ask(port.port, username="x", password="") == 401


async def test_every_challenge_has_a_nonce_of_its_own() -> None:
    async with listening() as port, await trio.open_tcp_stream("127.0.0.1", port.port) as stream:
        first = (await exchange(stream))[1]["www-authenticate"]
        second = (await exchange(stream))[1]["www-authenticate"]
        assert first != second
        assert 'qop="auth"' in first


async def test_p28_in_session_and_in_a_flood_503_without_retry_after() -> None:
    async with listening() as port:
        port.busy = True
        assert await ask(port.port) == 503
        port.busy = False
        statuses = [await ask(port.port) for _ in range(20)]
        assert statuses[0] == 200
        assert statuses[-1] == 503
        assert statuses.count(200) < 20
        await until(lambda: port.accepted == statuses.count(200))


async def test_p28_strangers_do_not_lock_the_acs_out() -> None:
    async with listening() as port:
        for _ in range(40):
            assert await ask(port.port, password="guess") == 401
        assert await ask(port.port) == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /path HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 4000, b"431"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET /path HTTP/1.1\r\n\r\n", b"400"),
    ],
)
async def test_what_is_no_request_is_refused(data: bytes, status: bytes) -> None:
    async with listening() as port:
        async with await trio.open_tcp_stream("127.0.0.1", port.port) as stream:
            await stream.send_all(data)
            assert status in bytes(await stream.receive_some(4096))
        assert await ask(port.port) == 200


async def test_idle_and_slow_clients_are_dropped(autojump_clock: trio.abc.Clock) -> None:
    async with listening() as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port.port)
        await stream.send_all(b"GET /pa")
        began = trio.current_time()
        assert await stream.receive_some(100) == b""
        assert trio.current_time() - began <= 11
        await stream.aclose()


async def test_idle_clients_do_not_keep_others_out_for_long() -> None:
    async with listening() as port:
        idle = [await trio.open_tcp_stream("127.0.0.1", port.port) for _ in range(10)]
        assert await ask(port.port) == 200
        for stream in idle:
            await trio.aclose_forcefully(stream)


async def test_a_taken_port_is_tried_again(autojump_clock: trio.abc.Clock) -> None:
    taken = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = taken[0].socket.getsockname()[1]
    said = trio.Event()

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert "something else listens there" in record.getMessage()
            said.set()

    async def free_when_said() -> None:
        await said.wait()
        await taken[0].aclose()

    log = logging.Logger("test", logging.ERROR)
    log.addHandler(Log())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(free_when_said)
        listener = Listener(Gate("/path", "a", "b", lambda: False), lambda: None, log)
        await nursery.start(listener.serve, "127.0.0.1", port)
        assert listener.port == port
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not condition():
            await trio.testing.wait_all_tasks_blocked(0.005)


async def requested(suite: Suite) -> int:
    url = (await suite.status())["connection_request_url"]
    host, _, path = url.removeprefix("http://").partition("/")
    return await ask(int(host.rpartition(":")[2]), f"/{path}")


async def test_p28_a_connection_request_opens_a_session(suite: Suite) -> None:
    await suite.start()
    await suite.ended()
    assert await requested(suite) == 200
    informs = await suite.acs.informs(2)
    assert informs[1].events == ["6 CONNECTION REQUEST"]
    status = await suite.ended(2)
    assert status["statistics"]["connection_requests"] == 1


async def test_p28_the_url_has_an_address_of_the_family_the_acs_was_reached_by(
    suite: Suite, nursery: trio.Nursery
) -> None:
    addresses = {"ipv4-address": [{"address": "192.0.2.7"}], "ipv6-address": [{"address": "2001:db8::7"}]}

    async def status(_: Request) -> dict[str, Any]:
        return addresses

    await suite.client.add_object("network.interface.wan", {"status": Method(status)})
    acs = await start_acs(nursery, host="::1")
    suite.configure(acs_url=f"http://[::1]:{acs.port}/", connection_request_address="")
    await suite.start()
    found = await suite.ended()
    assert found["connection_request_url"].startswith("http://[2001:db8::7]:")
    suite.configure(connection_request_address="")
    await suite.client.call("cwmp", "reload")
    found = await suite.ended(2)
    assert found["connection_request_url"].startswith("http://192.0.2.7:")


async def test_p28_refused_in_session_and_nothing_follows(suite: Suite) -> None:
    statuses: list[int] = []

    async def ask_within() -> None:
        statuses.append(await requested(suite))

    await suite.start()
    await suite.ended()
    suite.datamodel.before_inform = ask_within
    await suite.client.call("cwmp", "inform", {})
    await suite.ended(2)
    assert statuses == [503]
    assert [p.events for p in suite.acs.posts if p.method == "Inform"][1:] == [["2 PERIODIC"]]
    assert (await suite.status())["pending_events"] == []


async def test_disabling_closes_the_port(suite: Suite) -> None:
    runtime = await suite.start()
    status = await suite.ended()
    port = int(status["connection_request_url"].split(":")[2].partition("/")[0])
    suite.configure(connection_request_enable=0)
    runtime.reload()

    with trio.fail_after(10):
        while (await suite.status())["connection_request_url"]:
            await trio.testing.wait_all_tasks_blocked(0.005)
    with pytest.raises(OSError, match=r"."):
        await trio.open_tcp_stream("127.0.0.1", port)
