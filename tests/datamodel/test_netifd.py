"""The mapping of the network against the real netifd, in a network namespace of its own.

    NETIFD=/path/to/netifd python -m pytest tests/datamodel/test_netifd.py

as root, with the libraries it needs where it finds them. Ports are pairs of virtual Ethernet devices; procd is
played by an object ``service`` that has netifd reload.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from tests.datamodel.support import Acs, Owner, acting_as

from cwmp.datamodel.service import serve
from cwmp.runtime import Paths
from ubuskit.client import Client, Method, Request, open_client

NETIFD = os.environ.get("NETIFD", "")
pytestmark = [
    pytest.mark.skipif(not NETIFD, reason="NETIFD names no netifd"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root"),
]

NETWORK = """
config interface 'loopback'
	option device 'lo'
	option proto 'static'
	option ipaddr '127.0.0.1'
	option netmask '255.0.0.0'

config globals 'globals'
	option ula_prefix 'fd12:3456:789a::/48'

config device
	option name 'br-lan'
	option type 'bridge'
	list ports 'lan1'

config interface 'lan'
	option device 'br-lan'
	option proto 'static'
	option ipaddr '192.168.1.1'
	option netmask '255.255.255.0'
	option ip6assign '60'

config interface 'wan'
	option device 'wan'
	option proto 'static'
	option ipaddr '192.0.2.2'
	option netmask '255.255.255.0'
	option gateway '192.0.2.1'
	list ip6addr '2001:db8::2/64'
	option ip6prefix '2001:db8:1::/56'

config route 'office'
	option interface 'lan'
	option target '10.0.0.0/8'
	option gateway '192.168.1.9'
"""
OTHERS = {
    "cwmp": "config cwmp 'cwmp'\n",
    "system": "config system\n",
    "dhcp": "config dhcp 'lan'\n\toption interface 'lan'\n",
    "firewall": "config zone\n\toption name 'lan'\n",
    "wireless": "",
}
PORTS = ("lan1", "lan2", "wan")
NAMESPACE = (
    "mount -t sysfs sysfs /sys; ip link set lo up; "
    + "".join(f"ip link add {p} type veth peer name tap-{p}; ip link set tap-{p} up; " for p in PORTS)
    + 'exec "$0" "$@"'
)
IP, LINK, PORT = "Device.IP.Interface.", "Device.Ethernet.Link.", "Device.Ethernet.Interface."
LAN, WAN = f"{IP}2.", f"{IP}3."
NETWORKING = ("Device.IP.Interface.", "Device.Ethernet.", "Device.Bridging.", "Device.Routing.")


class Namespace:
    """netifd in its namespace, and what the kernel says there."""

    def __init__(self, process: trio.Process, paths: Paths, acs: Acs, bus: Client) -> None:
        self._process = process
        self._paths = paths
        self.acs = acs
        self._bus = bus
        self._something = trio.Event()

    async def start(self) -> None:
        """Hear whatever netifd tells."""
        for name in "network.interface", "network.device":
            await self._bus.subscribe(name, self._happened)
        await self._bus.listen("network.interface", self._happened)

    def _happened(self, *_: object) -> None:
        self._something.set()
        self._something = trio.Event()

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Looked at whenever netifd told something, and once more for what comes of that."""
        with trio.move_on_after(10):
            while not await trio.to_thread.run_sync(condition):
                with trio.move_on_after(0.2):  # the kernel follows netifd's words
                    await self._something.wait()
            return
        raise AssertionError(f"{what}: never came true")

    def _run(self, *command: str) -> str:
        inside = ["nsenter", "-t", str(self._process.pid), "-n", *command]
        return subprocess.run(inside, check=True, capture_output=True, text=True).stdout

    def addresses(self, device: str) -> set[str]:
        """What ``ip addr`` shows of a device, link-local ones left out."""
        found = json.loads(self._run("ip", "-j", "addr"))
        return {
            f"{address['local']}/{address['prefixlen']}"
            for one in found
            if one.get("ifname") == device
            for address in one["addr_info"]
            if address["scope"] == "global"
        }

    def routes(self) -> set[tuple[str, str]]:
        """Destination and gateway of each route of the kernel's main table."""
        found = json.loads(self._run("ip", "-j", "route"))
        return {(route["dst"], route.get("gateway", "")) for route in found}

    def link(self, device: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self._run("ip", "-j", "link"))
        return next((one for one in found if one.get("ifname") == device), {})

    async def change(self, **values: str) -> None:
        """SetParameterValues, and what follows it: what changes the network is told when the session is over."""
        await self.acs.session(is_open=True)
        assert await self.acs.set(**values) == 1
        await self.acs.session(is_open=False)
        await self.acs.end()

    def uci(self) -> str:
        return (self._paths.uci_dir / "network").read_text()


def _lay_out(paths: Paths, process: int) -> None:
    """The sysroot: its /sys and /proc/net are those of the namespace."""
    for package, text in {"network": NETWORK, **OTHERS}.items():
        (paths.uci_dir / package).write_text(text)
    paths.system("/proc/net").symlink_to(f"/proc/{process}/net")
    paths.system("/sys").symlink_to(f"/proc/{process}/root/sys")


@asynccontextmanager
async def _playing_procd(bus: Path) -> AsyncIterator[Client]:
    async with open_client(str(bus)) as client:

        async def event(request: Request) -> None:
            if request.args["data"].get("package") == "network":
                await client.call("network", "reload")

        async def nothing(_request: Request) -> dict[str, Any]:
            return {}

        methods = {
            "event": Method(event, {"type": str, "data": dict}),
            "list": Method(nothing, {"name": str}),
            "get_data": Method(nothing, {"type": str}),
        }
        await client.add_object("service", methods)
        yield client


@pytest.fixture
async def netifd(bus: Path, paths: Paths, start_service: Any) -> AsyncIterator[Namespace]:
    arguments = ["-s", str(bus), "-c", str(paths.uci_dir), "-p", str(paths.run_dir), "-h", "/bin/true"]
    arguments += ["-r", str(paths.system("/tmp/resolv.conf.auto")), "-S"]
    session = Owner({"Device.ManagementServer.ConnectionRequestURL": "http://192.0.2.2:7547/"})
    async with _playing_procd(bus) as client:
        process = await trio.lowlevel.open_process(
            ["unshare", "-n", "-m", "sh", "-c", NAMESPACE, NETIFD, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _lay_out(paths, process.pid)
        try:
            with trio.fail_after(20):
                while not await client.lookup("network.interface.wan"):
                    await trio.to_thread.run_sync(os.sched_yield)
            async with acting_as("session", bus, session) as peers:
                await start_service("datamodel", serve)
                space = Namespace(process, paths, Acs(peers), client)
                await space.start()
                await space.until(lambda: space.addresses("br-lan") and space.addresses("wan"), "addresses")
                await space.until(lambda: ("10.0.0.0/8", "192.168.1.9") in space.routes(), "the route")
                yield space
        finally:
            process.kill()
            await process.wait()


def some(values: dict[str, str], expected: dict[str, str]) -> dict[str, str]:
    return {name: values.get(name, "(absent)") for name in expected}


async def test_what_netifd_has_is_what_the_acs_sees(netifd: Namespace) -> None:
    values = await netifd.acs.get(*NETWORKING)
    mac = netifd.link("wan")["address"].upper()
    expected = {
        f"{PORT}1.Name": "lan1",
        f"{PORT}1.Status": "Up",
        f"{PORT}2.Name": "lan2",
        f"{PORT}2.Status": "Down",  # nobody uses it
        f"{PORT}2.Enable": "true",
        f"{PORT}3.Name": "wan",
        f"{PORT}3.MACAddress": mac,
        f"{PORT}3.Upstream": "true",
        f"{PORT}3.CurrentBitRate": "10000",
        f"{PORT}3.CurrentDuplexMode": "Full",
        f"{LAN}Status": "Up",
        f"{LAN}LowerLayers": f"{LINK}1",
        f"{LAN}IPv4Address.1.IPAddress": "192.168.1.1",
        f"{LAN}IPv4Address.1.SubnetMask": "255.255.255.0",
        f"{LAN}IPv4Address.1.Status": "Enabled",
        f"{LAN}MaxMTUSize": "1500",
        f"{LAN}IPv6Prefix.1.Origin": "Child",
        f"{LAN}IPv6Prefix.1.ParentPrefix": f"{WAN}IPv6Prefix.1",
        f"{WAN}IPv6Address.1.IPAddress": "2001:db8::2",
        f"{WAN}IPv6Address.1.Origin": "Static",
        f"{WAN}IPv6Prefix.1.Prefix": "2001:db8:1::/56",
        f"{WAN}IPv6Prefix.1.Origin": "Static",
        f"{LINK}1.Name": "br-lan",
        f"{LINK}1.Status": "Up",
        f"{LINK}1.LowerLayers": "Device.Bridging.Bridge.1.Port.1",
        "Device.Bridging.Bridge.1.Status": "Enabled",
        "Device.Bridging.Bridge.1.PortNumberOfEntries": "2",
        "Device.Bridging.Bridge.1.Port.2.Status": "Up",
        "Device.Bridging.Bridge.1.Port.2.PortState": "Forwarding",
        "Device.Bridging.Bridge.1.Port.2.LowerLayers": f"{PORT}1",
        "Device.Routing.Router.1.IPv4Forwarding.1.Status": "Enabled",
        "Device.Routing.Router.1.IPv4Forwarding.2.DestIPAddress": "0.0.0.0",
        "Device.Routing.Router.1.IPv4Forwarding.2.GatewayIPAddress": "192.0.2.1",
    }
    assert some(values, expected) == expected
    assert int(values[f"{WAN}Stats.BytesSent"]) > 0
    link_local = [
        v for n, v in values.items() if n.startswith(f"{WAN}IPv6Address.") and v.startswith("fe80:")
    ]
    assert len(link_local) == 1


async def test_the_lan_address_changes(netifd: Namespace) -> None:
    address = f"{LAN}IPv4Address.1."
    await netifd.change(**{f"{address}IPAddress": "10.1.2.1", f"{address}SubnetMask": "255.255.0.0"})
    await netifd.until(lambda: "10.1.2.1/16" in netifd.addresses("br-lan"), "ip addr shows 10.1.2.1")
    assert "192.168.1.1/24" not in netifd.addresses("br-lan")
    values = await netifd.acs.get(address)
    assert some(values, {f"{address}Status": ""}) == {f"{address}Status": "Enabled"}


async def test_a_second_address_comes_and_goes(netifd: Namespace) -> None:
    table = f"{LAN}IPv4Address."
    row = f"{table}{(await netifd.acs.add(table)).instance_number}."
    await netifd.change(
        **{f"{row}IPAddress": "10.9.0.1", f"{row}SubnetMask": "255.255.255.0", f"{row}Enable": "true"}
    )
    await netifd.until(
        lambda: netifd.addresses("br-lan") >= {"10.9.0.1/24", "192.168.1.1/24"}, "two addresses"
    )
    await netifd.change(**{f"{row}Enable": "false"})
    both = {"10.9.0.1/24", "192.168.1.1/24"}
    await netifd.until(lambda: netifd.addresses("br-lan") & both == {"192.168.1.1/24"}, "one address")


async def test_an_ipv6_address_comes_and_goes(netifd: Namespace) -> None:
    table = f"{LAN}IPv6Address."
    await netifd.acs.get(table)
    row = f"{table}{(await netifd.acs.add(table)).instance_number}."
    await netifd.change(**{f"{row}IPAddress": "2001:db8:7::1", f"{row}Enable": "true"})
    await netifd.until(lambda: "2001:db8:7::1/64" in netifd.addresses("br-lan"), "the address")
    expected = {f"{row}Status": "Enabled", f"{row}Origin": "Static", f"{row}Prefix": ""}
    assert some(await netifd.acs.get(row), expected) == expected
    await netifd.change(**{f"{row}Enable": "false"})
    await netifd.until(lambda: "2001:db8:7::1/64" not in netifd.addresses("br-lan"), "no address")


async def test_an_interface_is_disabled_and_enabled(netifd: Namespace) -> None:
    await netifd.change(**{f"{WAN}Enable": "false"})
    await netifd.until(lambda: not netifd.addresses("wan"), "wan has no address")
    assert (await netifd.acs.get(f"{WAN}Status")) == {f"{WAN}Status": "Down"}
    await netifd.change(**{f"{WAN}Enable": "true"})
    await netifd.until(lambda: "192.0.2.2/24" in netifd.addresses("wan"), "wan has its address")


async def test_a_port_is_switched_off(netifd: Namespace) -> None:
    """netifd forgets a device that is off; the row stays."""
    await netifd.acs.get(PORT)
    await netifd.change(**{f"{PORT}3.Enable": "false"})
    await netifd.until(lambda: not netifd.addresses("wan"), "nobody uses wan")
    expected = {f"{PORT}3.Name": "wan", f"{PORT}3.Enable": "false", f"{PORT}3.Status": "Down"}
    assert some(await netifd.acs.get(PORT), expected) == expected
    assert (await netifd.acs.get(f"{WAN}Status")) == {f"{WAN}Status": "NotPresent"}
    await netifd.change(**{f"{PORT}3.Enable": "true"})
    await netifd.until(lambda: "192.0.2.2/24" in netifd.addresses("wan"), "wan is back")


async def test_a_port_joins_the_bridge(netifd: Namespace) -> None:
    table = "Device.Bridging.Bridge.1.Port."
    await netifd.acs.get(*NETWORKING)
    row = f"{table}{(await netifd.acs.add(table)).instance_number}."
    await netifd.change(**{f"{row}LowerLayers": f"{PORT}2", f"{row}Enable": "true"})
    await netifd.until(lambda: netifd.link("lan2").get("master") == "br-lan", "lan2 is in br-lan")
    expected = {f"{row}Name": "lan2", f"{row}PortState": "Forwarding", f"{row}Status": "Up"}
    await netifd.until(lambda: "LOWER_UP" in netifd.link("lan2")["flags"], "lan2 is up")
    assert some(await netifd.acs.get(row), expected) == expected
    await netifd.change(**{f"{row}Enable": "false"})
    await netifd.until(lambda: "master" not in netifd.link("lan2"), "lan2 has left")


async def test_a_bridge_of_its_own_for_another_network(netifd: Namespace) -> None:
    """AddObject of a bridge, a port, a link and an interface, and a network that works."""
    acs = netifd.acs
    bridges = "Device.Bridging.Bridge."
    await acs.get(*NETWORKING)
    bridge = f"{bridges}{(await acs.add(bridges)).instance_number}."
    port = f"{bridge}Port.{(await acs.add(f'{bridge}Port.')).instance_number}."
    await acs.set_all({f"{port}LowerLayers": f"{PORT}2", f"{port}Enable": "true", f"{bridge}Enable": "true"})
    own = next(
        n.removesuffix(".ManagementPort")
        for n, v in (await acs.get(f"{bridge}Port.")).items()
        if n.endswith(".ManagementPort") and v == "true"
    )
    link = f"{LINK}{(await acs.add(LINK)).instance_number}."
    await acs.set_all({f"{link}LowerLayers": own, f"{link}Enable": "true"})
    ip = f"{IP}{(await acs.add(IP)).instance_number}."
    address = f"{ip}IPv4Address.{(await acs.add(f'{ip}IPv4Address.')).instance_number}."
    await netifd.change(
        **{
            f"{ip}LowerLayers": link[:-1],
            f"{ip}Enable": "true",
            f"{address}IPAddress": "10.20.0.1",
            f"{address}SubnetMask": "255.255.255.0",
            f"{address}Enable": "true",
        }
    )
    name = (await acs.get(f"{bridge}Name"))[f"{bridge}Name"]
    await netifd.until(lambda: "10.20.0.1/24" in netifd.addresses(name), f"{name} has its address")
    assert netifd.link("lan2").get("master") == name
    stack = await acs.get("Device.InterfaceStack.")
    pairs = {(stack[n], stack[n.replace("Higher", "Lower")]) for n in stack if n.endswith(".HigherLayer")}
    assert {(ip[:-1], link[:-1]), (link[:-1], own), (own, port[:-1]), (port[:-1], f"{PORT}2")} <= pairs


async def test_a_route_is_made_and_taken_away(netifd: Namespace) -> None:
    table = "Device.Routing.Router.1.IPv4Forwarding."
    await netifd.acs.get(table)
    row = f"{table}{(await netifd.acs.add(table)).instance_number}."
    await netifd.change(
        **{
            f"{row}DestIPAddress": "172.16.0.0",
            f"{row}DestSubnetMask": "255.240.0.0",
            f"{row}GatewayIPAddress": "192.168.1.7",
            f"{row}Interface": LAN[:-1],
            f"{row}Enable": "true",
        }
    )
    await netifd.until(lambda: ("172.16.0.0/12", "192.168.1.7") in netifd.routes(), "the route")
    assert (await netifd.acs.get(f"{row}Status")) == {f"{row}Status": "Enabled"}
    await netifd.acs.delete(row)
    await netifd.acs.end()
    await netifd.until(lambda: ("172.16.0.0/12", "192.168.1.7") not in netifd.routes(), "no route")


async def test_reset_takes_an_interface_down_and_up(netifd: Namespace) -> None:
    before = int((await netifd.acs.get(f"{LAN}LastChange"))[f"{LAN}LastChange"])
    assert before >= 0
    heard: list[str] = []
    async with trio.open_nursery() as nursery:
        done = trio.Event()

        def note(_: str, data: dict[str, Any]) -> None:
            if data.get("interface") == "lan":
                heard.append(str(data.get("action")))
                if heard[-2:] == ["ifdown", "ifup"]:
                    done.set()

        await netifd._bus.listen("network.interface", note)
        await netifd.acs.session(is_open=True)
        await netifd.acs.set(**{f"{LAN}Reset": "true"})
        await netifd.acs.session(is_open=False)
        await netifd.acs.end()
        with trio.fail_after(10):
            await done.wait()
        nursery.cancel_scope.cancel()
    assert (await netifd.acs.get(f"{LAN}Reset")) == {f"{LAN}Reset": "false"}
