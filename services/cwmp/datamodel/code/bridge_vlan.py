"""VLANs of bridges and switches, and which port is in which of them how (code/bridge.py tells where that stands)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, set_option
from cwmp.datamodel.tables import RowSource, SectionRows, There
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.snapshot import Need
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row
    from ubuskit.uci import Section

_NEEDS = (netifd.NETWORK, netifd.DEVICES)
_UNFINISHED = "vlan_ports_off"


def is_switch(bridge: Row) -> bool:
    return bridge.section is not None and bridge.section.type == "switch"


def name_of(bridge: Row) -> str:
    return netifd.text(bridge.section, "name")


def vlans_of(bridge: Row) -> list[Section]:
    """The VLANs of a bridge."""
    name = name_of(bridge)
    kind = "switch_vlan" if is_switch(bridge) else "bridge-vlan"
    return [s for s in netifd.sections(bridge, kind) if netifd.text(s, "device") == name]


def set_items(section: Section, option: str, items: list[str], staging: Staging) -> None:
    """Set a list of ports; swconfig wants a text."""
    as_text = section.type == "switch_vlan" and option == "ports"
    staging.set_option("network", section, option, " ".join(items) if as_text else items)


def memberships(bridge: Row, port: str) -> list[InVlan]:
    """Where a port is in the VLANs of its bridge, disabled or not."""
    found = [InVlan.read(s, text, enabled=on) for s, text, on in entries(bridge)]
    return [one for one in found if one.port == port]


def rewrite(bridge: Row, old: InVlan, new: InVlan, staging: Staging) -> None:
    """Put `new` where `old` stands."""
    section = section_of(bridge, old.vlan)
    if section is None or old == new:
        return
    option = "ports" if old.enabled else "ports_off"
    items = [new.text(section) if item == old.source else item for item in netifd.items(section, option)]
    set_items(section, option, items, staging)


# -- VLANs --------------------------------------------------------------------------------------------------------


class VlanRows(RowSource):
    """The VLANs of the bridge around."""

    creates = True
    package = "network"

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({netifd.NETWORK})

    def there(self, parent: Row) -> list[There]:
        return [There(s.name, s, None, True) for s in vlans_of(parent)]

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        kind = "switch_vlan" if is_switch(parent) else "bridge-vlan"
        return SectionRows("network", kind).add(parent, node, number, staging)

    def remove(self, row: Row, staging: Staging) -> None:
        SectionRows("network", "").remove(row, staging)


def number_of(section: Section | None) -> str:
    if section is not None and section.type == "switch_vlan" and netifd.text(section, "vid"):
        return netifd.text(section, "vid")
    return netifd.text(section, "vlan") or netifd.text(section, "vlan_off")


def _read_vlan_enable(row: Row) -> bool:
    return bool(netifd.text(row.section, "vlan"))


def _write_vlan_enable(row: Row, text: str, staging: Staging) -> None:
    number = number_of(row.section)
    if text == "true" and not number:
        raise ValueFault("the VLAN has no VLANID yet")
    on = text == "true"
    set_option(row, "network", "vlan", number if on else "", staging)
    set_option(row, "network", "vlan_off", "" if on else number, staging)


def _write_number(row: Row, text: str, staging: Staging) -> None:
    if netifd.text(row.section, "vid"):
        set_option(row, "network", "vid", text, staging)
        return
    set_option(row, "network", "vlan" if _read_vlan_enable(row) else "vlan_off", text, staging)


# -- ports in VLANs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InVlan:
    """A port in a VLAN: the VLAN's section, the port's device (either "" where not said yet), how; `source` is
    the item of the list it was read from."""

    vlan: str
    port: str
    tagged: bool
    pvid: bool
    enabled: bool
    source: str = ""

    @staticmethod
    def read(section: Section, text: str, *, enabled: bool) -> InVlan:
        if section.type == "switch_vlan":
            port = f"{netifd.text(section, 'device')}:{text.rstrip('tu*')}"
            return InVlan(section.name, port, text.endswith("t"), not text.endswith("t"), enabled, text)
        port, _, flags = text.partition(":")
        return InVlan(section.name, port, "t" in flags, "*" in flags, enabled, text)

    @staticmethod
    def unfinished(text: str) -> InVlan:
        _, vlan, port, flags = (text.split("|") + [""] * 4)[:4]
        return InVlan(vlan, port, "t" in flags, "*" in flags, False, text)

    @property
    def flags(self) -> str:
        return ("t" if self.tagged else "u") + ("*" if self.pvid else "")

    def text(self, section: Section) -> str:
        """As an item of this VLAN's list."""
        if section.type == "switch_vlan":
            return self.port.rpartition(":")[2] + ("t" if self.tagged else "")
        return f"{self.port}:{self.flags}"

    @property
    def key(self) -> str:
        return f"{self.vlan}|{self.port}" if self.vlan and self.port else self.source.partition("|")[0]


def entries(bridge: Row) -> list[tuple[Section, str, bool]]:
    return [
        (section, text, option == "ports")
        for section in vlans_of(bridge)
        for option in ("ports", "ports_off")
        for text in netifd.items(section, option)
    ]


def section_of(bridge: Row, name: str) -> Section | None:
    return next((s for s in vlans_of(bridge) if s.name == name), None)


class VlanPortRows(RowSource):
    """The items of the VLANs' lists, and those that are not finished."""

    creates = True

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset(_NEEDS)

    def there(self, parent: Row) -> list[There]:
        found = [InVlan.read(s, text, enabled=on) for s, text, on in entries(parent)]
        found += [InVlan.unfinished(text) for text in netifd.items(parent.section, _UNFINISHED)]
        return self._chosen([There(one.key, None, one) for one in found], parent)

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        one = InVlan("", "", tagged=False, pvid=False, enabled=False, source=f"?{number}|||u")
        _set_unfinished(parent, [*netifd.items(parent.section, _UNFINISHED), one.source], staging)
        return There(one.key, None, one)

    def remove(self, row: Row, staging: Staging) -> None:
        if row.parent is not None:
            _take_away(row.parent, row.item, staging)
        row.view.forget_rows()


def _set_unfinished(bridge: Row, items: list[str], staging: Staging) -> None:
    set_option(bridge, "network", _UNFINISHED, items, staging)


def _take_away(bridge: Row, one: InVlan, staging: Staging) -> None:
    section = section_of(bridge, one.vlan)
    if one.source.startswith("?") or section is None:
        left = [t for t in netifd.items(bridge.section, _UNFINISHED) if t != one.source]
        _set_unfinished(bridge, left, staging)
        return
    option = "ports" if one.enabled else "ports_off"
    set_items(section, option, [t for t in netifd.items(section, option) if t != one.source], staging)


def _now(bridge: Row, one: InVlan) -> InVlan:
    """The same port in the same VLAN, after what this request has changed of it already."""
    for section, text, on in entries(bridge):
        found = InVlan.read(section, text, enabled=on)
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
        section = section_of(bridge, new.vlan)
        if section is None:
            raise ValueFault("the VLAN is one of another bridge")
        option = "ports" if new.enabled else "ports_off"
        new = replace(new, source=new.text(section))
        set_items(section, option, [*netifd.items(section, option), new.source], staging)
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


vlans = VlanRows()
vlan_ports = _OF_VLANS = VlanPortRows()
vlan_enable = Computed(_read_vlan_enable, _write_vlan_enable, netifd.NETWORK)
vlan_number = Computed(lambda row: number_of(row.section) or None, _write_number, netifd.NETWORK)
in_vlan = _reference("VLAN", "vlan")
of_port = _reference("Port", "port")
untagged = Computed(lambda row: not row.item.tagged, _write_untagged, netifd.NETWORK)
in_vlan_enable = Computed(lambda row: row.item.enabled, _write_in_vlan, netifd.NETWORK)
