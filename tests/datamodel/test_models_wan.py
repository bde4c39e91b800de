"""How the router gets its address: DHCP and PPP."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import trio
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
        f"{CLIENT}LeaseTimeRemaining": "43158",
        f"{CLIENT}Renew": "false",
        f"{CLIENT}ReqOptionNumberOfEntries": "0",
        f"{CLIENT}SentOptionNumberOfEntries": "0",
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


async def test_what_a_client_asks_for_and_was_given(router: Router, acs: Acs) -> None:
    router.set_uci("network", CONFIG["network"] + "\toption reqopts '42 3'\n")
    wan(router).update(
        {
            "route": [{"target": "0.0.0.0", "mask": 0, "nexthop": "192.0.2.1"}],
            "data": {"ntpserver": "192.0.2.5 192.0.2.6", "leasetime": 600},
        }
    )
    table = f"{CLIENT}ReqOption."
    values = await acs.get(table)
    expected = {
        "1.Tag": "42",
        "1.Order": "1",
        "1.Value": "c0000205c0000206",
        "2.Tag": "3",
        "2.Order": "2",
        "2.Value": "c0000201",
    }
    assert {name: values[f"{table}{name}"] for name in expected} == expected
    row = f"{table}{(await acs.add(table)).instance_number}."
    with pytest.raises(Fault):
        await acs.set(**{f"{row}Enable": "true"})
    await acs.set_all({f"{row}Tag": "43", f"{row}Enable": "true"})
    assert "option reqopts '42 3 43'" in router.uci("network")  # netifd would pass over a list
    await acs.set(**{f"{row}Order": "1"})
    assert "option reqopts '43 42 3'" in router.uci("network")
    await acs.set(**{f"{table}1.Enable": "false"})
    assert "option reqopts '43 3'" in router.uci("network")
    with pytest.raises(Fault):
        await acs.set(**{f"{table}2.Tag": "43"})
    await acs.delete(row)
    assert "option reqopts '3'" in router.uci("network")


async def test_what_a_client_sends(router: Router, acs: Acs) -> None:
    router.set_uci("network", CONFIG["network"] + "\tlist sendopts 'hostname:box'\n")
    table = f"{CLIENT}SentOption."
    values = await acs.get(table)
    assert (values[f"{table}1.Tag"], values[f"{table}1.Value"]) == ("12", "626f78")
    row = f"{table}{(await acs.add(table)).instance_number}."
    with pytest.raises(Fault):
        await acs.set(**{f"{row}Value": "ff"})
    await acs.set_all({f"{row}Value": "6578", f"{row}Tag": "60", f"{row}Enable": "true"})
    assert "option sendopts 'hostname:box 0x3c:6578'" in router.uci("network")
    assert (await acs.get(row))[f"{row}Value"] == "6578"


async def test_a_client_is_made_on_an_interface(router: Router, acs: Acs) -> None:
    """One without protocol takes it over; one with another lends its device."""
    plain = "\nconfig interface 'plain'\n\toption proto 'none'\n\toption device 'lan1'\n"
    router.set_uci("network", CONFIG["network"] + plain)
    clients = "Device.DHCPv4.Client."
    await acs.get("Device.IP.Interface.")
    row = f"{clients}{(await acs.add(clients)).instance_number}."
    assert (await acs.get(row))[f"{row}Enable"] == "false"
    await acs.set(**{f"{row}Interface": "Device.IP.Interface.4"})
    values = await acs.get(row)
    assert (values[f"{row}Interface"], values[f"{row}Alias"]) == ("Device.IP.Interface.4", "cpe-dhcp_2")
    assert "config interface 'dhcp_" not in router.uci("network")
    await acs.delete(row)
    assert "option proto 'none'" in router.uci("network").partition("'plain'")[2]
    row = f"{clients}{(await acs.add(clients)).instance_number}."
    await acs.set(**{f"{row}Interface": "Device.IP.Interface.2"})
    assert (await acs.get(row))[f"{row}Interface"] == "Device.IP.Interface.2"
    assert "option device '@lan'" in router.uci("network")
    await acs.delete(row)
    assert "@lan" in router.uci("network")  # the interface stays, without a client


@pytest.fixture
def renewed(files: Router) -> list[str]:
    """The interfaces that netifd was told to renew."""
    found: list[str] = []

    def renew(interface: str = "") -> dict[str, str]:
        found.append(interface)
        return {}

    files.replies["network.interface", "renew"] = renew
    return found


async def test_a_lease_is_renewed(renewed: list[str], acs: Acs) -> None:
    """A command is done once the transaction is durable, and reads as false."""
    await acs.get(CLIENT)
    await acs.set(**{f"{CLIENT}Renew": "true"})
    with trio.fail_after(10):
        while not renewed:
            await trio.lowlevel.checkpoint()
    assert renewed == ["wan"]
    assert (await acs.get(CLIENT))[f"{CLIENT}Renew"] == "false"


async def test_what_a_ppp_connection_came_to(dsl: Router, acs: Acs) -> None:
    dump = dsl.replies["network.interface", "dump"]["interface"]
    dump[-1] |= {
        "ipv4-address": [{"address": "192.0.2.70", "mask": 32, "ptpaddress": "192.0.2.1"}],
        "dns-server": ["192.0.2.53", "2001:db8::53"],
    }
    dump.append(
        {
            "interface": "dsl_6",
            "up": True,
            "dynamic": True,
            "proto": "dhcpv6",
            "l3_device": "pppoe-dsl",
            "ipv6-address": [{"address": "fe80::a:b:c:d", "mask": 128}],
            "route": [{"target": "::", "mask": 0, "nexthop": "fe80::1"}],
        }
    )
    session = int.from_bytes((7).to_bytes(2, "big"), sys.byteorder)
    dsl.write(
        "/proc/net/pppoe", f"Id       Address              Device\n{session:08X} 02:00:5e:00:53:fe     eth0\n"
    )
    expected = {
        "IPCP.LocalIPAddress": "192.0.2.70",
        "IPCP.RemoteIPAddress": "192.0.2.1",
        "IPCP.DNSServers": "192.0.2.53",
        "IPv6CP.LocalInterfaceIdentifier": "::a:b:c:d",
        "IPv6CP.RemoteInterfaceIdentifier": "::1",
        "PPPoE.SessionID": "7",
        "LastConnectionError": "ERROR_NONE",
        "LCPEcho": "1",
        "LCPEchoRetry": "5",
    }
    values = await acs.get("Device.")
    assert {name: values[f"{PPP}1.{name}"] for name in expected} == expected
    assert values["Device.IP.Interface.4.LowerLayers"] == f"{PPP}1"
    assert values["Device.IP.Interface.5.Name"] == "dsl_6"  # netifd made it
    with pytest.raises(Fault):
        await acs.set(**{"Device.IP.Interface.5.Enable": "false"})
    await acs.set(**{f"{PPP}1.LCPEcho": "20"})
    assert "option keepalive '5 20'" in dsl.uci("network")
    dump[-2] |= {"up": False, "errors": [{"subsystem": "pppoe", "code": "AUTH_TOPEER_FAILED"}]}
    values = await acs.get(f"{PPP}1.")
    assert values[f"{PPP}1.LastConnectionError"] == "ERROR_AUTHENTICATION_FAILURE"
