"""Zones and rules of fw4: a zone is a level and its chain at once, the rules from that zone are the chain's.

`input` and `forward` of a zone say what becomes of packets that no rule is for. A rule without `dest` is about
packets to the router itself, one with it about those that pass on to that zone; of several protocols, addresses or
ports in one rule the first is shown and changed. A value that begins with ``!`` means all others. What marks packets
or changes them (targets MARK, DSCP, NOTRACK, HELPER), or comes from nowhere (output), is no row.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tables import SectionRows
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row
    from ubuskit.uci import Section

_FIREWALL = Need("uci", "firewall")
_INTERFACES = "Device.IP.Interface.{i}."
_LEVELS = "Device.Firewall.Level.{i}."
_OURS = re.compile(r"zone_\d+")
_POLICIES = {"ACCEPT": "Accept", "DROP": "Drop", "REJECT": "Reject"}
_POLICY_OF_ALL = "DROP"
_REFERRING = (("rule", ("src", "dest")), ("forwarding", ("src", "dest")), ("redirect", ("src", "dest")))
_PROTOCOLS = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ospf": 89,
    "sctp": 132, "udplite": 136,
}  # fmt: skip
_SAME = {"ipv6-icmp": 58, "tcpudp": 6}
_ALL = ("all", "any", "*")
_ANY = "*"


class ZoneRows(SectionRows):
    """Zones. One that is deleted takes with it what names it: fw4 would only complain about that."""

    def __init__(self) -> None:
        super().__init__("firewall", "zone")

    def remove(self, row: Row, staging: Staging) -> None:
        name = option(row, "name")
        for section in _naming(row, name) if name else ():
            staging.delete_section("firewall", section)
        super().remove(row, staging)


def _naming(row: Row, zone: str) -> Iterator[Section]:
    package = row.view.snapshot.package("firewall")
    for kind, options in _REFERRING:
        yield from (s for s in package.of_type(kind) if zone in [netifd.text(s, o) for o in options])


def _zones(row: Row) -> list[Section]:
    return row.view.snapshot.package("firewall").of_type("zone")


def _zone(row: Row, name: str) -> Section | None:
    return next((zone for zone in _zones(row) if netifd.text(zone, "name") == name), None)


# Levels and chains


def _write_name(row: Row, text: str, staging: Staging) -> None:
    old = option(row, "name")
    if text == old:
        return
    if _zone(row, text) is not None:
        raise ValueFault("another zone has this name")
    for section in _naming(row, old) if old else ():
        for name in ("src", "dest"):
            if netifd.text(section, name) == old:
                staging.set_option("firewall", section, name, text)
    set_option(row, "firewall", "name", text, staging)


def _read_policy(row: Row) -> str | None:
    defaults = row.view.snapshot.package("firewall").of_type("defaults")
    common = netifd.text(defaults[0], "input") if defaults else ""
    return _POLICIES.get((option(row, "input") or common or _POLICY_OF_ALL).upper())


def _write_policy(row: Row, text: str, staging: Staging) -> None:
    if text == _read_policy(row):
        return
    policy = next(policy for policy, name in _POLICIES.items() if name == text)
    for name in ("input", "forward"):
        set_option(row, "firewall", name, policy, staging)


def _read_level(row: Row) -> str:
    """The level towards the network: of the zone that a default route leaves through."""
    for name, interface in netifd.interfaces(row).items():
        if any(route.get("mask") == 0 for route in interface.get("route", [])):
            zone = next((z for z in _zones(row) if name in netifd.items(z, "network")), None)
            if zone is not None:
                return netifd.path_of(row, _LEVELS, "", zone.name)
    return ""


# Rules


def _read_order(row: Row) -> int | None:
    """Its place among the rules of the chain: fw4 asks them in the order of the file."""
    src = option(row, "src")
    rules = row.view.snapshot.package("firewall").of_type("rule")
    names = [rule.name for rule in rules if netifd.text(rule, "src") == src]
    return (
        names.index(row.section.name) + 1 if row.section is not None and row.section.name in names else None
    )


def _read_status(row: Row) -> str:
    if not netifd.is_on(row.section, "enabled", default=True):
        return "Disabled"
    dest = option(row, "dest")
    there = dest in ("", _ANY) or _zone(row, dest) is not None
    return "Enabled" if there and option(row, "target") else "Error_Misconfigured"


def _first_interface(row: Row, zone: str) -> str:
    for name in netifd.items(_zone(row, zone), "network"):
        if path := netifd.path_of(row, _INTERFACES, "", name):
            return path
    return ""


def _write_destination(row: Row, text: str, staging: Staging) -> None:
    if text == _first_interface(row, option(row, "dest")):
        return
    name = next((n for n, r in row.view.by(_INTERFACES, "").items() if r.path == f"{text}."), "")
    zone = next(
        (netifd.text(z, "name") for z in _zones(row) if name and name in netifd.items(z, "network")), ""
    )
    if text and not zone:
        raise ValueFault(f"{text} is in no zone")
    set_option(row, "firewall", "dest", zone, staging)


def _write_all(row: Row, text: str, staging: Staging) -> None:
    if (text == "true") != (option(row, "dest") == _ANY):
        set_option(row, "firewall", "dest", _ANY if text == "true" else "", staging)


class Matched:
    """An option that a rule matches packets by: a value or a list of them, each maybe the opposite (``!``)."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.exclude = Computed(lambda row: self.first(row)[0], self._write_exclude, _FIREWALL)

    def first(self, row: Row) -> tuple[bool, str]:
        """Whether the first value is excluded, and the value."""
        items = netifd.items(row.section, self._name)
        text = items[0] if items else ""
        return text.startswith("!"), text.lstrip("! ")

    def put(self, row: Row, text: str, staging: Staging) -> None:
        """Have the first value be `text`, excluded or not as it was; "" deletes it."""
        excluded, _ = self.first(row)
        value = f"!{text}" if excluded and text else text
        old = row.section.options.get(self._name, []) if row.section is not None else []
        rest = netifd.items(row.section, self._name)[1:]
        items = [value, *rest] if value else rest
        set_option(
            row, "firewall", self._name, items if isinstance(old, list) and old else " ".join(items), staging
        )

    def _write_exclude(self, row: Row, text: str, staging: Staging) -> None:
        excluded, value = self.first(row)
        if excluded == (text == "true"):
            return
        if not value:
            raise ValueFault("there is nothing to exclude")
        rest = netifd.items(row.section, self._name)[1:]
        items = [value if excluded else f"!{value}", *rest]
        set_option(row, "firewall", self._name, " ".join(items) if len(items) == 1 else items, staging)


class Address(Matched):
    """``src_ip``, ``dest_ip``: an address or a prefix."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.address = Computed(
            lambda row: self.first(row)[1].partition("/")[0], self._write_address, _FIREWALL
        )
        self.mask = Computed(self._read_mask, self._write_mask, _FIREWALL)

    def _read_mask(self, row: Row) -> str:
        value = self.first(row)[1]
        return value if "/" in value else ""

    def _write_address(self, row: Row, text: str, staging: Staging) -> None:
        old = self.first(row)[1]
        address, slash, length = old.partition("/")
        if text != address:
            self.put(row, _prefix(f"{text}{slash}{length}") if text else "", staging)

    def _write_mask(self, row: Row, text: str, staging: Staging) -> None:
        if text != self._read_mask(row):
            address = self.first(row)[1].partition("/")[0]
            self.put(row, _prefix(text) if text else address, staging)


def _prefix(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueFault("neither an address nor a prefix") from None
    return text


class Ports(Matched):
    """``src_port``, ``dest_port``: a port or a range of them."""

    _RANGE = re.compile(r"(\d{1,5})(?:[-:](\d{1,5}))?", re.ASCII)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.port = Computed(lambda row: self._ports(row)[0], self._write_port, _FIREWALL)
        self.last = Computed(lambda row: self._ports(row)[1], self._write_last, _FIREWALL)

    def _ports(self, row: Row) -> tuple[int, int]:
        found = self._RANGE.fullmatch(self.first(row)[1])
        return (int(found[1]), int(found[2]) if found[2] else -1) if found else (-1, -1)

    def _write_port(self, row: Row, text: str, staging: Staging) -> None:
        first, last = self._ports(row)
        if int(text) != first:
            self.put(row, _ports(int(text), last if last > int(text) else -1), staging)

    def _write_last(self, row: Row, text: str, staging: Staging) -> None:
        first, last = self._ports(row)
        if int(text) == last:
            return
        if int(text) != -1 and (first == -1 or int(text) < first):
            raise ValueFault(
                "lower than where the range begins" if first != -1 else "a range begins with a port"
            )
        self.put(row, _ports(first, int(text)), staging)


def _ports(first: int, last: int) -> str:
    return "" if first == -1 else str(first) if last in (-1, first) else f"{first}-{last}"


class Protocols(Matched):
    """``proto``: a name or a number; fw4 takes a rule without it as one for TCP and UDP."""

    def __init__(self) -> None:
        super().__init__("proto")
        self.number = Computed(self._read, self._write, _FIREWALL)

    def _read(self, row: Row) -> int | None:
        name = self.first(row)[1].lower() or "tcpudp"
        if name in _ALL:
            return -1
        return int(name) if name.isdecimal() else _PROTOCOLS.get(name, _SAME.get(name))

    def _write(self, row: Row, text: str, staging: Staging) -> None:
        if int(text) != self._read(row):
            names = {number: name for name, number in _PROTOCOLS.items()}
            self.put(row, "all" if text == "-1" else names.get(int(text), text), staging)


_source, _destination = Address("src_ip"), Address("dest_ip")
_from, _to, _protocol = Ports("src_port"), Ports("dest_port"), Protocols()

zones = ZoneRows()
name = Computed(lambda row: option(row, "name"), _write_name, _FIREWALL)
creator = Computed(lambda row: "ACS" if _OURS.fullmatch(row.key) else "Defaults")
policy = Computed(_read_policy, _write_policy, _FIREWALL)
level = Computed(_read_level, None, _FIREWALL, netifd.DUMP)
changed = Computed(
    lambda row: row.view.snapshot.get(Need("modified", "/etc/config/firewall")),
    None,
    Need("modified", "/etc/config/firewall"),
)

order = Computed(_read_order, None, _FIREWALL)
status = Computed(_read_status, None, _FIREWALL)
source_interface = Computed(lambda row: _first_interface(row, option(row, "src")), None, _FIREWALL)
dest_interface = Computed(
    lambda row: _first_interface(row, option(row, "dest")), _write_destination, _FIREWALL
)
dest_all = Computed(lambda row: option(row, "dest") == _ANY, _write_all, _FIREWALL)
source_ip, source_mask, source_ip_exclude = _source.address, _source.mask, _source.exclude
dest_ip, dest_mask, dest_ip_exclude = _destination.address, _destination.mask, _destination.exclude
source_port, source_port_last, source_port_exclude = _from.port, _from.last, _from.exclude
dest_port, dest_port_last, dest_port_exclude = _to.port, _to.last, _to.exclude
protocol, protocol_exclude = _protocol.number, _protocol.exclude
