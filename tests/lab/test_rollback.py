"""A network change that cuts the router off its ACS comes back by itself, also with a reboot in the middle."""

from __future__ import annotations

import pytest
from tests.lab.conftest import Lab

from cwmp.lab.acs import GetParameterValues, SetParameterValues
from cwmp.lab.acs.behaviour import Close
from ubuskit.uci import Set, Uci

KEY = "Device.ManagementServer.ParameterKey"


async def lan_address(lab: Lab) -> str:
    found = await lab.bus.call("network.interface.lan", "status")
    return str(found["ipv4-address"][0]["address"])


@pytest.mark.parametrize("reboot", [False, True])
async def test_a_change_that_cuts_off_the_acs_comes_back(lab: Lab, reboot: bool) -> None:
    paths = lab.router.paths
    Uci(paths.uci_dir, paths.uci_save_dir).apply({"cwmp": [Set("cwmp", "rollback_timeout", "3")]})
    async with lab.acs.session("0 BOOTSTRAP") as session:
        addresses = await session.rpc(GetParameterValues(["Device.IP.Interface."]))
        (address,) = [name for name, value in addresses.items() if value.text == "192.168.1.1"]
        assert await session.rpc(SetParameterValues({address: "10.9.9.9"}, "cut off")) == 1
    lab.acs.misbehave_always(Close())  # what the change does to the way to the ACS
    await lab.router.until(lambda: lab.router.told["network"] > 0)
    assert await lan_address(lab) == "10.9.9.9"
    if reboot:
        await lab.router.power_cycle()
    await lab.router.until(
        lambda: lab.router.uci("network").sections["lan"].options["ipaddr"] == "192.168.1.1"
    )
    lab.acs.misbehave_always(None)
    async with lab.acs.session("4 VALUE CHANGE") as session:
        assert session.inform.parameters[KEY].text == ""
        found = await session.rpc(GetParameterValues([address]))
        assert found[address].text == "192.168.1.1"
    assert await lan_address(lab) == "192.168.1.1"
    assert "they are taken back" in lab.log
    assert lab.acs.violations == []
