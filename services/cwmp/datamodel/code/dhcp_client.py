"""DHCP clients: interfaces of protocol dhcp (udhcpc) and dhcpv6 (odhcp6c).

A client is its interface, so a new one makes an interface too. Told to use another that has no protocol, it moves
there; one that has a protocol keeps it, and the client borrows its device (``@wan``).

Options asked for are words of ``reqopts``, options sent are words of ``sendopts``: ``0x3c:6578616d706c65``, number
and bytes. The scripts of netifd take both as a text, not as a list.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, set_option
from cwmp.datamodel.code._rows import ComputedRows
from cwmp.datamodel.code.layers import IP
from cwmp.datamodel.items import ItemRows, change, value_of
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tables import There
from cwmp.datamodel.types import ValueFault, split_list

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_FRESH = frozenset({"proto", "disabled"})
_NAMES = {"subnet": 1, "hostname": 12, "domain": 15, "vendor": 60, "clientid": 61, "tftp": 66, "bootfile": 67}
_SENT = re.compile(r"(?P<tag>0x[0-9A-Fa-f]{1,4}|\d{1,5}|[a-z]+):(?P<value>.*)", re.DOTALL)
_FOREVER = (0xFFFFFFFF, -1)


# -- the client and its interface ---------------------------------------------------------------------------------


def _client(row: Row) -> Mapping[str, Any]:
    """What netifd says of the interface that the client is; of rows below it, too."""
    outer = row.table_row
    while outer is not None and outer.parent is not None and outer.parent.table_row is not None:
        outer = outer.parent.table_row
    return netifd.interfaces(row).get(outer.key if outer is not None else row.key, {})


def _read_interface(row: Row) -> str:
    device = netifd.text(row.section, "device")
    borrowed = netifd.path_of(row, IP, "", device[1:]) if device.startswith("@") else ""
    return borrowed or netifd.path_of(row, IP, "", row.key)


def _write_interface(row: Row, text: str, staging: Staging) -> None:
    if text == _read_interface(row):
        return
    target = next((r for r in row.view.by(IP, "").values() if r.path[:-1] == text), None)
    if target is None or target.section is None or row.section is None:
        raise ValueFault("a client needs an interface that is configured")
    if target.key == row.key:
        set_option(row, "network", "device", "", staging)
    elif row.section.options.keys() <= _FRESH and netifd.text(target.section, "proto") in ("none", ""):
        staging.set_option("network", target.section, "proto", netifd.text(row.section, "proto"))
        staging.adopt(row, "network", target.section)
    else:
        set_option(row, "network", "device", f"@{target.key}", staging)


def _read_remaining(row: Row) -> int | None:
    """netifd knows for how long a lease was given, and since when the interface is up. udhcpc renews it after
    half of its time."""
    interface = _client(row)
    lease = (interface.get("data") or {}).get("leasetime")
    if not interface.get("up") or not isinstance(lease, int) or lease == 0:
        return None
    if lease in _FOREVER:
        return -1
    return lease - int(interface.get("uptime", 0)) % max(lease // 2, 1)


# -- options asked for --------------------------------------------------------------------------------------------


def _read_order(row: Row) -> int:
    return _asked(row).index(row.key) + 1


def _asked(row: Row) -> list[str]:
    return netifd.items(row.section, "reqopts") + netifd.items(row.section, "reqopts_off")


def _write_order(row: Row, text: str, staging: Staging) -> None:
    option = "reqopts" if row.item["enabled"] else "reqopts_off"
    items = netifd.items(row.section, option)
    before = 0 if row.item["enabled"] else len(netifd.items(row.section, "reqopts"))
    left = [item for item in items if item != row.key]
    left.insert(max(int(text) - 1 - before, 0), row.key)
    value: str | list[str] = " ".join(left) if row.item["enabled"] else left
    set_option(row, "network", option, value, staging)


def _write_asked(row: Row, text: str, staging: Staging) -> None:
    change(row, staging, text=text)


def _read_received(row: Row) -> str | None:
    """The value of an option in the lease, as far as netifd keeps it."""
    interface = _client(row)
    data = interface.get("data") or {}
    addresses = list(interface.get("ipv4-address", [])[:1])
    found: dict[str, Any] = {
        "1": [str(ipaddress.IPv4Network(f"0.0.0.0/{a['mask']}").netmask) for a in addresses if "mask" in a],
        "3": [r.get("nexthop") for r in interface.get("route", []) if r.get("mask") == 0],
        "6": interface.get("dns-server", []),
        "12": data.get("hostname"),
        "15": " ".join(interface.get("dns-search", [])),
        "42": str(data.get("ntpserver", "")).split(),
        "51": data.get("leasetime"),
        "54": [data["dhcpserver"]] if "dhcpserver" in data else [],
    }
    value = found.get(row.key)
    if isinstance(value, int):
        return value.to_bytes(4, "big").hex()
    if isinstance(value, str):
        return value.encode().hex()
    try:
        return b"".join(ipaddress.IPv4Address(v).packed for v in value or []).hex()
    except ValueError:
        return None


# -- options sent -------------------------------------------------------------------------------------------------


def _parse(item: str | None) -> tuple[int, bytes] | None:
    """Number and value; None of what is neither."""
    found = _SENT.fullmatch(item or "")
    if found is None:
        return None
    if found["tag"] in _NAMES:
        return _NAMES[found["tag"]], found["value"].encode()
    try:
        return int(found["tag"], 0), bytes.fromhex(found["value"])
    except ValueError:
        return None


def _read_tag(row: Row) -> int | None:
    found = _parse(value_of(row))
    return None if found is None else found[0]


def _read_sent(row: Row) -> str:
    found = _parse(value_of(row))
    return "" if found is None else found[1].hex()


def _write_tag(row: Row, text: str, staging: Staging) -> None:
    old = _parse(value_of(row))
    if old is None or old[0] != int(text):
        change(row, staging, text=f"{int(text):#04x}:{(old[1] if old else b'').hex()}")


def _write_sent(row: Row, text: str, staging: Staging) -> None:
    old = _parse(value_of(row))
    if old is None:
        raise ValueFault("an option has a Tag first")
    if old[1].hex() != text.lower():
        change(row, staging, text=f"{old[0]:#04x}:{text.lower()}")


# -- DHCPv6 -------------------------------------------------------------------------------------------------------


def _read_duid(row: Row) -> str | None:
    """What is set, or what odhcp6c makes of the device's address (DUID-LL)."""
    own = netifd.text(row.section, "clientid")
    globally = netifd.text(row.view.snapshot.package("network").sections.get("globals"), "dhcp_default_duid")
    if own or globally:
        return (own or globally).replace(":", "").upper()
    device = netifd.device_of(row, row.key)
    if not device or "/" in device:
        return None
    address = str(row.view.snapshot.get(Need("file", f"/sys/class/net/{device}/address"))).strip()
    return f"00030001{address.replace(':', '').upper()}" if address else None


def _find_received(parent: Row) -> list[There]:
    """The options that odhcp6c passes on: number and length of two bytes each, then the value."""
    try:
        raw = bytes.fromhex(str((_client(parent).get("data") or {}).get("passthru", "")))
    except ValueError:
        return []
    found: dict[str, There] = {}
    place = 0
    while place + 4 <= len(raw):
        tag, size = (
            int.from_bytes(raw[place : place + 2], "big"),
            int.from_bytes(raw[place + 2 : place + 4], "big"),
        )
        value = raw[place + 4 : place + 4 + size]
        place += 4 + size
        key, count = str(tag), 1
        while key in found:
            count += 1
            key = f"{tag}-{count}"
        found[key] = There(key, None, {"tag": tag, "value": value.hex()})
    return list(found.values())


def _write_requested(row: Row, text: str, staging: Staging) -> None:
    set_option(row, "network", "reqopts", " ".join(split_list(text)), staging)


_NEEDS = (netifd.NETWORK, netifd.DUMP)
interface = Computed(_read_interface, _write_interface, *_NEEDS, prepare=lambda row: row.view.by(IP, ""))
remaining = Computed(_read_remaining, None, netifd.DUMP)
requests = ItemRows("network", None, "reqopts", "reqopts_off", words=True)
order = Computed(_read_order, _write_order, netifd.NETWORK)
asked = Computed(value_of, _write_asked, netifd.NETWORK)
received = Computed(_read_received, None, netifd.DUMP)
sent_rows = ItemRows("network", None, "sendopts", "sendopts_off", words=True)
tag = Computed(_read_tag, _write_tag, netifd.NETWORK)
sent = Computed(_read_sent, _write_sent, netifd.NETWORK)
duid = Computed(_read_duid, None, *_NEEDS)
received_rows = ComputedRows(_find_received, netifd.DUMP)
requested = Computed(lambda row: netifd.items(row.section, "reqopts"), _write_requested, netifd.NETWORK)
