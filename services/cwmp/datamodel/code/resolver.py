"""The router's own DNS servers: those in netifd's resolv.conf.auto, by their address.

An interface has them in ``dns``, or has learned them. What the ACS has disabled stands in ``dns_off`` beside, which
nobody reads; what has no interface yet in that of the section `globals`: ``?7``, or ``?7|192.0.2.53``.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.code._rows import ComputedRows
from cwmp.datamodel.code.layers import IP
from cwmp.datamodel.code.relay import LEARNED, learned
from cwmp.datamodel.sources.uci import find_section
from cwmp.datamodel.tables import There
from cwmp.datamodel.template import SectionName
from cwmp.datamodel.types import ValueFault
from ubuskit.uci import Section

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_GLOBALS = SectionName("network", "globals", "globals")
_ON, _OFF = "dns", "dns_off"


@dataclass(frozen=True, slots=True)
class _Server:
    """`text` is the item it stands as; "" of one that was learned."""

    address: str
    interface: str
    enabled: bool
    text: str = ""

    @property
    def key(self) -> str:
        return self.text.partition("|")[0] if self.text.startswith("?") else self.address


def _in_use(row: Row) -> dict[str, str]:
    """The servers that are asked, each with the interface it is from."""
    found: dict[str, str] = {}
    for interface, address in learned(row):
        found.setdefault(address, interface)
    return found


def _find(parent: Row) -> list[There]:
    servers: dict[str, _Server] = {}
    configured = [
        _Server(text, section.name, option == _ON, text)
        for option in (_ON, _OFF)
        for section in netifd.sections(parent, "interface")
        for text in netifd.items(section, option)
    ]
    known = {(one.address, one.interface): one for one in reversed(configured)}
    for address, interface in _in_use(parent).items():
        servers[address] = known.get((address, interface), _Server(address, interface, enabled=True))
    unfinished = netifd.items(find_section(parent.view.snapshot, _GLOBALS), _OFF)
    configured += [_Server(text.partition("|")[2], "", False, text) for text in unfinished]
    for one in configured:
        servers.setdefault(one.key, one)
    return [There(one.key, None, one) for one in servers.values()]


def _add(_parent: Row, number: int, staging: Staging) -> There:
    one = _Server("", "", enabled=False, text=f"?{number}")
    _put(one, staging)
    return There(one.key, None, one)


def _place(one: _Server, staging: Staging) -> tuple[Section, str]:
    """Where a server stands: the section, and its option."""
    wanted = SectionName("network", one.interface) if one.interface else _GLOBALS
    return staging.section(wanted), _ON if one.enabled else _OFF


def _put(one: _Server, staging: Staging) -> None:
    section, option = _place(one, staging)
    staging.set_option("network", section, option, [*netifd.items(section, option), one.text])


def _remove(row: Row, staging: Staging) -> None:
    _take_away(row.item, staging)
    row.view.forget_rows()


def _take_away(one: _Server, staging: Staging) -> None:
    if not one.text:
        raise ValueFault(f"{one.interface} has learned it")
    section, option = _place(one, staging)
    left = [text for text in netifd.items(section, option) if text != one.text]
    staging.set_option("network", section, option, left)


def _change(row: Row, staging: Staging, **changes: Any) -> None:
    """Have `row` be otherwise, wherever that has to stand."""
    old: _Server = row.item
    new = replace(old, **changes)
    if new == old:
        return
    if new.enabled and not new.interface:
        new = replace(new, interface=_upstream(row))
    if new.enabled and not (new.address and new.interface):
        raise ValueFault("it needs an address, and an interface to be asked through")
    if new.address != old.address and any(t.key == new.address for t in _find(row)):
        raise ValueFault("another row has this already")
    _take_away(old, staging)
    if new.address and new.interface:
        new = replace(new, text=new.address)
    else:
        mark = old.key if old.text.startswith("?") else f"?{row.path.split('.')[-2]}"
        new = replace(new, interface="", enabled=False, text=f"{mark}|{new.address}" if new.address else mark)
    _put(new, staging)
    staging.rename(row, new.key)
    row.item = new


def _upstream(row: Row) -> str:
    """The interface with the default route: the one to ask through where the ACS names none."""
    for name, interface in netifd.listed(row).items():
        has_default = any(route.get("mask") == 0 for route in interface.get("route", []))
        if has_default and name in row.view.snapshot.package("network").sections:
            return name
    return ""


def _write_address(row: Row, text: str, staging: Staging) -> None:
    try:
        address = str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise ValueFault("not an IP address") from None
    if not address and row.item.enabled:
        raise ValueFault("an enabled server needs an address")
    _change(row, staging, address=address)


def _read_interface(row: Row) -> str:
    return netifd.path_of(row, IP, "", row.item.interface)


def _write_interface(row: Row, text: str, staging: Staging) -> None:
    names = {target.path[:-1]: target for target in row.view.by(IP, "").values()}
    if text and names[text].section is None:
        raise ValueFault(f"{text} is made by a protocol: its servers are learned")
    name = names[text].key if text else ""
    _change(row, staging, interface=name, enabled=row.item.enabled and bool(name))


def _write_enable(row: Row, text: str, staging: Staging) -> None:
    _change(row, staging, enabled=text == "true")


def _read_status(row: Row) -> str:
    if not row.item.enabled:
        return "Disabled"
    return "Enabled" if row.item.address in _in_use(row) else "Error"


_NEEDS = (netifd.NETWORK, LEARNED)
rows = ComputedRows(_find, *_NEEDS, add=_add, remove=_remove)
address = Computed(lambda row: row.item.address, _write_address, *_NEEDS, netifd.DUMP)
interface = Computed(
    _read_interface, _write_interface, *_NEEDS, netifd.DUMP, prepare=lambda row: row.view.by(IP, "")
)
interface_name = Computed(lambda row: row.item.interface or None, None, netifd.NETWORK)
enable = Computed(lambda row: row.item.enabled, _write_enable, *_NEEDS, netifd.DUMP)
status = Computed(_read_status, None, *_NEEDS)
