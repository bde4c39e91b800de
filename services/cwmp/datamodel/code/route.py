"""Static routes: ``target`` with ``netmask``, or both as ``10.0.0.0/8``; in force when netifd lists them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_NETWORK = Need("uci", "network")
_DUMP = Need("ubus", "network.interface dump")
_NO_GATEWAY = "0.0.0.0"  # noqa: S104  # as netifd lists it, not to bind to


def _target(row: Row) -> ipaddress.IPv4Network | None:
    """The destination, None where there is none that could be understood. A target without mask is a host."""
    text = option(row, "target")
    mask = option(row, "netmask") or "255.255.255.255"
    try:
        return ipaddress.IPv4Network(text if "/" in text else f"{text}/{mask}", strict=False)
    except ValueError:
        return None


def _read_destination(row: Row) -> str | None:
    found = _target(row)
    return option(row, "target").partition("/")[0] if found is not None else None


def _write_destination(row: Row, text: str, staging: Staging) -> None:
    _, slash, length = option(row, "target").partition("/")
    set_option(row, "network", "target", text + slash + length if text else "", staging)


def _read_mask(row: Row) -> str | None:
    found = _target(row)
    return str(found.netmask) if found is not None else option(row, "netmask") or None


def _write_mask(row: Row, text: str, staging: Staging) -> None:
    length = _length(text) if text else 32
    address, slash, _ = option(row, "target").partition("/")
    if slash:
        set_option(row, "network", "target", f"{address}/{length}", staging)
    else:
        set_option(row, "network", "netmask", text, staging)


def _length(mask: str) -> int:
    """The length of a mask; what has ones behind zeros is none."""
    try:
        network = ipaddress.IPv4Network(f"0.0.0.0/{mask}")
    except ValueError:
        raise ValueFault("not a subnet mask") from None
    if str(network.netmask) != mask:
        raise ValueFault("not a subnet mask")
    return network.prefixlen


def _read_metric(row: Row) -> int:
    text = option(row, "metric")
    return int(text) if text.isdecimal() else -1


def _write_metric(row: Row, text: str, staging: Staging) -> None:
    set_option(row, "network", "metric", "" if text == "-1" else text, staging)


def _read_status(row: Row) -> str:
    if option(row, "disabled") in ("1", "on", "yes", "true", "enabled"):
        return "Disabled"
    target = _target(row)
    if target is None:
        return "Error_Misconfigured"
    gateway = option(row, "gateway") or _NO_GATEWAY
    wanted = (str(target.network_address), target.prefixlen, gateway)
    for interface in row.view.snapshot.get(_DUMP).get("interface", []):
        for route in interface.get("route", []):
            if (route.get("target"), route.get("mask"), route.get("nexthop", _NO_GATEWAY)) == wanted:
                return "Enabled"
    return "Error"


destination = Computed(_read_destination, _write_destination, _NETWORK)
mask = Computed(_read_mask, _write_mask, _NETWORK)
metric = Computed(_read_metric, _write_metric, _NETWORK)
status = Computed(_read_status, None, _NETWORK, _DUMP)
