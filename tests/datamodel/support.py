"""A small router: UCI files, files below the sysroot, and ubus objects with the shapes of the real daemons."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio

from cwmp.contract import Empty
from cwmp.contract import datamodel as dm
from cwmp.contract.parameters import GetParameters, Parameters, SetParameters, get_parameters, set_parameters
from cwmp.contract.session import GET_STATE, RAISE_EVENT, STATE, RaiseEvent, State
from cwmp.runtime import Paths, Peers
from ubuskit.client import Client, Method, Request, open_client
from ubuskit.errors import NotFound

CONFIG = {
    "cwmp": """
config cwmp 'cwmp'
	option enable '1'
	option acs_url 'http://acs.example.com:7547/'
	option username 'cpe'
	option password 'very secret'
	option manufacturer 'Example'
	option manufacturer_oui '02005E'
	option product_class 'Router'
	option serial_number 'R-0001'
""",
    "network": """
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
	list ports 'lan2'

config interface 'lan'
	option device 'br-lan'
	option proto 'static'
	option ipaddr '192.168.1.1'
	option netmask '255.255.255.0'
	option ip6assign '60'

config interface 'wan'
	option device 'eth0'
	option proto 'dhcp'
""",
    "wireless": """
config wifi-device 'radio0'
	option type 'mac80211'
	option band '5g'
	option channel 'auto'
	option htmode 'HE80'
	option country 'DE'

config wifi-iface 'default_radio0'
	option device 'radio0'
	option network 'lan'
	option mode 'ap'
	option ssid 'OpenWrt'
	option encryption 'psk2+ccmp'
	option key 'correct horse'
""",
    "dhcp": """
config dnsmasq
	option domain 'lan'

config dhcp 'lan'
	option interface 'lan'
	option start '100'
	option limit '150'
	option leasetime '12h'

config dhcp 'wan'
	option interface 'wan'
	option ignore '1'
""",
    "system": """
config system
	option hostname 'OpenWrt'
	option timezone 'CET-1CEST,M3.5.0,M10.5.0/3'
	option zonename 'Europe/Berlin'

config timeserver 'ntp'
	option enabled '1'
	list server '0.openwrt.pool.ntp.org'
""",
    "firewall": """
config zone
	option name 'lan'
""",
    "mypackage": """
config settings 'settings'
	option example 'factory'
""",
}

FILES = {
    "/proc/uptime": "3723.45 7000.00\n",
    "/proc/net/arp": (
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "192.168.1.120    0x1         0x2         02:00:5e:00:53:20     *        br-lan\n"
        "192.168.1.121    0x1         0x0         02:00:5e:00:53:21     *        br-lan\n"
    ),
    "/tmp/dhcp.leases": (
        "1893456000 02:00:5e:00:53:20 192.168.1.120 laptop 01:02:00:5e:00:53:20\n"
        "1893456000 02:00:5e:00:53:21 192.168.1.121 * *\n"
    ),
    "/sys/class/net/eth0/address": "02:00:5e:00:53:01\n",
    "/sys/class/net/eth0/speed": "1000\n",
    "/sys/class/net/eth0/duplex": "full\n",
    "/sys/class/net/lan1/speed": "-1\n",
    "/sys/class/net/lan1/duplex": "unknown\n",
    "/etc/openwrt_release": "DISTRIB_ID='OpenWrt'\nDISTRIB_DESCRIPTION='OpenWrt 24.10.0 r28427-6df0e3d02a'\n",
}


def _device(kind: str, devtype: str, mac: str, *, carrier: bool = True) -> dict[str, Any]:
    return {
        "external": False,
        "present": True,
        "type": kind,
        "up": True,
        "carrier": carrier,
        "devtype": devtype,
        "autoneg": devtype in ("ethernet", "dsa"),
        "mtu": 1500,
        "macaddr": mac,
        "statistics": {
            "rx_bytes": 5_000_000_000,
            "tx_bytes": 7,
            "rx_packets": 3,
            "tx_packets": 1,
            "tx_errors": 0,
        },
    }


@dataclass
class Router:
    """What the daemons would say, and what they were asked and told."""

    paths: Paths
    replies: dict[tuple[str, str], Any] = field(default_factory=dict)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    told_event: trio.Event = field(default_factory=trio.Event)

    def write(self, path: str, text: str) -> None:
        where = self.paths.system(path)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)

    def uci(self, package: str) -> str:
        return (self.paths.uci_dir / package).read_text()

    def set_uci(self, package: str, text: str) -> None:
        (self.paths.uci_dir / package).write_text(text)

    async def wait_told(self, *packages: str) -> None:
        """Until procd was told of these packages, in any order, and of no others."""
        with trio.fail_after(10):
            while set(packages) - set(self.told):
                self.told_event = trio.Event()
                await self.told_event.wait()
        assert sorted(self.told) == sorted(packages)

    async def serve(self, bus: Client) -> None:
        methods: dict[str, dict[str, Method]] = {}
        for name, method in self.replies:
            methods.setdefault(name, {})[method] = Method(
                partial(self._answer, name, method), _ARGS.get(method, {})
            )
        methods["service"]["event"] = Method(self._event, {"type": str, "data": dict})
        for name, table in methods.items():
            await bus.add_object(name, table)

    async def _answer(self, name: str, method: str, request: Request) -> Any:
        self.calls[name, method] += 1
        reply = self.replies[name, method]
        reply = reply(**request.args) if callable(reply) else reply
        if reply is None:
            raise NotFound("nothing of that name")
        return reply

    async def _event(self, request: Request) -> None:
        assert request.args["type"] == "config.change"
        self.told.append(request.args["data"]["package"])
        self.told_event.set()


_ARGS: dict[str, Any] = {"renew": {"interface": str}, "list": {"name": str},
                         "assoclist": {"device": str}, "info": {"device": str},
                         "freqlist": {"device": str}, "txpowerlist": {"device": str}}  # fmt: skip
_DEVICES = {
    "lo": _device("Network device", "loopback", "00:00:00:00:00:00"),
    "eth0": _device("Network device", "ethernet", "02:00:5e:00:53:01"),
    "lan1": _device("Network device", "dsa", "02:00:5e:00:53:01", carrier=False),
    "br-lan": _device("bridge", "bridge", "02:00:5e:00:53:01"),
    "phy0-ap0": _device("Network device", "wlan", "02:00:5e:00:53:03"),
}


def _interface(name: str, device: str, address: str, mask: int, proto: str) -> dict[str, Any]:
    return {
        "interface": name,
        "up": True,
        "pending": False,
        "available": True,
        "uptime": 42,
        "l3_device": device,
        "proto": proto,
        "device": device,
        "ipv4-address": [{"address": address, "mask": mask}],
    }


def default_replies() -> dict[tuple[str, str], Any]:
    info = {"bssid": "02:00:5E:00:53:03", "channel": 36, "noise": -92, "hwmodes": ["ac", "ax", "n"],
            "htmodes": ["HT20", "HE20", "HE40", "HE80"], "htmode": "HE80", "country": "DE"}  # fmt: skip
    station = {"mac": "02:00:5E:00:53:40", "signal": -51, "noise": -92,
               "rx": {"rate": 866700, "packets": 10, "bytes": 1000},
               "tx": {"rate": 600500, "packets": 11, "bytes": 2000, "retries": 1, "failed": 0}}  # fmt: skip
    return {
        ("system", "board"): {
            "model": "Example Router",
            "board_name": "example,router",
            "release": {"distribution": "OpenWrt", "description": "OpenWrt 24.10.0 r28427-6df0e3d02a"},
        },
        ("system", "info"): lambda device="": {
            "localtime": 1_893_459_600,
            "uptime": 3723,
            "memory": {"total": 268_435_456, "free": 104_857_600},
            "root": {"total": 20480, "free": 10240},
        },
        ("service", "list"): lambda name="": {
            daemon: {"instances": {"instance1": {"running": True}}}
            for daemon in ("dnsmasq", "odhcpd")
            if name in ("", daemon)
        },
        ("dhcp", "ipv4leases"): {"device": {}},
        ("dhcp", "ipv6leases"): {"device": {}},
        ("network.interface", "dump"): {
            "interface": [
                _interface("loopback", "lo", "127.0.0.1", 8, "static"),
                _interface("lan", "br-lan", "192.168.1.1", 24, "static"),
                _interface("wan", "eth0", "192.0.2.33", 24, "dhcp"),
            ]
        },
        ("network.device", "status"): _DEVICES,
        ("network.wireless", "status"): {
            "radio0": {"up": True, "interfaces": [{"section": "default_radio0", "ifname": "phy0-ap0"}]}
        },
        ("iwinfo", "info"): lambda device: info if device == "phy0-ap0" else None,
        ("iwinfo", "freqlist"): lambda device: {
            "results": [
                {"band": 5, "channel": channel, "mhz": 5000 + 5 * channel, "restricted": channel > 48}
                for channel in (36, 40, 44, 48, 52)
            ]
        },
        ("iwinfo", "txpowerlist"): lambda device: {
            "results": [{"dbm": dbm, "mw": mw} for dbm, mw in ((0, 1), (10, 10), (17, 50), (20, 100))]
        },
        ("iwinfo", "assoclist"): lambda device: {"results": [station]} if device == "phy0-ap0" else None,
    }


@dataclass
class Owner:
    """Stands for a service that owns parameters."""

    values: dict[str, str]
    refuse: Callable[[dict[str, str]], None] = lambda _: None
    given: list[dict[str, str]] = field(default_factory=list)
    is_open: bool = False
    raised: list[str] = field(default_factory=list)
    was_raised: trio.Event = field(default_factory=trio.Event)

    async def wait_raised(self, count: int) -> None:
        """Until that many events were raised, which is for the session to answer."""
        with trio.fail_after(10):
            while len(self.raised) < count:
                self.was_raised = trio.Event()
                await self.was_raised.wait()
        assert len(self.raised) == count


@asynccontextmanager
async def acting_as(name: str, bus: Path, owner: Owner | None = None) -> AsyncIterator[Peers]:
    """Be the service `name` on the bus; with `owner` its parameters are answered for."""
    async with open_client(str(bus)) as client, trio.open_nursery() as nursery:
        peers = Peers(name, client, nursery, logging.getLogger(f"test.{name}"))
        if owner is not None:

            async def give(args: GetParameters, _id: str) -> Parameters:
                found = {n: v for n, v in owner.values.items() if n.startswith(tuple(args.paths))}
                return Parameters(list(found), list(found.values()))

            async def take(args: SetParameters, _id: str) -> Empty:
                values = dict(zip(args.names, args.values, strict=True))
                owner.refuse(values)
                if not args.check_only:
                    owner.values |= values
                    owner.given.append(values)
                return Empty()

            peers.answer(get_parameters(name), give)
            peers.answer(set_parameters(name), take)
        if name == "session":

            async def state(_args: Empty, _id: str) -> State:
                return State(open=owner.is_open if owner else False)

            async def raise_event(args: RaiseEvent, _id: str) -> Empty:
                assert owner is not None
                owner.raised.append(args.code)
                owner.was_raised.set()
                return Empty()

            peers.answer(GET_STATE, state)
            peers.answer(RAISE_EVENT, raise_event)
        await peers.ready()
        yield peers
        nursery.cancel_scope.cancel()


@dataclass
class Acs:
    """Asks the datamodel what the session would, on behalf of an ACS."""

    peers: Peers

    async def get(self, *paths: str) -> dict[str, str]:
        found: dict[str, str] = {}
        async with self.peers.stream(dm.GET_VALUES, dm.GetValues(list(paths))) as pages:
            async for page in pages:
                found |= dict(zip(page.names, page.values, strict=True))
        return found

    async def types(self, *paths: str) -> dict[str, str]:
        found: dict[str, str] = {}
        async with self.peers.stream(dm.GET_VALUES, dm.GetValues(list(paths))) as pages:
            async for page in pages:
                found |= dict(zip(page.names, page.types, strict=True))
        return found

    async def names(self, path: str, next_level: bool) -> dict[str, bool]:
        found: dict[str, bool] = {}
        async with self.peers.stream(dm.GET_NAMES, dm.GetNames(path, next_level)) as pages:
            async for page in pages:
                found |= dict(zip(page.names, page.writable, strict=True))
        return found

    async def set(self, key: str | None = "key", /, **values: str) -> int:
        return await self.set_all(values, key)

    async def set_all(
        self, values: dict[str, str], key: str | None = "key", types: dict[str, str] | None = None
    ) -> int:
        given = [(types or {}).get(name, "") for name in values]
        args = dm.SetValues(list(values), given, list(values.values()), key)
        return (await self.peers.request(dm.SET_VALUES, args)).status

    async def add(self, path: str, key: str = "key") -> dm.Added:
        return await self.peers.request(dm.ADD_OBJECT, dm.AddObject(path, key))

    async def delete(self, path: str, key: str = "key") -> int:
        return (await self.peers.request(dm.DELETE_OBJECT, dm.DeleteObject(path, key))).status

    async def session(self, is_open: bool) -> None:
        """Say that the session begins or ends; known when this returns."""
        await self.peers.tell(STATE, State(is_open))
        await self.peers.request(
            dm.INFORMED, dm.Informed("unknown")
        )  # behind the fact, on the same connection

    async def end(self, *, success: bool = True) -> None:
        await self.peers.request(dm.SESSION_ENDED, dm.SessionEnded(success))

    async def inform(self, *events: str) -> dm.Inform:
        return await self.peers.request(dm.GET_INFORM, dm.GetInform(list(events)))

    async def informed(self, inform: dm.Inform) -> None:
        await self.peers.request(dm.INFORMED, dm.Informed(inform.token))

    async def notify(self, notification: int | None = None, *names: str, access: str | None = None) -> None:
        """SetParameterAttributes, the same for all names."""
        count = len(names)
        number = dm.UNCHANGED if notification is None else notification
        args = dm.SetAttributes(
            [*names], [number] * count, [access is not None] * count, [access or ""] * count
        )
        await self.peers.request(dm.SET_ATTRIBUTES, args)

    async def attributes(self, *paths: str) -> dict[str, tuple[int, str]]:
        found: dict[str, tuple[int, str]] = {}
        async with self.peers.stream(dm.GET_ATTRIBUTES, dm.GetAttributes(list(paths))) as pages:
            async for page in pages:
                rows = zip(page.notifications, page.access_lists, strict=True)
                found |= dict(zip(page.names, rows, strict=True))
        return found


PING = "Device.IP.Diagnostics.IPPing."
