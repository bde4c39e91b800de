"""kill -9 at the steps that tests/lab/test_kill.py leaves out: each request, on its way there and on its way back."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.faults.conftest import thorough
from tests.lab.conftest import Lab
from tests.lab.test_kill import POOLS, bootstrapped, inform, killing, pools

from cwmp.lab.acs import (
    AddObject,
    Attributes,
    DeleteObject,
    GetParameterAttributes,
    GetParameterNames,
    GetParameterValues,
    SessionLost,
    SetParameterAttributes,
    SetParameterValues,
    Upload,
)
from cwmp.lab.acs.messages import Rpc

KEY = "Device.ManagementServer.ParameterKey"
HOST = "Device.DeviceInfo.HostName"
STEPS: Mapping[str, Rpc[object]] = {
    "get_values": GetParameterValues(["Device."]),
    "get_names": GetParameterNames("Device."),
    "set_values": SetParameterValues({HOST: "renamed"}, "renamed"),
    "set_attributes": SetParameterAttributes({HOST: Attributes(1)}),
    "get_attributes": GetParameterAttributes(["Device.DeviceInfo."]),
}


@thorough
@pytest.mark.parametrize("moment", ["request", "reply"])
@pytest.mark.parametrize("victim", ["datamodel", "session"])
@pytest.mark.parametrize("operation", STEPS)
async def test_a_request_survives(lab: Lab, operation: str, victim: str, moment: str) -> None:
    """With the datamodel gone the ACS sees nothing of it; with session, a session that is made up for."""
    await bootstrapped(lab)
    told = lab.router.told["system"]
    async with killing(lab, victim, operation, moment):
        await inform(lab)
        try:
            async with lab.acs.session() as session:
                await session.rpc(STEPS[operation])
        except SessionLost:
            assert victim == "session"
    await inform(lab)
    async with lab.acs.session() as session:
        await session.rpc(STEPS[operation])
        found = await session.rpc(GetParameterValues([HOST, KEY]))
        attributes = await session.rpc(GetParameterAttributes([HOST]))
    if operation == "set_values":
        assert [value.text for value in found.values()] == ["renamed", "renamed"]
        told_again = victim == "datamodel" and moment == "reply"  # nobody knows whether it was told before
        assert lab.router.told["system"] - told in ({1, 2} if told_again else {1})
    if operation == "set_attributes":
        assert attributes[HOST].notification == 1
    assert lab.acs.violations == []


@thorough
@pytest.mark.parametrize("moment", ["request", "reply"])
async def test_an_object_is_deleted_once(lab: Lab, moment: str) -> None:
    async with lab.acs.session("0 BOOTSTRAP") as session:
        rows = [(await session.rpc(AddObject(POOLS))).instance for _ in range(2)]
    before = pools(lab)
    async with killing(lab, "datamodel", "delete_object", moment):
        await inform(lab)
        async with lab.acs.session() as session:
            await session.rpc(DeleteObject(f"{POOLS}{rows[0]}.", "deleted"))
            left = await session.rpc(GetParameterNames(POOLS, next_level=True))
    assert pools(lab) == len(left) == before - 1
    assert f"{POOLS}{rows[1]}." in left
    assert lab.acs.violations == []


@thorough
@pytest.mark.parametrize("moment", ["request", "reply"])
@pytest.mark.parametrize("victim", ["firmware", "session"])
async def test_an_upload_is_reported_once(lab: Lab, victim: str, moment: str) -> None:
    await bootstrapped(lab)
    url = lab.acs.take_file("/log")
    async with killing(lab, victim, "upload", moment):
        await inform(lab)
        try:
            async with lab.acs.session() as session:
                await session.rpc(Upload("up", url, "4 Vendor Log File 1"))
        except SessionLost:
            assert victim == "session"
    async with lab.acs.session("7 TRANSFER COMPLETE") as session:
        await session.ready()
    assert [(t.command_key, t.fault_code) for t in session.transfers] == [("up", 0)]
    await inform(lab)
    async with lab.acs.session() as session:
        await session.ready()
    assert session.transfers == []
    assert "7 TRANSFER COMPLETE" not in session.inform.codes
    assert lab.acs.violations == []
