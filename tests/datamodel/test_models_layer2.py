"""Bridges with their ports, and VLANs on a port."""

from __future__ import annotations

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

from cwmp.contract import Fault

BRIDGE = "Device.Bridging.Bridge.1."
PORT = f"{BRIDGE}Port."
VLAN = "Device.Ethernet.VLANTermination."


@pytest.fixture
def bridged(router: Router) -> Router:
    devices = router.replies["network.device", "status"]
    router.replies["network.device", "status"] = {
        **devices,
        "br-lan": {**devices["br-lan"], "bridge-members": ["lan1", "phy0-ap0"]},
    }
    router.write("/sys/class/net/lan1/brport/state", "0\n")
    router.write("/sys/class/net/phy0-ap0/brport/state", "3\n")
    return router


async def test_a_bridge_has_the_ports_that_are_in_it(bridged: Router, acs: Acs) -> None:
    values = await acs.get("Device.Bridging.")
    expected = {
        "Name": "br-lan",
        "Enable": "true",
        "Status": "Enabled",
        "Standard": "802.1D-2004",
        "PortNumberOfEntries": "2",
        "Port.1.Name": "lan1",
        "Port.1.Status": "Down",
        "Port.1.PortState": "Disabled",
        "Port.1.LowerLayers": "Device.Ethernet.Interface.2",
        "Port.2.Name": "phy0-ap0",
        "Port.2.Status": "Up",
        "Port.2.PortState": "Forwarding",
        "Port.2.LowerLayers": "Device.WiFi.SSID.1",
        "Port.2.Stats.BytesReceived": "5000000000",
    }
    assert {name: values[f"{BRIDGE}{name}"] for name in expected} == expected


async def test_a_bridge_filters_vlans(bridged: Router, acs: Acs) -> None:
    bridged.set_uci(
        "network", CONFIG["network"].replace("'bridge'\n", "'bridge'\n\toption vlan_filtering '1'\n")
    )
    assert (await acs.get(BRIDGE))[f"{BRIDGE}Standard"] == "802.1Q-2011"


async def test_a_port_that_left_is_gone(bridged: Router, acs: Acs) -> None:
    assert f"{PORT}1.Name" in await acs.get(PORT)
    bridged.replies["network.device", "status"]["br-lan"]["bridge-members"] = ["phy0-ap0"]
    values = await acs.get(PORT)
    assert f"{PORT}1.Name" not in values
    assert values[f"{PORT}2.Name"] == "phy0-ap0"


async def test_the_aging_time_is_written(bridged: Router, acs: Acs) -> None:
    await acs.set(**{f"{BRIDGE}AgingTime": "600"})
    assert "option ageing_time '600'" in bridged.uci("network")
    with pytest.raises(Fault):
        await acs.set(**{f"{BRIDGE}AgingTime": "9"})


async def test_a_vlan_is_created_named_and_deleted(router: Router, acs: Acs) -> None:
    paths = [f"{VLAN}{(await acs.add(VLAN)).instance_number}." for _ in range(2)]
    for path in paths:
        await acs.set_all({f"{path}VLANID": "7", f"{path}LowerLayers": "Device.Ethernet.Interface.1"})
    values = await acs.get(VLAN)
    assert [values[f"{path}Name"] for path in paths] == ["vlan7", "vlan7-2"]
    assert [values[f"{path}Status"] for path in paths] == ["NotPresent"] * 2
    section = router.uci("network").rpartition("config device")[2]
    assert "option ifname 'eth0'" in section
    assert "option vid '7'" in section
    await acs.set(**{f"{paths[0]}VLANID": "8"})
    assert (await acs.get(paths[0]))[f"{paths[0]}Name"] == "vlan7"  # others may refer to it
    await acs.delete(paths[0])
    await acs.delete(paths[1])
    assert "8021q" not in router.uci("network")


async def test_a_vlan_that_is_up(router: Router, acs: Acs) -> None:
    router.set_uci(
        "network",
        CONFIG["network"]
        + "\nconfig device\n\toption type '8021q'\n\toption name 'eth0.7'\n"
        + "\toption ifname 'eth0'\n\toption vid '7'\n",
    )
    devices = router.replies["network.device", "status"]
    router.replies["network.device", "status"] = {**devices, "eth0.7": {**devices["eth0"], "type": "VLAN"}}
    values = await acs.get(VLAN)
    expected = {
        "Name": "eth0.7",
        "Enable": "true",
        "Status": "Up",
        "VLANID": "7",
        "LowerLayers": "Device.Ethernet.Interface.1",
        "Stats.BytesReceived": "5000000000",
    }
    assert {name: values[f"{VLAN}1.{name}"] for name in expected} == expected


async def test_the_device_of_a_new_interface_is_no_list(router: Router, acs: Acs) -> None:
    path = f"Device.IP.Interface.{(await acs.add('Device.IP.Interface.')).instance_number}."
    await acs.set(**{f"{path}LowerLayers": "Device.Ethernet.Interface.1"})
    assert (await acs.get(path))[f"{path}LowerLayers"] == "Device.Ethernet.Interface.1"
    assert "option device 'eth0'" in router.uci("network").rpartition("config interface")[2]
