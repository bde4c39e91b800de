"""kill -9 of each service in the middle of a session: nothing acknowledged is lost, no operation runs twice.

The moments are events on the bus: a request on its way to the service that does it, its answer on the way back.
Effects are counted where they happen, in UCI and in the virtual router.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from tests.lab.conftest import Lab

from cwmp.contract import SERVICES
from cwmp.lab.acs import (
    AddObject,
    Download,
    GetParameterNames,
    GetParameterValues,
    Reboot,
    SessionLost,
    SetParameterValues,
    Value,
)
from cwmp.lab.router import Version, build

POOLS = "Device.DHCPv4.Server.Pool."
PING = "Device.IP.Diagnostics.IPPing."
NEW = Version("24.10.1", "r28597-0425664679")


class Killer:
    """Kills a service the first time the bus carries a given operation's request or its answer."""

    def __init__(self, lab: Lab, victim: str, operation: str, moment: str) -> None:
        self._lab = lab
        self._victim = victim
        self._operation = operation
        self._moment = moment
        self._ids: set[str] = set()
        self.struck = trio.Event()

    async def arm(self) -> Killer:
        for service in SERVICES:
            await self._lab.bus.listen(f"cwmp.{service}.request", self._on_request)
            await self._lab.bus.listen(f"cwmp.{service}.reply", self._on_reply)
        return self

    def _on_request(self, _: str, table: dict[str, Any]) -> None:
        if table.get("op") == self._operation:
            self._ids.add(table["id"])
            if self._moment == "request":
                self._strike()

    def _on_reply(self, _: str, table: dict[str, Any]) -> None:
        if table["id"] in self._ids and table["state"] == "done" and self._moment == "reply":
            self._strike()

    def _strike(self) -> None:
        if not self.struck.is_set():
            self._lab.router.kill(self._victim)
            self.struck.set()


async def bootstrapped(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP"):
        pass


async def inform(lab: Lab) -> None:
    await lab.bus.call("cwmp", "inform", {})


def pools(lab: Lab) -> int:
    return sum(s.type == "dhcp" for s in lab.router.uci("dhcp").sections.values())


@pytest.mark.parametrize("moment", ["request", "reply"])
@pytest.mark.parametrize("victim", ["datamodel", "session"])
async def test_an_object_is_added_once(lab: Lab, victim: str, moment: str) -> None:
    await bootstrapped(lab)
    before = pools(lab)
    killer = await Killer(lab, victim, "add_object", moment).arm()
    await inform(lab)
    acknowledged = 0
    try:
        async with lab.acs.session() as session:
            assert (await session.rpc(AddObject(POOLS))).instance > 0
            acknowledged = 1
    except SessionLost:
        async with lab.acs.session() as session:  # it comes back by itself
            await session.rpc(GetParameterNames(POOLS, next_level=True))
    assert killer.struck.is_set()
    added = pools(lab) - before
    if victim == "datamodel":
        assert (acknowledged, added) == (1, 1)
    else:  # the ACS got no answer: it may have been done, but not more than once
        assert acknowledged == 0
        assert added == 1
    assert lab.acs.violations == []


@pytest.mark.parametrize("victim", SERVICES)
async def test_what_was_acknowledged_stays(lab: Lab, victim: str) -> None:
    """Killed while a later request of the same session is on its way."""
    async with lab.acs.session("0 BOOTSTRAP") as session:
        ssids = await session.rpc(GetParameterValues(["Device.WiFi.SSID."]))
        ssid = next(name for name in ssids if name.endswith(".SSID"))
    killer = await Killer(lab, victim, "get_values", "request").arm()
    await inform(lab)
    try:
        async with lab.acs.session() as session:
            await session.rpc(SetParameterValues({ssid: "kept"}, "key-1"))
            found = await session.rpc(GetParameterValues([ssid]))
            assert found[ssid].text == "kept"
    except SessionLost:
        assert victim == "session"
        async with lab.acs.session() as session:
            found = await session.rpc(GetParameterValues([ssid]))
            assert found[ssid].text == "kept"
            key = "Device.ManagementServer.ParameterKey"
            assert (await session.rpc(GetParameterValues([key])))[key].text == "key-1"
    assert killer.struck.is_set()
    assert lab.router.uci("wireless").sections["default_radio0"].options["ssid"] == "kept"
    with trio.fail_after(20):
        await lab.router.until(lambda: lab.router.told["wireless"] > 0)
    status = await lab.bus.call("network.wireless", "status")
    assert status["radio0"]["interfaces"][0]["config"]["ssid"] == "kept"
    assert lab.acs.violations == []


@pytest.mark.parametrize("moment", ["request", "reply"])
@pytest.mark.parametrize("victim", ["firmware", "session"])
async def test_a_download_runs_once(lab: Lab, victim: str, moment: str) -> None:
    await bootstrapped(lab)
    url = lab.acs.serve_file("/image.bin", build(NEW))
    killer = await Killer(lab, victim, "download", moment).arm()
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
    assert killer.struck.is_set()
    assert [(t.command_key, t.fault_code) for t in session.transfers] == [("k1", 0)]
    assert {"7 TRANSFER COMPLETE", "M Download", "1 BOOT"} <= set(session.inform.codes)
    assert lab.router.upgrades == [NEW]
    assert lab.acs.downloads["/image.bin"] == 1
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
    async with lab.acs.session("7 TRANSFER COMPLETE") as session:
        await session.ready()
    assert struck.is_set()
    assert [t.command_key for t in session.transfers] == ["k1"]
    assert len(lab.router.upgrades) <= 1
    assert (session.transfers[0].fault_code == 0) == (len(lab.router.upgrades) == 1)


@pytest.mark.parametrize("victim", ["firmware", "session"])
async def test_reboot_happens_once(lab: Lab, victim: str) -> None:
    await bootstrapped(lab)
    killer = await Killer(lab, victim, "reboot", "request").arm()
    await inform(lab)
    async with lab.acs.session() as session:
        await session.rpc(Reboot("r1"))
    async with lab.acs.session("1 BOOT") as session:
        assert sorted((e.code, e.command_key) for e in session.inform.events) == [
            ("1 BOOT", ""),
            ("M Reboot", "r1"),
        ]
    assert killer.struck.is_set()
    assert lab.router.boots == 2
    await inform(lab)
    async with lab.acs.session() as session:
        assert "M Reboot" not in session.inform.codes
    assert lab.router.boots == 2


@pytest.mark.parametrize("moment", ["request", "reply"])
async def test_diagnostics_end_with_one_report(lab: Lab, moment: str) -> None:
    await bootstrapped(lab)
    killer = await Killer(lab, "diagnostics", "set_parameters", moment).arm()
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
    assert killer.struck.is_set()


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
