"""The suite behind a NAT: the ACS switches STUN on, learns where the device is reached, and asks it by UDP."""

from __future__ import annotations

from tests.session.nat import nat_before

from cwmp.lab.acs import Attributes, GetParameterValues, SetParameterAttributes, SetParameterValues, Value
from cwmp.lab.acs.stun import open_stun

from .conftest import Lab

SERVER = "Device.ManagementServer."
ADDRESS = f"{SERVER}UDPConnectionRequestAddress"


async def test_udp_connection_requests_through_a_nat(lab: Lab) -> None:
    async with open_stun() as stun, nat_before(stun) as nat:
        async with lab.acs.session("0 BOOTSTRAP") as session:
            found = await session.rpc(GetParameterValues([ADDRESS, f"{SERVER}SupportedConnReqMethods"]))
            assert found[ADDRESS].text.startswith("127.0.0.1:")
            assert found[f"{SERVER}SupportedConnReqMethods"].text == "HTTP,STUN"
            await session.rpc(SetParameterAttributes({ADDRESS: Attributes(2)}))
            values = {
                "STUNServerAddress": "127.0.0.1",
                "STUNServerPort": Value(str(nat.port), "unsignedInt"),
                "STUNMinimumKeepAlivePeriod": Value("20", "unsignedInt"),
                "STUNMaximumKeepAlivePeriod": Value("20", "int"),
                "STUNEnable": Value("1", "boolean"),
            }
            await session.rpc(SetParameterValues({f"{SERVER}{name}": v for name, v in values.items()}))
        binding = str(await stun.binding())
        async with lab.acs.session("4 VALUE CHANGE") as session:
            assert session.inform.parameters[ADDRESS].text == binding
            found = await session.rpc(GetParameterValues([f"{SERVER}NATDetected"]))
            assert found[f"{SERVER}NATDetected"].text in {"1", "true"}
        await stun.connection_request(binding, "acs", "knock")
        async with lab.acs.session("6 CONNECTION REQUEST"):
            pass
        assert stun.violations == lab.acs.violations == []
