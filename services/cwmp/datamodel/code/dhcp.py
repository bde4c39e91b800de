"""DHCP pools of dnsmasq: ``start`` and ``limit`` count from the interface's network; options are numbered texts.

MinAddress and MaxAddress are independent in TR-181, `start` and `limit` are not: changing MinAddress adjusts
`limit`, so that MaxAddress stays what it was.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.code.ipv4 import interface_of
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault, split_list

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_NEEDS = (Need("uci", "dhcp"), Need("uci", "network"))
_START, _LIMIT = 100, 150


def _interface(row: Row) -> ipaddress.IPv4Interface | None:
    sections = row.view.snapshot.package("network").sections
    return interface_of(sections.get(option(row, "interface")))


def _number(row: Row, name: str, default: int) -> int:
    text = option(row, name)
    return int(text) if text.isdecimal() else default


def _first(row: Row) -> int:
    return _number(row, "start", _START)


def _last(row: Row) -> int:
    return _first(row) + _number(row, "limit", _LIMIT) - 1


def _address(row: Row, offset: int) -> str | None:
    """The address that is `offset` from the network's; the highest usable one where that is beyond."""
    found = _interface(row)
    if found is None or found.network.num_addresses < 4:
        return None
    return str(found.network.network_address + min(offset, found.network.num_addresses - 2))


def _offset(row: Row, text: str) -> int:
    found = _interface(row)
    if found is None:
        raise ValueFault("the interface of this pool has no static address to count from")
    try:
        wanted = ipaddress.IPv4Address(text)
    except ValueError:
        raise ValueFault("not an IPv4 address") from None
    network = found.network
    if wanted not in network or wanted in (network.network_address, network.broadcast_address):
        raise ValueFault(f"not an address of a host in {network}")
    return int(wanted) - int(network.network_address)


def _write_minimum(row: Row, text: str, staging: Staging) -> None:
    first, last = _offset(row, text), _last(row)
    set_option(row, "dhcp", "start", str(first), staging)
    set_option(row, "dhcp", "limit", str(max(last - first + 1, 1)), staging)


def _write_maximum(row: Row, text: str, staging: Staging) -> None:
    last, first = _offset(row, text), _first(row)
    if last < first:
        raise ValueFault("lower than MinAddress")
    set_option(row, "dhcp", "limit", str(last - first + 1), staging)


def _read_mask(row: Row) -> str | None:
    found = _interface(row)
    return option(row, "netmask") or (None if found is None else str(found.netmask))


def _write_mask(row: Row, text: str, staging: Staging) -> None:
    """dnsmasq takes the interface's where it is told none."""
    found = _interface(row)
    if text == _read_mask(row):
        return
    try:
        ipaddress.IPv4Network(f"0.0.0.0/{text}")
    except ValueError:
        raise ValueFault("not a netmask") from None
    own = "" if found is None else str(found.netmask)
    set_option(row, "dhcp", "netmask", "" if text == own else text, staging)


def _read_reserved(row: Row) -> list[str]:
    found = _interface(row)
    sections = row.view.snapshot.package("dhcp").of_type("host")
    addresses = [str(s.options.get("ip", "")) for s in sections]
    return [a for a in addresses if found is not None and _is_in(a, found.network)][:32]


def _is_in(text: str, network: ipaddress.IPv4Network) -> bool:
    try:
        return ipaddress.IPv4Address(text) in network
    except ValueError:
        return False


minimum = Computed(lambda row: _address(row, _first(row)), _write_minimum, *_NEEDS)
maximum = Computed(lambda row: _address(row, _last(row)), _write_maximum, *_NEEDS)
mask = Computed(_read_mask, _write_mask, *_NEEDS)
reserved = Computed(_read_reserved, None, *_NEEDS)


def _option(code: int, *, own_address: bool) -> Computed:
    """DHCP option `code` in the list ``dhcp_option``; unset, dnsmasq may advertise the router's `own_address`."""
    prefix = f"{code},"

    def items(row: Row) -> list[str]:
        value = row.section.options.get("dhcp_option", []) if row.section is not None else []
        return value.split() if isinstance(value, str) else list(value)

    def read(row: Row) -> list[str] | None:
        for item in items(row):
            if item.startswith(prefix):
                return split_list(item[len(prefix) :])
        found = _interface(row) if own_address else None
        return None if found is None else [str(found.ip)]

    def write(row: Row, text: str, staging: Staging) -> None:
        if text == ",".join(read(row) or []):
            return
        kept = [item for item in items(row) if not item.startswith(prefix)]
        set_option(row, "dhcp", "dhcp_option", kept + ([prefix + text] if text else []), staging)

    return Computed(read, write, *_NEEDS)


routers = _option(3, own_address=True)
dns_servers = _option(6, own_address=True)
domain_name = _option(15, own_address=False)
