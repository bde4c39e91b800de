"""Where dnsmasq asks: the servers it is told (``list server``), and those that interfaces have learned.

What netifd has learned is in resolv.conf.auto, each interface's under its name; such a server goes when the
interface's does, and can be neither changed nor deleted here. ``192.0.2.1#5353@eth1`` is a server with a port and
the device to ask it through; those of single domains (``/example.org/192.0.2.1``) are no rows. One that is off
stands in ``disabled_server``, which no daemon reads; a new one begins there.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed
from cwmp.datamodel.code._rows import ComputedRows
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tables import There
from cwmp.datamodel.template import SectionName
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row
    from ubuskit.uci import Section

LEARNED = Need("file", "/tmp/resolv.conf.d/resolv.conf.auto")  # noqa: S108  # netifd's own
_DHCP = Need("uci", "dhcp")
_SERVICES = Need("ubus", "service list")
_SECTION = SectionName("dhcp", kind="dnsmasq")
_SERVER = re.compile(r"(?P<address>[0-9A-Fa-f.:%]+)?(?P<port>#\d+)?(?P<device>@[^@#]+)?")
_INTERFACES = "Device.IP.Interface.{i}."
_ON, _OFF = "server", "disabled_server"
_PREFIX = "server "
_PROTOCOLS = {"dhcp": "DHCPv4", "dhcpv6": "DHCPv6", "pppoe": "IPCP", "pppoa": "IPCP", "ppp": "IPCP"}


class _Parts(NamedTuple):
    address: str
    port: str
    device: str

    @property
    def text(self) -> str:
        return f"{self.address}{self.port}" + (f"@{self.device}" if self.device else "")


def learned(row: Row) -> list[tuple[str, str]]:
    """Interface and address of every server in resolv.conf.auto."""
    found, interface = [], ""
    for line in row.view.snapshot.get(LEARNED).splitlines():
        if line.startswith("# Interface "):
            interface = line.removeprefix("# Interface ").strip()
        elif line.startswith("nameserver "):
            found.append((interface, line.removeprefix("nameserver ").strip()))
    return found


def _section(row: Row) -> Section | None:
    found = row.view.snapshot.package("dhcp").of_type("dnsmasq")
    return found[0] if found else None


def _find(parent: Row) -> list[There]:
    section = _section(parent)
    rows = [
        There(f"{_PREFIX}{text}", None, {"static": True, "enabled": option == _ON, "text": text})
        for option in (_ON, _OFF)
        for text in netifd.items(section, option)
        if text and not text.startswith("/")
    ]
    if not netifd.is_on(section, "noresolv", default=False):
        rows += [
            There(address, None, {"static": False, "enabled": True, "interface": interface})
            for interface, address in learned(parent)
        ]
    return rows


def _add(parent: Row, number: int, staging: Staging) -> There:
    section = staging.section(_SECTION)
    text = f"?{number}"
    staging.set_option("dhcp", section, _OFF, [*netifd.items(section, _OFF), text])
    return There(f"{_PREFIX}{text}", None, {"static": True, "enabled": False, "text": text})


def _remove(row: Row, staging: Staging) -> None:
    if not row.item["static"]:
        raise ValueFault(f"the interface {row.item['interface']} has learned it, and forgets it")
    _store(row, "", enabled=False, staging=staging)
    row.view.forget_rows()


def _store(row: Row, text: str, *, enabled: bool, staging: Staging) -> None:
    """Have the row's server be `text` ("" for gone), in the list that it belongs to."""
    section, old = staging.section(_SECTION), row.item["text"]
    for option, wanted in ((_ON, enabled), (_OFF, not enabled)):
        items = netifd.items(section, option)
        new = [text if item == old else item for item in items] if wanted and text else items
        new = new if old in items and wanted and text else [item for item in new if item != old]
        if wanted and text and old not in items:
            new = [*new, text]
        staging.set_option("dhcp", section, option, new)


def _parts(row: Row) -> _Parts:
    """A new one has no parts yet."""
    found = _SERVER.fullmatch(row.item["text"])
    if found is None:
        return _Parts("", "", "")
    return _Parts(found["address"] or "", found["port"] or "", (found["device"] or "")[1:])


def _change(row: Row, parts: _Parts, enabled: bool, staging: Staging) -> None:
    text = parts.text or row.item["text"]
    if enabled and not parts.address:
        raise ValueFault("not without a DNSServer")
    if text != row.item["text"] and f"{_PREFIX}{text}" in {t.key for t in _find(row)}:
        raise ValueFault("another row has this already")
    _store(row, text, enabled=enabled, staging=staging)
    staging.rename(row, f"{_PREFIX}{text}")
    row.item = {"static": True, "enabled": enabled, "text": text}


def _only_static(row: Row, same: bool) -> bool:
    """Whether there is something to do: what was learned may be set to what it is."""
    if not row.item["static"] and not same:
        raise ValueFault(f"the interface {row.item['interface']} has learned it")
    return not same


def _read_server(row: Row) -> str:
    return _parts(row).address if row.item["static"] else row.key


def _write_server(row: Row, text: str, staging: Staging) -> None:
    if not _only_static(row, text == _read_server(row)):
        return
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueFault("not an IP address") from None
    _change(row, _parts(row)._replace(address=text), row.item["enabled"], staging)


def _write_enable(row: Row, text: str, staging: Staging) -> None:
    on = text == "true"
    if _only_static(row, on == row.item["enabled"]):
        _change(row, _parts(row), on, staging)


def _read_interface(row: Row) -> str:
    if not row.item["static"]:
        return netifd.path_of(row, _INTERFACES, "", row.item["interface"])
    device = _parts(row).device
    for name, interface in netifd.interfaces(row).items() if device else ():
        if interface.get("l3_device") == device:
            return netifd.path_of(row, _INTERFACES, "", name)
    return ""


def _write_interface(row: Row, text: str, staging: Staging) -> None:
    if not _only_static(row, text == _read_interface(row)):
        return
    name = next((n for n, r in row.view.by(_INTERFACES, "").items() if r.path == f"{text}."), "")
    device = str(netifd.interfaces(row).get(name, {}).get("l3_device", ""))
    if text and not device:
        raise ValueFault(f"{text} has no device now")
    _change(row, _parts(row)._replace(device=device), row.item["enabled"], staging)


def _read_type(row: Row) -> str:
    if row.item["static"]:
        return "Static"
    section = row.view.snapshot.package("network").sections.get(row.item["interface"])
    if section is None or row.key in netifd.items(section, "dns"):
        return "Static"
    return _PROTOCOLS.get(netifd.text(section, "proto"), "Static")


def _read_relay_status(row: Row) -> str:
    if netifd.text(_section(row), "port") == "0":
        return "Disabled"
    instances = row.view.snapshot.get(_SERVICES).get("dnsmasq", {}).get("instances", {})
    return "Enabled" if any(i.get("running") for i in instances.values()) else "Error"


def _read_status(row: Row) -> str:
    return _read_relay_status(row) if row.item["enabled"] else "Disabled"


rows = ComputedRows(_find, _DHCP, LEARNED, add=_add, remove=_remove)
enable = Computed(lambda row: row.item["enabled"], _write_enable, _DHCP)
server = Computed(_read_server, _write_server, _DHCP)
interface = Computed(_read_interface, _write_interface, _DHCP, netifd.DUMP, netifd.NETWORK)
origin = Computed(_read_type, None, netifd.NETWORK)
status = Computed(_read_status, None, _DHCP, _SERVICES)
relay_status = Computed(_read_relay_status, None, _DHCP, _SERVICES)
