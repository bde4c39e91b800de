"""Bridges: their ports, VLANs, and which port is in which VLAN how.

`config device` of type bridge has its ports in ``ports``, `config bridge-vlan` those of a VLAN: ``lan1:u*`` is
untagged and has the VLAN as its PVID, ``lan1:t`` is tagged, nothing behind the name means untagged. What the ACS has
disabled, or has not finished, stands in options beside, which netifd does not read: ``ports_off`` of a bridge and
of a VLAN, ``vlan_off`` instead of ``vlan``, and ``vlan_ports_off`` of a bridge for what is in no VLAN yet
(``?7|vlan|port|flags``).

Each bridge has a port of its own towards the router, TR-181's management port: the device of the bridge itself.

A switch that swconfig configures is a bridge, too: `config switch`, and `config switch_vlan` with ``ports`` like
``0 1 5t``. Its ports are no devices, so nobody says how they are; /etc/board.json has which there are, and which of
them leads to the router.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, set_option
from cwmp.datamodel.code.bridge_vlan import (
    InVlan,
    entries,
    is_switch,
    memberships,
    name_of,
    number_of,
    rewrite,
    section_of,
    vlans_of,
)
from cwmp.datamodel.code.devices import read_enable, write_enable
from cwmp.datamodel.items import ItemRows, value_of
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tables import RowSource, SectionRows, There
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row

_NEEDS = (netifd.NETWORK, netifd.DEVICES)
_BOARD = Need("file", "/etc/board.json")
_PLAIN, _FILTERING = "802.1D-2004", "802.1Q-2011"


class BridgeRows(RowSource):
    """The `config device` of type bridge, and the `config switch`."""

    creates = True
    package = "network"

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({netifd.NETWORK})

    def there(self, parent: Row) -> list[There]:
        bridges = [s for s in netifd.sections(parent, "device") if netifd.text(s, "type") == "bridge"]
        return [There(s.name, s, None, True) for s in [*bridges, *netifd.sections(parent, "switch")]]

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        return SectionRows("network", "device").add(parent, node, number, staging)

    def remove(self, row: Row, staging: Staging) -> None:
        if is_switch(row):
            raise ValueFault("a switch is soldered in")
        for vlan in vlans_of(row):
            staging.delete_section("network", vlan)
        SectionRows("network", "device").remove(row, staging)


# -- the bridge ---------------------------------------------------------------------------------------------------


def _read_enable(row: Row) -> bool:
    return is_switch(row) or read_enable(row)


def _write_enable(row: Row, text: str, staging: Staging) -> None:
    if not is_switch(row):
        write_enable(row, text, staging)
    elif text != "true":
        raise ValueFault("a switch cannot be switched off")


def _read_status(row: Row) -> str:
    if is_switch(row):
        return "Enabled"
    if not read_enable(row):
        return "Disabled"
    return "Enabled" if netifd.devices(row).get(name_of(row), {}).get("up") else "Error"


def _read_standard(row: Row) -> str:
    if is_switch(row):
        return _FILTERING if netifd.is_on(row.section, "enable_vlan", default=False) else _PLAIN
    on = netifd.is_on(row.section, "vlan_filtering", default=False) or bool(vlans_of(row))
    return _FILTERING if on else _PLAIN


def _write_standard(row: Row, text: str, staging: Staging) -> None:
    if is_switch(row):
        set_option(row, "network", "enable_vlan", "0" if text == _PLAIN else "1", staging)
        return
    if text == _PLAIN and vlans_of(row):
        raise ValueFault("a bridge with VLANs filters them")
    set_option(row, "network", "vlan_filtering", "" if text == _PLAIN else "1", staging)


# -- ports --------------------------------------------------------------------------------------------------------


class PortRows(ItemRows):
    """A bridge's own port, the items of ``ports`` and ``ports_off``, and what else netifd put in (radios)."""

    def __init__(self) -> None:
        super().__init__("network", None, "ports", "ports_off")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({*_NEEDS, _BOARD})

    def there(self, parent: Row) -> list[There]:
        name = name_of(parent)
        if is_switch(parent):
            return self._of_switch(parent, name)
        own = [There(name, None, {"text": name, "enabled": True, "own": name})] if name else []
        found = own + super().there(parent)
        known = {row.key for row in found}
        members = netifd.present(parent).get(name, {}).get("bridge-members", [])
        return found + [
            There(member, None, {"text": member, "enabled": True, "joined": True})
            for member in members
            if member not in known
        ]

    def _of_switch(self, parent: Row, name: str) -> list[There]:
        found: dict[str, str] = {
            f"{name}:{number}": own for number, own in _board_ports(parent, name).items()
        }
        for section, text, on in entries(parent):
            found.setdefault(InVlan.read(section, text, enabled=on).port, "")
        return [
            There(port, None, {"text": port, "enabled": True, "joined": True, "own": own})
            for port, own in found.items()
        ]

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        if is_switch(parent):
            raise ValueFault("a switch has the ports it has")
        return super().add(parent, node, number, staging)

    def change(
        self, row: Row, staging: Staging, *, text: str | None = None, enabled: bool | None = None
    ) -> None:
        if row.item.get("own") or row.item.get("joined"):
            if enabled is None or enabled is row.item["enabled"]:
                return
            raise ValueFault("nobody has put it in, so it stays as it is")
        super().change(row, staging, text=text, enabled=enabled)

    def remove(self, row: Row, staging: Staging) -> None:
        if row.item.get("own"):
            raise ValueFault("it goes with the bridge")
        if row.item.get("joined"):
            raise ValueFault("nobody has put it in, so it stays")
        super().remove(row, staging)


def _board_ports(row: Row, switch: str) -> dict[str, str]:
    """The ports of a switch by number, each with the router's device that it leads to, or ""."""
    try:
        board = json.loads(row.view.snapshot.get(_BOARD) or "{}")
        ports = board.get("switch", {}).get(switch, {}).get("ports", [])
        return {str(port["num"]): str(port.get("device", "")) for port in ports}
    except (ValueError, AttributeError, KeyError, TypeError):
        return {}


def _read_own(row: Row) -> str | None:
    return row.item.get("own") or None


def _read_port_status(row: Row) -> str:
    if row.parent is not None and is_switch(row.parent):
        return "Unknown"
    device = netifd.devices(row).get(row.key)
    if device is None or "carrier" not in device:
        return "NotPresent"
    return "Up" if device["carrier"] else "Down"


def _read_pvid(row: Row) -> str | None:
    if row.parent is None:
        return None
    for one in memberships(row.parent, row.key):
        if one.pvid and one.enabled:
            return number_of(section_of(row.parent, one.vlan)) or None
    return None


def _write_pvid(row: Row, text: str, staging: Staging) -> None:
    if row.parent is None or text == (_read_pvid(row) or "1"):
        return
    mine = memberships(row.parent, row.key)
    wanted = [one for one in mine if number_of(section_of(row.parent, one.vlan)) == text]
    if not wanted:
        raise ValueFault(f"the port is not in VLAN {text}: add a VLANPort first")
    for one in mine:
        rewrite(row.parent, one, replace(one, pvid=one in wanted), staging)


def _read_frames(row: Row) -> str:
    if row.parent is None or not vlans_of(row.parent) or row.item.get("own"):
        return "AdmitAll"
    return "AdmitAll" if _read_pvid(row) else "AdmitOnlyVLANTagged"


def _write_frames(row: Row, text: str, staging: Staging) -> None:
    if row.parent is None or text == _read_frames(row):
        return
    mine = memberships(row.parent, row.key)
    if text == "AdmitAll":
        untagged = [one for one in mine if not one.tagged]
        if not untagged:
            raise ValueFault("the port is untagged in no VLAN: set PVID")
        rewrite(row.parent, untagged[0], replace(untagged[0], pvid=True), staging)
        return
    if not vlans_of(row.parent):
        raise ValueFault("the bridge has no VLANs")
    for one in mine:
        rewrite(row.parent, one, replace(one, pvid=False), staging)


rows = BridgeRows()
enable = Computed(_read_enable, _write_enable, netifd.NETWORK)
status = Computed(_read_status, None, netifd.NETWORK, netifd.DEVICES)
ports = PortRows()
port_status = Computed(_read_port_status, None, netifd.DEVICES)
management = Computed(lambda row: bool(row.item.get("own")), None, netifd.NETWORK)
standard = Computed(_read_standard, _write_standard, netifd.NETWORK)
own = Computed(_read_own)
name = Computed(value_of)
pvid = Computed(_read_pvid, _write_pvid, *_NEEDS)
frames = Computed(_read_frames, _write_frames, *_NEEDS)
