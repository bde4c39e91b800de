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

from cwmp.lab.router.devices import Devices
from cwmp.lab.router.devices import items as _items
from ubuskit.uci import Package, Section

Change = Literal["ifup", "ifdown", "update"]

_WAN_ADDRESS, _WAN_GATEWAY, _WAN_DNS = "203.0.113.20", "203.0.113.1", "203.0.113.53"
_PPP_ADDRESS, _PPP_PEER = "203.0.113.120", "203.0.113.101"
_WAN6_ADDRESS, _WAN6_PREFIX, _WAN6_DNS = "2001:db8:0:20::20", "2001:db8:100::/56", "2001:db8::53"
_PPP = {"ppp", "pppoe", "pppoa"}
_LIFETIME = 7200


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
    def starts(self) -> bool:
        """Whether it comes up where its device is there."""
        return self.text("auto", "1") != "0" and self.text("proto") in {"static", "dhcp", "dhcpv6", *_PPP}


class Netifd:
    """The network and wireless configuration in force."""

    def __init__(self) -> None:
        self._interfaces: dict[str, _Interface] = {}
        self._devices = Devices()
        self._network: list[Section] = []
        self._down: set[str] = set()
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
        self._devices.reload(network)
        self._network = list(network.sections.values())
        self._down &= wanted.keys()
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
        joined: dict[str, list[str]] = {}
        for ifname, (_radio, vif) in self.access_points().items():
            for network in _items(vif.options.get("network")):
                interface = self._interfaces.get(network)
                if interface is not None:
                    joined.setdefault(interface.text("device").partition(".")[0], []).append(ifname)
        self._devices.joined = joined

    def switch(self, name: str, *, up: bool, now: float) -> None:
        """`network.interface.<name> up` and ``down``. KeyError where there is no such interface."""
        interface = self._interfaces[name]
        self._down.discard(name)
        if up:
            self._interfaces[name] = _Interface(name, interface.options, now)
        else:
            self._down.add(name)

    def status(self, name: str, now: float) -> dict[str, Any]:
        """`network.interface.<name> status`. KeyError where there is no such interface."""
        interface = self._interfaces[name]
        proto, device = interface.text("proto"), self._device_of(name)
        available = not device or self._devices.present(device)
        up = available and interface.starts and name not in self._down
        status: dict[str, Any] = {
            "up": up,
            "pending": False,
            "available": available,
            "autostart": interface.text("auto", "1") != "0" and name not in self._down,
            "dynamic": False,
        }
        if up:
            l3_device = f"{proto}-{name}" if proto in _PPP else device
            status |= {"uptime": int(now - interface.since), "l3_device": l3_device}
        status |= {"proto": proto}
        if device:
            status |= {"device": device}
        if up:
            status |= {
                "updated": ["addresses", "routes"],
                "metric": int(interface.text("metric", "0")),
                "dns_metric": int(interface.text("dns_metric", "0")),
                "delegation": True,
                "ipv4-address": _addresses(interface),
                "ipv6-address": _addresses6(interface, now),
                "ipv6-prefix": self._prefixes(interface, now),
                "ipv6-prefix-assignment": self._assignments(interface, now),
                "route": [*_routes(interface, now), *self._configured_routes(name)],
                "dns-server": _dns(interface),
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
        status["data"] = _DATA.get(proto, {}) if up else {}
        if not available:
            status["errors"] = [{"subsystem": "interface", "code": "NO_DEVICE"}]
        return status

    def _device_of(self, name: str) -> str:
        device = self._interfaces[name].text("device")
        if device.startswith("@"):
            return self._device_of(device[1:]) if device[1:] in self._interfaces else ""
        return device

    def _prefixes(self, interface: _Interface, now: float) -> list[dict[str, Any]]:
        if interface.text("proto") != "dhcpv6" or interface.text("reqprefix") == "no":
            return []
        network = ipaddress.IPv6Network(_WAN6_PREFIX)
        assigned = {
            other.name: {"address": str(part.network_address), "mask": part.prefixlen}
            for other, part in self._parts(network)
        }
        one = {"address": str(network.network_address), "mask": network.prefixlen, **_lifetimes(now)}
        return [{**one, "class": interface.name, "assigned": assigned}]

    def _assignments(self, interface: _Interface, now: float) -> list[dict[str, Any]]:
        found = []
        ula = next((s for s in self._network if s.name == "globals"), None)
        sources: list[tuple[str, dict[str, int]]] = []
        if any(i.text("proto") == "dhcpv6" and i.name not in self._down for i in self._interfaces.values()):
            sources.append((_WAN6_PREFIX, _lifetimes(now)))
        if ula is not None and (_items(interface.options.get("ip6class")) or ["local"]).count("local"):
            sources.append((str(ula.options.get("ula_prefix", "")), {}))
        for prefix, lifetimes in sources:
            try:
                parts = {other.name: part for other, part in self._parts(ipaddress.IPv6Network(prefix))}
            except ValueError:
                continue
            if (part := parts.get(interface.name)) is not None:
                own = {"address": str(part.network_address + 1), "mask": part.prefixlen}
                one = {"address": str(part.network_address), "mask": part.prefixlen, **lifetimes}
                found.append({**one, "local-address": own})
        return found

    def _parts(self, network: ipaddress.IPv6Network) -> list[tuple[_Interface, ipaddress.IPv6Network]]:
        """Who gets which part of a prefix: one after the other, each as much as ``ip6assign`` says."""
        wanting = [i for i in self._interfaces.values() if i.text("ip6assign").isdecimal()]
        found = []
        place = int(network.network_address)
        for interface in wanting:
            length = max(int(interface.text("ip6assign")), network.prefixlen)
            found.append((interface, ipaddress.IPv6Network((place, length))))
            place += 1 << (128 - length)
        return found

    def _configured_routes(self, name: str) -> list[dict[str, Any]]:
        found = []
        for section in self._network:
            options = section.options
            if section.type not in {"route", "route6"} or options.get("interface") != name:
                continue
            if options.get("disabled") == "1":
                continue
            target, mask = str(options.get("target", "")), str(options.get("netmask", ""))
            try:
                network = ipaddress.ip_network(f"{target}/{mask}" if mask else target, strict=False)
            except ValueError:
                continue  # netifd leaves out what it cannot read, too
            nothing = "::" if network.version == 6 else "0.0.0.0"
            route: dict[str, Any] = {
                "target": str(network.network_address),
                "mask": network.prefixlen,
                "nexthop": str(options.get("gateway", nothing)),
            }
            if str(options.get("metric", "")).isdecimal():
                route["metric"] = int(str(options["metric"]))
            found.append({**route, "source": f"{nothing}/0"})
        return found

    def dump(self, now: float) -> dict[str, Any]:
        """`network.interface dump`: by name, as netifd keeps them."""
        names = sorted(self._interfaces)
        return {"interface": [{"interface": name, **self.status(name, now)} for name in names]}

    def device_status(self, name: str = "") -> dict[str, Any]:
        """`network.device status`: of one device, or of all by name. KeyError where there is none."""
        if name:
            return self._devices.status(name)
        return {device: self._devices.status(device) for device in self._devices.known()}

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


_DATA: Mapping[str, Mapping[str, Any]] = {
    "dhcp": {"dhcpserver": _WAN_GATEWAY, "leasetime": 43200},
    "dhcpv6": {"passthru": "0017001020010db8000000000000000000000053"},
}


def _addresses(interface: _Interface) -> list[dict[str, Any]]:
    proto = interface.text("proto")
    if proto == "dhcp":
        return [{"address": _WAN_ADDRESS, "mask": 24}]
    if proto in _PPP:
        return [{"address": _PPP_ADDRESS, "mask": 32, "ptpaddress": _PPP_PEER}]
    found = []
    for item in _items(interface.options.get("ipaddr")):
        try:
            netmask = interface.text("netmask", "255.255.255.255")
            address = ipaddress.IPv4Interface(item if "/" in item else f"{item}/{netmask}")
        except ValueError:
            continue  # netifd leaves out what it cannot read, too
        found.append({"address": str(address.ip), "mask": address.network.prefixlen})
    return found


def _addresses6(interface: _Interface, now: float) -> list[dict[str, Any]]:
    if interface.text("proto") == "dhcpv6":
        return [{"address": _WAN6_ADDRESS, "mask": 64, **_lifetimes(now)}]
    found = []
    for item in _items(interface.options.get("ip6addr")):
        try:
            address = ipaddress.IPv6Interface(item)
        except ValueError:
            continue
        found.append({"address": str(address.ip), "mask": address.network.prefixlen})
    return found


def _lifetimes(now: float) -> dict[str, int]:
    """What is left of a lifetime that is renewed when half of it is over."""
    left = _LIFETIME - int(now) % (_LIFETIME // 2)
    return {"preferred": left // 2, "valid": left}


def _dns(interface: _Interface) -> list[str]:
    learned = {"dhcp": [_WAN_DNS], "dhcpv6": [_WAN6_DNS], **{proto: [_WAN_DNS] for proto in _PPP}}
    return [*_items(interface.options.get("dns")), *learned.get(interface.text("proto"), [])]


def _routes(interface: _Interface, now: float) -> list[dict[str, Any]]:
    proto = interface.text("proto")
    if proto == "dhcp":
        return [
            {"target": "0.0.0.0", "mask": 0, "nexthop": _WAN_GATEWAY, "source": f"{_WAN_ADDRESS}/32"},
        ]
    if proto in _PPP:
        return [{"target": "0.0.0.0", "mask": 0, "nexthop": _PPP_PEER, "source": "0.0.0.0/0"}]
    if proto == "dhcpv6":
        default = {"target": "::", "mask": 0, "nexthop": "fe80::1", "metric": 512}
        return [{**default, "valid": _lifetimes(now)["valid"], "source": _WAN6_PREFIX}]
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
