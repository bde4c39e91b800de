"""The master: forks the services, restarts what dies, passes SIGHUP on, stops everything on SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from cwmp.contract import SERVICES
from cwmp.runtime import Paths
from ubuskit.client import open_client


@asynccontextmanager
async def master(paths: Paths, *options: str) -> AsyncIterator[trio.Process]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "cwmp.runtime.master", *paths.options(), "--stderr", *options],
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def readiness(bus: Path) -> AsyncIterator[trio.MemoryReceiveChannel[str]]:
    """The names of services as they say that they are ready."""
    send, receive = trio.open_memory_channel[str](100)
    async with open_client(str(bus)) as client:
        for service in SERVICES:
            await client.listen(
                f"cwmp.{service}.ready", lambda event, _table: send.send_nowait(event.split(".")[1])
            )
        yield receive


def children(pid: int) -> dict[str, int]:
    """The services of the master `pid` and their processes."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        name = Path(f"/proc/{child}/comm").read_text().strip()
        found[name.removeprefix("cwmp-")] = int(child)
    return found


async def test_it_runs_four_services_and_stops_them(bus: Path, paths: Paths) -> None:
    with trio.fail_after(30):
        async with readiness(bus) as ready, master(paths) as process:
            assert {await ready.receive() for _ in SERVICES} == set(SERVICES)
            running = children(process.pid)
            assert {name[:10] for name in running} == {name[:10] for name in SERVICES}
            process.terminate()
            assert await process.wait() == 0
            assert not [pid for pid in running.values() if Path(f"/proc/{pid}").exists()]


async def test_what_dies_is_started_again_alone(bus: Path, paths: Paths) -> None:
    with trio.fail_after(30):
        async with readiness(bus) as ready, master(paths) as process:
            assert {await ready.receive() for _ in SERVICES} == set(SERVICES)
            before = children(process.pid)
            os.kill(before["datamodel"], signal.SIGKILL)
            assert await ready.receive() == "datamodel"
            after = children(process.pid)
            assert after.pop("datamodel") != before.pop("datamodel")
            assert after == before


async def test_children_do_not_outlive_a_master_that_was_killed(bus: Path, paths: Paths) -> None:
    with trio.fail_after(30):
        async with readiness(bus) as ready, open_client(str(bus)) as client, master(paths) as process:
            assert {await ready.receive() for _ in SERVICES} == set(SERVICES)
            gone = trio.Event()
            left = set(SERVICES)

            def removed(_event: str, table: dict[str, object]) -> None:
                path = str(table.get("path"))
                left.discard("session" if path == "cwmp" else path.removeprefix("cwmp."))
                if not left:
                    gone.set()

            await client.listen("ubus.object.remove", removed)
            process.kill()
            await gone.wait()


async def test_an_unknown_service_is_refused(paths: Paths) -> None:
    async with master(paths, "--services", "session,coffee") as process:
        assert process.stderr is not None
        output = b""
        async for chunk in process.stderr:
            output += chunk
        assert await process.wait() == 2
    assert b"there is no service coffee" in output
