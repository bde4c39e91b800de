"""The virtual netifd's devices: which of them it knows, and what it says of one. No bus, no clock.

netifd knows what its configuration names (devices of interfaces, ports of bridges, what VLANs are on, what has a
`config device`) and what others add (a radio's interface). A bridge or VLAN is made by it. One with ``enabled 0``
is not present.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cwmp.lab.router.sandbox import DEVICES, Device, statistics
from ubuskit.uci import Package, Section

_IMPLICIT = re.compile(r"(.+)\.(\d{1,4})")
_VLANS = {"8021q", "8021ad"}
_MODES = ["10baseT-H", "10baseT-F", "100baseT-H", "100baseT-F", "1000baseT-F"]


def items(value: str | list[str] | None) -> list[str]:
    """An option as a list, however it is written."""
    return value if isinstance(value, list) else (value or "").split()


def _text(section: Section | None, option: str, default: str = "") -> str:
    value = section.options.get(option, default) if section is not None else default
    return value if isinstance(value, str) else " ".join(value)


class Devices:
    """The devices of a configuration in force. `joined` are those that others put into a bridge."""

    def __init__(self) -> None:
        self._sections: dict[str, Section] = {}
        self._vlans: dict[str, list[Section]] = {}
        self._named: set[str] = set()
        self.joined: Mapping[str, list[str]] = {}

    def reload(self, network: Package) -> None:
        """Take up `network`."""
        sections = network.sections.values()
        self._sections = {_text(s, "name"): s for s in sections if s.type == "device" and _text(s, "name")}
        self._vlans = {}
        self._named = {"lo", *self._sections}
        for section in sections:
            if section.type == "bridge-vlan" and _text(section, "vlan"):
                self._vlans.setdefault(_text(section, "device"), []).append(section)
            elif section.type == "interface" and _text(section, "disabled") != "1":
                self._name(_text(section, "device"))
            elif section.type == "device":
                for port in items(section.options.get("ports")):
                    self._name(port)
                self._name(_text(section, "ifname"))

    def _name(self, device: str) -> None:
        if not device or device.startswith("@"):
            return
        self._named.add(device)
        found = _IMPLICIT.fullmatch(device)
        if found and device not in self._sections:
            self._name(found[1])

    def known(self) -> Iterator[str]:
        """The names of all that are present, in netifd's order."""
        joined = {name for names in self.joined.values() for name in names}
        yield from sorted(name for name in self._named | joined if self.present(name))

    def present(self, name: str) -> bool:
        section = self._sections.get(name)
        if _text(section, "enabled", "1") == "0":
            return False
        if _text(section, "type") == "bridge":
            return _text(section, "bridge_empty") == "1" or any(map(self.present, self._members(name)))
        below = self._below(name)
        if below:
            return self.present(below)
        return any(device.name == name for device in DEVICES)

    def _below(self, name: str) -> str:
        """What a VLAN is on; "" of anything else."""
        section = self._sections.get(name)
        if section is not None:
            return _text(section, "ifname") if _text(section, "type") in _VLANS else ""
        found = _IMPLICIT.fullmatch(name)
        return found[1] if found else ""

    def _members(self, bridge: str) -> list[str]:
        return [*items(self._sections[bridge].options.get("ports")), *self.joined.get(bridge, [])]

    def status(self, name: str) -> dict[str, Any]:
        """`network.device status` of one. KeyError where netifd never heard of it."""
        if name not in self._named and not any(name in names for names in self.joined.values()):
            raise KeyError(name)
        section = self._sections.get(name)
        is_bridge = _text(section, "type") == "bridge"
        below = self._below(name)
        kind = (
            "bridge"
            if is_bridge
            else _text(section, "type")
            if below and section
            else "VLAN"
            if below
            else ""
        )
        device = self._device(name)
        status: dict[str, Any] = {
            "external": device.type == "wlan",
            "present": self.present(name),
            "type": kind or "Network device",
        }
        if not status["present"]:
            return {**status, "statistics": {}}
        status |= {"up": True, "carrier": device.carrier, "auth_status": False}
        if below:
            found = _IMPLICIT.fullmatch(name)
            number = _text(section, "vid") or (found[2] if found else "")
            status |= {"parent": below, "vid": int(number or 0)}
        elif name != "lo":
            status |= _link(device)
        if is_bridge:
            status |= self._bridge(name)
        status |= {
            "mtu": int(_text(section, "mtu") or device.mtu),
            "mtu6": device.mtu,
            "macaddr": _text(section, "macaddr") or device.mac,
            "txqueuelen": 1000,
            "ipv6": _text(section, "ipv6", "1") != "0",
            "promisc": False,
            "multicast": name != "lo",
            "statistics": statistics(device),
        }
        return status

    def _device(self, name: str) -> Device:
        """What the kernel has; of what netifd makes by itself, as it would be."""
        found = next((device for device in DEVICES if device.name == name), None)
        if found is not None:
            return found
        below = self._below(name)
        members = self._members(name) if _text(self._sections.get(name), "type") == "bridge" else []
        base = self._device(below) if below else None
        return Device(
            name,
            "vlan" if below else "bridge",
            base.mac if base else "02:00:5e:00:53:0f",
            carrier=base.carrier if base else any(self._device(m).carrier for m in members),
        )

    def _bridge(self, name: str) -> dict[str, Any]:
        section = self._sections[name]
        vlans = self._vlans.get(name, [])
        status: dict[str, Any] = {
            "bridge-members": [member for member in self._members(name) if self.present(member)],
            "bridge-attributes": {
                "stp": _text(section, "stp") == "1",
                "forward_delay": 2,
                "priority": 32767,
                "ageing_time": int(_text(section, "ageing_time") or 30),
                "hello_time": 2,
                "max_age": 20,
                "igmp_snooping": False,
                "bridge_empty": _text(section, "bridge_empty") == "1",
                "vlan_filtering": _text(section, "vlan_filtering") == "1" or bool(vlans),
            },
        }
        if vlans:
            status["bridge-vlans"] = [
                {
                    "id": int(_text(vlan, "vlan")),
                    "local": _text(vlan, "local", "1") != "0",
                    "ports": [_as_dumped(port) for port in items(vlan.options.get("ports"))],
                }
                for vlan in vlans
            ]
        return status


def _as_dumped(port: str) -> str:
    """A port of a VLAN as netifd writes it: untagged is what nothing is said of."""
    name, _, flags = port.partition(":")
    said = "".join(flag for flag in "t*" if flag in flags)
    return f"{name}:{said}" if said else name


def _link(device: Device) -> dict[str, Any]:
    wired = device.type in {"dsa", "ethernet"}
    link: dict[str, Any] = {
        "link-advertising": _MODES if wired else [],
        "link-partner-advertising": _MODES if wired and device.carrier else [],
        "link-supported": _MODES if wired else [],
    }
    if device.speed and device.carrier:
        link["speed"] = f"{device.speed}F"
    return link | {
        "autoneg": wired,
        "flow-control": {"autoneg": False, "supported": [], "link-partner-advertising": [], "selected": []},
        "hw-tc-offload": False,
        "devtype": device.type,
    }
