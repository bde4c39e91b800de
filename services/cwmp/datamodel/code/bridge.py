"""Bridges: their ports, VLANs, and which port is in which VLAN how.

`config device` of type bridge has its ports in ``ports``, `config bridge-vlan` those of a VLAN: ``lan1:u*`` is
untagged and has the VLAN as its PVID, ``lan1:t`` is tagged, nothing behind the name means untagged. What the ACS has
disabled, or has not finished, stands in options beside, which netifd does not read: ``ports_off`` of a bridge and
of a VLAN, ``vlan_off`` instead of ``vlan``, and ``vlan_ports_off`` of a bridge for what is in no VLAN yet
(``?7|vlan|port|flags``).

Each bridge has a port of its own towards the router, TR-181's management port: the device of the bridge itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, set_option
from cwmp.datamodel.items import ItemRows, value_of
from cwmp.datamodel.tables import RowSource, There
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.snapshot import Need
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row
    from ubuskit.uci import Section

_NEEDS = (netifd.NETWORK, netifd.DEVICES)
_UNFINISHED = "vlan_ports_off"
_PLAIN, _FILTERING = "802.1D-2004", "802.1Q-2011"


def _name(bridge: Row) -> str:
    return netifd.text(bridge.section, "name")


def _vlans(bridge: Row) -> list[Section]:
    """The VLANs of a bridge."""
    name = _name(bridge)
    return [s for s in netifd.sections(bridge, "bridge-vlan") if netifd.text(s, "device") == name]


# -- the bridge ---------------------------------------------------------------------------------------------------


def _read_standard(row: Row) -> str:
    on = netifd.is_on(row.section, "vlan_filtering", default=False) or bool(_vlans(row))
    return _FILTERING if on else _PLAIN


def _write_standard(row: Row, text: str, staging: Staging) -> None:
    if text == _PLAIN and _vlans(row):
        raise ValueFault("a bridge with VLANs filters them")
    set_option(row, "network", "vlan_filtering", "" if text == _PLAIN else "1", staging)


# -- ports --------------------------------------------------------------------------------------------------------


class PortRows(ItemRows):
    """A bridge's own port, the items of ``ports`` and ``ports_off``, and what else netifd put in (radios)."""

    def __init__(self) -> None:
        super().__init__("network", None, "ports", "ports_off")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset(_NEEDS)

    def there(self, parent: Row) -> list[There]:
        name = _name(parent)
        own = [There(name, None, {"text": name, "enabled": True, "own": True})] if name else []
        found = own + super().there(parent)
        known = {row.key for row in found}
        members = netifd.present(parent).get(name, {}).get("bridge-members", [])
        return found + [
            There(member, None, {"text": member, "enabled": True, "joined": True})
            for member in members
            if member not in known
        ]

    def change(
        self, row: Row, staging: Staging, *, text: str | None = None, enabled: bool | None = None
    ) -> None:
        if row.item.get("own") or row.item.get("joined"):
            if enabled is None or enabled is row.item["enabled"]:
                return
            raise ValueFault(
                "it is the bridge itself" if row.item.get("own") else "its wireless interface says so"
            )
        super().change(row, staging, text=text, enabled=enabled)

    def remove(self, row: Row, staging: Staging) -> None:
        if row.item.get("own"):
            raise ValueFault("it goes with the bridge")
        if row.item.get("joined"):
            raise ValueFault("it belongs to the wireless interface")
        super().remove(row, staging)


def _read_own(row: Row) -> str | None:
    return row.key if row.item.get("own") else None


def _memberships(bridge: Row, port: str) -> list[_InVlan]:
    """Where a port is in the VLANs of its bridge, disabled or not."""
    found = [_InVlan.read(s, text, enabled=on) for s, text, on in _entries(bridge)]
    return [one for one in found if one.port == port]


def _read_pvid(row: Row) -> str | None:
    if row.parent is None:
        return None
    for one in _memberships(row.parent, row.key):
        if one.pvid and one.enabled:
            return _number(_section(row.parent, one.vlan)) or None
    return None


def _write_pvid(row: Row, text: str, staging: Staging) -> None:
    if row.parent is None or text == (_read_pvid(row) or "1"):
        return
    mine = _memberships(row.parent, row.key)
    wanted = [one for one in mine if _number(_section(row.parent, one.vlan)) == text]
    if not wanted:
        raise ValueFault(f"the port is not in VLAN {text}: add a VLANPort first")
    for one in mine:
        _rewrite(row.parent, one, replace(one, pvid=one in wanted), staging)


def _read_frames(row: Row) -> str:
    if row.parent is None or not _vlans(row.parent) or row.item.get("own"):
        return "AdmitAll"
    return "AdmitAll" if _read_pvid(row) else "AdmitOnlyVLANTagged"


def _write_frames(row: Row, text: str, staging: Staging) -> None:
    if row.parent is None or text == _read_frames(row):
        return
    mine = _memberships(row.parent, row.key)
    if text == "AdmitAll":
        untagged = [one for one in mine if not one.tagged]
        if not untagged:
            raise ValueFault("the port is untagged in no VLAN: set PVID")
        _rewrite(row.parent, untagged[0], replace(untagged[0], pvid=True), staging)
        return
    if not _vlans(row.parent):
        raise ValueFault("the bridge has no VLANs")
    for one in mine:
        _rewrite(row.parent, one, replace(one, pvid=False), staging)


def _rewrite(bridge: Row, old: _InVlan, new: _InVlan, staging: Staging) -> None:
    """Put `new` where `old` stands."""
    section = _section(bridge, old.vlan)
    if section is None or old == new:
        return
    option = "ports" if old.enabled else "ports_off"
    items = [new.text if item == old.source else item for item in netifd.items(section, option)]
    staging.set_option("network", section, option, items)


# -- VLANs --------------------------------------------------------------------------------------------------------


def _number(section: Section | None) -> str:
    return netifd.text(section, "vlan") or netifd.text(section, "vlan_off")


def _read_vlan_enable(row: Row) -> bool:
    return bool(netifd.text(row.section, "vlan"))


def _write_vlan_enable(row: Row, text: str, staging: Staging) -> None:
    number = _number(row.section)
    if text == "true" and not number:
        raise ValueFault("the VLAN has no VLANID yet")
    on = text == "true"
    set_option(row, "network", "vlan", number if on else "", staging)
    set_option(row, "network", "vlan_off", "" if on else number, staging)


def _write_number(row: Row, text: str, staging: Staging) -> None:
    set_option(row, "network", "vlan" if _read_vlan_enable(row) else "vlan_off", text, staging)


# -- ports in VLANs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _InVlan:
    """A port in a VLAN: the VLAN's section, the port's device (either "" where not said yet), how; `source` is
    the item of the list it was read from."""

    vlan: str
    port: str
    tagged: bool
    pvid: bool
    enabled: bool
    source: str = ""

    @staticmethod
    def read(section: Section, text: str, *, enabled: bool) -> _InVlan:
        port, _, flags = text.partition(":")
        return _InVlan(section.name, port, "t" in flags, "*" in flags, enabled, text)

    @staticmethod
    def unfinished(text: str) -> _InVlan:
        _, vlan, port, flags = (text.split("|") + [""] * 4)[:4]
        return _InVlan(vlan, port, "t" in flags, "*" in flags, False, text)

    @property
    def flags(self) -> str:
        return ("t" if self.tagged else "u") + ("*" if self.pvid else "")

    @property
    def text(self) -> str:
        """As an item of a VLAN's list."""
        return f"{self.port}:{self.flags}"

    @property
    def key(self) -> str:
        return f"{self.vlan}|{self.port}" if self.vlan and self.port else self.source.partition("|")[0]


def _entries(bridge: Row) -> list[tuple[Section, str, bool]]:
    return [
        (section, text, option == "ports")
        for section in _vlans(bridge)
        for option in ("ports", "ports_off")
        for text in netifd.items(section, option)
    ]


def _section(bridge: Row, name: str) -> Section | None:
    return next((s for s in _vlans(bridge) if s.name == name), None)


class VlanPortRows(RowSource):
    """The items of the VLANs' lists, and those that are not finished."""

    creates = True

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset(_NEEDS)

    def there(self, parent: Row) -> list[There]:
        found = [_InVlan.read(s, text, enabled=on) for s, text, on in _entries(parent)]
        found += [_InVlan.unfinished(text) for text in netifd.items(parent.section, _UNFINISHED)]
        return self._chosen([There(one.key, None, one) for one in found], parent)

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        one = _InVlan("", "", tagged=False, pvid=False, enabled=False, source=f"?{number}|||u")
        _set_unfinished(parent, [*netifd.items(parent.section, _UNFINISHED), one.source], staging)
        return There(one.key, None, one)

    def remove(self, row: Row, staging: Staging) -> None:
        if row.parent is not None:
            _take_away(row.parent, row.item, staging)
        row.view.forget_rows()


def _set_unfinished(bridge: Row, items: list[str], staging: Staging) -> None:
    set_option(bridge, "network", _UNFINISHED, items, staging)


def _take_away(bridge: Row, one: _InVlan, staging: Staging) -> None:
    section = _section(bridge, one.vlan)
    if one.source.startswith("?") or section is None:
        left = [t for t in netifd.items(bridge.section, _UNFINISHED) if t != one.source]
        _set_unfinished(bridge, left, staging)
        return
    option = "ports" if one.enabled else "ports_off"
    left = [t for t in netifd.items(section, option) if t != one.source]
    staging.set_option("network", section, option, left)


def _now(bridge: Row, one: _InVlan) -> _InVlan:
    """The same port in the same VLAN, after what this request has changed of it already."""
    for section, text, on in _entries(bridge):
        found = _InVlan.read(section, text, enabled=on)
        if one.vlan and (found.vlan, found.port) == (one.vlan, one.port):
            return found
    return one


def _put(row: Row, staging: Staging, **changes: Any) -> None:
    """Have `row` be otherwise, wherever that has to stand."""
    bridge = row.parent
    if bridge is None:
        return
    old = _now(bridge, row.item)
    new = replace(old, **changes)
    if old == new:
        return
    whole = bool(new.vlan and new.port)
    if new.enabled and not whole:
        if old.enabled:
            new = replace(new, enabled=False)
        else:
            raise ValueFault("it needs a VLAN and a port first")
    if whole and new.key != old.key and any(t.key == new.key for t in _OF_VLANS.there(bridge)):
        raise ValueFault("the port is in this VLAN already")
    _take_away(bridge, old, staging)
    if whole:
        section = _section(bridge, new.vlan)
        if section is None:
            raise ValueFault("the VLAN is one of another bridge")
        option = "ports" if new.enabled else "ports_off"
        new = replace(new, source=new.text)
        staging.set_option("network", section, option, [*netifd.items(section, option), new.source])
    else:
        mark = old.source.partition("|")[0] if old.source.startswith("?") else f"?{row.path.split('.')[-2]}"
        new = replace(new, source=f"{mark}|{new.vlan}|{new.port}|{new.flags}")
        _set_unfinished(bridge, [*netifd.items(bridge.section, _UNFINISHED), new.source], staging)
    staging.rename(row, new.key)
    row.item = new


def _siblings(row: Row, table: str) -> dict[str, str]:
    """The rows of another table of the bridge: key to path."""
    node = row.object.parent.children.get(table) if row.object.parent is not None else None
    if node is None or row.parent is None:
        return {}
    return {other.key: other.path[:-1] for other in row.view.rows(node, row.parent)}


def _reference(table: str, field: str) -> Computed:
    def read(row: Row) -> str:
        return _siblings(row, table).get(getattr(row.item, field), "")

    def write(row: Row, text: str, staging: Staging) -> None:
        key = next((k for k, path in _siblings(row, table).items() if path == text), "")
        if text and not key:
            raise ValueFault("it is one of another bridge")
        if key.startswith("?"):
            raise ValueFault(f"{text} has nothing below it yet")
        _put(row, staging, **{field: key})

    return Computed(read, write, *_NEEDS)


def _write_untagged(row: Row, text: str, staging: Staging) -> None:
    _put(row, staging, tagged=text == "false")


def _write_in_vlan(row: Row, text: str, staging: Staging) -> None:
    _put(row, staging, enabled=text == "true")


ports = PortRows()
vlan_ports = _OF_VLANS = VlanPortRows()
standard = Computed(_read_standard, _write_standard, netifd.NETWORK)
own = Computed(_read_own)
name = Computed(value_of)
pvid = Computed(_read_pvid, _write_pvid, *_NEEDS)
frames = Computed(_read_frames, _write_frames, *_NEEDS)
vlan_enable = Computed(_read_vlan_enable, _write_vlan_enable, netifd.NETWORK)
vlan_number = Computed(lambda row: _number(row.section) or None, _write_number, netifd.NETWORK)
in_vlan = _reference("VLAN", "vlan")
of_port = _reference("Port", "port")
untagged = Computed(lambda row: not row.item.tagged, _write_untagged, netifd.NETWORK)
in_vlan_enable = Computed(lambda row: row.item.enabled, _write_in_vlan, netifd.NETWORK)
