"""A value that changes on the router opens a session by itself, if the ACS asked for that."""

from __future__ import annotations

from tests.lab.conftest import Lab

from cwmp.lab.acs import Attributes, GetParameterAttributes, GetRPCMethods, SetParameterAttributes, Value

EXAMPLE = "Device.X_EXAMPLE_COM_MyPackage.Example"
HOSTNAME = "Device.DeviceInfo.HostName"


async def test_active_and_passive_notification(lab: Lab) -> None:
    async with lab.acs.session("0 BOOTSTRAP") as session:
        methods = await session.rpc(GetRPCMethods())
        assert {"GetParameterAttributes", "SetParameterAttributes"} <= set(methods)
        await session.rpc(
            SetParameterAttributes({EXAMPLE: Attributes(2), HOSTNAME: Attributes(1, access=["Subscriber"])})
        )
        found = await session.rpc(GetParameterAttributes([EXAMPLE, HOSTNAME]))
        assert found == {EXAMPLE: Attributes(2, ["Subscriber"]), HOSTNAME: Attributes(1, ["Subscriber"])}
    await lab.bus.call("cwmp.datamodel", "set", {"values": {HOSTNAME: "renamed"}})
    await lab.bus.call("cwmp.datamodel", "set", {"values": {EXAMPLE: "by a user"}})
    async with lab.acs.session() as session:
        assert session.inform.codes == ["4 VALUE CHANGE"]
        assert session.inform.parameters[EXAMPLE] == Value("by a user")
        assert session.inform.parameters[HOSTNAME] == Value("renamed")
    assert lab.acs.violations == []
