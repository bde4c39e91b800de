"""IPv6 addresses and prefixes of an interface, as netifd and the kernel have them.

netifd lists what it was told or configured with (``ipv6-address``), the prefixes it was given (``ipv6-prefix``) and
the parts of prefixes that were given to the interface, with its own address there (``ipv6-prefix-assignment``). The
kernel's list (/proc/net/if_inet6) has the addresses that came about otherwise, and the state of each.
"""

from __future__ import annotations

import ipaddress
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.code._rows import ComputedRows
from cwmp.datamodel.items import ItemRows
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tables import There
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row

_KERNEL = Need("file", "/proc/net/if_inet6")
_FOREVER = "9999-12-31T23:59:59Z"
_DADFAILED, _DEPRECATED, _TENTATIVE, _OPTIMISTIC, _PERMANENT = 0x08, 0x20, 0x40, 0x04, 0x80
_GRAIN = 60
_LENGTH = 64
"""How much of a new address is its network's, since TR-181 does not say."""


class _Kernel(NamedTuple):
    """One line of the kernel's list."""

    device: str
    length: int
    flags: int


def _kernel(row: Row) -> dict[str, _Kernel]:
    """The kernel's addresses; of one that several devices have (link-local ones) under ``address%device``."""
    found: dict[str, _Kernel] = row.view.root.cached(_parse, _parse)
    return found


def _parse(row: Row) -> dict[str, _Kernel]:
    found: dict[str, _Kernel] = {}
    for line in row.view.snapshot.get(_KERNEL).splitlines():
        words = line.split()
        if len(words) == 6:
            address = str(ipaddress.IPv6Address(int(words[0], 16)))
            found[f"{address}%{words[5]}"] = _Kernel(words[5], int(words[2], 16), int(words[4], 16))
    return found


def _device(interface: Any) -> str:
    return str(interface.get("l3_device", ""))


def _first_on_device(row: Row, name: str) -> bool:
    """Whether `name` is the first of the interfaces that are up on its device: that one shows what is nobody's."""
    device = _device(netifd.interfaces(row).get(name, {}))
    first: dict[str, str] = row.view.root.cached(_firsts, _firsts)
    return bool(device) and first.get(device) == name


def _firsts(row: Row) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, interface in netifd.interfaces(row).items():
        if interface.get("up"):
            found.setdefault(_device(interface), name)
    return found


def _listed(row: Row) -> set[str]:
    """Every address that netifd lists, of whichever interface."""
    found: set[str] = set()
    for interface in netifd.interfaces(row).values():
        found |= {str(one.get("address")) for one in interface.get("ipv6-address", [])}
        parts = interface.get("ipv6-prefix-assignment", [])
        found |= {str((part.get("local-address") or {}).get("address")) for part in parts}
    return found


class AddressRows(ItemRows):
    """Those of `ip6addr` and `ip6addr_off` of a static interface by their text, all others by their address."""

    def __init__(self) -> None:
        super().__init__("network", None, "ip6addr", "ip6addr_off")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({*_NEEDS, _KERNEL})

    def there(self, parent: Row) -> list[There]:
        found = _found(parent)
        rows: list[There] = []
        if netifd.text(parent.section, "proto") == "static":
            for row in super().there(parent):
                address = _address_in(row.key)
                known = found.pop(address, {"address": address})
                rows.append(row._replace(item={**known, **row.item, "static": True}))
        others = [There(address, None, {**one, "enabled": True}) for address, one in found.items()]
        return rows + others

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        protocol = netifd.text(parent.section, "proto")
        if parent.section is None or protocol not in ("static", "none", ""):
            raise ValueFault(f"the interface is given its addresses by {protocol or 'its protocol'}")
        staging.set_option("network", parent.section, "proto", "static")
        return super().add(parent, node, number, staging)

    def change(
        self, row: Row, staging: Staging, *, text: str | None = None, enabled: bool | None = None
    ) -> None:
        if not row.item.get("static"):
            raise ValueFault("it was not configured, so it stays as it is")
        super().change(row, staging, text=text, enabled=enabled)
        row.item |= {"address": _address_in(row.key), "static": True}

    def remove(self, row: Row, staging: Staging) -> None:
        if not row.item.get("static"):
            raise ValueFault("it was not configured, so it stays")
        super().remove(row, staging)


def _address_in(text: str) -> str:
    """The address of an item, as netifd writes it; "" of a new one."""
    try:
        return str(ipaddress.IPv6Interface(text).ip)
    except ValueError:
        return ""


def _found(parent: Row) -> dict[str, dict[str, Any]]:
    """Every address of an interface, by itself: what netifd lists, and what only the kernel has."""
    interface = netifd.listed(parent).get(parent.key, {})
    found = {str(one.get("address")): dict(one) for one in interface.get("ipv6-address", [])}
    for part in interface.get("ipv6-prefix-assignment", []):
        own = part.get("local-address") or {}
        if "address" in own:
            found.setdefault(
                str(own["address"]),
                {**own, "preferred": part.get("preferred"), "valid": part.get("valid"), "assigned": True},
            )
    kernel = _kernel(parent)
    device = _device(interface)
    if _first_on_device(parent, parent.key):
        theirs: set[str] = parent.view.root.cached(_listed, _listed)
        for name, one in kernel.items():
            address = name.partition("%")[0]
            if one.device == device and address not in theirs:
                found.setdefault(address, {"mask": one.length, "kernel": True})
    return {
        address: {
            **one,
            "address": address,
            "flags": getattr(kernel.get(f"{address}%{device}"), "flags", None),
        }
        for address, one in found.items()
    }


def _write_enable(row: Row, text: str, staging: Staging) -> None:
    if (text == "true") != row.item["enabled"]:
        addresses.change(row, staging, enabled=text == "true")


def _write_address(row: Row, text: str, staging: Staging) -> None:
    if text == row.item["address"]:
        return
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueFault("not an IPv6 address") from None
    addresses.change(row, staging, text=f"{address}/{row.key.partition('/')[2] or _LENGTH}")


def _read_status(row: Row) -> str:
    if not row.item["enabled"]:
        return "Disabled"
    flags = row.item.get("flags")
    return "Error" if flags is not None and flags & _DADFAILED else "Enabled"


def _read_address_status(row: Row) -> str:
    if row.item.get("static") and "mask" not in row.item:
        return "Invalid"  # nobody has it
    flags = row.item.get("flags")
    if flags is None:
        return "Deprecated" if row.item.get("preferred") == 0 else "Preferred"
    for flag, status in (
        (_DADFAILED, "Duplicate"),
        (_OPTIMISTIC, "Optimistic"),
        (_TENTATIVE, "Tentative"),
        (_DEPRECATED, "Deprecated"),
    ):
        if flags & flag:
            return status
    return "Preferred"


def _read_origin(row: Row) -> str:
    item = row.item
    if item.get("kernel"):
        return "WellKnown" if item["address"] == "::1" else "AutoConfigured"
    if item.get("assigned"):
        return "AutoConfigured"  # out of a prefix, by the router itself
    protocol = netifd.protocol_of(row, row.parent.key if row.parent is not None else "")
    if protocol == "dhcpv6":
        return "DHCPv6" if item.get("mask") == 128 else "AutoConfigured"
    return "Static" if protocol == "static" else "AutoConfigured"


def _until(name: str) -> Computed:
    """When a lifetime ends. netifd counts seconds, so the moment is as exact as a minute: it must not wander."""

    def read(row: Row) -> str:
        left = row.item.get(name)
        if not isinstance(left, int):
            return _FOREVER
        end = round((time.time() + left) / _GRAIN) * _GRAIN
        return f"{datetime.fromtimestamp(end, UTC):%Y-%m-%dT%H:%M:%SZ}" if end < 2**33 else _FOREVER

    return Computed(read, None, netifd.DUMP)


def _read_prefix_of(row: Row) -> str:
    """The row of the prefix that the address is in."""
    try:
        address = ipaddress.IPv6Address(row.item["address"])
    except ValueError:
        return ""
    node = row.object.parent.children.get("IPv6Prefix") if row.object.parent is not None else None
    if node is None or row.parent is None:
        return ""
    for other in row.view.rows(node, row.parent):
        if address in ipaddress.IPv6Network(other.key, strict=False):
            return other.path[:-1]
    return ""


def _find_prefixes(parent: Row) -> list[There]:
    interface = netifd.interfaces(parent).get(parent.key, {})
    found: dict[str, There] = {}
    for kind in "ipv6-prefix", "ipv6-prefix-assignment":
        for one in interface.get(kind, []):
            key = f"{one.get('address')}/{one.get('mask')}"
            found.setdefault(key, There(key, None, {**one, "child": kind != "ipv6-prefix"}))
    return list(found.values())


def _read_prefix_origin(row: Row) -> str:
    if row.item["child"]:
        return "Child"
    configured = row.section is not None and "ip6prefix" in row.section.options
    return "Static" if configured else "PrefixDelegation"


def _read_static_type(row: Row) -> str:
    return "Static" if _read_prefix_origin(row) == "Static" else "Inapplicable"


def _read_parent(row: Row) -> str:
    """The row of the prefix that this one is a part of; a part of the ULA prefix has none."""
    if not row.item["child"]:
        return ""
    wanted = ipaddress.IPv6Network(row.key, strict=False)
    for other in row.view.every(row.object):
        if other.item["child"] is False and wanted.subnet_of(ipaddress.IPv6Network(other.key, strict=False)):
            return other.path[:-1]
    return ""


def _read_prefix_status(row: Row) -> str:
    return "Deprecated" if row.item.get("preferred") == 0 else "Preferred"


_NEEDS = (netifd.DUMP, netifd.NETWORK)
addresses = AddressRows()
enable = Computed(lambda row: row.item["enabled"], _write_enable, *_NEEDS)
address = Computed(lambda row: row.item["address"], _write_address, *_NEEDS)
prefixes = ComputedRows(_find_prefixes, *_NEEDS)
status = Computed(_read_status, None, *_NEEDS)
address_status = Computed(_read_address_status, None, *_NEEDS)
origin = Computed(_read_origin, None, *_NEEDS)
preferred = _until("preferred")
valid = _until("valid")
prefix_of = Computed(_read_prefix_of, None, *_NEEDS)
prefix_origin = Computed(_read_prefix_origin, None, *_NEEDS)
static_type = Computed(_read_static_type, None, *_NEEDS)
parent_prefix = Computed(_read_parent, None, *_NEEDS)
prefix_status = Computed(_read_prefix_status, None, *_NEEDS)
