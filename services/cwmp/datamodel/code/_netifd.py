"""What netifd and /etc/config/network say of interfaces and devices, for the code beside.

A device has a name. `config device` of a type makes one (a bridge, a VLAN), without type it only sets options of
one that is there. ``eth0.2`` and ``br-lan.10`` are VLANs that nobody declared: netifd makes them because an
interface or a bridge names them. ``@wan`` is the device of another interface.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from cwmp.datamodel.snapshot import Need, SourceFailed
from cwmp.datamodel.types import split_raw
from ubuskit.uci import Section

if TYPE_CHECKING:
    from cwmp.datamodel.tree import Row

NETWORK = Need("uci", "network")
DUMP = Need("ubus", "network.interface dump")
DEVICES = Need("ubus", "network.device status")
PPP = frozenset({"ppp", "pppoe", "pppoa", "pptp", "l2tp"})
VLANS = ("8021q", "8021ad")

_FALSE = frozenset({"0", "off", "no", "false", "disabled"})
_IMPLICIT = re.compile(r"(.+)\.(\d{1,4})")
_MAX_ALIASES = 4


class Vlan(NamedTuple):
    """A VLAN device: what it is on, and its number."""

    below: str
    number: str


def text(section: Section | None, option: str) -> str:
    """An option as one text, of a list the first item; "" where it is not there."""
    value = section.options.get(option, "") if section is not None else ""
    return value if isinstance(value, str) else value[0] if value else ""


def items(section: Section | None, option: str) -> list[str]:
    """An option as a list, however it is written."""
    value = section.options.get(option, []) if section is not None else []
    return split_raw(value) if isinstance(value, str) else list(value)


def is_on(section: Section | None, option: str, *, default: bool) -> bool:
    value = text(section, option)
    return default if not value else value not in _FALSE


def interfaces(row: Row) -> Mapping[str, Mapping[str, Any]]:
    """netifd's interfaces by name, those without a section (``wan_6``) too."""
    entries = row.view.snapshot.get(DUMP).get("interface", [])
    return row.view.index(entries, "interface") if isinstance(entries, list) else {}


def listed(row: Row) -> Mapping[str, Mapping[str, Any]]:
    """As `interfaces`, none where netifd does not answer: what is configured has rows all the same."""
    try:
        return interfaces(row)
    except SourceFailed as failure:
        row.view.note(failure)
        return {}


def devices(row: Row) -> Mapping[str, Mapping[str, Any]]:
    """The devices that are present, by name."""
    found: Mapping[str, Mapping[str, Any]] = row.view.snapshot.get(DEVICES)
    return found


def present(row: Row) -> Mapping[str, Mapping[str, Any]]:
    """As `devices`, none where netifd does not answer."""
    try:
        return devices(row)
    except SourceFailed as failure:
        row.view.note(failure)
        return {}


def sections(row: Row, kind: str) -> list[Section]:
    """The sections of /etc/config/network of one type."""
    return row.view.snapshot.package("network").of_type(kind)


def device_section(row: Row, name: str) -> Section | None:
    """The `config device` of this name."""
    declared: dict[str, Section] = row.view.root.cached(_by_name, _by_name)
    return declared.get(name)


def _by_name(row: Row) -> dict[str, Section]:
    found: dict[str, Section] = {}
    for section in sections(row, "device"):
        found.setdefault(text(section, "name"), section)
    return found


def vlan_of(row: Row, device: str) -> Vlan | None:
    """What VLAN `device` is, if it is one."""
    section = device_section(row, device)
    if section is not None and text(section, "type") in VLANS:
        return Vlan(text(section, "ifname"), text(section, "vid"))
    found = _IMPLICIT.fullmatch(device)
    return Vlan(found[1], found[2]) if found and section is None else None


def device_of(row: Row, name: str) -> str:
    """The device that the interface `name` stands on, as its section or netifd says; "" for none."""
    package = row.view.snapshot.package("network")
    for _ in range(_MAX_ALIASES):
        section = package.sections.get(name)
        device = text(section, "device") or text(section, "ifname")
        if not device:
            device = str(listed(row).get(name, {}).get("device", ""))
        if not device.startswith("@"):
            return device.split()[0] if device else ""
        name = device[1:]
    return ""


def protocol_of(row: Row, name: str) -> str:
    """The protocol of the interface `name`, that of the one below where it only borrows its device."""
    package = row.view.snapshot.package("network")
    for _ in range(_MAX_ALIASES):
        section = package.sections.get(name)
        if section is None:
            return str(listed(row).get(name, {}).get("proto", ""))
        device = text(section, "device") or text(section, "ifname")
        if not device.startswith("@"):
            return text(section, "proto")
        name = device[1:]
    return ""


def interface_names(row: Row) -> Iterator[str]:
    """Every interface: those of /etc/config/network, then those that netifd made."""
    known = {section.name: None for section in sections(row, "interface")}
    yield from known
    for name in listed(row):
        if name not in known:
            yield name


def path_of(row: Row, table: str, match: str, name: str) -> str:
    """The path of the row of `table` where `match` is `name`, without its dot; "" where there is none.

    A table whose source fails has no rows here: a router without radios has no ``network.wireless``.
    """
    try:
        found = row.view.by(table, match).get(name)
    except SourceFailed as failure:
        row.view.note(failure)
        return ""
    return "" if found is None else found.path[:-1]
