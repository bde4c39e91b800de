"""The IPv4 address of an interface: ``ipaddr`` with ``netmask``, or both as ``192.168.1.1/24``, maybe in a list."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.conversion import netmask
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row
    from ubuskit.uci import Section

_NETWORK = Need("uci", "network")


def interface_of(section: Section | None) -> ipaddress.IPv4Interface | None:
    """The configured address of a ``config interface``, None where there is none that could be understood."""
    if section is None:
        return None
    value = section.options.get("ipaddr", "")
    text = value if isinstance(value, str) else value[0] if value else ""
    mask = section.options.get("netmask", "255.255.255.255")
    try:
        return ipaddress.IPv4Interface(text if "/" in text else f"{text}/{mask}")
    except ValueError:
        return None


def _read_address(row: Row) -> str | None:
    found = interface_of(row.section)
    return None if found is None else str(found.ip)


def _write_address(row: Row, text: str, staging: Staging) -> None:
    if not text:
        raise ValueFault("a static interface needs an address")
    old = option(row, "ipaddr")
    _set_first(row, text + (f"/{old.partition('/')[2]}" if "/" in old else ""), staging)


def _read_mask(row: Row) -> str | None:
    found = interface_of(row.section)
    return None if found is None else str(found.netmask)


def _write_mask(row: Row, text: str, staging: Staging) -> None:
    try:
        length = ipaddress.IPv4Network(f"0.0.0.0/{text}").prefixlen
    except ValueError:
        raise ValueFault("not a subnet mask") from None
    if netmask(length) != text:
        raise ValueFault("not a subnet mask")
    address, slash, _ = option(row, "ipaddr").partition("/")
    if slash:
        _set_first(row, f"{address}/{length}", staging)
    else:
        set_option(row, "network", "netmask", text, staging)


def _set_first(row: Row, value: str, staging: Staging) -> None:
    """Set ``ipaddr``; of a list the first item."""
    old = row.section.options.get("ipaddr") if row.section is not None else None
    set_option(row, "network", "ipaddr", [value, *old[1:]] if isinstance(old, list) else value, staging)


address = Computed(_read_address, _write_address, _NETWORK)
mask = Computed(_read_mask, _write_mask, _NETWORK)
