"""The datamodel as it runs: a process of its own on a bus, asked as the session asks it.

The daemons whose replies it reads are played by this process. Memory is that of its process after the read, against
what it was before; the wall clock counts from the request to the last page of the answer.
"""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from cwmp.contract import datamodel as dm
from cwmp.lab.acs import GetParameterValues, open_acs
from cwmp.runtime import Paths, Peers
from cwmp.session import soap
from ubuskit import broker
from ubuskit.client import Client, Method, Request, open_client

Report = Callable[..., None]
_PACKAGES = 5
_INTERFACES = "Device.IP.Interface."
_SETTINGS = "Device.X_EXAMPLE_COM_Bench."


def _layout(root: Path, interfaces: int) -> Paths:
    paths = Paths(root / "bus", root / "etc/config", root / "etc/cwmp", root / "run", root)
    for path in (paths.uci_dir, paths.state_dir, paths.run_dir, root / "proc/sys/kernel/random"):
        path.mkdir(parents=True)
    (root / "proc/sys/kernel/random/boot_id").write_text("bench\n")
    models = root / "etc/cwmp/datamodel.d"
    models.mkdir()
    (paths.uci_dir / "cwmp").write_text("config cwmp 'cwmp'\n\toption enable '1'\n")
    (paths.uci_dir / "system").write_text("config system\n\toption hostname 'bench'\n")
    sections = [
        f"config interface 'net{n}'\n\toption proto 'static'\n\toption device 'eth{n}'\n"
        f"\toption ipaddr '10.{n >> 8}.{n & 255}.1'\n\toption netmask '255.255.255.0'\n\toption metric '{n}'\n"
        for n in range(interfaces)
    ]
    (paths.uci_dir / "network").write_text("\n".join(sections))
    mapping = []
    for package in range(_PACKAGES):
        (paths.uci_dir / f"bench{package}").write_text("config settings 'settings'\n")
        mapping.append(f'["{_SETTINGS}P{package}."]\nuci = "bench{package}.settings"')
        mapping += [
            f'V{n} = {{ type = "string(64)", uci = "v{n}", write = true }}' for n in range(100 // _PACKAGES)
        ]
    (models / "Bench.toml").write_text(f'["{_SETTINGS}"]\n' + "\n".join(mapping) + "\n")
    return paths


def _replies(interfaces: int) -> dict[str, dict[str, Any]]:
    counters = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "rx_errors", "tx_errors", "multicast")
    dump = [
        {"interface": f"net{n}", "up": True, "uptime": 7, "l3_device": f"eth{n}", "proto": "static"}
        for n in range(interfaces)
    ]
    devices = {
        f"eth{n}": {"type": "bridge", "up": True, "mtu": 1500, "statistics": dict.fromkeys(counters, n)}
        for n in range(interfaces)
    }
    return {"network.interface dump": {"interface": dump}, "network.device status": devices}


async def _serve(bus: Client, interfaces: int) -> None:
    async def answer(_request: Request, reply: dict[str, Any]) -> dict[str, Any]:
        return reply

    async def event(_request: Request) -> None:
        """procd hears of a change."""

    for call, reply in _replies(interfaces).items():
        name, method = call.split()
        await bus.add_object(name, {method: Method(partial(answer, reply=reply), {"name": str})})
    await bus.add_object("service", {"event": Method(event, {"type": str, "data": dict})})


def _memory(pid: int) -> float:
    """MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@asynccontextmanager
async def _running(
    interfaces: int, paths: Paths | None = None, *, asking: bool = True
) -> AsyncIterator[tuple[Peers, int]]:
    """The session's side (or that of somebody else, where not `asking`), and the process of the service, which has
    answered."""
    with tempfile.TemporaryDirectory(prefix="cwmp-") as directory:
        paths = paths or _layout(Path(directory), interfaces)
        log = logging.getLogger("bench")
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(broker.serve, str(paths.bus)))
            async with open_client(str(paths.bus)) as bus, open_client(str(paths.bus)) as client:
                await _serve(bus, interfaces)
                ready = trio.Event()
                await bus.listen("cwmp.datamodel.ready", lambda *_: ready.set())
                process = subprocess.Popen(  # noqa: ASYNC220  # over in a moment
                    [sys.executable, "-m", "cwmp.datamodel", "--stderr", *paths.options()],
                    stderr=subprocess.DEVNULL,
                )
                try:
                    with trio.fail_after(30):
                        await ready.wait()
                        await bus.call("cwmp.datamodel", "get", {"paths": ["Device.DeviceInfo.HostName"]})
                    async with trio.open_nursery() as peers_nursery:
                        peers = Peers("session" if asking else "nobody", client, peers_nursery, log)
                        await peers.ready()
                        yield peers, process.pid
                        peers_nursery.cancel_scope.cancel()
                finally:
                    process.kill()
                    process.wait()
            nursery.cancel_scope.cancel()


async def _read(peers: Peers, path: str) -> int:
    count = 0
    async with peers.stream(dm.GET_VALUES, dm.GetValues([path])) as pages:
        async for page in pages:
            count += len(page.names)
    return count


async def _reading(interfaces: int) -> tuple[int, float, float]:
    """Parameters read, MB that the process grew by, and seconds of the read."""
    with tempfile.TemporaryDirectory(prefix="cwmp-") as directory:
        paths = _layout(Path(directory), interfaces)
        async with _running(interfaces, paths) as (peers, _):
            await _read(peers, _INTERFACES)  # its rows are known from now on, as those of a router are
        async with _running(interfaces, paths) as (peers, pid):
            await _read(peers, "Device.DeviceInfo.")
            before = _memory(pid)
            start = time.monotonic()
            count = await _read(peers, _INTERFACES)
            return count, _memory(pid) - before, time.monotonic() - start


async def _exact() -> float:
    """Seconds for one exact GetParameterValues."""
    async with _running(94) as (peers, _):
        best = float("inf")
        for _ in range(20):
            start = time.monotonic()
            await _read(peers, f"{_INTERFACES}7.Status")
            best = min(best, time.monotonic() - start)
        return best


async def _setting() -> tuple[float, float]:
    """Seconds for a SetParameterValues of 1 and of 100 parameters in 5 packages."""
    async with _running(94) as (peers, _):
        found = []
        for count in (1, 100):
            names = [f"{_SETTINGS}P{n % _PACKAGES}.V{n // _PACKAGES}" for n in range(count)]
            best = float("inf")
            for turn in range(5):
                args = dm.SetValues(names, ["string"] * count, [f"{turn}"] * count, "key")
                start = time.monotonic()
                await peers.request(dm.SET_VALUES, args)
                best = min(best, time.monotonic() - start)
            found.append(best)
        return found[0], found[1]


def _cpu(pid: int) -> float:
    """Seconds of the processor that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _through_session(rounds: int = 20) -> tuple[int, float, float]:
    """Parameters, CPU seconds that session and datamodel take to get them to an ACS, and those they take alone:
    the datamodel asked on the bus, the session's codec with the pages at hand."""
    with tempfile.TemporaryDirectory(prefix="cwmp-") as directory:
        paths = _layout(Path(directory), 94)
        async with _running(94, paths) as (peers, pid):
            rows = [page for _ in range(1) for page in await _pages(peers, _INTERFACES)]
            before = _cpu(pid)
            for _ in range(rounds):
                await _read(peers, _INTERFACES)
            alone = (_cpu(pid) - before) / rounds
        start = time.process_time()
        for _ in range(rounds):
            _encode(rows)
        alone += (time.process_time() - start) / rounds
        async with open_acs() as acs:
            (paths.uci_dir / "cwmp").write_text(
                f"config cwmp 'cwmp'\n\toption enable '1'\n\toption acs_url '{acs.url}'\n"
                "\toption manufacturer 'Example'\n\toption manufacturer_oui '02005E'\n"
                "\toption product_class 'Bench'\n\toption serial_number '1'\n"
                "\toption connection_request_enable '0'\n"
            )
            async with _running(94, paths, asking=False) as (_, pid):
                session = subprocess.Popen(  # noqa: ASYNC220  # over in a moment
                    [sys.executable, "-m", "cwmp.session", "--stderr", *paths.options()],
                    stderr=subprocess.DEVNULL,
                )
                try:
                    async with acs.session() as opened:
                        await opened.rpc(GetParameterValues([_INTERFACES]))
                        before = _cpu(pid) + _cpu(session.pid)
                        for _ in range(rounds):
                            found = await opened.rpc(GetParameterValues([_INTERFACES]))
                        took = (_cpu(pid) + _cpu(session.pid) - before) / rounds
                finally:
                    session.kill()
                    session.wait()
        return len(found), took, alone


async def _pages(peers: Peers, path: str) -> list[dm.Values]:
    async with peers.stream(dm.GET_VALUES, dm.GetValues([path])) as pages:
        return [page async for page in pages]


def _encode(pages: list[dm.Values]) -> None:
    values = soap.ValueList()
    for page in pages:
        values.add(page.names, page.types, page.values)
    for _ in soap.encode(soap.GetParameterValuesResponse(values), soap.Header(id="1")).chunks():
        pass


async def _started() -> float:
    """CPU seconds of the service when it has given its first answer."""
    async with _running(94) as (_, pid):
        return _cpu(pid)


def _bare() -> float:
    """CPU seconds of an interpreter that has imported trio."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import trio"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(report: Report) -> None:
    for interfaces, limit in ((94, 4.0), (1352, 8.0)):
        count, grown, took = trio.run(_reading, interfaces)
        report(f"datamodel: growth by a read of {count}", grown, "MB", limit, grown / limit, 1.0)
        report(f"datamodel: wall of a read of {count}, each", took * 1e6 / count, "us", 0.0, 0.0, None)
    exact = trio.run(_exact) * 1e3
    report("datamodel: one exact read, on the bus", exact, "ms", 3.0, exact / 3.0, 1.0)
    count, took, alone = trio.run(_through_session)
    name = f"datamodel: CPU of {count} through the session, against alone"
    report(name, took * 1e3, "ms", alone * 1e3, took / alone, 2.0)
    one, many = trio.run(_setting)
    report("datamodel: set of 100 in 5 packages, against one", many * 1e3, "ms", one * 1e3, many / one, None)
    over = (min(trio.run(_started) for _ in range(3)) - min(_bare() for _ in range(3))) * 1e3
    report("datamodel: CPU to the first answer, over bare trio", over, "ms", 250.0, over / 250, 1.0)
