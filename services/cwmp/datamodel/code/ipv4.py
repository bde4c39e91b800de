"""The IPv4 addresses of an interface.

A static one has them in ``ipaddr``: ``192.168.1.1/24``, or without length, which ``netmask`` then gives for all; as
a list, or one after the other in an option. A disabled one stands in ``ipaddr_off``, which nobody reads; there a new
one begins, too. Other protocols are given their addresses; netifd knows them.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, set_option
from cwmp.datamodel.conversion import netmask
from cwmp.datamodel.items import ItemRows
from cwmp.datamodel.tables import There
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.snapshot import Need
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row
    from ubuskit.uci import Section

_NEW = "?"
_HOST = "255.255.255.255"


def interface_of(section: Section | None, text: str | None = None) -> ipaddress.IPv4Interface | None:
    """A configured address of a ``config interface``, of several the first; None where it cannot be understood."""
    if text is None:
        text = next(iter(netifd.items(section, "ipaddr")), "")
    mask = netifd.text(section, "netmask") or _HOST
    try:
        return ipaddress.IPv4Interface(text if "/" in text else f"{text}/{mask}")
    except ValueError:
        return None


class AddressRows(ItemRows):
    """The items of `ipaddr` by their text; of an interface that is given addresses those, by their place."""

    def __init__(self) -> None:
        super().__init__("network", None, "ipaddr", "ipaddr_off")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({netifd.NETWORK, netifd.DUMP})

    def there(self, parent: Row) -> list[There]:
        if netifd.text(parent.section, "proto") == "static":
            return super().there(parent)
        given = netifd.listed(parent).get(parent.key, {}).get("ipv4-address", [])
        return [
            There(str(place), None, {"text": f"{one.get('address')}/{one.get('mask')}", "enabled": True})
            for place, one in enumerate(given)
        ]

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        protocol = netifd.text(parent.section, "proto")
        if parent.section is None or protocol not in ("static", "none", ""):
            raise ValueFault(f"the interface is given its addresses by {protocol or 'its protocol'}")
        staging.set_option("network", parent.section, "proto", "static")
        return super().add(parent, node, number, staging)


def _parsed(row: Row) -> ipaddress.IPv4Interface | None:
    """The address that the row is; found out once a request, as long as its text stays."""
    text, mask = row.item["text"], netifd.text(row.section, "netmask")
    found: ipaddress.IPv4Interface | None = row.view.root.cached(
        (interface_of, text, mask), lambda _: interface_of(row.section, text)
    )
    return found


def _read_address(row: Row) -> str | None:
    found = _parsed(row)
    return None if found is None else str(found.ip)


def _write_address(row: Row, text: str, staging: Staging) -> None:
    if not text:
        raise ValueFault("an address cannot be empty: delete the row, or disable it")
    old = row.item["text"]
    length = old.partition("/")[2]
    if old.startswith(_NEW) and not length and not netifd.text(row.section, "netmask"):
        length = "32"
    rows.change(row, staging, text=f"{text}/{length}" if length else text)


def _read_mask(row: Row) -> str | None:
    text = row.item["text"]
    if text.startswith(_NEW):
        length = text.partition("/")[2]
        return netmask(int(length)) if length else netifd.text(row.section, "netmask") or None
    found = _parsed(row)
    return None if found is None else str(found.netmask)


def _write_mask(row: Row, text: str, staging: Staging) -> None:
    try:
        length = ipaddress.IPv4Network(f"0.0.0.0/{text}").prefixlen
    except ValueError:
        raise ValueFault("not a subnet mask") from None
    if netmask(length) != text:
        raise ValueFault("not a subnet mask")
    address, slash, _ = row.item["text"].partition("/")
    others = len(netifd.items(row.section, "ipaddr")) + len(netifd.items(row.section, "ipaddr_off")) > 1
    if not slash and not others and netifd.text(row.section, "netmask"):
        set_option(row, "network", "netmask", text, staging)
    else:
        rows.change(row, staging, text=f"{address}/{length}")


def _write_enable(row: Row, text: str, staging: Staging) -> None:
    rows.change(row, staging, enabled=text == "true")


def _read_status(row: Row) -> str:
    if not row.item["enabled"] or netifd.is_on(row.section, "disabled", default=False):
        return "Disabled"
    found = _parsed(row)
    if found is None:
        return "Error_Misconfigured"
    given = netifd.interfaces(row).get(row.parent.key if row.parent is not None else "", {})
    there = {one.get("address") for one in given.get("ipv4-address", [])}
    return "Enabled" if str(found.ip) in there else "Disabled" if not given.get("up") else "Error"


rows = AddressRows()
address = Computed(_read_address, _write_address, netifd.NETWORK)
mask = Computed(_read_mask, _write_mask, netifd.NETWORK)
enable = Computed(lambda row: row.item["enabled"], _write_enable, netifd.NETWORK)
status = Computed(_read_status, None, netifd.NETWORK, netifd.DUMP)
