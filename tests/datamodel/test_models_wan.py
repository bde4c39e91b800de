"""How the router gets its address: DHCP and PPP."""

from __future__ import annotations

from typing import Any

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

from cwmp.contract import Fault

CLIENT = "Device.DHCPv4.Client.1."
PPP = "Device.PPP.Interface."
DSL = """
config interface 'dsl'
	option device 'eth0'
	option proto 'pppoe'
	option username 'subscriber'
	option password 'secret of the line'
	option ac 'bras-1'
	option mtu '1480'
"""


def wan(router: Router) -> dict[str, Any]:
    found: dict[str, Any] = router.replies["network.interface", "dump"]["interface"][2]
    return found


async def test_what_the_dhcp_client_was_told(router: Router, acs: Acs) -> None:
    wan(router).update(
        {
            "route": [{"target": "0.0.0.0", "mask": 0, "nexthop": "192.0.2.1"}],
            "dns-server": ["192.0.2.53", "192.0.2.54"],
            "data": {"dhcpserver": "192.0.2.2", "leasetime": 43200},
        }
    )
    values = await acs.get("Device.DHCPv4.Client.")
    assert values == {
        f"{CLIENT}Alias": "cpe-wan",
        f"{CLIENT}Enable": "true",
        f"{CLIENT}Status": "Enabled",
        f"{CLIENT}DHCPStatus": "Bound",
        f"{CLIENT}Interface": "Device.IP.Interface.3",
        f"{CLIENT}IPAddress": "192.0.2.33",
        f"{CLIENT}SubnetMask": "255.255.255.0",
        f"{CLIENT}IPRouters": "192.0.2.1",
        f"{CLIENT}DNSServers": "192.0.2.53,192.0.2.54",
        f"{CLIENT}DHCPServer": "192.0.2.2",
    }


async def test_a_dhcp_client_without_answer(router: Router, acs: Acs) -> None:
    wan(router).update({"up": False, "pending": True, "ipv4-address": []})
    values = await acs.get(CLIENT)
    assert values[f"{CLIENT}DHCPStatus"] == "Selecting"
    assert values[f"{CLIENT}IPAddress"] == ""
    assert values[f"{CLIENT}IPRouters"] == ""


@pytest.fixture
def dsl(router: Router) -> Router:
    router.set_uci("network", CONFIG["network"] + DSL)
    device = router.replies["network.device", "status"]["eth0"]
    router.replies["network.device", "status"] |= {
        "pppoe-dsl": {**device, "type": "Network tunnel", "mtu": 1480}
    }
    router.replies["network.interface", "dump"]["interface"].append(
        {
            "interface": "dsl",
            "up": True,
            "pending": False,
            "uptime": 99,
            "l3_device": "pppoe-dsl",
            "proto": "pppoe",
        }
    )
    return router


async def test_a_ppp_interface(dsl: Router, acs: Acs) -> None:
    values = await acs.get("Device.PPP.")
    assert values["Device.PPP.InterfaceNumberOfEntries"] == "1"
    expected = {
        "Name": "dsl",
        "Status": "Up",
        "ConnectionStatus": "Connected",
        "ConnectionTrigger": "AlwaysOn",
        "LastChange": "99",
        "LowerLayers": "Device.Ethernet.Link.2",
        "Username": "subscriber",
        "Password": "",
        "MaxMRUSize": "1480",
        "CurrentMRUSize": "1480",
        "IPv6CPEnable": "true",
        "PPPoE.ACName": "bras-1",
        "PPPoE.ServiceName": "",
        "Stats.BytesReceived": "5000000000",
    }
    assert {name: values[f"{PPP}1.{name}"] for name in expected} == expected
    assert "secret of the line" not in values.values()


@pytest.mark.parametrize(
    ("trigger", "options"),
    [("OnDemand", ["option demand '300'"]), ("Manual", ["option auto '0'"]), ("AlwaysOn", [])],
)
async def test_when_a_connection_is_made(dsl: Router, acs: Acs, trigger: str, options: list[str]) -> None:
    await acs.set(**{f"{PPP}1.ConnectionTrigger": trigger})
    section = dsl.uci("network").partition("'dsl'")[2]
    assert [line.strip() for line in section.splitlines() if "demand" in line or "auto" in line] == options
    assert (await acs.get(f"{PPP}1."))[f"{PPP}1.ConnectionTrigger"] == trigger


async def test_credentials_and_ipv6_are_written(dsl: Router, acs: Acs) -> None:
    await acs.set_all(
        {
            f"{PPP}1.Username": "other",
            f"{PPP}1.Password": "another secret",
            f"{PPP}1.IPv6CPEnable": "false",
            f"{PPP}1.PPPoE.ServiceName": "fast",
        }
    )
    section = dsl.uci("network").partition("'dsl'")[2]
    for line in (
        "option username 'other'",
        "option password 'another secret'",
        "option ipv6 '0'",
        "option service 'fast'",
    ):
        assert line in section
    with pytest.raises(Fault):
        await acs.set(**{f"{PPP}1.MaxMRUSize": "63"})


async def test_a_ppp_interface_is_created_and_deleted(router: Router, acs: Acs) -> None:
    path = f"{PPP}{(await acs.add(PPP)).instance_number}."
    await acs.set(**{f"{path}LowerLayers": "Device.Ethernet.Link.2", f"{path}Enable": "true"})
    section = router.uci("network").rpartition("config interface")[2]
    assert "option proto 'pppoe'" in section
    assert "option device 'eth0'" in section
    await acs.delete(path)
    assert "pppoe" not in router.uci("network")


async def test_what_is_no_link_cannot_be_below(dsl: Router, acs: Acs) -> None:
    for wrong in "Device.Ethernet.Link.99", "Device.Ethernet.Interface.1", "Device.IP.Interface.1":
        with pytest.raises(Fault):
            await acs.set(**{f"{PPP}1.LowerLayers": wrong})
    await acs.set(**{f"{PPP}1.LowerLayers": ""})
    assert "option device" not in dsl.uci("network").partition("'dsl'")[2]
