"""What odhcpd says of its DHCPv6 leases: the laptop has an address wherever the LAN's pool serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ubuskit.uci import Package

_DUID = "000100012c3f00aa02005e005320"
"""Of the laptop: a DUID made of the time and its address."""

_DEVICE = "br-lan"
_HOUR = 3600


def ipv6_leases(package: Package | None, devices: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reply of `dhcp ipv6leases`, as /etc/config/dhcp is and where the device is there."""
    serving = package is not None and any(
        s.type == "dhcp" and s.options.get("interface") == "lan" and s.options.get("dhcpv6") == "server"
        for s in package.sections.values()
    )
    if not serving or _DEVICE not in devices:
        return {"device": {}}
    lease = {
        "duid": _DUID,
        "iaid": 1,
        "hostname": "laptop",
        "accept-reconf": False,
        "assigned": 581,
        "flags": ["bound"],
        "ipv6-addr": [
            {"address": "fd12:3456:789a::245", "preferred-lifetime": _HOUR // 2, "valid-lifetime": _HOUR}
        ],
        "valid": 12 * _HOUR,
    }
    return {"device": {_DEVICE: {"leases": [lease]}}}
