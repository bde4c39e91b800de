"""Hosts: by lease, by ARP, by what they are plugged into."""

from __future__ import annotations

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

HOST = "Device.Hosts.Host."
ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.120    0x1         0x2         02:00:5e:00:53:20     *        br-lan
192.168.1.9      0x1         0x2         02:00:5e:00:53:29     *        br-lan
192.168.1.8      0x1         0x0         02:00:5e:00:53:28     *        br-lan
192.168.1.7      0x1         0x2         02:00:5e:00:53:40     *        br-lan
192.0.2.1        0x1         0x2         02:00:5e:00:53:ff     *        eth0
"""


def _entry(mac: str, port: int, *, own: bool = False) -> bytes:
    """struct __fdb_entry of linux/if_bridge.h"""
    return bytes.fromhex(mac.replace(":", "")) + bytes([port & 255, own, 0, 0, 0, 0, port >> 8, 0, 0, 0])


@pytest.fixture
def lan(router: Router) -> Router:
    router.write("/proc/net/arp", ARP)
    router.write("/tmp/dhcp.leases", "1893456000 02:00:5e:00:53:20 192.168.1.120 laptop *\n")
    dump = router.replies["network.interface", "dump"]["interface"]
    dump[2]["route"] = [{"target": "0.0.0.0", "mask": 0, "nexthop": "192.0.2.1"}]
    for number, port in enumerate(("lan1", "phy0-ap0"), 1):
        router.write(f"/sys/class/net/br-lan/brif/{port}", "")
        router.write(f"/sys/class/net/{port}/brport/port_no", f"0x{number:x}\n")
    table = router.paths.system("/sys/class/net/br-lan/brforward")
    table.write_bytes(
        _entry("02:00:5e:00:53:20", 1, own=True)
        + _entry("02:00:5e:00:53:20", 1)
        + _entry("02:00:5e:00:53:29", 0x101)
        + b"cut off"
    )
    return router


async def test_who_is_there_with_and_without_a_lease(lan: Router, acs: Acs) -> None:
    values = await acs.get(HOST)
    macs = {n.split(".")[3]: v for n, v in values.items() if n.endswith(".PhysAddress")}
    assert list(macs.values()) == ["02:00:5E:00:53:20", "02:00:5E:00:53:29", "02:00:5E:00:53:40"]
    laptop = {
        "HostName": "laptop", "Active": "true", "Layer3Interface": "Device.IP.Interface.2",
        "DHCPClient": "Device.DHCPv4.Server.Pool.1.Client.1", "IPv4Address.1.IPAddress": "192.168.1.120",
        "AssociatedDevice": "", "IPv6AddressNumberOfEntries": "0",
    }  # fmt: skip
    assert {name: values[f"{HOST}1.{name}"] for name in laptop} == laptop
    assert values[f"{HOST}2.DHCPClient"] == ""


async def test_where_a_host_is_attached(lan: Router, acs: Acs) -> None:
    ports = await acs.get("Device.Ethernet.Interface.*.Name")
    lan1 = next(name.removesuffix(".Name") for name, value in ports.items() if value == "lan1")
    values = await acs.get(HOST)
    assert values[f"{HOST}1.Layer1Interface"] == lan1
    assert values[f"{HOST}2.Layer1Interface"] == ""  # a port that the bridge does not have
    assert values[f"{HOST}3.Layer1Interface"] == "Device.WiFi.Radio.1"
    assert values[f"{HOST}3.AssociatedDevice"] == "Device.WiFi.AccessPoint.1.AssociatedDevice.1"


async def test_addresses_by_an_identity_made_of_the_host(lan: Router, acs: Acs) -> None:
    lan.set_uci("dhcp", CONFIG["dhcp"].replace("'12h'", "'12h'\n\toption dhcpv6 'server'"))
    lease = {
        "duid": "000100012c3f00aa02005e005320", "iaid": 1, "hostname": "laptop", "flags": ["bound"],
        "ipv6-addr": [{"address": "2001:db8::5", "preferred-lifetime": 60, "valid-lifetime": 60}],
    }  # fmt: skip
    lan.replies["dhcp", "ipv6leases"] = {"device": {"br-lan": {"leases": [lease]}}}
    values = await acs.get(HOST)
    assert values[f"{HOST}1.IPv6Address.1.IPAddress"] == "2001:db8::5"
    assert values[f"{HOST}1.DHCPClient"] == (
        "Device.DHCPv4.Server.Pool.1.Client.1,Device.DHCPv6.Server.Pool.1.Client.1"
    )
    assert values[f"{HOST}2.IPv6AddressNumberOfEntries"] == "0"
    neighbours = (
        "fe80::9 02:00:5e:00:53:29",
        "2001:db8::9 02:00:5e:00:53:29",
        "2001:db8::5 02:00:5e:00:53:20",
    )
    lan.write("/proc/net/neighbours6", "".join(f"{one} br-lan\n" for one in neighbours))
    values = await acs.get(HOST)
    assert values[f"{HOST}1.IPv6AddressNumberOfEntries"] == "1"
    assert [values[f"{HOST}2.IPv6Address.{n}.IPAddress"] for n in (1, 2)] == ["2001:db8::9", "fe80::9"]
