"""IP interfaces: the `config interface` sections, and those that netifd's protocols make (``wan_6``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, set_option
from cwmp.datamodel.tables import RowSource, SectionRows, There

if TYPE_CHECKING:
    from cwmp.datamodel.snapshot import Need
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row

_SECTIONS = SectionRows("network", "interface")
_LOCAL = "local"
"""The class of the prefix in `ula_prefix`; all others have the name of the interface that was given them."""


class InterfaceRows(RowSource):
    """The interfaces by name."""

    creates = True
    package = "network"

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({netifd.NETWORK, netifd.DUMP})

    def there(self, parent: Row) -> list[There]:
        found = _SECTIONS.there(parent)
        known = {row.key for row in found}
        made = [n for n, i in netifd.listed(parent).items() if n not in known and i.get("dynamic")]
        return found + [There(name, None, None) for name in made]

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        return _SECTIONS.add(parent, node, number, staging)

    def remove(self, row: Row, staging: Staging) -> None:
        _SECTIONS.remove(row, staging)


def _read_status(row: Row) -> str:
    interface = netifd.interfaces(row).get(row.key)
    if interface is None:
        return "Down"
    if interface.get("up"):
        return "Up"
    if interface.get("pending"):
        return "Dormant"  # it waits for an answer of whom it gets its address from
    if interface.get("available") is False:
        return "NotPresent"
    device = netifd.devices(row).get(netifd.device_of(row, row.key), {})
    is_down = device.get("carrier") is False and interface.get("autostart") is not False
    return "LowerLayerDown" if is_down else "Down"


def _classes(row: Row) -> list[str]:
    return netifd.items(row.section, "ip6class")


def _read_ula(row: Row) -> bool:
    """Whether the interface takes a part of the ULA prefix."""
    return bool(netifd.text(row.section, "ip6assign")) and _LOCAL in (_classes(row) or [_LOCAL])


def _write_ula(row: Row, text: str, staging: Staging) -> None:
    if (text == "true") == _read_ula(row):
        return
    if text == "true":
        if not netifd.text(row.section, "ip6assign"):
            set_option(row, "network", "ip6assign", "64", staging)
        if _classes(row):
            set_option(row, "network", "ip6class", [*_classes(row), _LOCAL], staging)
        return
    others = [c for c in _classes(row) or _upstream(row) if c != _LOCAL]
    set_option(row, "network", "ip6class", others or ["none"], staging)


def _upstream(row: Row) -> list[str]:
    """The interfaces that may be given prefixes."""
    return [
        section.name
        for section in netifd.sections(row, "interface")
        if netifd.text(section, "proto") in ("dhcpv6", "6in4", "6rd", "6to4")
        or section.options.get("ip6prefix")
    ]


rows = InterfaceRows()
status = Computed(_read_status, None, netifd.DUMP, netifd.NETWORK)
ula = Computed(_read_ula, _write_ula, netifd.NETWORK)
