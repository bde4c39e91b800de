"""The addresses and prefixes of interfaces, and how they are."""

from __future__ import annotations

from typing import Any

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

from cwmp.contract import Fault

IP = "Device.IP.Interface."
LAN, WAN = f"{IP}2.", f"{IP}3."
ADDRESS = f"{LAN}IPv4Address."


def interface(router: Router, number: int) -> dict[str, Any]:
    found: dict[str, Any] = router.replies["network.interface", "dump"]["interface"][number]
    return found


def some(values: dict[str, str], path: str, expected: dict[str, str]) -> dict[str, str]:
    return {name: values[f"{path}{name}"] for name in expected}


async def test_a_static_interface_gets_a_second_address(router: Router, acs: Acs) -> None:
    first = (await acs.get(ADDRESS))[f"{ADDRESS}1.Alias"]
    row = f"{ADDRESS}{(await acs.add(ADDRESS)).instance_number}."
    alias = (await acs.get(row))[f"{row}Alias"]
    assert some(await acs.get(row), row, {"IPAddress": "", "Enable": ""}) == {
        "IPAddress": "",
        "Enable": "false",
    }
    with pytest.raises(Fault):
        await acs.set(**{f"{row}Enable": "true"})
    await acs.set_all(
        {f"{row}IPAddress": "10.0.0.1", f"{row}SubnetMask": "255.0.0.0", f"{row}Enable": "true"}
    )
    assert "option ipaddr '192.168.1.1 10.0.0.1/8'" in router.uci("network")
    interface(router, 1)["ipv4-address"].append({"address": "10.0.0.1", "mask": 8})
    expected = {
        "1.IPAddress": "192.168.1.1",
        "1.SubnetMask": "255.255.255.0",
        "2.IPAddress": "10.0.0.1",
        "2.SubnetMask": "255.0.0.0",
        "2.Status": "Enabled",
        "2.AddressingType": "Static",
    }
    assert some(await acs.get(ADDRESS), ADDRESS, expected) == expected
    await acs.set(**{f"{ADDRESS}1.SubnetMask": "255.255.0.0"})  # of it alone: `netmask` is everybody's
    assert "option ipaddr '192.168.1.1/16 10.0.0.1/8'" in router.uci("network")
    await acs.set(**{f"{ADDRESS}1.Enable": "false"})
    assert "list ipaddr_off '192.168.1.1/16'" in router.uci("network")
    assert (await acs.get(f"{ADDRESS}1."))[f"{ADDRESS}1.Status"] == "Disabled"
    with pytest.raises(Fault):
        await acs.set(**{f"{row}IPAddress": "192.168.1.1", f"{row}SubnetMask": "255.255.0.0"})
    aliases = {f"{ADDRESS}1.Alias": first, f"{row}Alias": alias}
    assert some(await acs.get(ADDRESS), "", aliases) == aliases  # whatever the addresses have become
    await acs.delete(row)
    assert "10.0.0.1" not in router.uci("network")


async def test_an_interface_without_protocol_becomes_static(router: Router, acs: Acs) -> None:
    path = f"{IP}{(await acs.add(IP)).instance_number}."
    row = f"{path}IPv4Address.{(await acs.add(f'{path}IPv4Address.')).instance_number}."
    await acs.set_all(
        {f"{row}IPAddress": "10.9.0.1", f"{row}SubnetMask": "255.255.255.0", f"{row}Enable": "true"}
    )
    section = router.uci("network").rpartition("config interface")[2]
    assert "option proto 'static'" in section
    assert "list ipaddr '10.9.0.1/24'" in section


async def test_addresses_that_were_given_stay_as_they_are(router: Router, acs: Acs) -> None:
    row = f"{WAN}IPv4Address.1."
    expected = {
        "IPAddress": "192.0.2.33",
        "SubnetMask": "255.255.255.0",
        "AddressingType": "DHCP",
        "Status": "Enabled",
    }
    assert some(await acs.get(row), row, expected) == expected
    for name, value in ("IPAddress", "192.0.2.34"), ("Enable", "false"):
        with pytest.raises(Fault):
            await acs.set(**{f"{row}{name}": value})
    with pytest.raises(Fault):
        await acs.add(f"{WAN}IPv4Address.")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"up": True}, "Up"),
        ({"up": False, "pending": True}, "Dormant"),
        ({"up": False, "available": False, "errors": [{"code": "NO_DEVICE"}]}, "NotPresent"),
        ({"up": False, "device": "lan1"}, "Down"),
    ],
)
async def test_the_status_is_netifds(router: Router, acs: Acs, said: dict[str, Any], status: str) -> None:
    interface(router, 2).update(said)
    assert (await acs.get(WAN))[f"{WAN}Status"] == status


async def test_an_interface_whose_cable_is_out(router: Router, acs: Acs) -> None:
    interface(router, 2).update({"up": False, "pending": False, "autostart": True})
    devices = router.replies["network.device", "status"]
    router.replies["network.device", "status"] = {**devices, "eth0": {**devices["eth0"], "carrier": False}}
    assert (await acs.get(WAN))[f"{WAN}Status"] == "LowerLayerDown"


async def test_ipv6_of_an_interface_is_switched(router: Router, acs: Acs) -> None:
    router.write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1\n")
    values = await acs.get(IP)
    assert (values[f"{LAN}IPv6Enable"], values[f"{WAN}IPv6Enable"]) == ("true", "false")
    await acs.set(**{f"{LAN}IPv6Enable": "false"})
    assert "option ipv6 '0'" in router.uci("network").partition("'lan'")[2]


async def test_the_part_of_the_ula_prefix(router: Router, acs: Acs) -> None:
    wan6 = "\nconfig interface 'wan6'\n\toption device 'eth0'\n\toption proto 'dhcpv6'\n"
    router.set_uci("network", CONFIG["network"] + wan6)
    values = await acs.get(IP)
    assert (values[f"{LAN}ULAEnable"], values[f"{WAN}ULAEnable"]) == ("true", "false")
    await acs.set(**{f"{LAN}ULAEnable": "false"})
    assert "list ip6class 'wan6'" in router.uci("network")
    assert (await acs.get(LAN))[f"{LAN}ULAEnable"] == "false"
    await acs.set(**{f"{LAN}ULAEnable": "true"})
    assert "list ip6class 'local'" in router.uci("network")


async def test_a_static_interface_gets_an_ipv6_address(router: Router, acs: Acs) -> None:
    table = f"{LAN}IPv6Address."
    row = f"{table}{(await acs.add(table)).instance_number}."
    expected = {"IPAddress": "", "Enable": "false", "Status": "Disabled", "IPAddressStatus": "Invalid"}
    assert some(await acs.get(row), row, expected) == expected
    with pytest.raises(Fault):
        await acs.set(**{f"{row}Enable": "true"})
    with pytest.raises(Fault):
        await acs.set(**{f"{row}IPAddress": "192.0.2.1"})
    await acs.set_all({f"{row}IPAddress": "2001:DB8:7::1", f"{row}Enable": "true"})
    assert "list ip6addr '2001:db8:7::1/64'" in router.uci("network")
    interface(router, 1)["ipv6-address"] = [{"address": "2001:db8:7::1", "mask": 64}]
    expected = {
        "IPAddress": "2001:db8:7::1",
        "Status": "Enabled",
        "IPAddressStatus": "Preferred",
        "Origin": "Static",
    }
    assert some(await acs.get(row), row, expected) == expected
    assert (await acs.get(LAN))[f"{LAN}IPv6AddressNumberOfEntries"] == "1"
    await acs.set(**{f"{row}Enable": "false"})
    assert "list ip6addr_off '2001:db8:7::1/64'" in router.uci("network")
    await acs.delete(row)
    assert "2001:db8:7" not in router.uci("network")
    with pytest.raises(Fault):
        await acs.add(f"{WAN}IPv6Address.")


KERNEL = (
    "fe8000000000000002005efffe005301 02 40 20 80     eth0\n"
    "20010db8000000000000000000000002 02 40 00 c0     eth0\n"
    "fd12345678 9a broken\n"
)


async def test_ipv6_addresses_of_netifd_and_of_the_kernel(router: Router, acs: Acs) -> None:
    router.write("/proc/net/if_inet6", KERNEL)
    interface(router, 2)["ipv6-address"] = [
        {"address": "2001:db8::2", "mask": 64, "preferred": 0, "valid": 600}
    ]
    interface(router, 2)["ipv6-prefix"] = [
        {"address": "2001:db8:1::", "mask": 56, "preferred": 300, "valid": 600, "assigned": {}}
    ]
    interface(router, 1)["ipv6-prefix-assignment"] = [
        {
            "address": "2001:db8:1:10::",
            "mask": 60,
            "preferred": 300,
            "valid": 600,
            "local-address": {"address": "2001:db8:1:10::1", "mask": 60},
        }
    ]
    values = await acs.get(IP)
    expected = {
        "IPv6AddressNumberOfEntries": "2",
        "IPv6Address.1.IPAddress": "2001:db8::2",
        "IPv6Address.1.IPAddressStatus": "Tentative",
        "IPv6Address.2.IPAddress": "fe80::200:5eff:fe00:5301",
        "IPv6Address.2.Origin": "AutoConfigured",
        "IPv6Address.2.ValidLifetime": "9999-12-31T23:59:59Z",
        "IPv6Address.2.Status": "Enabled",
        "IPv6Prefix.1.Prefix": "2001:db8:1::/56",
        "IPv6Prefix.1.Origin": "PrefixDelegation",
        "IPv6Prefix.1.StaticType": "Inapplicable",
        "IPv6Prefix.1.PrefixStatus": "Preferred",
        "IPv6Prefix.1.ParentPrefix": "",
    }
    assert some(values, WAN, expected) == expected
    expected = {
        "IPv6Address.1.IPAddress": "2001:db8:1:10::1",
        "IPv6Address.1.Prefix": f"{LAN}IPv6Prefix.1",
        "IPv6Prefix.1.Prefix": "2001:db8:1:10::/60",
        "IPv6Prefix.1.Origin": "Child",
        "IPv6Prefix.1.ParentPrefix": f"{WAN}IPv6Prefix.1",
    }
    assert some(values, LAN, expected) == expected
