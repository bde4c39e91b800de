"""Link layers: TR-181 puts an Ethernet.Link between an IP interface and the port, bridge or radio below it.

netifd has no such thing: an interface names the device. So there is a link for each device that an interface, or a
VLAN, stands on; and one for each that the ACS made. Those are `config link`, which only we read: empty at first, one
gets the device's ``name`` with LowerLayers. (It is no `config device`, because a second one of a bridge's name would
take the bridge's place.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.code.devices import read_enable, write_enable
from cwmp.datamodel.tables import RowSource, SectionRows, There

if TYPE_CHECKING:
    from cwmp.datamodel.snapshot import Need
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row

_NEEDS = frozenset({netifd.NETWORK, netifd.DUMP})
_SECTIONS = SectionRows("network", "link")


class LinkRows(RowSource):
    """The links by the name of their device; those the ACS made by the name of their section."""

    creates = True
    package = "network"

    @property
    def needs(self) -> frozenset[Need]:
        return _NEEDS

    def there(self, parent: Row) -> list[There]:
        made = netifd.sections(parent, "link")
        found = [There(s.name, s, {"name": netifd.text(s, "name")}, True) for s in made]
        taken = {row.item["name"] for row in found}
        found += [There(name, None, {"name": name}) for name in _devices_in_use(parent) if name not in taken]
        return found

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        return _SECTIONS.add(parent, node, number, staging)._replace(item={"name": ""})

    def remove(self, row: Row, staging: Staging) -> None:
        _SECTIONS.remove(row, staging)


class VlanRows(RowSource):
    """VLANs on a port or bridge: the `config device` of such a type, and those that netifd makes because an
    interface names them. The former are under their section's name, the latter under their own."""

    creates = True
    package = "network"

    @property
    def needs(self) -> frozenset[Need]:
        return _NEEDS

    def there(self, parent: Row) -> list[There]:
        found = [
            There(s.name, s, {"name": netifd.text(s, "name")}, True)
            for s in netifd.sections(parent, "device")
            if netifd.text(s, "type") in netifd.VLANS
        ]
        implicit = dict.fromkeys(
            device
            for name in netifd.interface_names(parent)
            if (device := netifd.device_of(parent, name))
            and netifd.vlan_of(parent, device)
            and netifd.device_section(parent, device) is None
        )
        return found + [There(name, None, {"name": name}) for name in implicit]

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        return SectionRows("network", "device").add(parent, node, number, staging)

    def remove(self, row: Row, staging: Staging) -> None:
        SectionRows("network", "device").remove(row, staging)


def _devices_in_use(row: Row) -> dict[str, None]:
    """The devices that interfaces are on, VLANs left out, and those that VLANs are on."""
    found: dict[str, None] = {}
    for name in netifd.interface_names(row):
        device = netifd.device_of(row, name)
        if not device or device == "lo":
            continue
        vlan = netifd.vlan_of(row, device)
        if vlan is None:
            found[device] = None
        elif netifd.vlan_of(row, vlan.below) is None:
            found[vlan.below] = None
    for section in netifd.sections(row, "device"):
        if netifd.text(section, "type") in netifd.VLANS:
            below = netifd.text(section, "ifname")
            if below and netifd.vlan_of(row, below) is None:
                found[below] = None
    return found


def _read_enable(row: Row) -> bool:
    made = row.section is None or netifd.is_on(row.section, "enabled", default=True)
    return made and read_enable(row)


def _write_enable(row: Row, text: str, staging: Staging) -> None:
    if row.section is not None:
        staging.set_option("network", row.section, "enabled", "1" if text == "true" else "0")
    if row.section is None or netifd.text(row.section, "name"):
        write_enable(row, text, staging)


links = LinkRows()
enable = Computed(_read_enable, _write_enable, netifd.NETWORK)
vlans = VlanRows()
