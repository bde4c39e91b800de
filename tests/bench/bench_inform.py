"""A session of an Inform, an empty POST and a 204, on loopback; the service is a process of its own.

- Wall time, from the connection to its end as the ACS sees them, against a bare client of trio and h11 that says
  the same bytes to the same ACS.
- CPU time of the session service for a whole session: what brings it about and what follows it included.
- How much the service's memory grows over many sessions, after the first hundred. ``SESSIONS=10000`` in the
  environment makes it as many as a router has in a month of quarter-hourly Informs, three times over.

The datamodel is one that answers from memory, in a process with the bus: what it takes is no business of the
session's. State lies in memory, as `/var/run` does; a periodic Inform that is answered writes no flash.
"""

from __future__ import annotations

import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h11
import trio

from cwmp.contract import Empty
from cwmp.contract import datamodel as dm
from cwmp.contract import firmware as fw
from cwmp.runtime import Paths, Runtime
from cwmp.runtime import run as run_service
from ubuskit import broker
from ubuskit.client import Client, open_client

Report = Callable[[str, float, str, float, float, float | None], None]

CPU = 8.0
"""Milliseconds that a session may take of the processor."""
GROWTH = 1.0
"""MB by which the service may grow after its first hundred sessions."""

_SESSIONS = int(os.environ.get("SESSIONS", "600"))
_WARM = 100
_NAMES = [f"Device.DeviceInfo.Parameter{n}" for n in range(10)]

_RESPONSE = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:c="urn:dslforum-org:cwmp-1-2">'
    b"<e:Header/><e:Body><c:InformResponse><MaxEnvelopes>1</MaxEnvelopes></c:InformResponse></e:Body></e:Envelope>"
)


class _Acs:
    """Answers as shortly as an ACS can; keeps what came and how long each connection took."""

    def __init__(self) -> None:
        self.port = 0
        self.seconds: list[float] = []
        self.messages: list[list[bytes]] = []
        self.ended = trio.Event()

    async def handle(self, stream: trio.SocketStream) -> None:
        began = time.perf_counter()
        http = h11.Connection(h11.SERVER)
        got: list[bytes] = []
        raw = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                data = bytes(await stream.receive_some(65536))
                raw += data
                http.receive_data(data)
            elif isinstance(event, h11.EndOfMessage):
                got.append(raw)
                raw = b""
                await stream.send_all(_answer(http, empty=len(got) > 1))
                http.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed):
                break
        self.seconds.append(time.perf_counter() - began)
        self.messages.append(got)
        self.ended.set()
        await stream.aclose()


def _answer(http: h11.Connection, *, empty: bool) -> bytes:
    if empty:
        return (http.send(h11.Response(status_code=204, headers=[])) or b"") + (
            http.send(h11.EndOfMessage()) or b""
        )
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(_RESPONSE)))]
    return (
        (http.send(h11.Response(status_code=200, headers=headers)) or b"")
        + (http.send(h11.Data(data=_RESPONSE)) or b"")
        + (http.send(h11.EndOfMessage()) or b"")
    )


# The other side: a bus with a datamodel on it, and a bare client, each as ``python bench_inform.py ...``.


async def _peers(paths: Paths) -> None:
    log = logging.getLogger("peers")
    log.addHandler(logging.NullHandler())

    async def datamodel(runtime: Runtime) -> None:
        async def get_inform(_args: dm.GetInform, _id: str) -> dm.Inform:
            count = len(_NAMES)
            return dm.Inform(
                "Acme", "A1B2C3", "GW", "1", _NAMES, ["string"] * count, ["value"] * count, False, "token"
            )

        async def noted(_args: Any, _id: str) -> Empty:
            return Empty()

        runtime.peers.answer(dm.GET_INFORM, get_inform)
        runtime.peers.answer(dm.INFORMED, noted)
        runtime.peers.answer(dm.SESSION_ENDED, noted)
        await runtime.peers.ready()
        await trio.sleep_forever()

    async def firmware(runtime: Runtime) -> None:
        async def nothing(_args: Empty, _id: str) -> fw.CompletedTransfers:
            return fw.CompletedTransfers([])

        runtime.peers.answer(fw.GET_COMPLETED, nothing)
        await runtime.peers.ready()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(broker.serve, str(paths.bus)))
        nursery.start_soon(run_service, "datamodel", datamodel, paths, log)
        nursery.start_soon(run_service, "firmware", firmware, paths, log)


async def _bare(port: int, count: int) -> None:
    """Reads the two requests, each with its length before it, and says them to the ACS, `count` times."""
    messages = []
    for _ in range(2):
        length = int(sys.stdin.buffer.readline())
        messages.append(sys.stdin.buffer.read(length))
    for _ in range(count):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        http = h11.Connection(h11.CLIENT)
        for message in messages:
            head, _, body = message.partition(b"\r\n\r\n")
            headers = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:]]
            request = h11.Request(method="POST", target="/acs", headers=headers)  # type: ignore[arg-type]
            data = (http.send(request) or b"") + ((http.send(h11.Data(data=body)) or b"") if body else b"")
            await stream.send_all(data + (http.send(h11.EndOfMessage()) or b""))
            while not isinstance(event := http.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    http.receive_data(bytes(await stream.receive_some(65536)))
            http.start_next_cycle()
        await stream.aclose()


@asynccontextmanager
async def _process(*command: str, **options: Any) -> AsyncIterator[trio.Process]:
    process = await trio.lowlevel.open_process(
        [sys.executable, *command], stderr=subprocess.DEVNULL, **options
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


# The measuring side.


async def _sessions(bus: Client, acs: _Acs, count: int) -> None:
    """That many sessions, one after the other, each asked for as by hand."""
    over = trio.Event()

    def on_state(_event: str, state: dict[str, Any]) -> None:
        if not state["open"]:
            over.set()

    listener = await bus.listen("cwmp.session.state", on_state)
    for _ in range(count):
        over = trio.Event()
        await bus.call("cwmp", "inform", {"event": "2 PERIODIC"})
        with trio.fail_after(20):
            await over.wait()
    await listener.close()


def _cpu(pid: int) -> float:
    """Seconds of processor time of a process."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _rss(pid: int) -> float:
    """MB that a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _layout(root: Path) -> Paths:
    return Paths(root / "ubus.sock", root / "config", root / "state", root / "run", root)


def _paths(root: Path, port: int) -> Paths:
    found = _layout(root)
    for directory in (found.uci_dir, found.state_dir, found.run_dir):
        directory.mkdir()
    boot_id = found.system("/proc/sys/kernel/random/boot_id")
    boot_id.parent.mkdir(parents=True)
    boot_id.write_text(f"{uuid.uuid4()}\n")
    options = {
        "acs_url": f"http://127.0.0.1:{port}/acs",
        "periodic_inform_enable": "0",
        "connection_request_address": "127.0.0.1",
        "connection_request_port": "0",
    }
    lines = "".join(f"\toption {name} '{value}'\n" for name, value in options.items())
    (found.uci_dir / "cwmp").write_text(f"config cwmp 'main'\n{lines}")
    return found


async def _measure(root: Path) -> tuple[float, float, float, float]:
    """Wall (ms) of a session and of the bare exchange, CPU (ms) of a session, growth (MB) over all of them."""
    async with trio.open_nursery() as nursery:
        acs = _Acs()
        listeners = await nursery.start(partial(trio.serve_tcp, acs.handle, 0, host="127.0.0.1"))
        acs.port = listeners[0].socket.getsockname()[1]
        paths = _paths(root, acs.port)
        async with (
            _process(__file__, "peers", str(root)),
            open_client(str(paths.bus), connect_timeout=20) as bus,
        ):
            async with _process("-m", "cwmp.session", *paths.options()) as session:
                with trio.fail_after(20):
                    await acs.ended.wait()  # the bootstrap
                await _sessions(bus, acs, _WARM)
                before, cpu = _rss(session.pid), _cpu(session.pid)
                acs.seconds.clear()
                await _sessions(bus, acs, _SESSIONS)
                cpu = (_cpu(session.pid) - cpu) * 1000 / _SESSIONS
                grown = _rss(session.pid) - before
            wall = statistics.median(acs.seconds) * 1000
            said = b"".join(str(len(m)).encode() + b"\n" + m for m in acs.messages[-1])
            acs.seconds.clear()
            async with _process(__file__, "bare", str(acs.port), stdin=subprocess.PIPE) as bare:
                assert bare.stdin is not None
                await bare.stdin.send_all(said)
                await bare.wait()
            bare_wall = statistics.median(acs.seconds) * 1000
        nursery.cancel_scope.cancel()
    return wall, bare_wall, cpu, grown


def run(report: Report) -> None:
    memory = Path("/dev/shm")  # for a directory of its own within
    with tempfile.TemporaryDirectory(prefix="cwmp-", dir=memory if memory.is_dir() else None) as root:
        wall, bare, cpu, grown = trio.run(_measure, Path(root))
    report("Inform session: wall, against a bare exchange", wall, "ms", bare, wall / bare, 3.0)
    report("Inform session: CPU of the service", cpu, "ms", CPU, cpu / CPU, 1.0)
    report(f"Inform session: growth over {_SESSIONS}", grown, "MB", GROWTH, grown / GROWTH, 1.0)


def main() -> None:
    match sys.argv[1:]:
        case ["peers", root]:
            trio.run(_peers, _layout(Path(root)))
        case ["bare", port]:
            trio.run(_bare, int(port), _SESSIONS)


if __name__ == "__main__":
    main()
