"""A bus for each test: on our broker, and on the real daemon where UBUSD names it."""

import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
import trio

from ubuskit.broker import serve
from ubuskit.client import Client, open_client
from ubuskit.protocol import Frame, FrameReader, Hello, Message, Status, pack, parse

UBUSD = os.environ.get("UBUSD")
UBUS = os.environ.get("UBUS") or shutil.which("ubus")

needs_ubusd = pytest.mark.skipif(
    UBUSD is None, reason="set UBUSD=/path/to/ubusd to try it on the real daemon"
)
needs_ubus = pytest.mark.skipif(
    UBUS is None, reason="no ubus command: set UBUS=/path/to/ubus or put it on PATH"
)

KINDS = ["broker", pytest.param("ubusd", marks=needs_ubusd)]


class Daemon:
    """A daemon on a socket that can be stopped like a power cut and started again: a process of its own."""

    def __init__(self, kind: str, path: Path, *arguments: str) -> None:
        self.path = str(path)
        program = [sys.executable, "-m", "ubuskit.broker"] if kind == "broker" else [UBUSD or ""]
        self._command = [*program, "-s", self.path, *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)

    async def ready(self) -> None:
        async with open_client(self.path, connect_timeout=20):
            pass

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout: float = 20) -> int:
        assert self._process is not None
        return self._process.wait(timeout)

    def kill(self) -> None:
        """kill -9; its socket stays behind."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(params=KINDS)
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon in a process of its own, started."""
    daemon = Daemon(request.param, tmp_path / "ubus.sock")
    daemon.start()
    yield daemon
    daemon.kill()


@pytest.fixture
async def broker_socket(tmp_path: Path, nursery: trio.Nursery) -> str:
    """The path of our broker's socket; it runs in the test's own event loop."""
    path = str(tmp_path / "broker.sock")
    await nursery.start(partial(serve, path))
    return path


@pytest.fixture(params=KINDS)
async def bus_socket(
    request: pytest.FixtureRequest, tmp_path: Path, nursery: trio.Nursery
) -> AsyncIterator[str]:
    """The path of a bus's socket: our broker in the test's event loop, then the real daemon."""
    path = str(tmp_path / "bus.sock")
    if request.param == "broker":
        await nursery.start(partial(serve, path))
        yield path
        return
    daemon = Daemon(request.param, Path(path))
    daemon.start()
    try:
        await daemon.ready()
        yield path
    finally:
        daemon.kill()


@pytest.fixture
async def alice(bus_socket: str) -> AsyncIterator[Client]:
    """One of two clients on the bus: the one that serves."""
    async with open_client(bus_socket) as client:
        yield client


@pytest.fixture
async def bob(bus_socket: str) -> AsyncIterator[Client]:
    """The other: the one that calls."""
    async with open_client(bus_socket) as client:
        yield client


@pytest.fixture
def ubus_command() -> str:
    """The real ubus command."""
    if UBUS is None:
        pytest.skip("no ubus command: set UBUS=/path/to/ubus or put it on PATH")
    return UBUS


class Heard:
    """A handler for events or notifications that keeps what it is given."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []
        self._new = trio.Event()

    def __call__(self, name: str, data: dict[str, Any]) -> None:
        self.all.append((name, data))
        self._new.set()

    async def until(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        with trio.fail_after(20):
            while len(self.all) < count:
                await self._new.wait()
                self._new = trio.Event()
        return self.all


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def also_heard() -> Heard:
    return Heard()


class RawPeer:
    """A client made of nothing but the message classes: says what it is told to, reports what it hears."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.client_id = 0
        self._reader = FrameReader()
        self._frames: list[Frame] = []
        self._seq = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, path: str) -> AsyncIterator[Self]:
        async with await trio.open_unix_socket(path) as stream:
            peer = cls(stream)
            frame, _ = await peer.next(Hello)
            peer.client_id = frame.peer
            yield peer

    async def send(self, message: Message, seq: int, peer: int) -> None:
        await self.stream.send_all(pack(message, seq, peer))

    async def next_frame(self) -> Frame:
        with trio.fail_after(20):
            while not self._frames:
                data = await self.stream.receive_some(65536)
                if not data:
                    raise EOFError
                self._frames += self._reader.feed(bytes(data))
        return self._frames.pop(0)

    async def next(self, kind: type[Message]) -> tuple[Frame, Any]:
        """The next message of that type, whatever comes before it."""
        while True:
            frame = await self.next_frame()
            message = parse(frame)
            if isinstance(message, kind):
                return frame, message

    async def exchange(self, message: Message, peer: int = 0) -> list[Any]:
        """All messages of the answer, its status last."""
        self._seq += 1
        seq = self._seq
        await self.send(message, seq, peer)
        answers = []
        while True:
            frame = await self.next_frame()
            if frame.seq != seq or frame.type not in (1, 2):
                continue
            answers.append(parse(frame))
            if isinstance(answers[-1], Status):
                return answers


@pytest.fixture
def raw_peer() -> Callable[[str], AbstractAsyncContextManager[RawPeer]]:
    """``async with raw_peer(path) as peer``"""
    return RawPeer.open


@pytest.fixture
def real_daemon(tmp_path: Path) -> Iterator[Daemon]:
    """The real daemon in a process of its own."""
    if UBUSD is None:
        pytest.skip("set UBUSD=/path/to/ubusd to compare with the real daemon")
    daemon = Daemon("ubusd", tmp_path / "ubusd.sock")
    daemon.start()
    yield daemon
    daemon.kill()


@pytest.fixture
def in_child() -> Callable[[Callable[[], None]], None]:
    """Run something in a process forked off; what it raises comes out here. It has 30 seconds."""

    def run(action: Callable[[], None]) -> None:
        readable, writable = os.pipe()
        pid = os.fork()
        if pid == 0:
            said = b""
            try:
                signal.alarm(30)
                action()
            except BaseException:
                said = traceback.format_exc().encode()
            os.write(writable, said)
            os._exit(0)
        os.close(writable)
        with os.fdopen(readable, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(pid, 0)
        if said or status:
            raise AssertionError(said.decode() or f"the child ended with {status}")

    return run
