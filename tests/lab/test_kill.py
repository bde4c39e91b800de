"""kill -9 of each service in the middle of a session: nothing acknowledged is lost, no operation runs twice.

The moments are events on the bus: a request on its way to the service that does it, its answer on the way back.
Effects are counted where they happen, in UCI and in the virtual router.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from tests.lab.conftest import Lab

from cwmp.contract import SERVICES
from cwmp.lab.acs import (
    AddObject,
    Download,
    FactoryReset,
    GetParameterNames,
    GetParameterValues,
    Reboot,
    SessionLost,
    SetParameterValues,
    Value,
)
from cwmp.lab.router import Version, build
from ubuskit.errors import CallTimeout, NotFound

POOLS = "Device.DHCPv4.Server.Pool."
PING = "Device.IP.Diagnostics.IPPing."
NEW = Version("24.10.1", "r28597-0425664679")


@asynccontextmanager
async def killing(lab: Lab, victim: str, operation: str, moment: str) -> AsyncIterator[None]:
    """In the block `victim` is killed the first time the bus carries `operation`'s request, or its answer."""
    ids: set[str] = set()
    struck = trio.Event()

    def strike() -> None:
        if not struck.is_set():
            lab.router.kill(victim)
            struck.set()

    def on_request(_: str, table: dict[str, Any]) -> None:
        if table.get("op") == operation:
            ids.add(table["id"])
            if moment == "request":
                strike()

    def on_reply(_: str, table: dict[str, Any]) -> None:
        if moment == "reply" and table["id"] in ids and table["state"] == "done":
            strike()

    listeners = []
    for service in SERVICES:
        listeners.append(await lab.bus.listen(f"cwmp.{service}.request", on_request))
        listeners.append(await lab.bus.listen(f"cwmp.{service}.reply", on_reply))
    yield
    with trio.fail_after(20):
        await struck.wait()
    for listener in listeners:
        await listener.close()


async def bootstrapped(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP"):
        pass


async def inform(lab: Lab) -> None:
    """As by hand; waits for the service while it starts."""
    there = trio.Event()

    def on_object(_: str, table: dict[str, Any]) -> None:
        if table["path"] == "cwmp":
            there.set()

    listener = await lab.bus.listen("ubus.object.add", on_object)
    with trio.fail_after(20):
        while True:
            try:
                await lab.bus.call("cwmp", "inform", {}, timeout=2)
            except NotFound:
                await there.wait()
            except CallTimeout:  # it was killed with our call in its hands
                continue
            else:
                break
    await listener.close()


def pools(lab: Lab) -> int:
    return sum(s.type == "dhcp" for s in lab.router.uci("dhcp").sections.values())


@pytest.mark.parametrize("moment", ["request", "reply"])
async def test_an_object_is_added_once(lab: Lab, moment: str) -> None:
    await bootstrapped(lab)
    before = pools(lab)
    async with killing(lab, "datamodel", "add_object", moment):
        await inform(lab)
        async with lab.acs.session() as session:
            assert (await session.rpc(AddObject(POOLS))).instance > 0
    assert pools(lab) == before + 1
    async with killing(lab, "session", "add_object", moment):
        await inform(lab)
        lost = False
        try:
            async with lab.acs.session() as session:
                await session.rpc(AddObject(POOLS))
        except SessionLost:
            lost = True
    assert lost or moment == "reply"  # then it may just have been passed on
    if not lost:
        await inform(lab)
    async with lab.acs.session() as session:  # by itself, if it was lost
        assert session.inform.retry_count == 1 or not lost
        rows = await session.rpc(GetParameterNames(POOLS, next_level=True))
    assert pools(lab) == len(rows) == before + 2
    assert lab.acs.violations == []


async def test_what_was_acknowledged_stays(lab: Lab) -> None:
    """Each service is killed while a later request of the same session is on its way."""
    async with lab.acs.session("0 BOOTSTRAP") as session:
        ssids = await session.rpc(GetParameterValues(["Device.WiFi.SSID."]))
        ssid = next(name for name in ssids if name.endswith(".SSID"))
    key = "Device.ManagementServer.ParameterKey"
    for victim in SERVICES:
        told = lab.router.told["wireless"]
        async with killing(lab, victim, "get_values", "request"):
            await inform(lab)
            try:
                async with lab.acs.session() as session:
                    await session.rpc(
                        SetParameterValues({ssid: f"set before {victim} died"}, f"key-{victim}")
                    )
                    await session.rpc(GetParameterValues([ssid]))
            except SessionLost:
                assert victim == "session"
                async with lab.acs.session():
                    pass
        await inform(lab)
        async with lab.acs.session() as session:
            found = await session.rpc(GetParameterValues([ssid, key]))
            assert found[ssid].text == f"set before {victim} died"
            assert found[key].text == f"key-{victim}"
        with trio.fail_after(20):
            await lab.router.until(lambda told=told: lab.router.told["wireless"] > told)
        status = await lab.bus.call("network.wireless", "status")
        assert status["radio0"]["interfaces"][0]["config"]["ssid"] == f"set before {victim} died"
    assert lab.acs.violations == []


@pytest.mark.parametrize("moment", ["request", "reply"])
@pytest.mark.parametrize("victim", ["firmware", "session"])
async def test_a_download_runs_once(lab: Lab, victim: str, moment: str) -> None:
    await bootstrapped(lab)
    url = lab.acs.serve_file("/image.bin", build(NEW))
    async with killing(lab, victim, "download", moment):
        await inform(lab)
        try:
            async with lab.acs.session() as session:
                assert (await session.rpc(Download("k1", url))).status == 1
        except SessionLost:
            assert victim == "session"
    with trio.fail_after(60):
        while True:
            async with lab.acs.session() as session:
                await session.ready()
                if session.transfers:
                    break
    assert [(t.command_key, t.fault_code) for t in session.transfers] == [("k1", 0)]
    assert {"7 TRANSFER COMPLETE", "M Download", "1 BOOT"} <= set(session.inform.codes)
    assert lab.router.upgrades == [NEW]
    cut_off = (
        victim == "firmware" and moment == "reply"
    )  # perhaps while the file came already: it is fetched anew
    assert lab.acs.downloads["/image.bin"] in ({1, 2} if cut_off else {1})
    await inform(lab)
    async with lab.acs.session() as session:  # and it is not reported again
        await session.ready()
        assert session.transfers == []
        assert "7 TRANSFER COMPLETE" not in session.inform.codes
    assert lab.acs.violations == []


@pytest.mark.parametrize("state", ["downloading", "checking", "applying"])
async def test_a_transfer_cut_off_is_reported_once_and_flashed_at_most_once(lab: Lab, state: str) -> None:
    await bootstrapped(lab)
    url = lab.acs.serve_file("/image.bin", build(NEW))
    struck = trio.Event()

    def on_transfer(_: str, table: dict[str, Any]) -> None:
        if table["state"] == state and not struck.is_set():
            lab.router.kill("firmware")
            struck.set()

    await lab.bus.listen("cwmp.firmware.transfer", on_transfer)
    await inform(lab)
    async with lab.acs.session() as session:
        assert (await session.rpc(Download("k1", url))).status == 1
    with trio.fail_after(20):
        await struck.wait()
        if state == "applying":  # nobody can know whether it is being flashed, until the next boot
            await lab.router.power_cycle()
    async with lab.acs.session("7 TRANSFER COMPLETE") as session:
        await session.ready()
    assert [t.command_key for t in session.transfers] == ["k1"]
    fault = session.transfers[0].fault_code
    assert (fault == 0) == (lab.router.upgrades == [NEW])
    assert (fault != 0) == (lab.router.upgrades == [])


@pytest.mark.parametrize("victim", ["firmware", "session"])
async def test_reboot_happens_once(lab: Lab, victim: str) -> None:
    await bootstrapped(lab)
    async with killing(lab, victim, "reboot", "request"):
        await inform(lab)
        async with lab.acs.session() as session:
            await session.rpc(Reboot("r1"))
    async with lab.acs.session("1 BOOT") as session:
        assert sorted((e.code, e.command_key) for e in session.inform.events) == [
            ("1 BOOT", ""),
            ("M Reboot", "r1"),
        ]
    assert lab.router.boots == 2
    await inform(lab)
    async with lab.acs.session() as session:
        assert "M Reboot" not in session.inform.codes
    assert lab.router.boots == 2


@pytest.mark.parametrize("victim", ["firmware", "session"])
async def test_a_factory_reset_happens_once(lab: Lab, victim: str) -> None:
    await bootstrapped(lab)
    async with killing(lab, victim, "factory_reset", "request"):
        await inform(lab)
        async with lab.acs.session() as session:
            await session.rpc(FactoryReset())
    async with lab.acs.session("0 BOOTSTRAP") as session:
        assert sorted(session.inform.codes) == ["0 BOOTSTRAP", "1 BOOT"]
    await inform(lab)
    async with lab.acs.session() as session:
        assert session.inform.codes == ["2 PERIODIC"]
    assert lab.router.boots == 2


@pytest.mark.parametrize("moment", ["request", "reply"])
async def test_diagnostics_end_with_one_report(lab: Lab, moment: str) -> None:
    await bootstrapped(lab)
    async with killing(lab, "diagnostics", "set_parameters", moment):
        await inform(lab)
        async with lab.acs.session() as session:
            await session.rpc(
                SetParameterValues(
                    {
                        PING + "Host": "127.0.0.1",
                        PING + "NumberOfRepetitions": Value("1", "unsignedInt"),
                        PING + "DiagnosticsState": "Requested",
                    }
                )
            )
    async with lab.acs.session("8 DIAGNOSTICS COMPLETE") as session:
        found = await session.rpc(GetParameterValues([PING + "DiagnosticsState"]))
        state = found[PING + "DiagnosticsState"].text
        assert state.startswith(("Complete", "Error"))


async def test_the_bus_may_be_killed_in_the_middle_of_a_session(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP") as session:
        await lab.router.restart_bus()
        found = await session.rpc(GetParameterValues(["Device.DeviceInfo.SoftwareVersion"]))
        assert "24.10.0" in found["Device.DeviceInfo.SoftwareVersion"].text


async def test_the_power_may_go_in_the_middle_of_a_session(lab: Lab) -> None:
    with pytest.raises(SessionLost):
        async with lab.acs.session("0 BOOTSTRAP") as session:
            ssids = await session.rpc(GetParameterValues(["Device.WiFi.SSID."]))
            ssid = next(name for name in ssids if name.endswith(".SSID"))
            await session.rpc(SetParameterValues({ssid: "kept"}, "key-1"))
            await lab.router.power_cycle()
            await session.rpc(GetParameterValues([ssid]))
    async with lab.acs.session() as session:
        assert session.inform.codes == ["1 BOOT"]  # 0 BOOTSTRAP was acknowledged
        found = await session.rpc(GetParameterValues([ssid]))
        assert found[ssid].text == "kept"
    status = await lab.bus.call("network.wireless", "status")
    assert status["radio0"]["interfaces"][0]["config"]["ssid"] == "kept"
