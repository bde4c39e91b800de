"""Prefixes that DHCPv6 hands out: what netifd assigned to the interface, and how much longer a delegated one is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.code.dhcp_sections import DHCP, NETWORK, interface_name
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_DUMP = Need("ubus", "network.interface dump")
_PREFIXES = "Device.IP.Interface.{i}.IPv6Prefix.{i}."
_LEAST = 62
"""Length of a delegated prefix, where odhcpd is told nothing."""


def _assignments(row: Row) -> list[Mapping[str, Any]]:
    name = interface_name(row)
    for interface in row.view.snapshot.get(_DUMP).get("interface", []):
        if interface.get("interface") == name:
            return [a for a in interface.get("ipv6-prefix-assignment", []) if isinstance(a, dict)]
    return []


def _length(row: Row) -> int | None:
    """The length of the interface's own prefixes."""
    return next((a["mask"] for a in _assignments(row) if isinstance(a.get("mask"), int)), None)


def _read_add_length(row: Row) -> int | None:
    """odhcpd delegates no prefix as long as the interface's own."""
    own, least = _length(row), option(row, "dhcpv6_pd_min_len")
    if own is None:
        return None
    return max(int(least) if least.isdecimal() else _LEAST, own + 1) - own


def _write_add_length(row: Row, text: str, staging: Staging) -> None:
    own = _length(row)
    if own is None:
        raise ValueFault("the interface has no prefix now")
    if int(text) == 0 or own + int(text) > 64:
        raise ValueFault(f"1 to {64 - own}, as long as the interface has a prefix of {own} bits")
    set_option(row, "dhcp", "dhcpv6_pd_min_len", str(own + int(text)), staging)


def _read_prefixes(row: Row) -> list[str]:
    """Those of the interface's prefixes that are rows of the model."""
    if row.view.model.find(_PREFIXES) is None:
        return []
    wanted = {f"{a.get('address')}/{a.get('mask')}" for a in _assignments(row)}
    interface = row.view.by("Device.IP.Interface.{i}.", "").get(interface_name(row))
    if interface is None:
        return []
    return [
        prefix.path[:-1]
        for prefix in row.view.table(_PREFIXES)
        if prefix.path.startswith(interface.path)
        and prefix.object.parameters["Prefix"].value(prefix) in wanted
    ]


prefixes = Computed(_read_prefixes, None, DHCP, NETWORK, _DUMP)
add_length = Computed(_read_add_length, _write_add_length, DHCP, _DUMP)
