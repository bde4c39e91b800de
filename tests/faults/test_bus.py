"""A bus that goes away, that drops what it cannot deliver, or on which somebody does not read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from tests.faults.conftest import thorough
from tests.lab.conftest import Lab
from tests.lab.test_kill import POOLS, bootstrapped, inform, pools

from cwmp.contract import SERVICES
from cwmp.lab.acs import AddObject, GetParameterNames, GetParameterValues
from ubuskit.errors import Disconnected

HOST = "Device.DeviceInfo.HostName"
_LISTENER = """
import sys, trio
from ubuskit.client import open_client
async def main():
    async with open_client(sys.argv[1]) as bus:
        await bus.listen("*", lambda *_: None)
        print("listens", flush=True)
        await trio.sleep_forever()
trio.run(main)
"""


@pytest.mark.parametrize("moment", ["request", pytest.param("reply", marks=thorough)])
async def test_a_bus_that_is_killed_while_an_object_is_added(lab: Lab, moment: str) -> None:
    await bootstrapped(lab)
    before, pids = pools(lab), dict(lab.router.service_pids())
    seen = trio.Event()
    ids: set[str] = set()

    def on_request(_: str, table: dict[str, Any]) -> None:
        if table.get("op") == "add_object":
            ids.add(table["id"])
            if moment == "request":
                seen.set()

    def on_reply(_: str, table: dict[str, Any]) -> None:
        if table["id"] in ids and table["state"] == "done":
            seen.set()

    async def strike() -> None:
        await seen.wait()
        await lab.router.restart_bus()

    await lab.bus.listen("cwmp.datamodel.request", on_request)
    await lab.bus.listen("cwmp.session.reply", on_reply)
    await inform(lab)
    async with lab.acs.session() as session, trio.open_nursery() as nursery:
        nursery.start_soon(strike)
        row = (await session.rpc(AddObject(POOLS))).instance
        rows = await session.rpc(GetParameterNames(POOLS, next_level=True))
    assert f"{POOLS}{row}." in rows
    assert pools(lab) == len(rows) == before + 1
    assert dict(lab.router.service_pids()) == pids
    assert "the connection to the ubus daemon" in lab.log
    assert lab.acs.violations == []


@thorough
async def test_a_bus_that_goes_between_sessions_again_and_again(lab: Lab) -> None:
    await bootstrapped(lab)
    pids = dict(lab.router.service_pids())
    for _ in range(5):
        await lab.router.restart_bus()
        while True:
            try:
                await inform(lab)
                break
            except Disconnected:  # we have noticed only now
                continue
        async with lab.acs.session() as session:
            assert HOST in await session.rpc(GetParameterValues([HOST]))
    assert dict(lab.router.service_pids()) == pids


@asynccontextmanager
async def deaf(lab: Lab) -> AsyncIterator[None]:
    """Somebody is subscribed to every event, and has stopped reading."""
    command = [sys.executable, "-c", _LISTENER, str(lab.router.paths.bus)]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        with trio.fail_after(20):
            assert await process.stdout.receive_some()  # it listens
        process.send_signal(signal.SIGSTOP)
        yield
    finally:
        process.kill()
        await process.wait()
        await process.stdout.aclose()


async def test_somebody_who_does_not_read_holds_nobody_up(lab: Lab) -> None:
    """More than the 1 MiB that the bus keeps for him goes by."""
    await bootstrapped(lab)
    pids = dict(lab.router.service_pids())
    async with deaf(lab):
        for _ in range(30):
            await lab.bus.send("cwmp.noise", {"text": "x" * 50_000})
        await inform(lab)
        async with lab.acs.session() as session:
            assert len(await session.rpc(GetParameterValues(["Device."]))) > 500
    assert dict(lab.router.service_pids()) == pids
    assert lab.acs.violations == []


@pytest.mark.parametrize("victim", ["datamodel", pytest.param("session", marks=thorough)])
async def test_what_a_full_queue_has_dropped_is_sent_again(lab: Lab, victim: str) -> None:
    """The service stands still while more than its queue takes is sent to it, and a request goes under."""
    await bootstrapped(lab)
    pids = dict(lab.router.service_pids())
    before = pools(lab)
    asked, heard = trio.Event(), f"cwmp.{victim}." + ("request" if victim == "datamodel" else "reply")

    def on_request(_: str, table: dict[str, Any]) -> None:
        if table.get("op") == "add_object" or (victim == "datamodel" and "op" in table):
            asked.set()

    async def overflow() -> None:
        if victim == "session":
            await asked.wait()
            os.kill(pids[victim], signal.SIGSTOP)
        for _ in range(30):
            await lab.bus.send(heard, {"text": "x" * 50_000})
        if victim == "datamodel":
            await asked.wait()
        os.kill(pids[victim], signal.SIGCONT)

    await inform(lab)
    async with lab.acs.session() as session, trio.open_nursery() as nursery:
        await session.ready()
        if victim == "datamodel":
            os.kill(pids[victim], signal.SIGSTOP)
        await lab.bus.listen("cwmp.datamodel.request", on_request)
        nursery.start_soon(overflow)
        await session.rpc(AddObject(POOLS))
        rows = await session.rpc(GetParameterNames(POOLS, next_level=True))
    assert pools(lab) == len(rows) == before + 1
    assert dict(lab.router.service_pids()) == pids
    assert lab.acs.violations == []


@thorough
@pytest.mark.parametrize("victim", SERVICES)
async def test_a_service_that_stands_still_for_a_while(lab: Lab, victim: str) -> None:
    await bootstrapped(lab)
    pids = dict(lab.router.service_pids())
    os.kill(pids[victim], signal.SIGSTOP)
    for _ in range(30):
        await lab.bus.send("cwmp.noise", {"text": "x" * 50_000})
    os.kill(pids[victim], signal.SIGCONT)
    await inform(lab)
    async with lab.acs.session() as session:
        assert HOST in await session.rpc(GetParameterValues([HOST]))
    assert dict(lab.router.service_pids()) == pids
