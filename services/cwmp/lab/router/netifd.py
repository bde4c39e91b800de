"""The virtual netifd: what UCI says the network is, in the shapes netifd answers with. No bus, no clock.

`Netifd.reload` takes new configuration and says which interfaces came, went or changed; until then the old
one stays in force, as with the real daemon, which acts only when told. An interface whose configuration
changed goes down and up again: its uptime starts anew.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cwmp.lab.router.sandbox import DEVICES, Device, statistics
from ubuskit.uci import Package, Section

Change = Literal["ifup", "ifdown", "update"]

_WAN_ADDRESS, _WAN_GATEWAY, _WAN_DNS = "203.0.113.20", "203.0.113.1", "203.0.113.53"


@dataclass(frozen=True, slots=True)
class _Interface:
    """One interface in force: its options, and when it came up (s since boot)."""

    name: str
    options: Mapping[str, str | list[str]]
    since: float

    def text(self, option: str, default: str = "") -> str:
        value = self.options.get(option, default)
        return value if isinstance(value, str) else " ".join(value)

    @property
    def up(self) -> bool:
        return self.text("auto", "1") != "0" and self.text("proto") in {"static", "dhcp"}


class Netifd:
    """The network and wireless configuration in force."""

    def __init__(self) -> None:
        self._interfaces: dict[str, _Interface] = {}
        self._bridges: dict[str, list[str]] = {}
        self._radios: dict[str, Section] = {}
        self._vifs: list[Section] = []

    @property
    def interfaces(self) -> list[str]:
        return list(self._interfaces)

    def reload(self, network: Package, now: float) -> dict[str, Change]:
        """Take up `network` at `now` (s since boot); what became of which interface."""
        wanted = {
            s.name: dict(s.options)
            for s in network.sections.values()
            if s.type == "interface" and s.options.get("disabled") != "1"
        }
        self._bridges = {
            str(s.options.get("name")): _items(s.options.get("ports"))
            for s in network.sections.values()
            if s.type == "device" and s.options.get("type") == "bridge"
        }
        changes: dict[str, Change] = {name: "ifdown" for name in self._interfaces if name not in wanted}
        interfaces: dict[str, _Interface] = {}
        for name, options in wanted.items():
            old = self._interfaces.get(name)
            if old is not None and old.options == options:
                interfaces[name] = old
            else:
                interfaces[name] = _Interface(name, options, now)
                changes[name] = "ifup" if old is None else "update"
        self._interfaces = interfaces
        return changes

    def reload_wireless(self, wireless: Package) -> None:
        """Take up the radios and the wifi-iface sections."""
        sections = wireless.sections.values()
        self._radios = {s.name: s for s in sections if s.type == "wifi-device"}
        self._vifs = [s for s in sections if s.type == "wifi-iface"]

    def status(self, name: str, now: float) -> dict[str, Any]:
        """`network.interface.<name> status`. KeyError where there is no such interface."""
        interface = self._interfaces[name]
        proto, device = interface.text("proto"), interface.text("device")
        status: dict[str, Any] = {
            "up": interface.up,
            "pending": not interface.up and proto != "none" and interface.text("auto", "1") != "0",
            "available": True,
            "autostart": interface.text("auto", "1") != "0",
            "dynamic": False,
        }
        if interface.up:
            status |= {"uptime": int(now - interface.since), "l3_device": device}
        status |= {"proto": proto}
        if device:
            status |= {"device": device}
        if interface.up:
            status |= {
                "metric": int(interface.text("metric", "0")),
                "dns_metric": int(interface.text("dns_metric", "0")),
                "delegation": True,
                "ipv4-address": _addresses(interface),
                "ipv6-address": [],
                "ipv6-prefix": [],
                "ipv6-prefix-assignment": _assignments(interface),
                "route": _routes(interface),
                "dns-server": [_WAN_DNS] if proto == "dhcp" else _items(interface.options.get("dns")),
                "dns-search": _items(interface.options.get("dns_search")),
                "neighbors": [],
                "inactive": {
                    "ipv4-address": [],
                    "ipv6-address": [],
                    "route": [],
                    "dns-server": [],
                    "dns-search": [],
                    "neighbors": [],
                },
            }
        status["data"] = (
            {"dhcpserver": _WAN_GATEWAY, "leasetime": 43200} if proto == "dhcp" and interface.up else {}
        )
        return status

    def dump(self, now: float) -> dict[str, Any]:
        """`network.interface dump`: by name, as netifd keeps them."""
        names = sorted(self._interfaces)
        return {"interface": [{"interface": name, **self.status(name, now)} for name in names]}

    def device_status(self, name: str = "") -> dict[str, Any]:
        """`network.device status`: of one device, or of all by name. KeyError where there is none."""
        devices = {device.name: device for device in DEVICES}
        if name:
            return self._device(devices[name])
        return {device.name: self._device(device) for device in DEVICES}

    def wireless_status(self) -> dict[str, Any]:
        """`network.wireless status`."""
        return {
            name: {
                "up": not _disabled(radio),
                "pending": False,
                "autostart": True,
                "disabled": _disabled(radio),
                "retry_setup_failed": False,
                "config": _typed(radio.options),
                "interfaces": [
                    {
                        "section": vif.name,
                        **({} if _disabled(radio) else {"ifname": ifname}),
                        "config": _typed(vif.options),
                        "vlans": [],
                        "stations": [],
                    }
                    for ifname, vif in self._vifs_of(name)
                ],
            }
            for name, radio in self._radios.items()
        }

    def access_points(self) -> dict[str, tuple[Section, Section]]:
        """The wireless devices that are up: name to its wifi-device and wifi-iface section."""
        return {
            ifname: (radio, vif)
            for name, radio in self._radios.items()
            if not _disabled(radio)
            for ifname, vif in self._vifs_of(name)
        }

    def _vifs_of(self, radio: str) -> list[tuple[str, Section]]:
        vifs = [vif for vif in self._vifs if vif.options.get("device") == radio and not _disabled(vif)]
        phy = list(self._radios).index(radio)
        return [(f"phy{phy}-ap{number}", vif) for number, vif in enumerate(vifs)]

    def _device(self, device: Device) -> dict[str, Any]:
        kind = "bridge" if device.name in self._bridges else "Network device"
        status: dict[str, Any] = {
            "external": device.type == "wlan",
            "present": True,
            "type": kind,
            "up": True,
            "carrier": device.carrier,
            "auth_status": True,
        }
        if kind == "bridge":
            status |= {"bridge-members": self._bridges[device.name]}
        if device.speed and device.carrier:
            status |= {"speed": f"{device.speed}F"}
        if device.type in {"dsa", "ethernet"}:
            status |= {"autoneg": True}
        status |= {
            "devtype": device.type,
            "mtu": device.mtu,
            "mtu6": device.mtu,
            "macaddr": device.mac,
            "txqueuelen": 1000,
            "ipv6": True,
            "promisc": False,
            "multicast": True,
            "statistics": statistics(device),
        }
        return status


def _addresses(interface: _Interface) -> list[dict[str, Any]]:
    if interface.text("proto") == "dhcp":
        return [{"address": _WAN_ADDRESS, "mask": 24}]
    found = []
    for item in _items(interface.options.get("ipaddr")):
        try:
            netmask = interface.text("netmask", "255.255.255.255")
            address = ipaddress.IPv4Interface(item if "/" in item else f"{item}/{netmask}")
        except ValueError:
            continue  # netifd leaves out what it cannot read, too
        found.append({"address": str(address.ip), "mask": address.network.prefixlen})
    return found


def _assignments(interface: _Interface) -> list[dict[str, Any]]:
    if not interface.text("ip6assign"):
        return []
    return [
        {
            "address": "fd12:3456:789a::",
            "mask": int(interface.text("ip6assign")),
            "local-address": {"address": "fd12:3456:789a::1", "mask": int(interface.text("ip6assign"))},
        }
    ]


def _routes(interface: _Interface) -> list[dict[str, Any]]:
    if interface.text("proto") == "dhcp":
        return [
            {"target": "0.0.0.0", "mask": 0, "nexthop": _WAN_GATEWAY, "source": f"{_WAN_ADDRESS}/32"},
        ]
    gateway = interface.text("gateway")
    return [{"target": "0.0.0.0", "mask": 0, "nexthop": gateway, "source": "0.0.0.0/0"}] if gateway else []


# The options of wireless that netifd's handlers declare as something other than text.
_BOOLEANS = frozenset({"disabled", "hidden", "isolate", "wmm", "wds", "noscan", "rsn_preauth"})
_INTEGERS = frozenset({"cell_density", "txpower", "beacon_int", "maxassoc", "max_inactivity", "dtim_period"})
_ARRAYS = frozenset({"network", "maclist"})


def _typed(options: Mapping[str, str | list[str]]) -> dict[str, Any]:
    return {name: _convert(name, value) for name, value in options.items() if name != "device"}


def _convert(name: str, value: str | list[str]) -> Any:
    if name in _ARRAYS:
        return _items(value)
    if name in _BOOLEANS:
        return value in {"1", "true", "yes", "on", "enabled"}
    if name in _INTEGERS and isinstance(value, str) and value.isdecimal():
        return int(value)
    return value


def _disabled(section: Section) -> bool:
    return section.options.get("disabled") in {"1", "true", "yes", "on", "enabled"}


def _items(value: str | list[str] | None) -> list[str]:
    return value if isinstance(value, list) else (value or "").split()
