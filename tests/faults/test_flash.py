"""State that cannot be written: nothing is promised, nothing is done by half, the cause is named, and it heals."""

from __future__ import annotations

import pytest
from tests.faults.conftest import Flash, thorough
from tests.lab.conftest import Lab
from tests.lab.test_kill import inform, pools

from cwmp.lab.acs import (
    AddObject,
    CpeFault,
    GetParameterValues,
    Reboot,
    SetParameterValues,
    Upload,
)

KEY = "Device.ManagementServer.ParameterKey"
SSID = "Device.WiFi.SSID.1.SSID"
HOST = "Device.DeviceInfo.HostName"
POOLS = "Device.DHCPv4.Server.Pool."


@pytest.mark.parametrize(
    ("how", "cause"),
    [("full", "No space left"), pytest.param("read-only", "Read-only file system", marks=thorough)],
)
async def test_what_cannot_be_kept_is_not_promised(lab: Lab, flash: Flash, how: str, cause: str) -> None:
    pids = dict(lab.router.service_pids())
    rows = pools(lab)
    url = lab.acs.take_file("/log")
    await inform(lab)
    async with lab.acs.session() as session:
        before = await session.rpc(GetParameterValues([SSID, HOST, KEY]))
        flash.fail(how)
        for call in (
            SetParameterValues({SSID: "lost", HOST: "lost"}, "lost"),
            AddObject(POOLS, "lost"),
            Upload("lost", url, "4 Vendor Log File 1"),
        ):
            with pytest.raises(CpeFault) as fault:
                await session.rpc(call)  # type: ignore[arg-type]
            assert fault.value.code == 9002, call
            assert cause in fault.value.text, call
        assert await session.rpc(GetParameterValues([SSID, HOST, KEY])) == before
    assert pools(lab) == rows
    await inform(lab)
    async with lab.acs.session() as session:  # sessions go on: a periodic Inform needs no flash
        assert await session.rpc(GetParameterValues([SSID, HOST, KEY])) == before
    flash.heal(how)
    await inform(lab)
    async with lab.acs.session() as session:
        await session.rpc(SetParameterValues({SSID: "kept", HOST: "kept"}, "key"))
        await session.rpc(Upload("up", url, "4 Vendor Log File 1"))
    async with lab.acs.session("7 TRANSFER COMPLETE") as session:
        found = await session.rpc(GetParameterValues([SSID, HOST, KEY]))
    assert [(t.command_key, t.fault_code) for t in session.transfers] == [("up", 0)]
    assert [value.text for value in found.values()] == ["kept", "kept", "key"]
    assert dict(lab.router.service_pids()) == pids
    assert cause in lab.log
    assert lab.acs.violations == []


async def test_a_reboot_that_cannot_be_noted_is_refused(lab: Lab, flash: Flash) -> None:
    await inform(lab)
    async with lab.acs.session() as session:
        flash.fail("full")
        with pytest.raises(CpeFault) as fault:
            await session.rpc(Reboot("r1"))
        assert (fault.value.code, "No space left" in fault.value.text) == (9002, True)
    flash.heal("full")
    await inform(lab)
    async with lab.acs.session() as session:
        assert session.inform.codes == ["2 PERIODIC"]
    assert lab.router.boots == 1
