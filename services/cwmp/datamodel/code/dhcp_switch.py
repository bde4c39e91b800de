"""DHCPv4 of dnsmasq, switched on and off: a pool by ``ignore``, all of them by pausing those that are on.

dnsmasq has no switch for all pools. While the server is off, ``dhcp_paused`` stands in its section and in each pool
that would be on; daemons know neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.code.dhcp_sections import DHCP, NETWORK, interface_name, sections, text_of
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row
    from ubuskit.uci import Section

_PAUSED = "dhcp_paused"
_TRUE = frozenset({"1", "on", "yes", "true", "enabled"})
_SERVICES = Need("ubus", "service list")


def _ignored(section: Section) -> bool:
    return text_of(section, "ignore") in _TRUE


def _server(row: Row) -> Section | None:
    found = row.view.snapshot.package("dhcp").of_type("dnsmasq")
    return found[0] if found else None


def _read_server(row: Row) -> bool:
    server = _server(row)
    return server is None or text_of(server, _PAUSED) not in _TRUE


def _write_server(row: Row, text: str, staging: Staging) -> None:
    if (text == "true") == _read_server(row):
        return
    server = _server(row)
    if server is None:
        raise ValueFault("dnsmasq is not configured")
    stop = text == "false"
    staging.set_option("dhcp", server, _PAUSED, "1" if stop else "")
    for section in sections(row):
        if stop and not _ignored(section):
            staging.set_option("dhcp", section, "ignore", "1")
            staging.set_option("dhcp", section, _PAUSED, "1")
        elif not stop and text_of(section, _PAUSED):
            staging.set_option("dhcp", section, "ignore", "")
            staging.set_option("dhcp", section, _PAUSED, "")


def _read_enable(row: Row) -> bool:
    return row.section is not None and (not _ignored(row.section) or bool(option(row, _PAUSED)))


def _write_enable(row: Row, text: str, staging: Staging) -> None:
    on = text == "true"
    if on == _read_enable(row):
        return
    paused = on and not _read_server(row)
    set_option(row, "dhcp", "ignore", "" if on and not paused else "1", staging)
    set_option(row, "dhcp", _PAUSED, "1" if paused else "", staging)


def _read_status(row: Row) -> str:
    """dnsmasq serves static interfaces only; odhcpd serves where it was made the main DHCP server."""
    if row.section is None or _ignored(row.section):
        return "Disabled"
    package = row.view.snapshot.package("dhcp")
    main = any(text_of(s, "maindhcp") in _TRUE for s in package.of_type("odhcpd"))
    interface = row.view.snapshot.package("network").sections.get(interface_name(row))
    if interface is None or text_of(interface, "proto") != "static":
        return "Error_Misconfigured"
    services = row.view.snapshot.get(_SERVICES)
    instances = services.get("odhcpd" if main else "dnsmasq", {}).get("instances", {})
    return "Enabled" if any(i.get("running") for i in instances.values()) else "Error"


server = Computed(_read_server, _write_server, DHCP)
enable = Computed(_read_enable, _write_enable, DHCP)
status = Computed(_read_status, None, DHCP, NETWORK, _SERVICES)
