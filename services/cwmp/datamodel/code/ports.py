"""Ethernet ports: what netifd sees of them, what /etc/config/network sets for them.

netifd knows the devices that the configuration names and that are not switched off (``enabled 0``); the kernel has
the others, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.code.devices import section_of, set_device
from cwmp.datamodel.snapshot import Need, Unread
from cwmp.datamodel.tables import RowSource, There

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_KINDS = ("ethernet", "dsa")
_NO_PORTS = (
    "lo",
    "wlan",
    "phy",
    "br-",
    "ifb",
    "tun",
    "tap",
    "wg",
    "ppp",
    "sit",
    "dummy",
    "bond",
    "gre",
    "usb",
)
_NAMES = Need("directory", "/sys/class/net/*")
_CONDUITS = Need("directory", "/sys/class/net/*/dsa/tagging")
"""What a switch hangs on is no port: the ports are those of the switch."""
_DEVTYPE = re.compile(r"^DEVTYPE=(\S+)$", re.MULTILINE)
_DIGITS = re.compile(r"(\d+)")
_ETHERNET = "1"
"""ARPHRD_ETHER: of devices that have no type of their own the kernel says only this."""
_BOARD = Need("file", "/etc/board.json")
_FULL, _HALF = "1", "0"


class PortRows(RowSource):
    """The ports by name. A row's item is netifd's device; None where netifd has no use for it."""

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({netifd.DEVICES, netifd.NETWORK, _NAMES, _CONDUITS})

    def there(self, parent: Row) -> list[There]:
        known = netifd.present(parent)
        found = [There(name, None, device) for name, device in known.items() if _is_port(name, device)]
        names = [path.rpartition("/")[2] for path in parent.view.snapshot.get(_NAMES)]
        others = [name for name in names if name not in known and not name.startswith(_NO_PORTS)]
        kinds = _kinds(parent, others)
        found += [There(name, None, None) for name in others if kinds[name] in _KINDS]
        conduits = {path.split("/")[-3] for path in parent.view.snapshot.get(_CONDUITS)}
        return sorted((row for row in found if row.key not in conduits), key=lambda row: _natural(row.key))


def _natural(name: str) -> list[Any]:
    """Numbers in a name count as numbers: lan2 is before lan10, whoever knows them."""
    return [int(part) if part.isdecimal() else part for part in _DIGITS.split(name)]


def _is_port(name: str, device: Any) -> bool:
    return (
        isinstance(device, dict)
        and device.get("type") == "Network device"
        and device.get("devtype") in _KINDS
        and not name.startswith(_NO_PORTS)
    )


def _kinds(row: Row, names: Sequence[str]) -> dict[str, str]:
    """What the kernel calls these devices, in netifd's words."""
    found: dict[str, str] = {}
    unread = False
    for name in names:
        try:
            uevent = row.view.snapshot.get(Need("file", f"/sys/class/net/{name}/uevent"))
            number = row.view.snapshot.get(Need("file", f"/sys/class/net/{name}/type"))
        except Unread:
            unread = True
            continue
        said = _DEVTYPE.search(uevent)
        found[name] = said[1] if said else "ethernet" if number.strip() == _ETHERNET else ""
    if unread:
        raise Unread
    return found


def _read_speed(row: Row) -> int:
    speed = netifd.text(section_of(row), "speed")
    return int(speed) if speed.isdecimal() and int(speed) else -1


def _write_speed(row: Row, text: str, staging: Staging) -> None:
    set_device(row, "speed", "" if text == "-1" else text, staging)


def _read_duplex(row: Row) -> str:
    section = section_of(row)
    if not netifd.text(section, "duplex"):
        return "Auto"
    return "Full" if netifd.is_on(section, "duplex", default=True) else "Half"


def _write_duplex(row: Row, text: str, staging: Staging) -> None:
    if text != _read_duplex(row):
        set_device(row, "duplex", {"Full": _FULL, "Half": _HALF}.get(text, ""), staging)


def _read_upstream(row: Row) -> bool:
    """Whether the board calls this port its wan, or else whether a default route leaves through it."""
    wan = _board_wan(row)
    return row.key in (wan or _default_devices(row))


def _board_wan(row: Row) -> set[str]:
    try:
        wan = json.loads(row.view.snapshot.get(_BOARD) or "{}")["network"]["wan"]
        named = [wan.get("device", ""), *wan.get("ports", [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()
    return {_base(row, str(name)) for name in named if name}


def _default_devices(row: Row) -> set[str]:
    found: set[str] = row.view.root.cached(_find_default_devices, _find_default_devices)
    return found


def _find_default_devices(row: Row) -> set[str]:
    return {
        _base(row, netifd.device_of(row, name) or str(interface.get("l3_device", "")))
        for name, interface in netifd.interfaces(row).items()
        if any(route.get("mask") == 0 for route in interface.get("route", []))
    }


def _base(row: Row, device: str) -> str:
    """The device that the VLANs of `device` are on."""
    for _ in range(3):
        vlan = netifd.vlan_of(row, device)
        if vlan is None:
            break
        device = vlan.below
    return device


rows = PortRows()
speed = Computed(_read_speed, _write_speed, netifd.NETWORK)
duplex = Computed(_read_duplex, _write_duplex, netifd.NETWORK)
upstream = Computed(_read_upstream, None, _BOARD, netifd.DUMP, netifd.NETWORK)
