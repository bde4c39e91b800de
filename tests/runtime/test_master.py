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
from ubuskit import broker
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
        try:
            name = Path(f"/proc/{child}/comm").read_text().strip()
        except OSError:  # it has just ended
            continue
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


async def gone(pid: int, service: str) -> None:
    """Wait until the master `pid` has no such child any more."""
    while service[:10] in {name[:10] for name in children(pid)}:
        await trio.lowlevel.checkpoint()


async def test_a_service_with_nothing_to_do_rests_until_it_is_called(bus: Path, paths: Paths) -> None:
    with trio.fail_after(60):
        async with (
            readiness(bus) as ready,
            open_client(str(bus)) as client,
            master(paths, "--patience", "0.2") as process,
        ):
            assert {await ready.receive() for _ in SERVICES} == set(SERVICES)
            before = {found.path: found.id for found in await client.lookup("cwmp*")}
            for service in ("firmware", "diagnostics"):
                await gone(process.pid, service)
            assert {"session", "datamodel"} == {
                name for name in SERVICES for comm in children(process.pid) if comm[:9] == name[:9]
            }
            assert {found.path: found.id for found in await client.lookup("cwmp*")} == before
            assert "tests" in await client.call("cwmp.diagnostics", "status", timeout=30)
            assert await ready.receive() == "diagnostics"
            await gone(process.pid, "diagnostics")
            answer = await client.call(
                "cwmp.diagnostics", "run", {"type": "NoSuchTest"}, timeout=30
            )  # and again, from the connection that was taken up once already
            assert answer["fault"]["code"] == 9003
            assert {found.path: found.id for found in await client.lookup("cwmp*")} == before
            process.terminate()
            assert await process.wait() == 0


async def test_an_operation_wakes_its_service(bus: Path, paths: Paths) -> None:
    with trio.fail_after(60):
        async with (
            readiness(bus) as ready,
            open_client(str(bus)) as client,
            master(paths, "--patience", "0.2", "--services", "firmware") as process,
        ):
            assert await ready.receive() == "firmware"
            await gone(process.pid, "firmware")
            replies, replied = trio.open_memory_channel[dict[str, object]](10)
            await client.listen("cwmp.session.reply", lambda _, table: replies.send_nowait(table))
            request = {"id": "session-1", "from": "session", "op": "get_completed", "args": {}}
            await client.send("cwmp.firmware.request", request)
            reply = await replied.receive()
            assert (reply["id"], reply["state"]) == ("session-1", "done")


async def test_a_service_that_rests_survives_the_bus(paths: Paths, nursery: trio.Nursery) -> None:
    """Its connection ends: that wakes it, and it registers at the next daemon."""
    with trio.fail_after(60):
        first, second, over = trio.CancelScope(), trio.CancelScope(), trio.Event()
        await nursery.start(daemon, paths.bus, first, over)
        async with master(paths, "--patience", "0.2", "--services", "diagnostics") as process:
            async with readiness(paths.bus) as ready:
                assert await ready.receive() == "diagnostics"
                await gone(process.pid, "diagnostics")
            first.cancel()
            await over.wait()
            await nursery.start(daemon, paths.bus, second, trio.Event())
            async with readiness(paths.bus) as ready, open_client(str(paths.bus)) as client:
                if not await client.lookup("cwmp.diagnostics"):
                    assert await ready.receive() == "diagnostics"
                await gone(process.pid, "diagnostics")
                assert "tests" in await client.call("cwmp.diagnostics", "status", timeout=30)
        second.cancel()


async def daemon(
    path: Path,
    scope: trio.CancelScope,
    over: trio.Event,
    task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
) -> None:
    """A broker of its own at `path`, until `scope` is cancelled."""
    with scope:
        await broker.serve(str(path), task_status=task_status)
    over.set()
