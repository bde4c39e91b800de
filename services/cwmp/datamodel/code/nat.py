"""NAT as fw4 has it: zones hold networks, ``src_dport`` holds a port or a range (``8000-8010``, ``8000:8010``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row
    from ubuskit.uci import Section

_FIREWALL = Need("uci", "firewall")
_NETWORK = Need("uci", "network")
_INTERFACES = "Device.IP.Interface.{i}."
_PORTS = re.compile(r"(\d{1,5})(?:[-:](\d{1,5}))?", re.ASCII)
_FALSE = frozenset({"0", "off", "no", "false", "disabled"})


def _networks(zone: Section) -> list[str]:
    value = zone.options.get("network", [])
    return value.split() if isinstance(value, str) else list(value)


def _read_zone(row: Row) -> str | None:
    """The name of the zone that the network `row` is in."""
    for zone in row.view.snapshot.package("firewall").of_type("zone"):
        if row.key in _networks(zone):
            return str(zone.options.get("name", "")) or None
    return None


def _read_first_network(row: Row) -> str:
    """The interface that stands for the zone: the first of its networks that there is."""
    rows = row.view.by(_INTERFACES, "")
    for name in _networks(row.section) if row.section is not None else ():
        if name in rows:
            return rows[name].path[:-1]
    return ""


def _write_first_network(row: Row, text: str, staging: Staging) -> None:
    """A zone made a moment ago moves into the zone that has the network, or becomes the zone of its name."""
    if row.section is None or text == _read_first_network(row):
        return
    own, networks = row.section, _networks(row.section)
    if not text:
        staging.set_option("firewall", own, "network", networks[1:])
        return
    name = next((n for n, r in row.view.by(_INTERFACES, "").items() if r.path == f"{text}."), "")
    if not name:
        raise ValueFault(f"{text} is no IP interface")
    zones = row.view.snapshot.package("firewall").of_type("zone")
    other = next((z for z in zones if name in _networks(z) and z is not own), None)
    new = not own.options.get("name")
    if other is not None and (other.options.get("masq") or not new):
        raise ValueFault(f"{name} is in the zone {other.options.get('name')}")
    if other is not None:
        staging.set_option("firewall", other, "masq", own.options.get("masq", "0"))
        staging.adopt(row, "firewall", other)
        return
    if new:
        staging.set_option("firewall", own, "name", re.sub("[^A-Za-z0-9_]", "_", name))
    staging.set_option("firewall", own, "network", [name, *(n for n in networks[1:] if n != name)])


def _is_on(row: Row, name: str, default: str) -> bool:
    return (option(row, name) or default) not in _FALSE


def _read_setting_status(row: Row) -> str:
    if not _is_on(row, "masq", "0"):
        return "Disabled"
    return "Enabled" if _is_on(row, "enabled", "1") else "Error_Misconfigured"


def _read_mapping_status(row: Row) -> str:
    if not _is_on(row, "enabled", "1"):
        return "Disabled"
    zones = {zone.options.get("name") for zone in row.view.snapshot.package("firewall").of_type("zone")}
    return "Enabled" if option(row, "src") in zones else "Error_Misconfigured"


def _range(row: Row, name: str) -> tuple[int, int]:
    """First and last port of an option; (0, 0) where it says nothing: all ports."""
    found = _PORTS.fullmatch(option(row, name))
    if found is None:
        return 0, 0
    return int(found[1]), int(found[2] or found[1])


def _set_range(row: Row, name: str, first: int, last: int, staging: Staging) -> None:
    value = "" if not first else str(first) if last <= first else f"{first}-{last}"
    set_option(row, "firewall", name, value, staging)


def _write_external(row: Row, text: str, staging: Staging) -> None:
    _set_range(row, "src_dport", int(text), _range(row, "src_dport")[1], staging)


def _read_external_end(row: Row) -> int:
    first, last = _range(row, "src_dport")
    return last if last > first else 0


def _write_external_end(row: Row, text: str, staging: Staging) -> None:
    first, last = _range(row, "src_dport")[0], int(text)
    if last and last < first:
        raise ValueFault("lower than ExternalPort")
    if last and not first:
        raise ValueFault("a range begins with ExternalPort, which is 0: all ports")
    _set_range(row, "src_dport", first, last, staging)


def _write_internal(row: Row, text: str, staging: Staging) -> None:
    _set_range(row, "dest_port", int(text), 0, staging)


zone = Computed(_read_zone, None, _FIREWALL)
first_network = Computed(_read_first_network, _write_first_network, _FIREWALL, _NETWORK)
setting_status = Computed(_read_setting_status, None, _FIREWALL)
mapping_status = Computed(_read_mapping_status, None, _FIREWALL)
external_port = Computed(lambda row: _range(row, "src_dport")[0], _write_external, _FIREWALL)
external_port_end = Computed(_read_external_end, _write_external_end, _FIREWALL)
internal_port = Computed(lambda row: _range(row, "dest_port")[0], _write_internal, _FIREWALL)
