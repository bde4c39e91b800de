"""Options of router advertisements. odhcpd makes most of them itself; two are what the configuration says: the MTU
of the link (5, ``ra_mtu``) and where a captive portal is (37, ``captive_portal_uri``, in DHCP too). One that is off
stands in ``disabled_ra_option`` as ``tag:bytes``, which no daemon reads; a new one begins there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cwmp.datamodel.code import _netifd as netifd
from cwmp.datamodel.code._base import Computed, option, set_option
from cwmp.datamodel.code._rows import ComputedRows
from cwmp.datamodel.code.dhcp_sections import DHCP
from cwmp.datamodel.tables import There
from cwmp.datamodel.types import ValueFault

if TYPE_CHECKING:
    from cwmp.datamodel.staging import Staging
    from cwmp.datamodel.tree import Row

_MTU, _PORTAL = 5, 37
_OPTIONS = {_MTU: "ra_mtu", _PORTAL: "captive_portal_uri"}
_OFF = "disabled_ra_option"
_URI = re.compile(r"https?://[\x21-\x7e]+")
_LEAST_MTU = 1280


def _encode(tag: int, text: str) -> str:
    """The bytes after type and length (RFC 4861 4.6.4, RFC 8910 2.3)."""
    if tag == _MTU:
        return f"0000{int(text):08x}" if text.isdecimal() else ""
    data = text.encode()
    return (data + bytes(-(len(data) + 2) % 8)).hex()


def _decode(tag: int, value: str) -> str:
    """What the option in the configuration is for these bytes.

    Raises:
        ValueFault: odhcpd could not send them.
    """
    data = bytes.fromhex(value)
    if tag == _MTU:
        if len(data) != 6 or data[:2] != b"\0\0" or int.from_bytes(data, "big") < _LEAST_MTU:
            raise ValueFault(f"two bytes of 0, then an MTU of {_LEAST_MTU} or more in four")
        return str(int.from_bytes(data, "big"))
    text = data.rstrip(b"\0").decode("ascii", "replace")
    if not _URI.fullmatch(text):
        raise ValueFault("the URI of a captive portal, like https://example.com/api")
    return text


def _find(parent: Row) -> list[There]:
    on = [There(str(tag), None, {"enabled": True}) for tag, name in _OPTIONS.items() if option(parent, name)]
    off = [There(item, None, {"enabled": False}) for item in netifd.items(parent.section, _OFF)]
    return [*on, *off]


def _add(parent: Row, number: int, staging: Staging) -> There:
    key = f"?{number}"
    set_option(parent, "dhcp", _OFF, [*netifd.items(parent.section, _OFF), key], staging)
    return There(key, None, {"enabled": False})


def _remove(row: Row, staging: Staging) -> None:
    if row.item["enabled"]:
        set_option(row, "dhcp", _OPTIONS[int(row.key)], "", staging)
    else:
        set_option(row, "dhcp", _OFF, [i for i in netifd.items(row.section, _OFF) if i != row.key], staging)
    row.view.forget_rows()


def _read_tag(row: Row) -> int | None:
    tag = row.key.partition(":")[0]
    return int(tag) if tag.isdecimal() else None


def _read_value(row: Row) -> str:
    if row.item["enabled"]:
        return _encode(int(row.key), option(row, _OPTIONS[int(row.key)]))
    return row.key.partition(":")[2]


def _move(row: Row, tag: int, value: str, enabled: bool, staging: Staging) -> None:
    """Have the row be this option; what it was is gone."""
    if tag not in _OPTIONS:
        raise ValueFault(
            f"odhcpd lets {' and '.join(map(str, _OPTIONS))} be chosen, all others it makes itself"
        )
    key = str(tag) if enabled else f"{tag}:{value}"
    if key != row.key and any(there.key == key for there in _find(row)):
        raise ValueFault("another row is this option already")
    _remove(row, staging)
    if enabled:
        set_option(row, "dhcp", _OPTIONS[tag], _decode(tag, value), staging)
    else:
        set_option(row, "dhcp", _OFF, [*netifd.items(row.section, _OFF), key], staging)
    staging.rename(row, key)
    row.item = {"enabled": enabled}


def _write_tag(row: Row, text: str, staging: Staging) -> None:
    if _read_tag(row) != int(text):
        _move(row, int(text), "", False, staging)


def _write_value(row: Row, text: str, staging: Staging) -> None:
    tag = _read_tag(row)
    if tag is None:
        raise ValueFault("an option has a Tag first")
    if _read_value(row) != text.lower():
        _decode(tag, text)
        _move(row, tag, text.lower(), row.item["enabled"], staging)


def _write_enable(row: Row, text: str, staging: Staging) -> None:
    tag, on = _read_tag(row), text == "true"
    if on == row.item["enabled"]:
        return
    if tag is None:
        raise ValueFault("not without a Tag")
    _move(row, tag, _read_value(row), on, staging)


rows = ComputedRows(_find, DHCP, add=_add, remove=_remove)
tag = Computed(_read_tag, _write_tag, DHCP)
value = Computed(_read_value, _write_value, DHCP)
enable = Computed(lambda row: row.item["enabled"], _write_enable, DHCP)
