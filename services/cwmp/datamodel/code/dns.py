"""Where a DNS server's address is from: the interface's ``dns`` option, or what its protocol was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

_PROTOCOLS = {"dhcp": "DHCPv4", "dhcpv6": "DHCPv6", "pppoe": "IPCP", "pppoa": "IPCP", "ppp": "IPCP"}


def _read_origin(row: Row) -> str:
    section = row.view.snapshot.package("network").sections.get(row.variable("interface") or "")
    if section is None:
        return "Static"
    given = section.options.get("dns", [])
    if row.key in (given.split() if isinstance(given, str) else given):
        return "Static"
    return _PROTOCOLS.get(str(section.options.get("proto", "")), "Static")


origin = Computed(_read_origin, None, Need("uci", "network"))
