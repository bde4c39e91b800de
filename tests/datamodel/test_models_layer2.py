"""Bridges with their ports and VLANs, links, VLANs on a port, and what is below what."""

from __future__ import annotations

import struct

import pytest
from tests.datamodel.support import CONFIG, Acs, Router

from cwmp.contract import Fault
from cwmp.datamodel import ethtool

BRIDGES = "Device.Bridging.Bridge."
BRIDGE = f"{BRIDGES}1."
PORT = f"{BRIDGE}Port."
IN_BRIDGE = f"{BRIDGE}VLAN."
VLAN_PORT = f"{BRIDGE}VLANPort."
VLAN = "Device.Ethernet.VLANTermination."
LINK = "Device.Ethernet.Link."
PORTS = "Device.Ethernet.Interface."
FILTERING = """
config bridge-vlan
	option device 'br-lan'
	option vlan '10'
	list ports 'lan1:u*'
	list ports 'lan2:t'
"""


def some(values: dict[str, str], path: str, expected: dict[str, str]) -> dict[str, str]:
    return {name: values[f"{path}{name}"] for name in expected}


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


async def test_a_bridge_has_itself_what_is_configured_and_what_joined(bridged: Router, acs: Acs) -> None:
    expected = {
        "Name": "br-lan",
        "Enable": "true",
        "Status": "Enabled",
        "Standard": "802.1D-2004",
        "PortNumberOfEntries": "4",
        "Port.1.Name": "br-lan",
        "Port.1.ManagementPort": "true",
        "Port.1.LowerLayers": f"{PORT}2,{PORT}3,{PORT}4",
        "Port.2.Name": "lan1",
        "Port.2.Enable": "true",
        "Port.2.ManagementPort": "false",
        "Port.2.Status": "Down",
        "Port.2.PortState": "Disabled",
        "Port.2.LowerLayers": f"{PORTS}2",
        "Port.3.Name": "lan2",
        "Port.3.Status": "NotPresent",
        "Port.4.Name": "phy0-ap0",
        "Port.4.Status": "Up",
        "Port.4.PortState": "Forwarding",
        "Port.4.LowerLayers": "Device.WiFi.SSID.1",
        "Port.4.Stats.BytesReceived": "5000000000",
    }
    assert some(await acs.get("Device.Bridging."), BRIDGE, expected) == expected


async def test_a_port_that_left_is_gone(bridged: Router, acs: Acs) -> None:
    assert f"{PORT}4.Name" in await acs.get(PORT)
    bridged.replies["network.device", "status"]["br-lan"]["bridge-members"] = ["lan1", "phy1-ap0"]
    values = await acs.get(PORT)
    assert f"{PORT}4.Name" not in values
    assert values[f"{PORT}5.Name"] == "phy1-ap0"


async def test_the_aging_time_is_written(bridged: Router, acs: Acs) -> None:
    await acs.set(**{f"{BRIDGE}AgingTime": "600"})
    assert "option ageing_time '600'" in bridged.uci("network")
    with pytest.raises(Fault):
        await acs.set(**{f"{BRIDGE}AgingTime": "9"})


async def test_a_port_of_a_bridge_is_disabled_enabled_and_deleted(bridged: Router, acs: Acs) -> None:
    await acs.get(PORT)
    await acs.set(**{f"{PORT}2.Enable": "false"})
    assert "list ports_off 'lan1'" in bridged.uci("network")
    assert "list ports 'lan1'" not in bridged.uci("network")
    await acs.set(**{f"{PORT}2.Enable": "true"})
    assert "list ports 'lan1'" in bridged.uci("network")
    await acs.delete(f"{PORT}2.")
    assert "lan1" not in bridged.uci("network")
    for fixed in f"{PORT}1.", f"{PORT}4.":  # the bridge itself, and what joined by itself
        with pytest.raises(Fault):
            await acs.delete(fixed)
        with pytest.raises(Fault):
            await acs.set(**{f"{fixed}Enable": "false"})


async def test_a_port_is_put_into_a_bridge(bridged: Router, acs: Acs) -> None:
    path = f"{PORT}{(await acs.add(PORT)).instance_number}."
    assert some(await acs.get(path), path, {"Name": "", "Enable": "false"}) == {"Name": "", "Enable": "false"}
    with pytest.raises(Fault):
        await acs.set(**{f"{path}Enable": "true"})  # of what?
    await acs.set_all({f"{path}Enable": "true", f"{path}LowerLayers": f"{PORTS}1"})
    expected = {"Name": "eth0", "Enable": "true", "LowerLayers": f"{PORTS}1"}
    assert some(await acs.get(path), path, expected) == expected
    assert "list ports 'eth0'" in bridged.uci("network")
    for wrong in f"{PORTS}99", "Device.WiFi.SSID.1", f"{PORT}1":
        with pytest.raises(Fault):
            await acs.set(**{f"{path}LowerLayers": wrong})


async def test_a_bridge_is_created_with_a_port(router: Router, acs: Acs) -> None:
    path = f"{BRIDGES}{(await acs.add(BRIDGES)).instance_number}."
    values = await acs.get(path)
    assert some(values, path, {"Enable": "", "Name": ""}) == {"Enable": "false", "Name": "br_2"}
    port = f"{path}Port.{(await acs.add(f'{path}Port.')).instance_number}."
    await acs.set_all({f"{port}LowerLayers": f"{PORTS}1", f"{port}Enable": "true", f"{path}Enable": "true"})
    section = router.uci("network").rpartition("config device")[2]
    assert "option type 'bridge'" in section
    assert "list ports 'eth0'" in section
    assert "enabled" not in section
    vlan = f"{path}VLAN.{(await acs.add(f'{path}VLAN.')).instance_number}."
    await acs.set_all({f"{vlan}VLANID": "5"})
    link = f"{LINK}{(await acs.add(LINK)).instance_number}."
    own = next(n.rpartition(".")[0] for n, v in (await acs.get(path)).items() if v == "br_2" and "Port." in n)
    await acs.set_all({f"{link}LowerLayers": own})
    assert (await acs.get(link))[f"{link}LowerLayers"] == own
    await acs.delete(path)
    assert (await acs.get(link))[f"{link}LowerLayers"] == ""
    assert "br_2" not in router.uci("network")


async def test_vlans_of_a_bridge(bridged: Router, acs: Acs) -> None:
    bridged.set_uci("network", CONFIG["network"] + FILTERING)
    expected = {
        "Standard": "802.1Q-2011",
        "VLAN.1.Enable": "true",
        "VLAN.1.VLANID": "10",
        "VLANPort.1.VLAN": f"{IN_BRIDGE}1",
        "VLANPort.1.Port": f"{PORT}2",
        "VLANPort.1.Untagged": "true",
        "VLANPort.1.Enable": "true",
        "VLANPort.2.Port": f"{PORT}3",
        "VLANPort.2.Untagged": "false",
        "Port.2.PVID": "10",
        "Port.2.AcceptableFrameTypes": "AdmitAll",
        "Port.3.AcceptableFrameTypes": "AdmitOnlyVLANTagged",
    }
    assert some(await acs.get(BRIDGE), BRIDGE, expected) == expected
    await acs.set_all({f"{VLAN_PORT}2.Untagged": "true", f"{PORT}3.PVID": "10"})
    assert "list ports 'lan2:u*'" in bridged.uci("network")
    await acs.set(**{f"{PORT}2.AcceptableFrameTypes": "AdmitOnlyVLANTagged"})
    assert "list ports 'lan1:u'" in bridged.uci("network")
    for name, value in (("PVID", "11"), ("PriorityTagging", "true"), ("DefaultUserPriority", "3")):
        with pytest.raises(Fault):
            await acs.set(**{f"{PORT}2.{name}": value})
    with pytest.raises(Fault):
        await acs.set(**{f"{BRIDGE}Standard": "802.1D-2004"})


async def test_a_vlan_of_a_bridge_is_made_and_taken_away(bridged: Router, acs: Acs) -> None:
    await acs.get(BRIDGE)
    vlan = f"{IN_BRIDGE}{(await acs.add(IN_BRIDGE)).instance_number}."
    await acs.set(**{f"{vlan}VLANID": "7", f"{vlan}Name": "guests"})
    assert "option vlan_off '7'" in bridged.uci("network")
    await acs.set(**{f"{vlan}Enable": "true"})
    assert "option vlan '7'" in bridged.uci("network")
    member = f"{VLAN_PORT}{(await acs.add(VLAN_PORT)).instance_number}."
    with pytest.raises(Fault):
        await acs.set(**{f"{member}Enable": "true"})  # of which VLAN, which port?
    await acs.set(**{f"{member}VLAN": vlan[:-1]})
    await acs.set_all({f"{member}Port": f"{PORT}2", f"{member}Enable": "true", f"{member}Untagged": "false"})
    assert "list ports 'lan1:t'" in bridged.uci("network")
    expected = {"VLAN": vlan[:-1], "Port": f"{PORT}2", "Enable": "true", "Untagged": "false"}
    assert some(await acs.get(member), member, expected) == expected
    await acs.set(**{f"{member}Enable": "false"})
    assert "list ports_off 'lan1:t'" in bridged.uci("network")
    await acs.set(**{f"{member}Enable": "true"})
    await acs.delete(vlan)  # what refers to it is kept, and says so
    expected = {"VLAN": "", "Port": f"{PORT}2", "Enable": "false", "Untagged": "false"}
    assert some(await acs.get(member), member, expected) == expected
    assert "bridge-vlan" not in bridged.uci("network")
    await acs.delete(member)
    assert "vlan_ports_off" not in bridged.uci("network")


async def test_a_vlan_is_created_named_and_deleted(router: Router, acs: Acs) -> None:
    paths = [f"{VLAN}{(await acs.add(VLAN)).instance_number}." for _ in range(2)]
    for path in paths:
        await acs.set_all({f"{path}VLANID": "7", f"{path}LowerLayers": f"{LINK}2"})
    values = await acs.get(VLAN)
    assert [values[f"{path}Name"] for path in paths] == ["vlan7", "vlan7-2"]
    assert [values[f"{path}Status"] for path in paths] == ["NotPresent"] * 2
    section = router.uci("network").rpartition("config device")[2]
    assert "option ifname 'eth0'" in section
    assert "option vid '7'" in section
    assert "option enabled '0'" in section
    await acs.set(**{f"{paths[0]}VLANID": "8", f"{paths[0]}Enable": "true"})
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
    router.replies["network.device", "status"] = {**devices, "eth0.7": {**devices["eth0"], "type": "8021q"}}
    expected = {
        "Name": "eth0.7",
        "Enable": "true",
        "Status": "Up",
        "VLANID": "7",
        "LowerLayers": f"{LINK}2",
        "Stats.BytesReceived": "5000000000",
    }
    assert some(await acs.get(VLAN), f"{VLAN}1.", expected) == expected


async def test_a_vlan_that_only_its_name_declares(router: Router, acs: Acs) -> None:
    """``br-lan.10`` of a filtering bridge, ``eth0.2`` behind a switch: netifd makes them."""
    router.set_uci("network", CONFIG["network"].replace("device 'br-lan'", "device 'br-lan.10'"))
    values = await acs.get("Device.")
    expected = {"Name": "br-lan.10", "VLANID": "10", "LowerLayers": f"{LINK}1"}
    assert some(values, f"{VLAN}1.", expected) == expected
    assert values["Device.IP.Interface.2.LowerLayers"] == f"{VLAN}1"
    assert values[f"{LINK}1.LowerLayers"] == f"{PORT}1"
    for name, value in ("VLANID", "11"), ("LowerLayers", f"{LINK}2"), ("Enable", "false"):
        with pytest.raises(Fault):
            await acs.set(**{f"{VLAN}1.{name}": value})
    with pytest.raises(Fault):
        await acs.delete(f"{VLAN}1.")


async def test_a_link_for_each_device_that_interfaces_are_on(router: Router, acs: Acs) -> None:
    router.write("/sys/class/net/br-lan/address", "02:00:5e:00:53:07\n")
    values = await acs.get(LINK)
    names = {k.removeprefix(LINK): v for k, v in values.items() if k.endswith(".Name")}
    assert names == {"1.Name": "br-lan", "2.Name": "eth0"}
    expected = {
        "LowerLayers": f"{PORT}1",
        "Status": "Up",
        "MACAddress": "02:00:5E:00:53:07",
        "Enable": "true",
    }
    assert some(values, f"{LINK}1.", expected) == expected
    assert values[f"{LINK}2.LowerLayers"] == f"{PORTS}1"
    assert values[f"{LINK}2.MTU"] == "1500"
    await acs.set_all({f"{LINK}2.MTU": "1492", f"{LINK}2.MACAddress": "02:00:5E:00:53:77"})
    section = router.uci("network").rpartition("config device")[2]
    for line in "name 'eth0'", "mtu '1492'", "macaddr '02:00:5e:00:53:77'":
        assert f"option {line}" in section
    values = await acs.get(f"{LINK}2.")
    assert (values[f"{LINK}2.MTU"], values[f"{LINK}2.MACAddress"]) == ("1492", "02:00:5E:00:53:77")
    for wrong in (f"{LINK}1.LowerLayers", f"{PORTS}1"), (f"{LINK}2.LowerLayers", ""):
        with pytest.raises(Fault):
            await acs.set(**dict([wrong]))
    with pytest.raises(Fault):
        await acs.delete(f"{LINK}2.")


async def test_a_link_is_made_and_an_interface_put_on_it(router: Router, acs: Acs) -> None:
    await acs.get(LINK)
    link = f"{LINK}{(await acs.add(LINK)).instance_number}."
    await acs.set_all({f"{link}Enable": "true", f"{link}LowerLayers": f"{PORTS}2"})
    assert some(await acs.get(link), link, {"Name": "lan1", "Enable": "true"})["Name"] == "lan1"
    ip = f"Device.IP.Interface.{(await acs.add('Device.IP.Interface.')).instance_number}."
    await acs.set(**{f"{ip}LowerLayers": link[:-1]})
    assert "option device 'lan1'" in router.uci("network").rpartition("config interface")[2]
    assert (await acs.get(ip))[f"{ip}LowerLayers"] == link[:-1]
    other = f"{LINK}{(await acs.add(LINK)).instance_number}."
    with pytest.raises(Fault):
        await acs.set(**{f"{other}LowerLayers": f"{PORTS}2"})  # there is a link on it
    await acs.delete(link)
    assert (await acs.get(ip))[f"{ip}LowerLayers"] == ""
    assert "lan1'" not in router.uci("network").rpartition("config interface")[2]


async def test_a_port_is_switched_off_and_stays_a_row(router: Router, acs: Acs) -> None:
    await acs.set_all(
        {f"{PORTS}2.Enable": "false", f"{PORTS}2.MaxBitRate": "100", f"{PORTS}2.DuplexMode": "Half"}
    )
    section = router.uci("network").rpartition("config device")[2]
    for line in "name 'lan1'", "enabled '0'", "speed '100'", "duplex '0'":
        assert f"option {line}" in section
    for name, text in (
        ("address", "02:00:5e:00:53:01"),
        ("type", "1"),
        ("uevent", "DEVTYPE=dsa\nINTERFACE=lan1"),
    ):
        router.write(f"/sys/class/net/lan1/{name}", f"{text}\n")
    router.write("/sys/class/net/wg0/type", "65534\n")
    router.write("/sys/class/net/br-x/uevent", "DEVTYPE=bridge\n")
    devices = router.replies["network.device", "status"]
    router.replies["network.device", "status"] = {n: d for n, d in devices.items() if n != "lan1"}
    expected = {
        "Name": "lan1",
        "Enable": "false",
        "Status": "Down",
        "MaxBitRate": "100",
        "DuplexMode": "Half",
    }
    assert some(await acs.get(PORTS), f"{PORTS}2.", expected) == expected
    await acs.set_all(
        {f"{PORTS}2.Enable": "true", f"{PORTS}2.MaxBitRate": "-1", f"{PORTS}2.DuplexMode": "Auto"}
    )
    section = router.uci("network").rpartition("config device")[2]
    assert not any(word in section for word in ("enabled", "speed", "duplex"))


async def test_the_port_towards_the_internet(router: Router, acs: Acs) -> None:
    def upstream(values: dict[str, str]) -> list[str]:
        return [values[f"{PORTS}{n}.Upstream"] for n in (1, 2)]

    assert upstream(await acs.get(PORTS)) == ["false", "false"]
    interfaces = router.replies["network.interface", "dump"]["interface"]
    interfaces[2]["route"] = [{"target": "0.0.0.0", "mask": 0, "nexthop": "192.0.2.1"}]
    assert upstream(await acs.get(PORTS)) == ["true", "false"]
    router.write("/etc/board.json", '{"network": {"wan": {"device": "lan1", "protocol": "dhcp"}}}')
    assert upstream(await acs.get(PORTS)) == ["false", "true"]


async def test_counters_that_the_kernel_does_not_keep_apart(router: Router, acs: Acs) -> None:
    router.replies["network.device", "status"]["eth0"]["statistics"] |= {"rx_packets": 10, "multicast": 4}
    values = await acs.get(f"{PORTS}1.Stats.")
    expected = {"PacketsReceived": "10", "MulticastPacketsReceived": "4", "UnicastPacketsReceived": "6"}
    assert some(values, f"{PORTS}1.Stats.", expected) == expected


async def test_counters_of_a_ports_hardware(router: Router, acs: Acs) -> None:
    router.write("/run/ethtool/eth0", "NIC statistics:\n     TxBroad: 3\n     TxMulti: 4\n     RxBroad: 5\n")
    statistics = {"rx_packets": 20, "multicast": 6, "tx_packets": 10}
    router.replies["network.device", "status"]["eth0"]["statistics"] |= statistics
    expected = {
        "BroadcastPacketsSent": "3",
        "MulticastPacketsSent": "4",
        "UnicastPacketsSent": "3",
        "BroadcastPacketsReceived": "5",
        "MulticastPacketsReceived": "6",
        "UnicastPacketsReceived": "9",
    }
    path = f"{PORTS}1.Stats."
    assert some(await acs.get(path), path, expected) == expected


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("TxUnicast", "unicast sent"),
        ("RxBroad", "broadcast received"),
        ("in_multicasts", "multicast received"),
        ("out_unicast", "unicast sent"),
        ("ifInBroadcastPkts", "broadcast received"),
        ("ifOutMulticastPkts", "multicast sent"),
        ("rx_broadcast", "broadcast received"),
        ("multicast_frames_sent", "multicast sent"),
        ("p05_TxUnicast", ""),  # the switch's port behind eth0, not eth0
        ("rx_multicast_bytes", ""),
        ("RxUnicastErr", ""),
        ("tx_packets", ""),
    ],
)
def test_what_drivers_call_their_counters(name: str, kind: str) -> None:
    assert ethtool.classify(name) == kind


def test_a_device_without_counters_of_its_own() -> None:
    assert ethtool.read("lo") == ethtool.read("no-such-device") == {}


@pytest.mark.parametrize(
    ("first", "then", "found"), [(3, 3, 3), (3, 5, 0), (3, 2, 0), (5000, 5000, 0), (0, 0, 0)]
)
def test_the_kernel_never_writes_beyond_the_room_it_is_given(
    monkeypatch: pytest.MonkeyPatch, first: int, then: int, found: int
) -> None:
    """It writes as many counters as the driver has when it is asked, whatever the caller says."""

    def kernel(_handle: object, _device: str, request: bytes) -> bytes:
        (command,) = struct.unpack_from("=I", request)
        if command == 0x37:
            return request[:16] + struct.pack("=I", first)
        names, values = b"".join(b"rx_%-29d" % n for n in range(then)), struct.pack(f"={then}Q", *range(then))
        head, body = (12, names) if command == 0x1B else (8, values)
        assert head + len(body) <= len(request), "memory that is somebody else's"
        written = request[: head - 4] + struct.pack("=I", then) + body
        return written + request[len(written) :]

    monkeypatch.setattr(ethtool, "_ask", kernel)
    assert len(ethtool._counters("eth0")) == found


async def test_the_stack_is_what_the_lower_layers_say(bridged: Router, acs: Acs) -> None:
    values = await acs.get("Device.")
    pairs = {
        (values[path], values[path.replace("Higher", "Lower")])
        for path in values
        if path.startswith("Device.InterfaceStack.") and path.endswith(".HigherLayer")
    }
    said = {
        (path.removesuffix(".LowerLayers"), lower)
        for path, text in values.items()
        if path.endswith(".LowerLayers")
        for lower in text.split(",")
        if lower
    }
    assert pairs == said
    assert {
        ("Device.IP.Interface.2", f"{LINK}1"),
        (f"{LINK}1", f"{PORT}1"),
        (f"{PORT}1", f"{PORT}2"),
        (f"{PORT}2", f"{PORTS}2"),
        ("Device.IP.Interface.3", f"{LINK}2"),
        (f"{LINK}2", f"{PORTS}1"),
    } <= pairs
    assert values["Device.InterfaceStackNumberOfEntries"] == str(len(pairs))
    first = next(p for p in values if p.startswith("Device.InterfaceStack.") and values[p] == f"{LINK}2")
    aliases = first.rpartition(".")[0]
    assert (values[f"{aliases}.HigherAlias"], values[f"{aliases}.LowerAlias"]) in {
        ("cpe-wan", "cpe-eth0"),
        ("cpe-eth0", "cpe-eth0"),
    }


async def test_the_device_of_a_new_interface_is_no_list(router: Router, acs: Acs) -> None:
    path = f"Device.IP.Interface.{(await acs.add('Device.IP.Interface.')).instance_number}."
    await acs.set(**{f"{path}LowerLayers": f"{LINK}2"})
    assert (await acs.get(path))[f"{path}LowerLayers"] == f"{LINK}2"
    assert "option device 'eth0'" in router.uci("network").rpartition("config interface")[2]


SWITCH = """
config switch
	option name 'switch0'
	option reset '1'
	option enable_vlan '1'

config switch_vlan
	option device 'switch0'
	option vlan '1'
	option ports '1 2 0t'

config switch_vlan
	option device 'switch0'
	option vlan '2'
	option vid '7'
	option ports '4 0t'
"""
BOARD = '{"switch": {"switch0": {"ports": [{"num": 0, "device": "eth0"}, {"num": 4, "role": "wan"}]}}}'


async def test_a_switch_that_swconfig_configures(router: Router, acs: Acs) -> None:
    network = CONFIG["network"].replace("device 'eth0'", "device 'eth0.7'")
    router.set_uci("network", network + SWITCH)
    router.write("/etc/board.json", BOARD)
    switch = f"{BRIDGES}2."
    expected = {
        "Name": "switch0",
        "Enable": "true",
        "Status": "Enabled",
        "Standard": "802.1Q-2011",
        "Port.1.Name": "switch0:0",
        "Port.1.ManagementPort": "true",
        "Port.1.LowerLayers": ",".join(f"{switch}Port.{n}" for n in (2, 3, 4)),
        "Port.1.AcceptableFrameTypes": "AdmitAll",
        "Port.2.Name": "switch0:4",
        "Port.2.ManagementPort": "false",
        "Port.2.Status": "Unknown",
        "Port.2.PVID": "7",
        "Port.3.Name": "switch0:1",
        "VLAN.1.VLANID": "1",
        "VLAN.2.VLANID": "7",
        "VLANPort.1.Port": f"{switch}Port.3",
        "VLANPort.1.Untagged": "true",
        "VLANPort.3.Port": f"{switch}Port.1",
        "VLANPort.3.Untagged": "false",
    }
    values = await acs.get("Device.")
    assert some(values, switch, expected) == expected
    assert values["Device.IP.Interface.3.LowerLayers"] == f"{VLAN}1"
    assert values[f"{VLAN}1.VLANID"] == "7"
    assert values[f"{LINK}2.LowerLayers"] == f"{switch}Port.1"
    await acs.set(**{f"{switch}VLANPort.1.Untagged": "false"})
    assert "option ports '2 0t 1t'" in router.uci("network")
    await acs.set(**{f"{switch}VLAN.2.VLANID": "8"})
    assert "option vid '8'" in router.uci("network")
    vlans = f"{switch}VLAN."
    vlan = f"{vlans}{(await acs.add(vlans)).instance_number}."
    await acs.set_all({f"{vlan}VLANID": "9", f"{vlan}Enable": "true"})
    section = router.uci("network").rpartition("config switch_vlan")[2]
    assert "option vlan '9'" in section
    assert "option device 'switch0'" in section
    for path in switch, f"{switch}Port.2.":
        with pytest.raises(Fault):
            await acs.delete(path)
    with pytest.raises(Fault):
        await acs.set(**{f"{switch}Enable": "false"})
    with pytest.raises(Fault):
        await acs.add(f"{switch}Port.")
