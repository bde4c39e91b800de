"""What of the data model is there: an identity of what the mapping files declare, and what the router is used for."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.snapshot import Need

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Model, Row

_NO_IPV6 = Need("file", "/proc/sys/net/ipv6/conf/all/disable_ipv6")
_FORWARD = Need("file", "/proc/sys/net/ipv4/ip_forward")
_SERVERS = Need("file", "/tmp/resolv.conf.d/resolv.conf.auto")  # noqa: S108  # netifd's own
_PACKAGES = tuple(Need("uci", package) for package in ("dhcp", "firewall", "wireless"))
_TRUE = frozenset({"1", "on", "yes", "true", "enabled"})


def _declared(model: Model) -> str:
    return "\n".join(
        f"{node.template}{name}" for node in model.objects() for name in sorted(["", *node.parameters])
    )


def _uuid(row: Row) -> str:
    """The same on every router with these mapping files, another where they differ."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, row.view.root.cached(_uuid, lambda r: _declared(r.view.model))))


def _features(row: Row) -> list[str]:
    """Names as BBF documents use them for the features of a device."""
    get = row.view.snapshot.get
    dhcp, firewall, wireless = (row.view.snapshot.package(need.name) for need in _PACKAGES)
    zones = firewall.of_type("zone")
    found = {
        "DNSClient": "nameserver " in get(_SERVERS),
        "DNSServer": any(s.options.get("port") != "0" for s in dhcp.of_type("dnsmasq")),
        "Firewall": bool(zones),
        "IPv6": get(_NO_IPV6).strip() == "0",
        "NAT": any(zone.options.get("masq") in _TRUE for zone in zones),
        "Router": get(_FORWARD).strip() == "1",
        "Wireless": bool(wireless.of_type("wifi-device")),
    }
    return [name for name, there in found.items() if there]


identity = Computed(_uuid)
features = Computed(_features, None, _NO_IPV6, _FORWARD, _SERVERS, *_PACKAGES)
