"""Options that DHCPv4 servers and DHCPv6 servers send: a number and bytes.

dnsmasq takes ``6,192.0.2.1``, ``43,01:02:aa``, ``66,boot.example``; which of them depends on the option, since it
refuses bytes for one that it knows to be addresses. odhcpd takes all options of DHCPv6 as one row of bytes
(``dhcpv6_raw``): number and length of two bytes each, then the value.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.code._rows import ComputedRows
from cwmp.datamodel.items import change, value_of
from cwmp.datamodel.snapshot import Need
from cwmp.datamodel.tables import There
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_DHCP = Need("uci", "dhcp")
_ADDRESSES = frozenset(
    {*range(3, 12), 1, 16, 21, 28, 32, 33, 41, 42, 44, 45, 48, 49, 50, 54, 65, 150, *range(68, 77)}
)
_TEXTS = frozenset({12, 14, 15, 17, 18, 40, 47, 62, 64, 66, 67, 86, 87, 100, 101, 114, 252})
_NO_NUMBER = frozenset(
    {43, 52, 53, 55, 56, 57, 61, 81, 82, 118}
)  # a number alone is more than one byte to these
_NAMED = {"router": 3, "dns-server": 6, "domain-name": 15, "ntp-server": 42, "netbios-ns": 44, "tftp-server": 66,
          "bootfile-name": 67, "domain-search": 119, "mtu": 26, "classless-static-route": 121}  # fmt: skip
_BYTES = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2})+")
_PLAIN = re.compile(r"[!-+\--~]+")  # what an item of the list can hold as text: no comma, no space


def parse(item: str) -> tuple[int, bytes]:
    """Number and value of an item of ``dhcp_option``; 0 where it is none that has a number."""
    for name, tag in _NAMED.items():
        item = item.replace(f"option:{name}", str(tag))
    tag_text, _, value = item.partition(",")
    if not tag_text.isdecimal() or int(tag_text) > 254:
        return 0, b""
    return int(tag_text), _value(value)


def _value(text: str) -> bytes:
    try:
        return b"".join(ipaddress.IPv4Address(part).packed for part in text.split(","))
    except ValueError:
        pass
    if _BYTES.fullmatch(text):
        return bytes(int(part, 16) for part in text.split(":"))
    if text.isdecimal() and int(text) < 2**32:
        number = int(text)
        return number.to_bytes(1 if number < 2**8 else 2 if number < 2**16 else 4, "big")
    return text.encode()


def write(tag: int, value: bytes) -> str:
    """The item that has dnsmasq send `value`.

    Raises:
        ValueFault: it would not take it.
    """
    if not value:
        return str(tag)
    if tag in _ADDRESSES:
        if len(value) % 4:
            raise ValueFault(f"option {tag} holds addresses of 4 bytes")
        parts = (value[i : i + 4] for i in range(0, len(value), 4))
        return f"{tag}," + ",".join(str(ipaddress.IPv4Address(part)) for part in parts)
    text = value.decode("ascii", "replace")
    if tag in _TEXTS and _PLAIN.fullmatch(text) and not _BYTES.fullmatch(text) and not text.isdecimal():
        return f"{tag},{text}"
    if len(value) == 1 and tag in _NO_NUMBER:
        raise ValueFault(f"dnsmasq sends no single byte as option {tag}")
    return f"{tag},{value[0]}" if len(value) == 1 else f"{tag},{value.hex(':')}"


def _read_tag(row: Row) -> int | None:
    text = value_of(row)
    return None if text is None else parse(text)[0]


def _read_value(row: Row) -> str:
    return parse(value_of(row) or "")[1].hex()


def _write_tag(row: Row, text: str, staging: Staging) -> None:
    old = value_of(row)
    if old is None or parse(old)[0] != int(text):
        change(row, staging, text=write(int(text), parse(old or "")[1]))


def _write_value(row: Row, text: str, staging: Staging) -> None:
    old = value_of(row)
    if old is None:
        raise ValueFault("an option has a Tag first")
    tag, value = parse(old)
    if value.hex() != text.lower():
        change(row, staging, text=write(tag, bytes.fromhex(text)))


# DHCPv6: the bytes of those that are on, a list ``tag:bytes`` of those that are not

_RAW, _DISABLED = "dhcpv6_raw", "disabled_dhcpv6_option"


def _raw_options(text: str) -> list[str]:
    """``tag:bytes`` of each option in the raw bytes; what is cut off is left out."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return []
    found, place = [], 0
    while place + 4 <= len(data):
        tag, size = struct.unpack_from(">HH", data, place)
        place += 4 + size
        if place <= len(data):
            found.append(f"{tag}:{data[place - size : place].hex()}")
    return found


def _v6_lists(row: Row) -> tuple[list[str], list[str]]:
    value = row.section.options.get(_DISABLED, []) if row.section is not None else []
    return _raw_options(option(row, _RAW)), value.split() if isinstance(value, str) else list(value)


def _store_v6(row: Row, on: Sequence[str], off: Sequence[str], staging: Staging) -> None:
    raw = ""
    for item in on:
        tag, _, value = item.partition(":")
        raw += struct.pack(">HH", int(tag), len(value) // 2).hex() + value
    set_option(row, "dhcp", _RAW, raw, staging)
    set_option(row, "dhcp", _DISABLED, list(off), staging)


def _find_v6(parent: Row) -> list[There]:
    on, off = _v6_lists(parent)
    return [There(item, None, {"enabled": place < len(on)}) for place, item in enumerate([*on, *off])]


def _add_v6(parent: Row, number: int, staging: Staging) -> There:
    on, off = _v6_lists(parent)
    key = f"?{number}"
    _store_v6(parent, on, [*off, key], staging)
    return There(key, None, {"enabled": False})


def _replace_v6(row: Row, key: str, enabled: bool, staging: Staging) -> None:
    on, off = (list(items) for items in _v6_lists(row))
    taken = [item for item in [*on, *off] if item != row.key]
    if key in taken:
        raise ValueFault("another row has this already")
    target, other = (on, off) if enabled else (off, on)
    if row.key in target:
        target[target.index(row.key)] = key
    else:
        target.append(key)
        other.remove(row.key)
    _store_v6(row, on, off, staging)
    staging.rename(row, key)
    row.item = {"enabled": enabled}


def _remove_v6(row: Row, staging: Staging) -> None:
    on, off = _v6_lists(row)
    _store_v6(row, [i for i in on if i != row.key], [i for i in off if i != row.key], staging)
    row.view.forget_rows()


def _v6_tag(row: Row) -> int | None:
    tag = row.key.partition(":")[0]
    return int(tag) if tag.isdecimal() else None


def _write_v6_enable(row: Row, text: str, staging: Staging) -> None:
    if text == "true" and _v6_tag(row) is None:
        raise ValueFault("not without a Tag")
    if row.item["enabled"] != (text == "true"):
        _replace_v6(row, row.key, text == "true", staging)


def _write_v6_tag(row: Row, text: str, staging: Staging) -> None:
    if _v6_tag(row) != int(text):
        _replace_v6(row, f"{int(text)}:{row.key.partition(':')[2]}", row.item["enabled"], staging)


def _write_v6_value(row: Row, text: str, staging: Staging) -> None:
    tag, _, value = row.key.partition(":")
    if value != text.lower():
        if _v6_tag(row) is None:
            raise ValueFault("an option has a Tag first")
        _replace_v6(row, f"{tag}:{text.lower()}", row.item["enabled"], staging)


tag = Computed(_read_tag, _write_tag, _DHCP)
value = Computed(_read_value, _write_value, _DHCP)
v6_rows = ComputedRows(_find_v6, _DHCP, add=_add_v6, remove=_remove_v6)
v6_enable = Computed(lambda row: row.item["enabled"], _write_v6_enable, _DHCP)
v6_tag = Computed(_v6_tag, _write_v6_tag, _DHCP)
v6_value = Computed(lambda row: row.key.partition(":")[2], _write_v6_value, _DHCP)
