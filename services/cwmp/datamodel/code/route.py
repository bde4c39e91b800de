"""Routes: `config route` and `config route6`, and those that netifd was given with an interface.

A configured one has ``target`` with ``netmask``, or both as ``10.0.0.0/8``; it is in force when netifd lists it.
Others are rows without a section: nothing of them can be set. netifd does not say which of its routes were
configured, so those of an interface with configured addresses are taken to be so, all but the default route.

The main table is a router, and each `config router` is one more: a section that only we read, made by the ACS, with
the ``table`` that its routes are put into.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.code._rows import ComputedRows
from cwmp.datamodel.code.layers import IP
from cwmp.datamodel.tables import RowSource, SectionRows, There
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.snapshot import Need
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Object, Row
    from ubuskit.uci import Section

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NO_GATEWAYS = ("0.0.0.0", "::")  # noqa: S104  # as netifd lists them, not to bind to
_MAIN = ("", "main", "254")
_FIRST_TABLE = 1000
_FOREVER = "9999-12-31T23:59:59Z"
_PREFERENCES = {384: "High", 512: "Medium", 640: "Low"}
"""odhcp6c's metrics of the routes that routers advertise."""


class Route(NamedTuple):
    """One that netifd lists."""

    interface: str
    protocol: str
    network: Network
    gateway: str
    metric: int
    table: str
    valid: int | None
    active: bool

    @property
    def key(self) -> str:
        return f"{self.interface} {self.network} {self.gateway}"


def _listed(row: Row) -> list[Route]:
    found: list[Route] = row.view.root.cached(_parse, _parse)
    return found


def _parse(row: Row) -> list[Route]:
    found = []
    for name, interface in netifd.interfaces(row).items():
        inactive = interface.get("inactive") or {}
        for active, entries in (True, interface.get("route")), (False, inactive.get("route")):
            for entry in entries or []:
                try:
                    network = ipaddress.ip_network(f"{entry['target']}/{entry['mask']}", strict=False)
                except (KeyError, ValueError):
                    continue
                gateway = str(entry.get("nexthop", ""))
                found.append(
                    Route(
                        name,
                        str(interface.get("proto", "")),
                        network,
                        "" if gateway in _NO_GATEWAYS else gateway,
                        int(entry.get("metric", -1)),
                        str(entry.get("table", "")),
                        entry.get("valid"),
                        active,
                    )
                )
    return found


def _target(section: Section | None, version: int) -> Network | None:
    """The destination, None where there is none that could be understood. A target without mask is a host."""
    text = netifd.text(section, "target")
    mask = (netifd.text(section, "netmask") or "255.255.255.255") if version == 4 else "128"
    try:
        found = ipaddress.ip_network(text if "/" in text else f"{text}/{mask}", strict=False)
    except ValueError:
        return None
    return found if found.version == version else None


# -- routers ------------------------------------------------------------------------------------------------------


def _find_routers(parent: Row) -> list[There]:
    found = [There("main", None, {"table": ""})]
    return found + [
        There(s.name, s, {"table": netifd.text(s, "table")}, True) for s in netifd.sections(parent, "router")
    ]


def _add_router(parent: Row, number: int, staging: Staging) -> There:
    taken = {netifd.text(s, "table") for s in netifd.sections(parent, "router")}
    table = next(
        t for t in map(str, range(_FIRST_TABLE + number, _FIRST_TABLE + number + 10_000)) if t not in taken
    )
    section = staging.add_section("network", "router", f"router_{number}", {"table": table})
    return There(section.name, section, {"table": table}, True)


def _remove_router(row: Row, staging: Staging) -> None:
    if row.section is None:
        raise ValueFault("the main routing table stays")
    table = netifd.text(row.section, "table")
    for kind in "route", "route6":
        for section in list(netifd.sections(row, kind)):
            if netifd.text(section, "table") == table:
                staging.delete_section("network", section)
    staging.delete_section("network", row.section)


# -- routes -------------------------------------------------------------------------------------------------------


class RouteRows(RowSource):
    """The routes of one IP version in the table of the router around."""

    creates = True
    package = "network"

    def __init__(self, version: int) -> None:
        super().__init__()
        self._version = version
        self._sections = SectionRows("network", "route" if version == 4 else "route6")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({netifd.NETWORK, netifd.DUMP})

    def there(self, parent: Row) -> list[There]:
        table = parent.item["table"]
        mine = [t for t in self._sections.there(parent) if _in_table(netifd.text(t.section, "table"), table)]
        found = [There(t.key, t.section, None, True) for t in mine]
        configured = {(_target(t.section, self._version), netifd.text(t.section, "gateway")) for t in mine}
        return found + [
            There(route.key, None, route)
            for route in self._given(parent)
            if _in_table(route.table, table) and (route.network, route.gateway) not in configured
        ]

    def _given(self, parent: Row) -> Iterator[Route]:
        if not netifd.listed(parent):
            return
        for route in _listed(parent):
            configured = route.protocol in ("static", "none") and route.network.prefixlen
            if route.active and route.network.version == self._version and not configured:
                yield route

    def add(self, parent: Row, node: Object, number: int, staging: Staging) -> There:
        new = self._sections.add(parent, node, number, staging)
        if parent.item["table"] and new.section is not None:
            staging.set_option("network", new.section, "table", parent.item["table"])
        return new

    def remove(self, row: Row, staging: Staging) -> None:
        if row.item is not None:
            raise ValueFault("it comes with its interface")
        self._sections.remove(row, staging)


def _in_table(one: str, other: str) -> bool:
    return one == other or (one in _MAIN and other in _MAIN)


def _own(row: Row) -> Section | None:
    """The route's section; None of one that came with an interface."""
    return row.section if row.item is None else None


def _set(row: Row, name: str, value: str, staging: Staging) -> None:
    if row.item is not None:
        raise ValueFault("it comes with its interface")
    set_option(row, "network", name, value, staging)


def _read_enable(row: Row) -> bool:
    return not netifd.is_on(_own(row), "disabled", default=False)


def _write_enable(row: Row, text: str, staging: Staging) -> None:
    if (text == "true") != _read_enable(row):
        _set(row, "disabled", "0" if text == "true" else "1", staging)


def _read_interface(row: Row) -> str:
    name = row.item.interface if row.item is not None else option(row, "interface")
    return netifd.path_of(row, IP, "", name)


def _write_interface(row: Row, text: str, staging: Staging) -> None:
    names = {target.path[:-1]: name for name, target in row.view.by(IP, "").items()}
    _set(row, "interface", names[text] if text else "", staging)


def _read_gateway(row: Row) -> str | None:
    return (row.item.gateway if row.item is not None else option(row, "gateway")) or None


def _read_metric(row: Row) -> int:
    if row.item is not None:
        return int(row.item.metric)
    text = option(row, "metric")
    return int(text) if text.isdecimal() else -1


def _write_metric(row: Row, text: str, staging: Staging) -> None:
    _set(row, "metric", "" if text == "-1" else text, staging)


def _read_status(row: Row, version: int) -> str:
    if row.item is not None:
        return "Enabled"
    if not _read_enable(row):
        return "Disabled"
    target = _target(row.section, version)
    if target is None:
        return "Error_Misconfigured"
    wanted = (target, option(row, "gateway"))
    there = any((r.network, r.gateway) == wanted and r.active for r in _listed(row))
    return "Enabled" if there else "Error"


def _read_destination(row: Row) -> str | None:
    if row.item is not None:
        return str(row.item.network.network_address)
    return option(row, "target").partition("/")[0] if _target(row.section, 4) is not None else None


def _write_destination(row: Row, text: str, staging: Staging) -> None:
    _, slash, length = option(row, "target").partition("/")
    _set(row, "target", text + slash + length if text else "", staging)


def _read_mask(row: Row) -> str | None:
    found = row.item.network if row.item is not None else _target(row.section, 4)
    return str(found.netmask) if found is not None else option(row, "netmask") or None


def _write_mask(row: Row, text: str, staging: Staging) -> None:
    length = _length(text) if text else 32
    address, slash, _ = option(row, "target").partition("/")
    if slash:
        _set(row, "target", f"{address}/{length}", staging)
    else:
        _set(row, "netmask", text, staging)


def _length(mask: str) -> int:
    """The length of a mask; what has ones behind zeros is none."""
    try:
        network = ipaddress.IPv4Network(f"0.0.0.0/{mask}")
    except ValueError:
        raise ValueFault("not a subnet mask") from None
    if str(network.netmask) != mask:
        raise ValueFault("not a subnet mask")
    return network.prefixlen


def _read_prefix(row: Row) -> str | None:
    found = row.item.network if row.item is not None else _target(row.section, 6)
    return None if found is None else str(found)


def _write_prefix(row: Row, text: str, staging: Staging) -> None:
    try:
        _set(row, "target", str(ipaddress.IPv6Network(text)) if text else "", staging)
    except ValueError as error:
        raise error if isinstance(error, ValueFault) else ValueFault("not an IPv6 prefix") from None


def _write_gateway6(row: Row, text: str, staging: Staging) -> None:
    try:
        _set(row, "gateway", str(ipaddress.IPv6Address(text)) if text else "", staging)
    except ValueError as error:
        raise error if isinstance(error, ValueFault) else ValueFault("not an IPv6 address") from None


def _write_gateway(row: Row, text: str, staging: Staging) -> None:
    _set(row, "gateway", text, staging)


_ORIGINS4 = {
    "dhcp": "DHCPv4",
    "ppp": "IPCP",
    "pppoe": "IPCP",
    "pppoa": "IPCP",
    "pptp": "IPCP",
    "l2tp": "IPCP",
}


def _read_origin(row: Row) -> str:
    return _ORIGINS4.get(row.item.protocol, "Static") if row.item is not None else "Static"


def _read_origin6(row: Row) -> str:
    """DHCPv6 gives no routes: odhcp6c has them from router advertisements."""
    return "RA" if row.item is not None and row.item.protocol == "dhcpv6" else "Static"


def _expiry(valid: Any) -> str:
    if not isinstance(valid, int):
        return _FOREVER
    end = round((time.time() + valid) / 60) * 60
    return f"{datetime.fromtimestamp(end, UTC):%Y-%m-%dT%H:%M:%SZ}" if end < 2**33 else _FOREVER


def _read_expiry(row: Row) -> str:
    return _expiry(row.item.valid if row.item is not None else None)


# -- what routers advertise ---------------------------------------------------------------------------------------


def _find_advertised(parent: Row) -> list[There]:
    """The routes of IPv6 router advertisements, the default ones left out (RFC 4191)."""
    if not netifd.listed(parent):
        return []
    return [
        There(route.key, None, route)
        for route in _listed(parent)
        if route.network.version == 6 and route.network.prefixlen and route.protocol == "dhcpv6"
    ]


_NEEDS = (netifd.NETWORK, netifd.DUMP)
routers = ComputedRows(_find_routers, netifd.NETWORK, add=_add_router, remove=_remove_router)
ipv4 = RouteRows(4)
ipv6 = RouteRows(6)
enable = Computed(_read_enable, _write_enable, netifd.NETWORK)
static = Computed(lambda row: row.item is None, None, netifd.NETWORK)
interface = Computed(_read_interface, _write_interface, *_NEEDS, prepare=lambda row: row.view.by(IP, ""))
gateway = Computed(_read_gateway, _write_gateway, netifd.NETWORK)
gateway6 = Computed(_read_gateway, _write_gateway6, netifd.NETWORK)
destination = Computed(_read_destination, _write_destination, netifd.NETWORK)
mask = Computed(_read_mask, _write_mask, netifd.NETWORK)
prefix = Computed(_read_prefix, _write_prefix, netifd.NETWORK)
metric = Computed(_read_metric, _write_metric, netifd.NETWORK)
origin = Computed(_read_origin, None, netifd.DUMP)
origin6 = Computed(_read_origin6, None, netifd.DUMP)
expiry = Computed(_read_expiry, None, netifd.DUMP)
status = Computed(lambda row: _read_status(row, 4), None, *_NEEDS)
status6 = Computed(lambda row: _read_status(row, 6), None, *_NEEDS)
advertised = ComputedRows(_find_advertised, netifd.DUMP)
source = Computed(lambda row: row.item.gateway, None, netifd.DUMP)
preference = Computed(lambda row: _PREFERENCES.get(row.item.metric, "Medium"), None, netifd.DUMP)
in_force = Computed(
    lambda row: "ForwardingEntryCreated" if row.item.active else "NoForwardingEntry", None, netifd.DUMP
)
