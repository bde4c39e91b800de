"""The blocking client, both backends, on our broker and on the real daemon."""

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import trio

from ubuskit.blocking import BlockingClient
from ubuskit.client import Client, Method, Request
from ubuskit.errors import (
    CallTimeout,
    ConnectionFailed,
    Disconnected,
    InvalidArgument,
    MethodNotFound,
    NotFound,
    PermissionDenied,
    UbusError,
)

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
needs_python_ubus = pytest.mark.skipif(find_spec("ubus") is None, reason="python-ubus is not installed")


async def echo(request: Request) -> dict[str, Any]:
    return request.args


async def three(request: Request) -> dict[str, int]:
    await request.reply({"part": 1})
    await request.reply({"part": 2})
    return {"part": 3}


async def nothing(request: Request) -> None:
    return None


async def hang(request: Request) -> None:
    await trio.sleep_forever()


METHODS = {
    "echo": Method(echo, {"text": str, "number": int, "flag": bool, "list": list}),
    "three": Method(three),
    "nothing": Method(nothing),
    "hang": Method(hang),
}


@pytest.fixture(params=["socket", pytest.param("python-ubus", marks=needs_python_ubus)])
async def open_blocking(
    request: pytest.FixtureRequest, bus_socket: str, alice: Client, in_child: Any
) -> Callable[[Callable[[BlockingClient], None]], Awaitable[None]]:
    """``await open_blocking(action)``: runs ``action(bus)`` beside a service.

    python-ubus waits with the interpreter's lock held, so it cannot even wait in a thread for a service of the same
    process: it gets a process of its own.
    """
    await alice.add_object("service", METHODS)

    def act(action: Callable[[BlockingClient], None]) -> None:
        with BlockingClient(bus_socket, backend=request.param) as bus:
            assert bus.backend == request.param
            action(bus)

    async def run(action: Callable[[BlockingClient], None]) -> None:
        if request.param == "socket":
            await trio.to_thread.run_sync(act, action)
        else:
            await trio.to_thread.run_sync(in_child, partial(act, action))

    return run


async def test_calls(open_blocking: Any) -> None:
    args = {"text": "grüß dich", "number": -5, "flag": True, "list": [1, {"a": "b"}]}

    def action(bus: BlockingClient) -> None:
        assert bus.call("service", "echo", args) == args
        assert bus.call("service", "nothing") == {}
        assert bus.call_all("service", "nothing") == []
        assert bus.call_all("service", "three") == [{"part": 1}, {"part": 2}, {"part": 3}]
        large = {"text": "x" * 900_000}
        assert bus.call("service", "echo", large, timeout=20) == large

    await open_blocking(action)


async def test_statuses_are_typed_errors(open_blocking: Any) -> None:
    def action(bus: BlockingClient) -> None:
        with pytest.raises(MethodNotFound, match="service missing"):
            bus.call("service", "missing")
        with pytest.raises(InvalidArgument):
            bus.call("service", "echo", {"number": "1"})
        with pytest.raises(NotFound):
            bus.call("nobody", "home")
        with pytest.raises(CallTimeout, match="service hang"):
            bus.call("service", "hang", timeout=0.05)
        assert bus.call("service", "echo", {"number": 1}) == {"number": 1}

    await open_blocking(action)


async def test_lookup(open_blocking: Any) -> None:
    def action(bus: BlockingClient) -> None:
        found = bus.lookup("serv*")
        assert list(found) == ["service"]
        assert found["service"]["echo"] == {"text": 3, "number": 5, "flag": 7, "list": 1}
        assert list(bus.lookup()) == ["service"]
        assert bus.lookup("nothing") == {}

    await open_blocking(action)


async def test_events(open_blocking: Any, alice: Client, heard: Any) -> None:
    await alice.listen("*", heard)

    async def answer() -> None:
        await heard.until(1)
        for number in range(50):
            await alice.send("news.tick", {"number": number})
        await alice.send("other", {})

    def action(bus: BlockingClient) -> None:
        events = bus.events("news.*", timeout=20)
        bus.send("go", {"flag": True})
        taken = [next(events) for _ in range(50)]
        assert taken == [("news.tick", {"number": number}) for number in range(50)]
        assert list(bus.events("silence", timeout=0.05)) == []

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        await open_blocking(action)
    assert heard.all[0] == ("go", {"flag": True})


async def test_what_is_refused_is_an_error(open_blocking: Any) -> None:
    def action(bus: BlockingClient) -> None:
        with pytest.raises(UbusError, match=r"event ubus\.fake"):
            bus.send("ubus.fake", {})
        if bus.backend == "socket":
            with pytest.raises(PermissionDenied):
                bus.send("ubus.fake", {})

    await open_blocking(action)


async def test_the_daemon_goes_away(daemon: Any) -> None:
    def action() -> None:
        with BlockingClient(daemon.path, backend="socket") as bus:
            events = bus.events("*", timeout=20)
            daemon.kill()
            with pytest.raises(Disconnected):
                next(events)
            with pytest.raises(Disconnected):
                bus.call("any", "thing")

    await trio.to_thread.run_sync(action)


@needs_python_ubus
async def test_python_ubus_notices_that_the_daemon_goes_away(daemon: Any, in_child: Any) -> None:
    await daemon.ready()

    def action() -> None:
        with BlockingClient(daemon.path, backend="python-ubus") as bus:
            events = bus.events("*", timeout=20)
            os.kill(daemon.pid, signal.SIGKILL)
            with pytest.raises(Disconnected):
                next(events)

    await trio.to_thread.run_sync(in_child, action)


@needs_python_ubus
async def test_a_second_client_does_not_disturb_python_ubus(broker_socket: str, in_child: Any) -> None:
    def action() -> None:
        with BlockingClient(broker_socket) as first, BlockingClient(broker_socket) as second:
            assert (first.backend, second.backend) == ("python-ubus", "socket")
            assert first.lookup() == second.lookup() == {}

    await trio.to_thread.run_sync(in_child, action)


def test_no_daemon_is_an_error_that_says_where(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match=r"nothing\.sock: No such file"):
        BlockingClient(str(tmp_path / "nothing.sock"), backend="socket", connect_timeout=0.05)
    with pytest.raises(ValueError, match="backend 'carrier pigeon'"):
        BlockingClient(str(tmp_path / "nothing.sock"), backend="carrier pigeon")


async def test_something_else_listens_there(tmp_path: Path, nursery: trio.Nursery) -> None:
    path = str(tmp_path / "http.sock")
    listener = trio.socket.socket(trio.socket.AF_UNIX)
    await listener.bind(path)
    listener.listen()

    async def answer() -> None:
        connection, _ = await listener.accept()
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    nursery.start_soon(answer)
    with pytest.raises(ConnectionFailed, match="ubus"):
        await trio.to_thread.run_sync(partial(BlockingClient, path, backend="socket"))
    listener.close()


def test_it_starts_without_trio() -> None:
    """The command that asks one question must not wait for an event loop to load."""
    code = (
        "import sys, ubuskit.blocking, ubuskit.blocking._socket, ubuskit.blocking._python_ubus\n"
        "print([name for name in ('trio', 'ssl', 'asyncio', 'json') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
